"""What an account has lost since the close before: realised and unrealised, fees included.

The loss is what the account was worth at the close of the session before, with what cash came or
went overnight, less what it is worth now by the broker's record. Holdings count at the market, so
that a gap at the open counts too. Cash that comes or goes within the session is no result where the
broker tells of it, and counts as one where it does not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from . import events as e
from .money import ZERO
from .reasons import Anomalous

LOSS_NOTE: Final = "daily loss: "
"""Begins what the anomaly says that the day's loss has reached its limit."""


class DayFigures:
    """Folds sessions into what an account was worth before the session that is open.

    ``latched`` is the version, in the account's stream, of the anomaly which says that the loss of
    the open session has reached its limit, None while none does; ``settled`` are the places in the
    log of the anomalies that persons have settled since, which may be it. ``moved`` is the cash
    (USD) that came, or went, within the open session, by the broker's id.
    """

    def __init__(self) -> None:
        self._opened: e.SessionOpened | None = None
        self._closed: e.SessionClosed | None = None
        self._before: tuple[e.SessionOpened, e.SessionClosed] | None = None
        self.latched: int | None = None
        self.settled: tuple[int, ...] = ()
        self.moved: dict[str, Decimal] = {}

    @property
    def close_before(self) -> int | None:
        """When the last session that is closed on the record ended (ns UTC), None without one."""
        return None if self._before is None else self._before[0].close

    def basis_usd(self, *, consecutive: bool) -> Decimal | None:
        """What losses of the open session are counted from, None before the first session.

        That is the equity at the close before, with the cash that came overnight, where
        ``consecutive`` says that no session lies between; else the equity at its first record.
        What cash came within the session is added to it, and what went is taken off.
        """
        if self._opened is None:
            return None
        if self._before is None or not consecutive:
            return self._opened.equity + sum(self.moved.values(), ZERO)
        closed = self._before[1]
        overnight = self._opened.cash - closed.cash
        return closed.equity + overnight + sum(self.moved.values(), ZERO)

    def apply(self, event: e.DomainEvent) -> None:
        """Bring the figures forward by one event."""
        if isinstance(event, e.SessionClosed):
            self._closed = event
        elif isinstance(event, e.SessionOpened):
            opened, closed = self._opened, self._closed
            fits = opened and closed and opened.session_date == closed.session_date
            self._before = (opened, closed) if fits and opened and closed else None
            again = opened is not None and opened.session_date == event.session_date
            if not again:
                self.latched, self.moved = None, {}
            self._opened = event
        elif isinstance(event, e.AccountAnomaly):
            if event.kind is Anomalous.USAGE_OVER_CAP and event.detail.startswith(LOSS_NOTE):
                self.latched, self.settled = event.originator_version, ()
        elif isinstance(event, e.CashMoved):
            self.moved = {**self.moved, event.movement_id: event.amount_usd}
        elif isinstance(event, e.AnomalySettled) and event.kind is Anomalous.USAGE_OVER_CAP:
            self.settled += (event.place,)
