"""The limits of which an account uses more than it may: shown, never refused (ruling 12)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from ..domain.limits import HUNDRED, Limits
from ..domain.money import ZERO
from .session_usage import AccountUse, SessionUse


class OverCap(NamedTuple):
    """A limit of which more is used than allowed; ``unit`` says in what."""

    limit: str
    subject: str
    used: Decimal
    allowed: Decimal
    unit: str


def used_of_caps(account: str, state: AccountUse, date: str, limits: Limits) -> tuple[OverCap, ...]:
    """What a session has used of each limit that it counts against."""
    session = state.sessions.get(date, SessionUse(date))
    percent = (session.equity or ZERO) / HUNDRED
    used = (
        ("daily_trades", session.trades, limits.trades_max_per_day, "trades"),
        ("daily_turnover", session.turnover, percent * limits.turnover_pct_max, "usd"),
        ("reducing_trades", session.reducing_trades, limits.reducing_trades_extra, "trades"),
        (
            "reducing_turnover",
            session.reducing_turnover,
            percent * limits.reducing_turnover_pct_extra,
            "usd",
        ),
    )
    scope = f"{account}:{date}"
    return tuple(
        OverCap(limit, scope, Decimal(amount), Decimal(allowed), unit)
        for limit, amount, allowed, unit in used
    )


def positions_over(account: str, state: AccountUse, limits: Limits) -> tuple[OverCap, ...]:
    """Positions above their limit, by the last price and equity a quantity was computed from."""
    found = []
    for symbol, own in sorted(state.symbols.items()):
        if own.price is None or not state.equity:
            continue
        percent = abs(own.position) * own.price / state.equity * HUNDRED
        if percent > limits.position_pct_max:
            subject = f"{account}:{symbol}"
            found.append(
                OverCap("position_size", subject, percent, limits.position_pct_max, "percent")
            )
    return tuple(found)
