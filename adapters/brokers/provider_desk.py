"""Sending orders to a provider and following them: one task a call, polls only when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

from ...domain.errors import BrokerUnavailable
from ...domain.ports import (
    NANOS,
    BrokerCapabilities,
    BrokerCommand,
    CancelOrder,
    Clock,
    ExecutionReport,
    OrderRequest,
    ReportKind,
)
from ..provider_reading import (
    Answer,
    accepted_keywords,
    ask,
    is_coroutine_method,
    scrub,
    text_of,
    truth_of,
)
from .arrivals import Arrivals
from .provider_listing import request_of
from .provider_orders import UNANSWERED_POLLS_MAX, TrackedOrder
from .provider_placing import Placed, PlacingOutcome, order_keywords, read_placing

CANCEL_TRIES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class ProviderTimings:
    """How long a provider may take, and how often it is asked."""

    request_timeout_seconds: float = 10.0
    poll_interval_seconds: int = 30
    first_poll_seconds: int = 1


DEFAULT_TIMINGS: Final = ProviderTimings()


class ProviderDesk:
    """The orders of a provider: sends them, polls them, and says what changed."""

    def __init__(
        self, provider: object, clock: Clock, timings: ProviderTimings = DEFAULT_TIMINGS
    ) -> None:
        """Read what the provider can do; nothing is called."""
        self._provider = provider
        self._clock = clock
        self._timings = timings
        self._keywords = accepted_keywords(provider, "place_order")
        self._orders: dict[str, TrackedOrder] = {}
        self._inbox: list[ExecutionReport] = []
        self._submitting: dict[str, asyncio.Task[None]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._answered: set[str] = set()
        self.arrived = Arrivals()
        """Set while reports wait to be drained; good on every event loop."""

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What this provider can do; look-up needs a real coroutine and our id passed on."""
        passes_id = self._keywords is None or "client_order_id" in self._keywords
        return BrokerCapabilities(
            name=f"provider:{type(self._provider).__name__}",
            lookup_by_client_id=passes_id
            and is_coroutine_method(self._provider, "get_order_by_client_id"),
            lists_closed_orders=False,
            replace=False,
            update_stream=False,
        )

    def use_clock(self, clock: Clock) -> None:
        """Take times from ``clock`` from now on; the runtime gives the one it moves."""
        self._clock = clock

    # -- orders out ------------------------------------------------------------------------------

    async def send(self, commands: Sequence[BrokerCommand]) -> None:
        """Hand commands over, each as a task of its own; the outcomes come through drain()."""
        self._forget_other_loops()
        for command in commands:
            if isinstance(command, CancelOrder):
                self._start(self._cancel(command))
                continue
            request = command.request
            if request.client_order_id not in self._submitting:
                order = self._orders.setdefault(request.client_order_id, TrackedOrder(request))
                order.outcome_unknown |= command.again and order.venue_order_id is None
                task = self._start(self._submit(request))
                self._submitting[request.client_order_id] = task

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def _forget_other_loops(self) -> None:
        """Drop calls that died with their event loop; what they were to say is unknown."""
        here = asyncio.get_running_loop()
        self._working -= {task for task in self._working if task.get_loop() is not here}
        for client_order_id, task in list(self._submitting.items()):
            if task.get_loop() is not here:
                del self._submitting[client_order_id]
                text = "the event loop of the submission ended"
                self._put([self._orders[client_order_id].unknown(text, self._clock.now())])

    def _put(self, reports: Sequence[ExecutionReport]) -> None:
        self._inbox.extend(reports)
        if reports:
            self.arrived.set()

    async def _submit(self, request: OrderRequest) -> None:
        order = self._orders[request.client_order_id]
        try:
            if order.venue_order_id is None:
                self._put(await self._place(order))
            else:  # sent twice under one id: the broker has it, and it is not sent again
                raw = {"adopted": "already accepted under this client order id"}
                self._put([order.report(ReportKind.ACCEPTED, self._clock.now(), raw=raw)])
        except asyncio.CancelledError:
            text = "the submission was interrupted"
            self._put([order.unknown(text, self._clock.now())])
            raise
        finally:
            self._submitting.pop(request.client_order_id, None)

    async def _place(self, order: TrackedOrder) -> list[ExecutionReport]:
        again = order.outcome_unknown
        keywords = order_keywords(order.request, self._keywords)
        if isinstance(keywords, str):
            return [order.rejected(f"not sent: {keywords}", self._clock.now())]
        answer = await self._ask("place_order", **keywords)
        placed = read_placing(answer)
        now = self._clock.now()
        if placed.outcome is PlacingOutcome.DUPLICATE:
            return [await self._adopt_duplicate(order, placed)]
        if placed.outcome is PlacingOutcome.ACCEPTED and placed.venue_order_id:
            accepted = order.accepted(placed.venue_order_id, now, answer.value)
            if "get_order" in self._answered:
                return [accepted]
            order.held = accepted
            return []
        if placed.outcome is PlacingOutcome.REFUSED and not again:
            return [order.rejected(placed.text, now, answer.value)]
        # A refused repeat says nothing of the first sending, whose fate is what matters.
        return [order.unknown(placed.text, now, answer.value)]

    async def _adopt_duplicate(self, order: TrackedOrder, placed: Placed) -> ExecutionReport:
        """The broker has an order under our id already: find out which, or leave it unknown."""
        try:
            found = await self._look_up(order.request.client_order_id)
        except BrokerUnavailable:
            found = None
        venue_order_id = text_of(found, "id", "order_id")
        if venue_order_id is None:
            return order.unknown(f"{placed.text}; it cannot be looked up", self._clock.now())
        return order.accepted(venue_order_id, self._clock.now(), {"adopted": placed.text})

    async def _cancel(self, command: CancelOrder) -> None:
        submitting = self._submitting.get(command.client_order_id)
        if submitting is not None:  # the cancel overtook its order: first its id must be known
            await asyncio.wait((submitting,))
        order = self._orders.get(command.client_order_id)
        venue_order_id = command.venue_order_id or (order and order.venue_order_id)
        if order is None or order.dead:
            return
        if not venue_order_id:
            text = "cannot cancel: the provider gave no order id"
            self._put([order.report(ReportKind.CANCEL_REJECTED, self._clock.now(), text=text)])
            return
        order.venue_order_id = venue_order_id
        order.cancel_tries = 0
        await self._try_cancel(order, venue_order_id)

    async def _try_cancel(self, order: TrackedOrder, venue_order_id: str) -> None:
        """Ask for the cancel; only the order's own status proves it, so it is polled at once.

        A cancel that may not have arrived is asked again with the polls: it does no harm twice.
        """
        order.cancel_tries += 1
        answer = await self._ask("cancel_order", venue_order_id)
        now = self._clock.now()
        text = None
        if answer.missing:
            text = "the provider has no cancel_order"
        elif answer.value is False or truth_of(answer.value, "success") is False:
            text = scrub(text_of(answer.value, "error", "message") or "refused without a reason")
        elif answer.failure and order.cancel_tries >= CANCEL_TRIES_MAX:
            text = f"cancelled {CANCEL_TRIES_MAX} times without an answer: {answer.failure}"
        order.retry_cancel = answer.failure is not None and text is None
        if text is not None and not order.dead:
            self._put([order.report(ReportKind.CANCEL_REJECTED, now, text=text)])
        if not order.dead:
            order.quiet_polls = 0
            order.next_poll_at = now

    # -- reports in ------------------------------------------------------------------------------

    def drain(self) -> list[ExecutionReport]:
        """Take the reports that have arrived, in order."""
        reports, self._inbox = self._inbox, []
        self.arrived.clear()
        return reports

    def has_reports(self) -> bool:
        """Whether reports wait to be drained."""
        return bool(self._inbox)

    def next_poll_at(self) -> int | None:
        """When the next order is to be polled (ns UTC), None when none is."""
        due = [o.next_poll_at for o in self._orders.values() if o.next_poll_at is not None]
        return min(due, default=None)

    def pump(self, now: int) -> None:
        """Start the polls that are due at ``now``; needs a running event loop."""
        for order in self._orders.values():
            if order.next_poll_at is not None and order.next_poll_at <= now:
                order.next_poll_at = None
                self._start(self._poll(order))

    async def settle(self, timeout_seconds: float) -> None:
        """Wait until a started call has ended, reports have come, or real time has passed."""
        self._forget_other_loops()
        if not self._working:
            return
        arriving = asyncio.ensure_future(self.arrived.wait())
        try:
            await asyncio.wait(
                {*self._working, arriving},
                timeout=max(timeout_seconds, 0),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)

    def is_asking(self) -> bool:
        """Whether calls to the provider are under way."""
        return bool(self._working)

    async def aclose(self) -> None:
        """Let submissions and cancels end, each within its timeout; stop following orders."""
        while self._working:
            self._forget_other_loops()
            await asyncio.gather(*self._working, return_exceptions=True)
        for order in self._orders.values():
            order.next_poll_at = None

    async def _poll(self, order: TrackedOrder) -> None:
        await self._read(order)
        if order.retry_cancel and not order.dead and order.venue_order_id:
            await self._try_cancel(order, order.venue_order_id)
        self._schedule(order)

    async def _read(self, order: TrackedOrder) -> Answer:
        answer = await self._ask("get_order", order.venue_order_id)
        self._put(order.read(answer, self._clock.now()))
        if order.unanswered == 0:
            self._answered.add("get_order")
        return answer

    def _schedule(self, order: TrackedOrder) -> None:
        if order.dead:
            order.next_poll_at = None
            return
        if order.unanswered >= UNANSWERED_POLLS_MAX and "get_order" not in self._answered:
            order.next_poll_at = None  # it has never answered: there is nothing to follow
            return
        timings = self._timings
        wait = timings.first_poll_seconds << min(order.quiet_polls, 16)
        wait = min(wait, timings.poll_interval_seconds)
        order.next_poll_at = self._clock.now() + wait * NANOS

    def _follow(self, client_order_id: str, found: object) -> TrackedOrder:
        known = self._orders.get(client_order_id)
        request = known.request if known else request_of(found, client_order_id)
        venue_order_id = text_of(found, "id", "order_id")
        if request is None or venue_order_id is None:
            raise BrokerUnavailable(f"the provider's order {client_order_id} cannot be read")
        order = self._orders.setdefault(client_order_id, TrackedOrder(request))
        self._put([order.accepted(venue_order_id, self._clock.now(), found)])
        return order

    async def _look_up(self, client_order_id: str) -> object:
        """What the provider has under our id; None when it says that it has nothing."""
        if not self.capabilities.lookup_by_client_id:
            raise BrokerUnavailable("the provider cannot look up orders by our id")
        answer = await self._ask("get_order_by_client_id", client_order_id)
        if answer.failure:
            raise BrokerUnavailable(f"look-up of {client_order_id}: {answer.failure}")
        if answer.value is not None and text_of(answer.value, "id", "order_id") is None:
            raise BrokerUnavailable(f"look-up of {client_order_id}: the answer cannot be read")
        return answer.value

    async def _ask(self, name: str, *args: object, **keywords: object) -> Answer:
        seconds = self._timings.request_timeout_seconds
        return await ask(self._provider, name, *args, timeout_seconds=seconds, **keywords)
