"""What happens in a simulated month: symbols, actions, halts, outages, restarts, decisions.

Everything follows from the seed by hashing, so that the same plan is made again anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from ..domain.corporate import ActionKind, CorporateAction, between, name_now
from ..domain.errors import InvalidInput
from ..domain.ports import NANOS, Session
from .exchange.terms import Faults, Halt, Outage
from .market_data.instruments import InstrumentSpec
from .timekeeping.calendar import ExchangeCalendar

MONTH_START: Final = "2025-11-03"
"""November 2025 has Veterans Day, on which nothing settles, Thanksgiving, and a half day."""
SESSIONS: Final = 19
SYMBOLS: Final = 40
SYMBOLS_MAX: Final = 400
SESSIONS_MAX: Final = 260
DECISIONS_A_DAY: Final = 12
MET_BEFORE_NS: Final = 180 * NANOS
"""So long before a halt or an outage the instruction begins that is to meet it."""
STRATEGIES: Final = ("market", "limit", "twap", "vwap", "iceberg", "opportunistic")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class MonthTerms:
    """How large a month is; the defaults are the whole of it."""

    seed: int = 1
    start: str = MONTH_START
    sessions: int = SESSIONS
    symbols: int = SYMBOLS
    decisions_a_day: int = DECISIONS_A_DAY
    cash: Decimal = Decimal(5_000_000)
    quotes: int = 1_000
    prints: int = 300

    def check(self) -> None:
        """Raises InvalidInput for a size that is not allowed."""
        for name, value, least, most in (
            ("sessions", self.sessions, 1, SESSIONS_MAX),
            ("symbols", self.symbols, 3, SYMBOLS_MAX),
            ("decisions_a_day", self.decisions_a_day, 0, 1_000),
        ):
            if not least <= value <= most:
                raise InvalidInput(name, value, f"{least} to {most}")


@dataclass(frozen=True, slots=True)
class DayPlan:
    """One day of it; times in ns UTC.

    ``decisions`` are (when, fields), ``restarts`` when the engine is stopped and taken up again.
    """

    session: Session
    specs: tuple[InstrumentSpec, ...]
    effective: tuple[CorporateAction, ...]
    decisions: tuple[tuple[int, Mapping[str, object]], ...]
    halts: tuple[Halt, ...]
    faults: Faults
    restarts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MonthPlan:
    """All of it, and the actions as they are announced before the first day."""

    terms: MonthTerms
    actions: tuple[CorporateAction, ...]
    days: tuple[DayPlan, ...]


def plan_month(terms: MonthTerms) -> MonthPlan:
    """Lay out a month.

    Raises:
        InvalidInput: a size or a date that is not allowed.
    """
    terms.check()
    calendar = ExchangeCalendar()
    first = calendar.session_on(terms.start)
    if first is None:
        raise InvalidInput("start", terms.start, "a day on which the exchange has a session")
    sessions = [first]
    while len(sessions) < terms.sessions:
        sessions.append(calendar.next_session(sessions[-1].close))
    names = [symbol_name(number) for number in range(terms.symbols)]
    actions = _actions(names, sessions)
    specs = {name: _spec(terms, name) for name in names}
    days = []
    before = ""
    for number, session in enumerate(sessions):
        effective = between(actions, before, session.date) if before else ()
        days.append(_day(terms, number, session, effective, actions, specs))
        before = session.date
    return MonthPlan(terms, actions, tuple(days))


def symbol_name(number: int) -> str:
    """The invented symbol of a number: ``QAA``, ``QAB`` …"""
    return f"Q{_LETTERS[number // 26 % 26]}{_LETTERS[number % 26]}"


def draw(seed: int, *what: object) -> int:
    """A number that follows from the seed and what it is for."""
    text = "|".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _spec(terms: MonthTerms, name: str) -> InstrumentSpec:
    """Prices of 20 to 320, a day of a few hundred changes; no figure is anybody's."""
    price = 20 + draw(terms.seed, "price", name) % 300
    return InstrumentSpec(
        symbol=name,
        asset_id=f"month:{name}",
        price=float(price),
        daily_volume=2_000_000 + draw(terms.seed, "volume", name) % 6_000_000,
        daily_volatility=0.008 + draw(terms.seed, "sigma", name) % 12 / 1_000,
        spread_ticks=1.5 + draw(terms.seed, "spread", name) % 4,
        touch_lots=8.0 + draw(terms.seed, "touch", name) % 20,
        quotes=terms.quotes,
        prints=terms.prints,
    )


def _actions(names: Sequence[str], sessions: Sequence[Session]) -> tuple[CorporateAction, ...]:
    """A split, a reverse split, dividends, and a symbol change, spread over the days.

    They fall on the symbols that are traded every day, so that they meet positions.
    """
    if len(sessions) == 1:
        return ()

    def on(part: float) -> str:
        return sessions[max(1, min(len(sessions) - 1, round(part * len(sessions))))].date

    made = [
        _action("split", ActionKind.SPLIT, names[0], on(0.25), new=3, old=1),
        _action("rename", ActionKind.SYMBOL_CHANGE, names[1], on(0.4), renamed=f"{names[1]}X"),
        _action("reverse", ActionKind.REVERSE_SPLIT, names[2], on(0.55), new=1, old=4),
        _action("dividend", ActionKind.CASH_DIVIDEND, names[0], on(0.6), cash="0.37"),
    ]
    for number in range(4, len(names), 9):
        date = sessions[1 + number % (len(sessions) - 1)].date
        name = f"dividend-{number}"
        made.append(_action(name, ActionKind.CASH_DIVIDEND, names[number], date, cash="0.125"))
    return tuple(made)


def _action(
    name: str,
    kind: ActionKind,
    symbol: str,
    date: str,
    *,
    new: int | None = None,
    old: int | None = None,
    cash: str | None = None,
    renamed: str | None = None,
) -> CorporateAction:
    return CorporateAction(
        action_id=f"{date}-{name}",
        kind=kind,
        symbol=symbol,
        ex_date=date,
        new_rate=None if new is None else Decimal(new),
        old_rate=None if old is None else Decimal(old),
        cash_per_share=None if cash is None else Decimal(cash),
        new_symbol=renamed,
    )


def _day(
    terms: MonthTerms,
    number: int,
    session: Session,
    effective: tuple[CorporateAction, ...],
    actions: Sequence[CorporateAction],
    specs: Mapping[str, InstrumentSpec],
) -> DayPlan:
    today: list[InstrumentSpec] = []
    for name, spec in specs.items():
        price = spec.price
        for action in between(actions, terms.start, session.date):
            if action.symbol == name:
                price = price / float(action.ratio)
        today.append(replace(spec, symbol=name_now(name, actions, session.date), price=price))
    length = session.close - session.open
    halted = today[number % len(today)].symbol
    halts = (Halt(halted, session.open + length // 3, session.open + length // 3 + 600 * NANOS),)
    down = session.open + length // 2
    outages = (
        Outage(down, down + 20 * NANOS, accepted=bool(number % 2)),
        Outage(down + 1_800 * NANOS, down + 1_805 * NANOS),
    )
    faults = Faults(
        seed=terms.seed + number,
        duplicate_probability=0.02,
        late_probability=0.02,
        missing_probability=0.01,
        outages=outages if number % 3 == 1 else (),
    )
    restarts = (session.open + length // 2 + 7 * NANOS,) if number % 4 == 1 else ()
    met = ((halted, halts[0].start), (today[1 + number % 2].symbol, down))
    decisions = _decisions(terms, session, today, met)
    return DayPlan(session, tuple(today), effective, decisions, halts, faults, restarts)


def _decisions(
    terms: MonthTerms,
    session: Session,
    specs: Sequence[InstrumentSpec],
    met: Sequence[tuple[str, int]],
) -> tuple[tuple[int, Mapping[str, object]], ...]:
    """Buys, sells and closes over the day; the first symbols are traded every day.

    The last ones are at work in a symbol when something happens there: ``met`` says where and when.
    """
    made: list[tuple[int, Mapping[str, object]]] = []
    usable = (session.close - session.open) // NANOS - 3_600
    for number in range(terms.decisions_a_day):
        drawn = draw(terms.seed, session.date, number)
        spec = specs[number % 3] if number < 5 else specs[drawn % len(specs)]
        side = "SELL" if drawn % 5 in (0, 1) else "BUY"
        shares = max(1, int((4_000 + drawn % 30_000) / spec.price))
        fields: dict[str, object] = {
            "decision_id": f"{session.date}:{number}",
            "symbol": spec.symbol,
            "action": side,
            "order_size": shares,
            "confidence": 1 + drawn % 10,
            "strategy": STRATEGIES[drawn // 7 % len(STRATEGIES)],
            "window": f"{5 + drawn // 11 % 25}m",
            "max_slippage": 40,
            "reasoning": "made up",
        }
        at = session.open + (600 + drawn // 13 % max(usable - 600, 1)) * NANOS
        if number >= terms.decisions_a_day - len(met):
            symbol, happens = met[terms.decisions_a_day - 1 - number]
            at = happens - MET_BEFORE_NS
            fields |= {"symbol": symbol, "action": "BUY", "strategy": "twap", "window": "20m"}
        made.append((at, fields))
    return tuple(sorted(made, key=lambda each: (each[0], str(each[1]["decision_id"]))))
