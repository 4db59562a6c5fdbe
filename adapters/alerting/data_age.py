"""How old the quotes are of what is being worked: nothing that the log could know."""

from __future__ import annotations

from decimal import Decimal

from ...domain.ports import NANOS
from ...projections.alerts import Alert, AlertKind, Severity
from ..engine import Desk


def stale_data(desk: Desk, stale_data_seconds: int) -> tuple[Alert, ...]:
    """An alert for each symbol that is worked now without a quote that is fresh enough.

    Nothing while the exchange has no session. Called where the engine runs.
    """
    now = desk.now
    session = desk.calendar.session_at(now)
    if session is None:
        return ()
    found = []
    for symbol in sorted(desk.symbols_in_play()):
        quote = desk.market.state(symbol, now).quote
        age = now - (session.open if quote is None else max(quote.at, session.open))
        if age <= stale_data_seconds * NANOS:
            continue
        found.append(
            Alert(
                AlertKind.STALE_DATA,
                Severity.WARNING,
                symbol,
                Decimal(age // NANOS),
                Decimal(stale_data_seconds),
                "seconds",
                now - age,
                "no quote since the open" if quote is None else "its last quote is old",
            )
        )
    return tuple(found)
