"""A child order as a value: what we asked for, what the venue said, what may still execute.

Our own steps are here; the broker's reports are folded in ``folding``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ..money import ZERO
from ..ports import OrderRequest, OrderType, Side, TimeInForce
from .executions import NOTHING_EXECUTED, Execution, Executions
from .states import UNCONFIRMED, OrderState, OrderTrigger, next_order_state

# An attribute of an enumeration costs as much as a call, and every report asks for several.
_FILLED, _PARTIALLY_FILLED = OrderState.FILLED, OrderState.PARTIALLY_FILLED
_INTENDED, _INDETERMINATE = OrderState.INTENDED, OrderState.INDETERMINATE
_NONE_OF_THEM: Final[frozenset[OrderState]] = frozenset()
_DAY_OVER: Final = frozenset({OrderState.DONE_FOR_DAY, OrderState.CALCULATED})


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A cancel (``order_qty`` None) or replace that we asked for and that is not answered yet.

    ``acknowledged`` is whether the broker has said that it deals with it; only then does the order
    show ``pending_cancel`` or ``pending_replace``.
    """

    request_id: str
    order_qty: Decimal | None = None
    limit_price: Decimal | None = None
    acknowledged: bool = False

    @property
    def is_cancel(self) -> bool:
        """Whether it asks for a cancel."""
        return self.order_qty is None


class ChildOrder(NamedTuple):
    """One order at the broker, as its reports leave it.

    ``state`` is the highest by FIX precedence of the states it is in: ``base`` (how far it was
    acknowledged), ``conditions`` (stopped, suspended, done for day, calculated), ``ended`` (the
    venue's end) and the pending requests. ``client_order_id`` is the last accepted id of the
    replace chain, ``client_order_ids`` all ids that reports may carry. ``submissions`` counts how
    often it was sent, ``rejections`` which refusals came back. ``carries_over`` marks an order that
    lives on after its day, ``day_ended_at`` the market time at which its day ended. ``restated``
    says that the market changed executions after the end, ``evidence`` what ended it.
    """

    state: OrderState
    order_qty: Decimal
    book: Executions
    request: OrderRequest
    client_order_id: str
    client_order_ids: tuple[str, ...]
    base: OrderState = OrderState.INTENDED
    ended: OrderState | None = None
    conditions: frozenset[OrderState] = frozenset()
    pending: tuple[PendingRequest, ...] = ()
    answered: tuple[str, ...] = ()
    venue_order_id: str | None = None
    limit_price: Decimal | None = None
    carries_over: bool = False
    submissions: int = 0
    rejections: tuple[str, ...] = ()
    day_ended_at: int | None = None
    restated: bool = False
    evidence: str | None = None

    def facts(self) -> object:
        """All that reports and our own steps made of it, without what was asked for."""
        conditions = sorted(self.conditions) if self.conditions else ()
        executions = tuple(self.book.by_id.values())
        return self[:2], self[4:8], conditions, self[9:], self.book[:5], executions

    @property
    def symbol(self) -> str:
        """The instrument."""
        return self.request.symbol

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.request.side

    @property
    def order_type(self) -> OrderType:
        """How it is priced."""
        return self.request.order_type

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it lives."""
        return self.request.time_in_force

    @property
    def display_quantity(self) -> Decimal | None:
        """Shares shown in the book, None for all."""
        return self.request.display_quantity

    @property
    def cum_qty(self) -> Decimal:
        """Shares executed: the sum of its live executions."""
        return self.book.quantity

    @property
    def notional(self) -> Decimal:
        """Executed shares times their prices, in account currency."""
        return self.book.notional

    @property
    def fees(self) -> Decimal:
        """Fees reported with its executions, in account currency."""
        return self.book.fees

    @property
    def executions(self) -> Mapping[str, Execution]:
        """Its executions by the id they were first counted under."""
        return self.book.by_id

    @property
    def missing_qty(self) -> Decimal:
        """Shares the broker says executed that we have seen no execution for."""
        return self.book.missing_qty

    @property
    def avg_price(self) -> Decimal | None:
        """Notional over the executed shares whose price is known, None where there are none."""
        book = self.book
        priced = book.quantity - book.unpriced_qty
        return book.notional / priced if priced else None

    @property
    def leaves_qty(self) -> Decimal:
        """Shares that can still execute: OrderQty - CumQty while it can trade, else none."""
        if self.ended is not None or self._day_is_over:
            return ZERO
        left = self.order_qty - self.book.quantity
        return left if left > 0 else ZERO

    @property
    def exposure(self) -> Decimal:
        """Executed shares plus all that may yet execute (ruling 5).

        A pending cancel keeps its leaves, a pending replace counts the larger of old and new from
        the moment we ask, an unknown outcome keeps everything, and what the broker says executed
        counts before its fills are seen.
        """
        executed = self.book.reported_cum
        if self.ended is not None or (self.conditions and self._day_is_over):
            return executed
        most = self.order_qty if self.order_qty > executed else executed
        for request in self.pending:
            if request.order_qty is not None and request.order_qty > most:
                most = request.order_qty
        return most

    @property
    def is_dead(self) -> bool:
        """Whether nothing more can execute: proven ended, its day over, or all of it filled."""
        if self.ended is not None or (self.conditions and self._day_is_over):
            return True
        filled = ZERO < self.order_qty <= self.book.quantity
        return filled and not (self.pending and self.pending_replace)

    @property
    def is_open(self) -> bool:
        """Whether something may still execute, known at the broker or not."""
        return not self.is_dead

    @property
    def is_acknowledged(self) -> bool:
        """Whether the broker has confirmed it."""
        return self.base not in UNCONFIRMED

    @property
    def is_indeterminate(self) -> bool:
        """Whether it was sent and its outcome is unknown."""
        return self.base is _INDETERMINATE and self.ended is None

    @property
    def pending_cancel(self) -> bool:
        """Whether a cancel was asked for and is not answered."""
        return any(request.is_cancel for request in self.pending)

    @property
    def pending_replace(self) -> bool:
        """Whether a replace was asked for and is not answered."""
        return any(not request.is_cancel for request in self.pending)

    @property
    def reported_order_qty(self) -> Decimal:
        """OrderQty as a report on the newest pending replace carries it.

        That is the quantity which this replace amends: of the replace before it where the broker
        has both in hand (FIX matrix D.2.b), else of the order.
        """
        in_hand = [r.order_qty for r in self.pending if r.order_qty is not None and r.acknowledged]
        return max(in_hand[-2], self.cum_qty) if len(in_hand) > 1 else self.order_qty

    @property
    def _day_is_over(self) -> bool:
        return not self.carries_over and not self.conditions.isdisjoint(_DAY_OVER)


_new: Final = tuple.__new__
_PLACE: Final = ChildOrder._fields.index
STATE, BOOK = map(_PLACE, ("state", "book"))
BASE, ENDED, CONDITIONS = map(_PLACE, ("base", "ended", "conditions"))
VENUE_ORDER_ID, SUBMISSIONS, RESTATED = map(_PLACE, ("venue_order_id", "submissions", "restated"))


def order_of(fields: Sequence[Any]) -> ChildOrder:
    """The order whose fields these are, by their places; a fifth of the cost of ``_replace``.

    For what every report asks for: ``fields = list(order)``, those that change, and this.
    """
    return _new(ChildOrder, fields)


def shown_state(order: ChildOrder) -> OrderState:
    """The highest, by FIX precedence, of the states that the order is in."""
    highest = None
    for request in order.pending:
        if request.acknowledged:
            if request.is_cancel:
                return OrderState.PENDING_CANCEL
            highest = OrderState.PENDING_REPLACE
    if highest is not None:
        return highest
    conditions = order.conditions
    if conditions and conditions & _DAY_OVER:
        done = OrderState.DONE_FOR_DAY in conditions
        return OrderState.DONE_FOR_DAY if done else OrderState.CALCULATED
    executed = order.book.quantity
    if ZERO < order.order_qty <= executed:
        return _FILLED
    if conditions:
        stopped = OrderState.STOPPED in conditions
        return OrderState.STOPPED if stopped else OrderState.SUSPENDED
    if order.ended is not None:
        return order.ended
    return _PARTIALLY_FILLED if executed > ZERO else order.base


def intend(request: OrderRequest, *, carries_over: bool = False) -> ChildOrder:
    """A child order that is decided and not sent.

    ``carries_over`` marks an order that lives on after its day; the engine sends none (ruling 15),
    but may find one in the account.
    """
    id, intended, unset = request.client_order_id, _INTENDED, None
    book, none = NOTHING_EXECUTED, _NONE_OF_THEM
    # One display of all fields, in their order: every instruction makes several orders.
    known = (intended, request.quantity, book, request, id, (id,), intended, unset, none, (), ())
    priced = (unset, request.limit_price, carries_over, 0, (), unset, False, unset)
    return _new(ChildOrder, known + priced)


def mark_sent(order: ChildOrder) -> ChildOrder:
    """The order was handed to the broker, once more when it was before (same client id)."""
    base = OrderState.PENDING_NEW if order.base is OrderState.INTENDED else order.base
    sent = order._replace(base=base, submissions=order.submissions + 1)
    return sent._replace(state=shown_state(sent))


def withdraw(order: ChildOrder) -> ChildOrder:
    """Give up an order that was never sent; nothing of it can trade.

    Raises:
        IllegalTransition: when it was sent, or may have been.
    """
    state = next_order_state(order.state, OrderTrigger.WITHDRAW)
    return order._replace(state=state, ended=state, evidence="never sent")


def request_cancel(order: ChildOrder, request_id: str | None = None) -> ChildOrder:
    """A cancel was asked for, under its own id where the protocol gives it one.

    The order shows ``pending_cancel`` only when the broker says so, and keeps its leaves.
    """
    return _ask(order, PendingRequest(request_id or order.client_order_id))


def request_replace(
    order: ChildOrder,
    request_id: str,
    order_qty: Decimal,
    limit_price: Decimal | None = None,
) -> ChildOrder:
    """A replace was asked for; the old terms hold until the broker says it is replaced.

    ``order_qty`` is the new total, executed shares included; ``limit_price`` None keeps the price.
    """
    return _ask(order, PendingRequest(request_id, order_qty, limit_price))


def _ask(order: ChildOrder, request: PendingRequest) -> ChildOrder:
    if order.ended is not None or request in order.pending:
        return order
    ids = order.client_order_ids
    if request.request_id not in ids:
        ids = (*ids, request.request_id)
    return order._replace(
        pending=(*order.pending, request),
        answered=tuple(id for id in order.answered if id != request.request_id),
        client_order_ids=ids,
    )
