"""Orders as the venue keeps them, and the reports it issues about them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from ...domain.money import ZERO
from ...domain.ports import (
    BrokerCommand,
    BrokerOrder,
    ExecutionReport,
    OrderRequest,
    ReportKind,
    Side,
    SubmitOrder,
)
from .book import Rest
from .terms import Faults

VENUE: Final = "SIM"

PENDING_NEW: Final = "pending_new"
HELD: Final = "held"
NEW: Final = "new"
PARTIALLY_FILLED: Final = "partially_filled"
FILLED: Final = "filled"
CANCELED: Final = "canceled"
EXPIRED: Final = "expired"
REJECTED: Final = "rejected"
OPEN_STATUSES: Final = frozenset({PENDING_NEW, HELD, NEW, PARTIALLY_FILLED})


class VenueOrder:
    """One order at the venue; quantities in shares."""

    __slots__ = (
        "executions",
        "filled",
        "holds",
        "number",
        "request",
        "rest",
        "sent_at",
        "sign",
        "status",
        "venue_order_id",
    )

    def __init__(self, request: OrderRequest, number: int, sent_at: int) -> None:
        self.request = request
        self.number = number
        self.sent_at = sent_at
        self.sign = request.side.sign
        self.venue_order_id = f"sim-{request.client_order_id}"
        self.status = PENDING_NEW
        self.filled = ZERO
        self.executions = 0
        self.rest: Rest | None = None
        self.holds = False

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN_STATUSES

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.request.side is Side.BUY

    @property
    def leaves(self) -> Decimal:
        """Shares that may still fill; 0 once it cannot trade."""
        return self.request.quantity - self.filled if self.is_open else ZERO

    def seen(self) -> BrokerOrder:
        """The order as the broker port shows it."""
        request = self.request
        return BrokerOrder(
            client_order_id=request.client_order_id,
            venue_order_id=self.venue_order_id,
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
            filled_qty=self.filled,
            status=self.status,
            is_open=self.is_open,
            submitted_at=self.sent_at,
        )


class ReportDesk:
    """Issues execution reports, keeps them all, and hands them over when they have arrived."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._history: dict[str, list[ExecutionReport]] = {}
        self._arriving: list[tuple[int, int, ExecutionReport]] = []
        self._sent = 0

    @property
    def next_at(self) -> int | None:
        """When the next report arrives at the client, None when none is under way."""
        return self._arriving[0][0] if self._arriving else None

    def issue(self, order: VenueOrder, kind: ReportKind, at: int, **said: Any) -> None:
        """Report on an order as it now stands; faults may lose, delay or double the message."""
        request = order.request
        history = self._history.setdefault(request.client_order_id, [])
        receive_time, copies = at, 1
        if self._faults.touch_reports:
            receive_time, copies = self._fate(request.client_order_id, len(history), at)
        report = ExecutionReport(
            kind=kind,
            client_order_id=request.client_order_id,
            market_time=at,
            receive_time=receive_time,
            venue_order_id=order.venue_order_id,
            order_qty=request.quantity,
            cum_qty=order.filled,
            leaves_qty=order.leaves,
            order_status=order.status,
            limit_price=request.limit_price,
            venue=VENUE,
            **said,
        )
        history.append(report)
        for _ in range(copies):
            self._send(report)

    def answer(
        self, kind: ReportKind, client_order_id: str, at: int, text: str, **raw: Any
    ) -> None:
        """Tell the client about a request that belongs to no order of ours; it is not kept."""
        report = ExecutionReport(kind, client_order_id, at, at, venue=VENUE, text=text, raw=raw)
        self._send(report)

    def no_answer(self, command: BrokerCommand, at: int) -> None:
        """Tell the client that what became of a request is unknown."""
        if isinstance(command, SubmitOrder):
            name, request = command.request.client_order_id, "submit"
        else:
            name, request = command.client_order_id, "cancel"
        text = f"no answer to {request}"
        self.answer(ReportKind.UNKNOWN_OUTCOME, name, at, text, request=request)

    def take(self, to: int) -> list[ExecutionReport]:
        """Hand over what has arrived up to ``to``, in order of arrival."""
        taken = []
        while self._arriving and self._arriving[0][0] <= to:
            taken.append(heapq.heappop(self._arriving)[2])
        return taken

    def history(self, client_order_ids: Sequence[str], now: int) -> list[ExecutionReport]:
        """Every report ever issued for these orders up to ``now``, order by order."""
        kept = (self._history.get(name, ()) for name in client_order_ids)
        return [report for reports in kept for report in reports if report.market_time <= now]

    def _send(self, report: ExecutionReport) -> None:
        self._sent += 1
        heapq.heappush(self._arriving, (report.receive_time, self._sent, report))

    def _fate(self, name: str, ordinal: int, at: int) -> tuple[int, int]:
        faults = self._faults
        late = faults.late_ns if faults.strikes("late", name, ordinal) else 0
        if faults.strikes("missing", name, ordinal):
            return at, 0
        return at + late, 2 if faults.strikes("duplicate", name, ordinal) else 1
