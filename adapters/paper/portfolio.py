"""``/v2/account/portfolio/history``: equity over time, from fills and the prices of the time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ...domain.ports import MINUTE_NS, NANOS
from .answers import time_of
from .frames import DAY_NS, HOUR_NS, Timeframe, period_starts
from .refusals import syntax
from .world import World

STEPS: Final = {
    "1Min": MINUTE_NS,
    "5Min": 5 * MINUTE_NS,
    "15Min": 15 * MINUTE_NS,
    "1H": HOUR_NS,
    "1D": DAY_NS,
}
DAYS: Final = {"D": 1, "W": 7, "M": 30, "A": 365}
WEEK_DAYS: Final = 7
MONTH_DAYS: Final = 30
_PERIOD: Final = re.compile(r"(\d{1,4})([DWMA])$")


def portfolio_history(world: World, query: Mapping[str, str], now: int) -> dict[str, Any]:
    """The account's equity within the session; before it the account was as it began.

    Raises:
        ApiRefusal: a parameter is wrong.
    """
    start, end = time_of(query, "start"), time_of(query, "end", end_of_day=True)
    period = query.get("period")
    if start is not None and end is not None and period:
        raise syntax("only two of start, end and period can be specified")
    days = _days(period or "1M")
    if start is not None and end is not None:
        days = max(1, (end - start) // DAY_NS)
    default = "1Min" if days < WEEK_DAYS else "15Min" if days < MONTH_DAYS else "1D"
    timeframe = query.get("timeframe") or default
    if timeframe not in STEPS:
        raise syntax(f"invalid timeframe: {timeframe[:40]}")
    if days > MONTH_DAYS and timeframe != "1D":
        raise syntax("timeframe must be 1D for periods of more than 30 days")
    ledger, means = world.desk.ledger, world.desk.means
    base = float(ledger.last_equity)
    times, equity = [], []
    for begin, shown in _points(world, timeframe, now):
        if (start is None or shown >= start) and (end is None or shown <= end):
            times.append(shown // NANOS)
            equity.append(round(float(ledger.equity_at(begin, means.price)), 2))
    profit = [round(value - base, 2) for value in equity]
    return {
        "timestamp": times,
        "equity": equity,
        "profit_loss": profit,
        "profit_loss_pct": [round(each / base, 6) if base else 0 for each in profit],
        "base_value": base,
        "base_value_asof": world.session.date,
        "timeframe": timeframe,
        "cashflow": {},
    }


def _points(world: World, timeframe: str, now: int) -> list[tuple[int, int]]:
    """When to value the account (the end of each window) and the label (its beginning)."""
    session = world.session
    last = min(now, session.close)
    if last < session.open:
        return []
    if timeframe == "1D":
        day = period_starts(np.array([session.open], dtype=np.int64), Timeframe(1, "Day"))
        return [(last, int(day[0]))]
    step = STEPS[timeframe]
    return [(min(label + step, last), label) for label in range(session.open, last, step)]


def _days(period: str) -> int:
    found = _PERIOD.match(period)
    if found is None:
        raise syntax(f"invalid period: {period[:40]}")
    return int(found[1]) * DAYS[found[2]]
