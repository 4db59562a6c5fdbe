"""The broker port over Alpaca.

Orders and cancels go out in threads of their own, each cancel behind the order it belongs to. What
is unknown is said to be unknown: a timeout, a lost connection and a failing gateway never count as
a rejection, and an order is sent again only by the engine and only under its own id, which the
broker accepts once. Fills come from the socket; after each connection, and whenever the engine
asks, orders and FILL activities are read and say what the socket did not.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

import structlog

from ....domain.errors import BrokerUnavailable
from ....domain.fills_told import FillsTold
from ....domain.ids import is_own_client_order_id
from ....domain.ports import (
    BrokerCapabilities,
    BrokerCommand,
    CancelOrder,
    Clock,
    ExecutionReport,
    OrderRequest,
    ReportKind,
    SubmitOrder,
)
from ...alpaca_api.access import AlpacaAccess
from ...alpaca_api.reading import raw, text_of
from ...alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence, Withheld
from ..arrivals import Arrivals
from .cash import Cash
from .fills import Fills
from .others import Others
from .questions import Questions
from .updates import Updates
from .wire import (
    is_same_order,
    order_body,
    report_of_update,
    reports_of_order,
)

ORDER_THREADS: Final = 4
CANCEL_THREADS: Final = 2
DEAF_SECONDS: Final = 10.0
"""So long without the socket of trade updates, and nothing new is decided until it is back."""
NOT_UNIQUE_OR_UNREADABLE: Final = 40010001
"""One code for a client order id that was used before and for several other mistakes."""
_logger = structlog.get_logger(__name__)


class AlpacaBroker(Questions):
    """A :class:`~fillwright.domain.ports.Broker` over Alpaca's API."""

    def __init__(self, access: AlpacaAccess, rest: AlpacaRest, clock: Clock) -> None:
        """Ask nothing and start no thread; ``gate`` is held around each sending (see the rest)."""
        super().__init__(rest, clock)
        self._has_algorithms = access.server_algorithms
        self._updates = Updates(access, self._on_frame, self._on_connected, self._on_lost)
        self._orders = ThreadPoolExecutor(ORDER_THREADS, "alpaca-orders")
        self._cancels = ThreadPoolExecutor(CANCEL_THREADS, "alpaca-cancels")
        self._lock = threading.Lock()
        self._inbox: list[ExecutionReport] = []
        self._submitting: dict[str, Future[None]] = {}
        self.others = Others(self._listing, lambda: self._clock, self._ask)
        self.cash = Cash(self._listing, self._ask)
        self._fills = Fills(rest, self._listing, self.others, self._ask)
        self._connections = 0
        self._gap = False
        self.arrived = Arrivals()
        """Set while reports wait to be drained; good on every event loop."""
        self.gate: Callable[[str], AbstractContextManager[str | None]] | None = None
        self.is_connected = threading.Event()
        """Set while the socket of trade updates listens."""
        self._patience = access.read_seconds
        self._deaf_since: float | None = None
        self._may_go_on = threading.Event()

    @property
    def capabilities(self) -> BrokerCapabilities:
        """Look-up by client id, closed orders, a stream of updates."""
        return BrokerCapabilities(name="alpaca", server_side_algorithms=self._has_algorithms)

    def start(self) -> None:
        """Begin to listen for trade updates; a second call does nothing."""
        if not self._closed and not self.is_connected.is_set():
            self._deaf_since = self._deaf_since or time.monotonic()
            self._updates.start()

    @property
    def is_deaf(self) -> bool:
        """Whether what orders come to has not been heard of for too long to decide on more."""
        seconds = self.deaf_seconds
        return seconds is not None and seconds > DEAF_SECONDS

    @property
    def deaf_seconds(self) -> float | None:
        """How long the socket of trade updates is down; None while it listens or was not begun."""
        since = self._deaf_since
        return None if since is None else time.monotonic() - since

    def use_clock(self, clock: Clock) -> None:
        """Take times from ``clock`` from now on."""
        self._clock = clock

    def take_gap(self) -> bool:
        """Whether messages may have been missed since this was last asked.

        True after every connection of the socket but the first: nothing is sent again by it.
        """
        gap, self._gap = self._gap, False
        return gap

    async def fills_told(self, since: int) -> FillsTold:
        """Fills from ``since`` (ns UTC) on that were not told of yet; see ``TellsFills``."""
        return await self._fills.told(since)

    async def may_have_executed(
        self, request: OrderRequest, venue_order_id: str | None, since: int
    ) -> bool:
        """Whether an order that no list has may have executed; see ``TellsExecutions``."""
        return await self._ask(
            lambda: self.others.may_be_of(request, venue_order_id, since), "fills"
        )

    # -- orders out ------------------------------------------------------------------------------

    def guard(self, check: Callable[[], None]) -> None:
        """Have ``check`` called last before each order goes out; a StoreError keeps it back."""
        self._rest.before_post = check

    async def send(self, commands: Sequence[BrokerCommand]) -> None:
        """Hand commands over; each runs in a thread, a cancel after the sending of its order."""
        for command in commands:
            if isinstance(command, CancelOrder):
                self._hand_cancel(command)
            else:
                self._hand_order(command)

    def _hand_order(self, command: SubmitOrder) -> None:
        name = command.request.client_order_id
        with self._lock:
            known = self._submitting.get(name)
            if known is not None and not known.done():
                return
            self._submitting[name] = self._orders.submit(self._submit, command)

    def _hand_cancel(self, command: CancelOrder) -> None:
        sending = self._submitting.get(command.client_order_id)
        if sending is None or sending.done():
            self._cancels.submit(self._cancel, command)
        else:
            sending.add_done_callback(lambda _: self._cancels.submit(self._cancel, command))

    def _submit(self, command: SubmitOrder) -> None:
        request = command.request
        try:
            self._put(self._placed(request, again=command.again))
        except Withheld as withheld:
            kind = ReportKind.UNKNOWN_OUTCOME if command.again else ReportKind.REJECTED
            self._put([self._report(request, kind, f"not sent: {withheld}")])
        except Exception as error:  # whatever it is, the engine must hear of the order
            _logger.exception("an order could not be sent", client_order_id=request.client_order_id)
            self._put([self._report(request, ReportKind.UNKNOWN_OUTCOME, repr(error))])

    def _placed(self, request: OrderRequest, *, again: bool) -> list[ExecutionReport]:
        if request.display_quantity is not None and request.display_quantity < request.quantity:
            text = "not sent: this account cannot show a part of an order only"
            return [self._report(request, ReportKind.REJECTED, text)]
        if request.algorithm is not None and not self._has_algorithms:
            text = "not sent: this account has no algorithms (broker.server_algorithms)"
            return [self._report(request, ReportKind.REJECTED, text)]
        self._await_updates()
        try:
            gate = None if self.gate is None else partial(self.gate, request.client_order_id)
            order = self._rest.post("/orders", order_body(request), gate)
        except ApiSilence as silence:
            return [self._report(request, ReportKind.UNKNOWN_OUTCOME, str(silence))]
        except ApiRefusal as refusal:
            if again or (refusal.status == 422 and refusal.code == NOT_UNIQUE_OR_UNREADABLE):
                return self._perhaps_ours(request, refusal, again=again)
            return [self._report(request, ReportKind.REJECTED, str(refusal), refusal.body)]
        if not isinstance(order, dict) or text_of(order, "id") is None:
            text = "the answer to the order cannot be read"
            return [self._report(request, ReportKind.UNKNOWN_OUTCOME, text, order)]
        return self._taken(request, order)

    def _await_updates(self) -> None:
        """Sending waits for the socket: what comes of an order must be heard as it happens.

        Raises:
            Withheld: it did not come back in the time that a request may take.
        """
        if self._deaf_since is None:
            return
        self._may_go_on.wait(self._patience)
        if not self.is_connected.is_set():
            raise Withheld("the socket of trade updates is down")

    def _perhaps_ours(
        self, request: OrderRequest, refusal: ApiRefusal, *, again: bool
    ) -> list[ExecutionReport]:
        """The id was used before, or something else is wrong: only the order itself can tell.

        A refused repeat says nothing of the first sending, which may still come to be known.
        """
        try:
            orders = self._listing.orders([request.client_order_id], self._clock.now())
        except BrokerUnavailable as error:
            text = f"{refusal}; {error}"
            return [self._report(request, ReportKind.UNKNOWN_OUTCOME, text, refusal.body)]
        if not orders:
            kind = ReportKind.UNKNOWN_OUTCOME if again else ReportKind.REJECTED
            return [self._report(request, kind, str(refusal), refusal.body)]
        order = orders[0]
        if not is_same_order(order, request):
            text = f"{refusal}; the broker has another order under this id"
            return [self._report(request, ReportKind.REJECTED, text, order)]
        return self._taken(request, order)

    def _taken(self, request: OrderRequest, order: Mapping[str, Any]) -> list[ExecutionReport]:
        reports = reports_of_order(order, [], self._clock.now())
        # What has executed comes with its own prices from the socket or the activities.
        return [report for report in reports if report.kind is not ReportKind.TRADE] or [
            self._report(request, ReportKind.UNKNOWN_OUTCOME, "the answer names no order", order)
        ]

    def _cancel(self, command: CancelOrder) -> None:
        name, id = command.client_order_id, command.venue_order_id
        try:
            if id is None:
                order = self._listing.order(name)
                id = text_of(order, "id") if order is not None else None
            if id is None:
                self._refuse_cancel(name, None, "the broker has no order under this id")
                return
            self._rest.delete(f"/orders/{id}")
        except (ApiRefusal, ApiSilence, BrokerUnavailable) as error:
            self._refuse_cancel(name, id, str(error))
        except Exception as error:
            _logger.exception("an order could not be cancelled", client_order_id=name)
            self._refuse_cancel(name, id, repr(error))

    def _refuse_cancel(self, name: str, id: str | None, text: str) -> None:
        now = self._clock.now()
        self._put(
            [
                ExecutionReport(
                    kind=ReportKind.CANCEL_REJECTED,
                    client_order_id=name,
                    market_time=now,
                    receive_time=now,
                    venue_order_id=id,
                    text=text[:300],
                )
            ]
        )

    def _report(
        self, request: OrderRequest, kind: ReportKind, text: str, body: object = None
    ) -> ExecutionReport:
        now = self._clock.now()
        return ExecutionReport(
            kind=kind,
            client_order_id=request.client_order_id,
            market_time=now,
            receive_time=now,
            order_qty=request.quantity,
            limit_price=request.limit_price,
            text=text[:300],
            raw=raw(body) if body else {},
        )

    # -- reports in ------------------------------------------------------------------------------

    def drain(self) -> list[ExecutionReport]:
        """Take the reports that have arrived, in order of arrival."""
        with self._lock:
            reports, self._inbox = self._inbox, []
        return reports

    def _put(self, reports: Sequence[ExecutionReport]) -> None:
        if reports:
            with self._lock:
                self._inbox.extend(reports)
            self.arrived.set()

    def _on_frame(self, message: Any) -> None:
        now = self._clock.now()
        data = message.get("data") if isinstance(message, dict) else None
        report = report_of_update(data, now) if isinstance(data, dict) else None
        if report is None:
            _logger.warning("a trade update cannot be read", message=str(message)[:300])
            self._missed()
            return
        self.others.learn(report)
        if self._is_ours(report.client_order_id):
            self._remember(report)
            self._put([report])
        else:
            self._put(self.others.told_of(report))

    def _remember(self, report: ExecutionReport) -> None:
        """Know a fill again when REST tells of it under another id."""
        if report.execution_id and report.cum_qty is not None and report.venue_order_id:
            self._told[report.venue_order_id, report.cum_qty] = report.execution_id

    def _is_ours(self, client_order_id: str) -> bool:
        return client_order_id in self._submitting or is_own_client_order_id(client_order_id)

    def _on_connected(self) -> None:
        self._connections += 1
        self._deaf_since = None
        self.is_connected.set()
        self._may_go_on.set()
        if self._connections > 1:
            self._missed()

    def _on_lost(self, text: str) -> None:
        self._deaf_since = self._deaf_since or time.monotonic()
        self.is_connected.clear()
        if not self._closed:
            self._may_go_on.clear()
        _logger.warning("the socket of trade updates was lost", cause=text[:200])

    def _missed(self) -> None:
        self._gap = True
        self.others.note()
        self.arrived.set()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let what is being sent end, then stop; open orders stay as they are."""
        if self._closed:
            return
        self._closed = True
        self._may_go_on.set()
        for pool in (self._orders, self._cancels):
            pool.shutdown(wait=True)
        self._updates.stop()
        self._rest.close()
        self._fills.close()
        self._end_questions()

    async def aclose(self) -> None:
        """The same without holding up the event loop."""
        with contextlib.suppress(RuntimeError):
            await asyncio.get_running_loop().run_in_executor(None, self.close)
