"""A generated month with a million fills: instructions, orders, fills, quotes and prints.

Everything follows from one seed. A day of a symbol is a random walk on whole cents with a quote
every few seconds and prints at the touches between; an instruction trades some of its window's
seconds with small fills at or inside the quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

SECOND: Final = 1_000_000_000
SESSION_SECONDS: Final = 23_400
FIRST_DAY: Final = date(2024, 6, 3)
OPEN_SECONDS: Final = 13 * 3600 + 30 * 60
CENT: Final = 10_000_000
"""A cent in units of a billionth."""


@dataclass(frozen=True, slots=True)
class Month:
    """The tables by name, as polars frames with exact decimals."""

    tables: dict[str, pl.DataFrame]

    @property
    def fills(self) -> int:
        """How many executions."""
        return self.tables["fills"].height


def generate(
    fills: int = 1_000_000,
    *,
    days: int = 21,
    symbols: int = 40,
    instructions_per_day: int = 10,
    quotes_per_day: int = 4_000,
    prints_per_day: int = 3_000,
    seed: int = 1,
) -> Month:
    """A month; ``quotes_per_day`` and the like are of one symbol and day."""
    rng = np.random.default_rng(seed)
    dates = _weekdays(days)
    parts: dict[str, list[pl.DataFrame]] = {}
    per_day = fills // (days * symbols)
    extra = fills - per_day * days * symbols
    for n, (day, symbol) in enumerate((d, s) for d in dates for s in range(symbols)):
        made = _day(
            rng,
            day,
            f"S{symbol:03d}",
            per_day + (extra if n == 0 else 0),
            instructions_per_day,
            quotes_per_day,
            prints_per_day,
        )
        for name, frame in made.items():
            parts.setdefault(name, []).append(frame)
    return Month({name: pl.concat(frames, rechunk=True) for name, frames in parts.items()})


def _weekdays(count: int) -> list[date]:
    found: list[date] = []
    day = FIRST_DAY
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


def _money(values: Any) -> pl.Series:
    """Whole units of a billionth as exact decimals."""
    return pl.Series(values).cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 9)) / 1_000_000_000


def _cents(values: Any) -> pl.Series:
    return pl.Series(values).cast(pl.Decimal(38, 9)) / 100


def _whole(values: Any) -> pl.Series:
    return pl.Series(values).cast(pl.Decimal(38, 9))


def _day(
    rng: np.random.Generator,
    day: date,
    symbol: str,
    fills: int,
    instructions: int,
    quotes: int,
    prints: int,
) -> dict[str, pl.DataFrame]:
    midnight = (day - date(1970, 1, 1)).days * 86_400
    opens = (midnight + OPEN_SECONDS) * SECOND
    length = SESSION_SECONDS * SECOND
    base = int(rng.integers(2_000, 40_000))
    quote_at = np.sort(rng.integers(0, length, quotes)) + opens
    quote_at[0] = opens
    bids = base + np.cumsum(rng.integers(-1, 2, quotes))
    asks = bids + rng.integers(1, 4, quotes)
    print_at = np.sort(rng.integers(0, length, prints)) + opens
    seen = np.maximum(quote_at.searchsorted(print_at, side="right") - 1, 0)
    hits = np.where(rng.random(prints) < 0.5, bids[seen], asks[seen])
    found = {
        "quotes": pl.DataFrame(
            {"symbol": [symbol] * quotes, "at": quote_at, "bid": _cents(bids), "ask": _cents(asks)}
        ),
        "prints": pl.DataFrame(
            {
                "symbol": [symbol] * prints,
                "at": print_at,
                "price": _cents(hits),
                "size": _whole(rng.integers(1, 40, prints) * 100),
                "regular": np.ones(prints, dtype=bool),
            }
        ),
        "sessions": pl.DataFrame(
            {
                "symbol": [symbol],
                "session_date": [day.isoformat()],
                "open_at": [opens],
                "close_at": [opens + length],
                "open": _cents([int(bids[0])]),
                "close": _cents([int(bids[-1])]),
                "prev_close": _cents([base]),
                "adv": _whole([int(prints * 2_000)]),
                "feed": ["consolidated"],
            }
        ),
    }
    return found | _trading(rng, day, symbol, fills, instructions, opens, (quote_at, bids, asks))


def _trading(
    rng: np.random.Generator,
    day: date,
    symbol: str,
    fills: int,
    instructions: int,
    opens: int,
    market: tuple[Any, Any, Any],
) -> dict[str, pl.DataFrame]:
    quote_at, bids, asks = market
    names = [f"{symbol}-{day:%Y%m%d}-{n}" for n in range(instructions)]
    starts = opens + rng.integers(0, 15_000, instructions) * SECOND
    ends = starts + 7_200 * SECOND
    sides = np.where(rng.random(instructions) < 0.5, 1, -1)
    whose = np.sort(rng.integers(0, instructions, fills))
    at = starts[whose] + 50_000_000 + rng.integers(0, 7_000 * SECOND, fills)
    seen = np.maximum(quote_at.searchsorted(at, side="right") - 1, 0)
    added = rng.random(fills) < 0.5
    near = np.where(sides[whose] > 0, bids[seen], asks[seen])
    far = np.where(sides[whose] > 0, asks[seen], bids[seen])
    sizes = rng.integers(1, 4, fills) * 100
    executed = np.bincount(whose, weights=sizes, minlength=instructions).astype(np.int64)
    quantity = executed + rng.integers(0, 2, instructions) * 500 + 100
    arrival = np.maximum(quote_at.searchsorted(starts, side="right") - 1, 0)
    mids = _money((bids[arrival] + asks[arrival]) * CENT // 2)
    last = np.maximum(quote_at.searchsorted(ends, side="right") - 1, 0)
    # About four fills to an order.
    order = np.arange(fills) // 4
    first = np.unique(order, return_index=True)[1]
    order_names = np.array([f"{symbol}-{day:%Y%m%d}-o{n}" for n in range(len(first))])
    placed = np.minimum.reduceat(at, first) - 50_000_000 if fills else at
    return {
        "instructions": pl.DataFrame(
            {
                "instruction_id": names,
                "symbol": [symbol] * instructions,
                "side": sides,
                "quantity": _whole(quantity),
                "currency": ["USD"] * instructions,
                "account": ["main"] * instructions,
                "strategy": ["twap"] * instructions,
                "session_date": [day.isoformat()] * instructions,
                "arrival_at": starts,
                "end_at": ends,
                "planned_end_at": ends,
                "decision_price": mids,
                "arrival_price": mids,
                "release_price": mids,
                "end_price": _money((bids[last] + asks[last]) * CENT // 2),
                "expected_cost_bps": _whole(np.full(instructions, 3)),
                "index_symbol": ["S000"] * instructions,
                "beta": _whole(np.ones(instructions, dtype=np.int64)),
            }
        ),
        "orders": pl.DataFrame(
            {
                "order_id": order_names,
                "instruction_id": np.array(names)[whose[first]],
                "quantity": _whole(np.full(len(first), 2_000)),
                "order_type": ["limit"] * len(first),
                "time_in_force": np.where(added[first], "day", "ioc"),
                "limit_price": _cents(np.where(added, near, far)[first]),
                "placed_at": placed,
                "received_at": placed,
                "ended_at": placed + 60 * SECOND,
            }
        ),
        "fills": pl.DataFrame(
            {
                "fill_id": [f"{symbol}-{day:%Y%m%d}-x{n}" for n in range(fills)],
                "order_id": order_names[order],
                "at": at,
                "quantity": _whole(sizes),
                "price": _cents(np.where(added, near, far)),
                "fee": _cents(np.where(sides[whose] < 0, 1, 0)),
                "liquidity": np.where(added, "added", "removed"),
                "venue": ["XNYS"] * fills,
            }
        ),
    }
