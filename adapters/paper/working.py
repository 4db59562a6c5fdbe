"""Orders at work: what is sent to the exchange, what comes of it, and what hangs on what.

Everything happens at market times that follow from the data and the requests alone, never from
when somebody looked: :meth:`Working.advance` may be called in any steps with the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ...domain.ports import (
    NANOS,
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    SellMark,
    Session,
    TimeInForce,
)
from .ledger import Fill, Ledger
from .orders import TRIGGERED, Kind, OrderBook, PaperOrder, Shape, Status, Tif
from .timeline import Timeline
from .venue import Venue
from .waiting import Waiting, exits_of
from .wire import uuid_of

EXTENDED_HOURS_NS: Final = 4 * 3_600 * NANOS
"""How long the extended session goes on after the close."""


@dataclass(frozen=True, slots=True)
class Update:
    """One event about one order, as the trade_updates stream tells it."""

    event: str
    at: int
    order: dict[str, Any]
    execution_id: str
    fill: Fill | None = None


class Working:
    """The orders' lives; ``emit`` is called with every event, in order."""

    def __init__(
        self,
        venue: Venue,
        session: Session,
        ledger: Ledger,
        book: OrderBook,
        latency_ns: int,
        emit: Callable[[Update], None],
    ) -> None:
        self._venue = venue
        self._session = session
        self._ledger = ledger
        self._book = book
        self._latency_ns = latency_ns
        self._emit = emit
        self._by_core: dict[str, PaperOrder] = {}
        self._timeline = Timeline()
        self._told = 0
        self._closings = [session.close, session.close + EXTENDED_HOURS_NS]
        self.waiting = Waiting(self, venue, session, self._timeline)

    # Time

    def next_at(self, until: int) -> int | None:
        """When something next happens, None when nothing does until then."""
        times = [self._venue.next_report_at(until), self._timeline.next_at, *self._closings[:1]]
        found = [time for time in times if time is not None and time <= until]
        return min(found) if found else None

    def advance(self, to: int) -> None:
        """Let everything up to and including ``to`` happen; reports come before our own actions."""
        while (at := self.next_at(to)) is not None:
            reports = self._venue.drain(at)
            for report in reports:
                self._take(report)
            is_quiet = not reports and not self._timeline.run_next(at)
            if is_quiet and self._closings and self._closings[0] <= at:
                self._close(at)
        for report in self._venue.drain(to):
            self._take(report)

    # Orders

    def place(self, order: PaperOrder, at: int) -> None:
        """Begin to work an order; outside the session it waits for the open."""
        if order.status is Status.HELD:
            return
        opens = self._session.open
        if order.tif is not Tif.OPG and self._session.contains(at):
            self._route(order, at)
            return
        order.status = Status.ACCEPTED
        self._tell("accepted", order, at)
        if at < opens:
            is_auction = order.tif is Tif.OPG
            self._timeline.plan(opens, self.waiting.auction if is_auction else self._route, order)

    def cancel(self, order: PaperOrder, at: int) -> None:
        """Cancel an open order; legs go with it, unless they protect what it has filled."""
        self._withdraw(order, at)
        self.finish(order, Status.CANCELED, at)

    def replace(self, old: PaperOrder, new: PaperOrder, at: int) -> None:
        """Put a new order in an old one's place; the news carries the old order."""
        was_armed = old.is_armed
        self._withdraw(old, at)
        old.status, old.replaced_at, old.replaced_by = Status.REPLACED, at, new.id
        old.updated_at = at
        new.legs, new.parent, old.legs = old.legs, old.parent, []
        for leg in new.legs:
            leg.parent = new
        if new.parent is not None:
            new.parent.legs = [new if leg is old else leg for leg in new.parent.legs]
        self._tell("replaced", old, at)
        if new.status is Status.HELD and was_armed:
            self._timeline.plan(at + self._latency_ns, self.waiting.arm, new)
        self.place(new, at)

    def halted(self, symbol: str, now: int) -> None:
        """Look up anew what orders of a symbol wait for, after a halt was added."""
        for order in self._book.open(symbol):
            if order.is_armed:
                self.waiting.watch(order, now)

    def announce(self, order: PaperOrder, at: int) -> None:
        """The order is live."""
        if order.is_announced:
            return
        order.is_announced = True
        if order.status is not Status.PARTIALLY_FILLED:
            order.status = Status.NEW
        order.updated_at = at
        self._tell("new", order, at)

    def send(self, order: PaperOrder, limit: Decimal | None, at: int) -> None:
        """Send what is left of an order to the exchange, at market when there is no limit.

        A partial fill that was asked for is made by sending a part now and the rest later.
        """
        quantity = order.leaves
        partial = order.fault.get("partial")
        if partial and quantity >= 2 and not order.core_count:
            first = (quantity * Decimal(str(partial["fraction"]))).to_integral_value()
            quantity = min(max(first, Decimal(1)), quantity - 1)
            later = at + max(1, int(float(partial["seconds"]) * NANOS))
            self._timeline.plan(later, self._send_rest, order)
        self._send_core(order, quantity, limit, at)

    def fill(self, order: PaperOrder, quantity: Decimal, price: Decimal, at: int) -> None:
        """Book one execution."""
        self.announce(order, at)
        order.filled += quantity
        order.filled_value += quantity * price
        order.executions += 1
        order.updated_at = at
        is_done = order.qty is not None and order.filled >= order.qty
        order.status = Status.FILLED if is_done else Status.PARTIALLY_FILLED
        order.filled_at = at if is_done else None
        fill = self._ledger.book(order, quantity, price, at)
        self._tell("fill" if is_done else "partial_fill", order, at, fill)
        if is_done:
            self._ended(order, at)

    def finish(self, order: PaperOrder, status: Status, at: int) -> None:
        """End an order that is not filled; nothing of it may be at the exchange any more."""
        order.status = status
        order.updated_at = at
        if status is Status.CANCELED:
            order.canceled_at = at
        elif status is Status.EXPIRED:
            order.expired_at = at
        elif status is Status.REJECTED:
            order.failed_at = at
        self._tell(str(status), order, at)
        self._ended(order, at)

    def exit_begins(self, order: PaperOrder, at: int) -> None:
        """A stop is reached: its sibling may fill no more, and what that has filled is done."""
        siblings = [other for other in exits_of(order) if other is not order]
        if not siblings:
            return
        if order.qty is not None:
            order.qty -= sum((other.filled for other in siblings), Decimal(0))
        for other in siblings:
            if other.is_open:
                self._withdraw(other, at)
                # Not through finish(): its end must not take this order with it.
                other.status, other.canceled_at, other.updated_at = Status.CANCELED, at, at
                self._tell("canceled", other, at)

    # Towards the exchange

    def _route(self, order: PaperOrder, at: int) -> None:
        arrival, plan = at + self._latency_ns, self._timeline.plan
        if order.status is Status.ACCEPTED:
            order.status = Status.PENDING_NEW
        if order.fault.get("reject"):
            plan(arrival, self._reject, order)
            return
        if order.kind in TRIGGERED:
            plan(arrival, self.waiting.arm, order)
        elif order.tif is Tif.CLS:
            plan(arrival, self.announce, order)
            plan(self._session.close, self.waiting.auction, order)
        elif order.tif is Tif.FOK or not order.is_whole:
            plan(arrival, self.waiting.execute, order)
        else:
            self.send(order, order.limit_price, at)
        if order.shape is Shape.OCO and not order.is_leg:
            for leg in order.legs:
                plan(arrival, self.waiting.arm, leg)

    def _reject(self, order: PaperOrder, at: int) -> None:
        self.finish(order, Status.REJECTED, at)

    def _send_rest(self, order: PaperOrder, at: int) -> None:
        quantity = order.leaves - sum(order.cores.values(), Decimal(0))
        if quantity > 0 and self._session.contains(at):
            self._send_core(order, quantity, order.limit_price, at)

    def _send_core(
        self, order: PaperOrder, quantity: Decimal, limit: Decimal | None, at: int
    ) -> None:
        order.core_count += 1
        core = order.client_order_id
        if order.core_count > 1:
            core = f"{core}#{order.core_count}"
        while core in self._by_core:
            core += "#"
        self._by_core[core] = order
        order.cores[core] = quantity
        self._venue.submit(
            OrderRequest(
                client_order_id=core,
                symbol=order.symbol,
                side=order.side,
                quantity=quantity,
                order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
                time_in_force=TimeInForce.IOC if order.tif is Tif.IOC else TimeInForce.DAY,
                limit_price=limit,
                sell_mark=SellMark.SHORT if order.position_intent == "sell_to_open" else None,
            ),
            at,
        )

    def _withdraw(self, order: PaperOrder, at: int) -> None:
        """Take an order off the exchange; what it has filled by now has been booked."""
        order.armed_since = None
        cores, order.cores = sorted(order.cores), {}
        for core in cores:
            self._venue.cancel(core, at)

    # From the exchange

    def _take(self, report: ExecutionReport) -> None:
        name, at = report.client_order_id, report.market_time
        order = self._by_core.get(name)
        if order is None or name not in order.cores:
            return
        if report.kind is ReportKind.NEW:
            self.announce(order, at)
        elif report.kind is ReportKind.ACCEPTED:
            order.status, order.updated_at = Status.ACCEPTED, at
            self._tell("accepted", order, at)
        elif report.kind is ReportKind.TRADE:
            self._traded(order, name, report)
        elif report.kind in (ReportKind.EXPIRED, ReportKind.REJECTED):
            del order.cores[name]
            self._core_ended(order, report.kind, at)

    def _traded(self, order: PaperOrder, core: str, report: ExecutionReport) -> None:
        if report.last_qty is None or report.last_price is None:
            raise RuntimeError(f"a trade of {core} without quantity or price")
        order.cores[core] -= report.last_qty
        if not order.cores[core]:
            del order.cores[core]
        self.fill(order, report.last_qty, report.last_price, report.market_time)

    def _core_ended(self, order: PaperOrder, kind: ReportKind, at: int) -> None:
        """The exchange works a part of an order no more; the order may outlive the session."""
        if order.cores:
            return
        if kind is ReportKind.REJECTED:
            self.finish(order, Status.REJECTED, at)
        elif at < self._session.close:
            self.finish(order, Status.CANCELED, at)
        elif not self._outlives(order, at):
            self.finish(order, Status.EXPIRED, at)

    def _outlives(self, order: PaperOrder, at: int) -> bool:
        """Whether an open order goes on after the session, or extended session, that ends."""
        is_regular_close = at < self._session.close + EXTENDED_HOURS_NS
        later = order.created_at >= self._session.close
        return order.tif is Tif.GTC or later or (order.extended_hours and is_regular_close)

    def _close(self, at: int) -> None:
        """A session ends: what the server holds for the day expires; the exchange's own has."""
        self._closings.pop(0)
        for order in self._book.open():
            is_day = order.tif in (Tif.DAY, Tif.IOC, Tif.FOK)
            if order.is_open and is_day and not order.cores and not self._outlives(order, at):
                order.armed_since = None
                self.finish(order, Status.EXPIRED, at)

    # What hangs on what

    def _ended(self, order: PaperOrder, at: int) -> None:
        """An order is done: release or cancel the legs of an entry, cancel the other exit."""
        if order.status is Status.REPLACED:
            return
        if order.legs and order.shape is not Shape.OCO:
            if order.filled > 0:
                self._release(order, at)
            else:
                self._cancel_all(order.legs, at)
            return
        self._cancel_all([other for other in exits_of(order) if other is not order], at)

    def _release(self, entry: PaperOrder, at: int) -> None:
        """The entry is in: its exits begin, for what it has filled."""
        has_target = any(leg.kind is Kind.LIMIT for leg in entry.legs)
        for leg in entry.legs:
            if not leg.is_open or leg.armed_since is not None or leg.cores:
                continue
            leg.qty = entry.filled
            if leg.kind is Kind.LIMIT or not has_target:
                leg.status = Status.PENDING_NEW
                self.place(leg, at)
            else:
                self._timeline.plan(at + self._latency_ns, self.waiting.arm, leg)

    def _cancel_all(self, orders: list[PaperOrder], at: int) -> None:
        for order in orders:
            if order.is_open:
                self._withdraw(order, at)
                self.finish(order, Status.CANCELED, at)

    def _tell(self, event: str, order: PaperOrder, at: int, fill: Fill | None = None) -> None:
        self._told += 1
        execution_id = fill.execution_id if fill else uuid_of("event", order.id, self._told)
        self._emit(Update(event, at, order.shown(), execution_id, fill))
