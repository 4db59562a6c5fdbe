"""A simulated exchange with one client's account, in virtual time.

Synchronous and deterministic: the same market data, terms and commands at the same times give the
same reports, execution ids and account, in whatever steps time is advanced. Nothing here reads a
clock; every call says what time it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from ...domain.ports import (
    BrokerCommand,
    CancelOrder,
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    SubmitOrder,
    TimeInForce,
)
from .account import SimulatedAccount
from .auctions import AUCTION_OF, Auctioneer
from .book import Fill, Rest, TakerSide
from .checks import Checks
from .desk import (
    CANCELED,
    EXPIRED,
    FILLED,
    HELD,
    NEW,
    PARTIALLY_FILLED,
    REJECTED,
    ReportDesk,
    VenueOrder,
)
from .journal import Journal
from .queries import Queries
from .resting import RestingOrders
from .scaled import NEVER, ScaledDay, from_units, prepare, to_units
from .tape import SymbolDay
from .terms import Terms

ADDED: Final = "added"
REMOVED: Final = "removed"
AUCTION: Final = "auction"


class Exchange(Queries):
    """Matches one client's orders against recorded or generated symbol-days.

    Args:
        markets: one symbol-day per symbol; a :class:`ScaledDay` is used as it is, which saves
            preparing the same day again (its halts must then be those of ``terms``).
        journal: where accepted requests become durable; its earlier requests are run again.
        on_boundary: called with ``journal:before`` and ``journal:after`` around each durable write.

    Raises:
        JournalMismatchError: the journal was written under other terms or market data.
        ValueError: a symbol is given twice, or prepared with other halts.
    """

    def __init__(
        self,
        markets: Iterable[SymbolDay | ScaledDay],
        terms: Terms | None = None,
        *,
        journal: Journal | None = None,
        on_boundary: Callable[[str], None] | None = None,
    ) -> None:
        self.terms = terms or Terms()
        self._markets = prepare(markets, self.terms.halted)
        self._takers = {
            (name, sign): TakerSide(scaled, sign)
            for name, scaled in self._markets.items()
            for sign in (1, -1)
        }
        self._account = SimulatedAccount(self.terms.cash, self.terms.positions)
        self._auctions = Auctioneer(self.terms, self._markets)
        self._checks = Checks(
            self.terms, self._markets, self._takers, self._account, self._auctions
        )
        self._desk = ReportDesk(self.terms.faults)
        self._orders: dict[str, VenueOrder] = {}
        self._coming: list[tuple[int, int, VenueOrder]] = []
        self._resting = RestingOrders()
        self._rests = 0
        self._now = 0
        self._on_boundary = on_boundary
        self._journal: Journal | None = None
        if journal is not None:
            self._run_again(journal)

    @property
    def now(self) -> int:
        """The time up to which everything has happened, in ns UTC."""
        return self._now

    @property
    def has_reports(self) -> bool:
        """Whether a report has arrived that :meth:`drain` has not handed over."""
        next_at = self._desk.next_at
        return next_at is not None and next_at <= self._now

    # Requests

    def submit(self, request: OrderRequest, at: int) -> None:
        """Send one order at ``at``; it arrives after the latency. See :meth:`handle`."""
        self.handle([SubmitOrder(request)], at)

    def cancel(self, client_order_id: str, at: int) -> None:
        """Cancel one order at ``at``, at once. See :meth:`handle`."""
        self.handle([CancelOrder(client_order_id, None)], at)

    def handle(self, commands: Sequence[BrokerCommand], at: int) -> None:
        """Take requests over at ``at``, in order and durably when there is a journal.

        Every outcome is a report. In an outage the outcome is unknown, and the requests may or
        may not have been taken over.

        Raises:
            ValueError: ``at`` lies before :attr:`now`.
        """
        if at < self._now:
            raise ValueError(f"time cannot go back from {self._now} to {at}")
        if not commands:
            return
        self.advance(at)
        outage = self.terms.faults.outage_at(at)
        if outage is not None:
            for command in commands:
                self._desk.no_answer(command, at)
            if not outage.accepted:
                return
        if self._journal is not None:
            self._boundary("journal:before")
            self._journal.append(at, commands)
        self._apply(commands, at)
        if self._journal is not None:
            self._boundary("journal:after")

    # Reports

    def next_report_at(self, until: int | None = None) -> int | None:
        """When the next report is due, at most ``until``; None when none is.

        Looks ahead without changing anything: a cancel before that time still prevents a fill.
        With late or missing reports on, something happens at that time but nothing may arrive.
        """
        limit = NEVER - 1 if until is None else until
        times = [self._desk.next_at, self._coming_at(), self._auctions.next_at, self._close_time()]
        limit = min([limit, *(time for time in times if time is not None)])
        times.append(self._resting.next_fill_at(limit))
        due = [time for time in times if time is not None and time <= limit]
        return min(due) if due else None

    def advance(self, to: int) -> None:
        """Let everything up to and including ``to`` happen.

        At equal times prints and quotes come first, then auctions, then the close, then arriving
        orders.
        """
        while True:
            # One number per kind, so that the earliest wins and ties go in the order above.
            fill, auction = self._resting.next_fill_at(to), self._auctions.next_at
            close, coming = self._close_time(), self._coming_at()
            first = min(t for t in (fill, auction, close, coming, NEVER) if t is not None)
            if first > to:
                break
            self._now = max(self._now, first)
            if first == fill:
                self._fill_resting()
            elif first == auction:
                self._auction(first)
            elif first == close:
                self._close(first)
            else:
                self._arrive(heapq.heappop(self._coming)[2], first)
        self._now = max(self._now, to)

    def drain(self, to: int) -> list[ExecutionReport]:
        """Advance to ``to`` and take the reports that have arrived by then, in order."""
        self.advance(to)
        return self._desk.take(to)

    def reports_since(self, client_order_ids: Sequence[str], at: int) -> list[ExecutionReport]:
        """Every report ever issued for these orders, lost and late ones included."""
        self.advance(at)
        return self._desk.history(client_order_ids, at)

    # What happens, in virtual time

    def _apply(self, commands: Sequence[BrokerCommand], at: int) -> None:
        for command in commands:
            if isinstance(command, SubmitOrder):
                self._take_over(command.request, at)
            else:
                self._cancel(command.client_order_id, at)

    def _take_over(self, request: OrderRequest, at: int) -> None:
        name = request.client_order_id
        if name in self._orders:
            text = "duplicate client order id"
            self._desk.answer(ReportKind.REJECTED, name, at, text, duplicate=True)
            return
        order = VenueOrder(request, len(self._orders), at)
        self._orders[name] = order
        heapq.heappush(self._coming, (at + self.terms.latency_ns, order.number, order))
        if not self.terms.latency_ns:
            self.advance(at)

    def _cancel(self, client_order_id: str, at: int) -> None:
        order = self._orders.get(client_order_id)
        if order is None:
            text = "unknown order"
            self._desk.answer(ReportKind.CANCEL_REJECTED, client_order_id, at, text)
        elif not order.is_open:
            text = f"too late: the order is {order.status}"
            self._desk.issue(order, ReportKind.CANCEL_REJECTED, at, text=text)
        elif self._auctions.is_locked(order.request, at):
            text = "too late: orders in the auction are no longer cancelled"
            self._desk.issue(order, ReportKind.CANCEL_REJECTED, at, text=text)
        else:
            self._end(order, CANCELED)
            self._desk.issue(order, ReportKind.CANCELED, at)

    def _arrive(self, order: VenueOrder, at: int) -> None:
        is_auction = order.request.time_in_force in AUCTION_OF
        reopens = self._checks.reopens_at(order.request.symbol, at)
        if reopens is not None and self.terms.hold_in_halt and not is_auction:
            order.status = HELD
            heapq.heappush(self._coming, (reopens, order.number, order))
            self._desk.issue(order, ReportKind.ACCEPTED, at, text="held: trading is halted")
            return
        reason = self._checks.refusal(order.request, at)
        if reason is not None:
            order.status = REJECTED
            self._desk.issue(order, ReportKind.REJECTED, at, text=reason)
            return
        order.status = NEW
        self._desk.issue(order, ReportKind.NEW, at)
        if is_auction:
            self._hold(order, order.leaves)
            self._auctions.enter(order)
            return
        price = self._checks.matched_price(order.request, at)
        is_market = order.request.order_type is OrderType.MARKET
        taker = self._takers[order.request.symbol, order.sign]
        for fill in taker.take(to_units(order.request.quantity), price, at):
            self._execute(order, fill, REMOVED)
        if not order.is_open:
            return
        if price is None or is_market or order.request.time_in_force is TimeInForce.IOC:
            self._end(order, EXPIRED)
            text = "immediate or cancel: the rest is gone"
            self._desk.issue(order, ReportKind.EXPIRED, at, text=text)
        else:
            self._rest(order, price, at)

    def _rest(self, order: VenueOrder, price: int, at: int) -> None:
        display = order.request.display_quantity
        close = self.terms.close_at
        order.rest = Rest(
            self._markets[order.request.symbol],
            order.sign,
            price=price,
            size=to_units(order.leaves),
            display=None if display is None else to_units(display),
            at=at,
            end=NEVER if close is None else close,
        )
        self._hold(order, order.leaves)
        self._rests += 1
        self._resting.add(order)

    def _auction(self, at: int) -> None:
        """One order's auction: it trades at the official price, and what is left of it is gone."""
        order, fill = self._auctions.next_fill()
        if fill is not None:
            self._hold(order, -from_units(fill.size))
            self._execute(order, fill, AUCTION)
        if order.is_open:
            self._end(order, EXPIRED)
            self._desk.issue(order, ReportKind.EXPIRED, at, text="the auction did not fill it")

    def _hold(self, order: VenueOrder, quantity: Decimal) -> None:
        order.holds = True
        price = order.request.limit_price or Decimal(0)
        self._account.hold(
            order.request.symbol, is_buy=order.is_buy, quantity=quantity, price=price
        )

    def _execute(self, order: VenueOrder, fill: Fill, liquidity: str) -> None:
        request, quantity, price = order.request, from_units(fill.size), from_units(fill.price)
        fee = self.terms.fees.charge(is_sell=not order.is_buy, quantity=quantity, price=price)
        self._account.execute(
            request.symbol, is_buy=order.is_buy, quantity=quantity, price=price, fee=fee
        )
        order.filled += quantity
        order.status = FILLED if order.filled == request.quantity else PARTIALLY_FILLED
        order.executions += 1
        self._desk.issue(
            order,
            ReportKind.TRADE,
            fill.at,
            execution_id=f"{request.client_order_id}:{order.executions}",
            last_qty=quantity,
            last_price=price,
            fee=fee,
            liquidity=liquidity,
        )

    def _end(self, order: VenueOrder, status: str) -> None:
        """The order can trade no more; what it held is free again."""
        if order.holds:
            self._hold(order, -order.leaves)
            order.holds = False
        if order.rest is not None:
            order.rest = None
            self._rests -= 1
        order.status = status

    def _fill_resting(self) -> None:
        order, fill = self._resting.pop_fill()
        self._hold(order, -from_units(fill.size))
        self._execute(order, fill, ADDED)
        if order.is_open:
            self._resting.add(order)
        else:
            order.rest = None
            self._rests -= 1

    def _coming_at(self) -> int | None:
        while self._coming and not self._coming[0][2].is_open:
            heapq.heappop(self._coming)
        return self._coming[0][0] if self._coming else None

    def _close_time(self) -> int | None:
        return self.terms.close_at if self._rests else None

    def _close(self, at: int) -> None:
        for order in list(self._orders.values()):
            if order.rest is not None:
                self._end(order, EXPIRED)
                self._desk.issue(order, ReportKind.EXPIRED, at, text="day order at the close")

    # The journal

    def _run_again(self, journal: Journal) -> None:
        journal.open(self._header())
        for at, command in journal.requests():
            self.advance(at)
            self._apply([command], at)
        # As at a broker, what was reported before is asked for, not sent again.
        self._desk.take(self._now)
        self._journal = journal

    def _header(self) -> dict[str, object]:
        days = {name: market.fingerprint for name, market in sorted(self._markets.items())}
        return {"terms": self.terms.described(), "markets": days}

    def _boundary(self, label: str) -> None:
        if self._on_boundary is not None:
            self._on_boundary(label)
