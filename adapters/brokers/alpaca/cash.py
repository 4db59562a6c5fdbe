"""Cash that comes into an account or leaves it: deposits, withdrawals and journals of cash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ....domain.money import ZERO
from ....domain.ports import CashMovement
from ...alpaca_api.reading import Json, nanos, number_of, text_of
from .listing import DAY_NS, Listing

KINDS: Final = ("CSD", "CSW", "JNLC")
"""Activity types of cash deposited, withdrawn, and moved between accounts of one firm."""
CANCELED: Final = "canceled"
Read = Callable[[], tuple[CashMovement, ...]]
Ask = Callable[[Read, str], Awaitable[tuple[CashMovement, ...]]]


class Cash:
    """Movements of cash by the account's activities, which say when they were booked."""

    def __init__(self, listing: Listing, ask: Ask) -> None:
        self._listing, self._ask = listing, ask

    async def movements(self, since: int) -> tuple[CashMovement, ...]:
        """What was booked after ``since`` (ns UTC); what does not say when is left out.

        Raises:
            BrokerUnavailable: they cannot be listed.
        """
        return await self._ask(lambda: self._read(since), "movements of cash")

    def _read(self, since: int) -> tuple[CashMovement, ...]:
        # An activity's date may be the day before that on which it was booked.
        rows = self._listing.activities(KINDS, since - DAY_NS)
        read = [movement_of(row) for row in rows]
        return tuple(one for one in read if one is not None and one.at > since)


def movement_of(row: Json) -> CashMovement | None:
    """The movement that an activity tells of, None without id, time or amount, or if canceled."""
    id, kind = text_of(row, "id"), text_of(row, "activity_type")
    at, amount = nanos(row.get("created_at")), number_of(row, "net_amount")
    if not id or kind not in KINDS or at is None or amount is None or amount == ZERO:
        return None
    if text_of(row, "status") == CANCELED:
        return None
    return CashMovement(id[:200], kind, amount, at)
