"""How executions, acknowledgements, conditions and ends change a child order.

Each function takes an order and a report and gives the order after it with what was odd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from ..money import ZERO, plain
from ..ports import ExecutionReport
from . import child_order as at
from . import executions as ex
from .anomalies import Anomalies, Anomaly, AnomalyKind
from .child_order import ChildOrder, PendingRequest, shown_state
from .executions import Executions
from .states import ORDER_TABLE, UNACKNOWLEDGED, UNCONFIRMED, OrderState, OrderTrigger, show

Folded = tuple[ChildOrder, Anomalies]

_S = OrderState
_R = OrderTrigger
# An attribute of an enumeration costs as much as a call, and every report asks for several.
_NEW, _REJECTED = _S.NEW, _S.REJECTED
_FILLED, _PARTIALLY_FILLED = _S.FILLED, _S.PARTIALLY_FILLED
_FILL_ALL, _FILL_PART = _R.FILL_ALL, _R.FILL_PART

_ACKNOWLEDGEMENT_TRIGGERS: Final = {
    _S.PENDING_NEW: _R.PEND_NEW,
    _S.ACCEPTED: _R.ACCEPT,
    _S.ACCEPTED_FOR_BIDDING: _R.BID,
    _S.HELD: _R.HOLD,
    _S.NEW: _R.ACKNOWLEDGE,
}
_ENDING_TRIGGERS: Final = {
    _S.CANCELED: _R.CANCEL,
    _S.EXPIRED: _R.EXPIRE,
    _S.REPLACED: _R.SUPERSEDE,
    _S.REJECTED: _R.REJECT,
}
_CONDITION_TRIGGERS: Final = {
    _S.STOPPED: _R.STOP,
    _S.SUSPENDED: _R.SUSPEND,
    _S.DONE_FOR_DAY: _R.FINISH_DAY,
    _S.CALCULATED: _R.CALCULATE,
}
_EXECUTING: Final = frozenset({_S.NEW, _S.PARTIALLY_FILLED, _S.FILLED})
STATES_BY_NAME: Final = {str(state): state for state in OrderState}


def settle(
    before: ChildOrder, after: ChildOrder, trigger: OrderTrigger | None, notes: Anomalies
) -> Folded:
    """Give the order the state it shows, and flag a step for which there is no row.

    ``trigger`` is None where a report names no state: what shows then is what is left.
    """
    state = shown_state(after)
    if after.state is not state:
        fields = list(after)
        fields[at.STATE] = state
        after = at.order_of(fields)
    if state is before.state:
        return after, notes
    listed = trigger is not None and ORDER_TABLE.get((before.state, trigger)) is state
    if not listed and ORDER_TABLE.get((before.state, show(state))) is not state:
        step = f"{before.state} to {state} by {trigger}"
        notes += (Anomaly(AnomalyKind.UNLISTED_TRANSITION, step),)
    return after, notes


def trade(order: ChildOrder, report: ExecutionReport) -> Folded:
    """An execution: kept whenever it comes, counted once."""
    book = order.book
    grown, notes = ex.add(book, report, order.venue_order_id or order.request.client_order_id)
    if grown is book:
        return order, notes
    if grown.quantity == book.quantity:
        return order._replace(book=grown), notes
    ended, conditions, restated = order.ended, order.conditions, order.restated
    if ended is _REJECTED:
        ended = None
        notes += (_note(AnomalyKind.FILL_AFTER_REJECTION, report),)
    elif (ended is not None or conditions) and order.is_dead and not _is_complete(order):
        restated = True
        notes += (_note(AnomalyKind.LATE_FILL, report),)
    if conditions and _is_a_new_day(order, report):
        conditions -= {_S.DONE_FOR_DAY, _S.CALCULATED}
    ordered, executed = order.order_qty, grown.quantity
    if executed > ordered > ZERO:
        over = plain(executed - ordered)
        notes += (Anomaly(AnomalyKind.OVERFILL, f"{over} shares more than ordered"),)
    complete = ZERO < ordered <= executed
    fields = list(order)
    # What an order that is simply working shows: then it is not made twice.
    fields[at.STATE] = _FILLED if complete else _PARTIALLY_FILLED
    fields[at.BOOK], fields[at.ENDED], fields[at.CONDITIONS] = grown, ended, conditions
    fields[at.RESTATED] = restated
    if order.base in UNACKNOWLEDGED:
        fields[at.BASE] = _NEW
    if not order.venue_order_id:
        fields[at.VENUE_ORDER_ID] = report.venue_order_id
    fields[at.SUBMISSIONS] = order.submissions or 1
    after = at.order_of(fields)
    return settle(order, after, _FILL_ALL if complete else _FILL_PART, notes)


def _is_complete(order: ChildOrder) -> bool:
    return ZERO < order.order_qty <= order.book.quantity


def _is_a_new_day(order: ChildOrder, report: ExecutionReport) -> bool:
    """Whether an order that lives on trades after the day it was done for."""
    ended_at = order.day_ended_at
    return order.carries_over and ended_at is not None and report.market_time > ended_at


def _note(kind: AnomalyKind, report: ExecutionReport) -> Anomaly:
    quantity = "?" if report.last_qty is None else plain(report.last_qty)
    return Anomaly(kind, f"{quantity} shares, execution {report.execution_id}")


def restatement(
    change: Callable[[Executions, ExecutionReport], ex.Outcome],
) -> Callable[[ChildOrder, ExecutionReport], Folded]:
    """Handle a bust or a correction, which names the execution that it changes."""

    def handle(order: ChildOrder, report: ExecutionReport) -> Folded:
        book = order.book
        changed, notes = change(book, report)
        if changed is book:
            return order, notes
        restated = order.restated
        if order.is_dead and changed.epoch != book.epoch:
            restated = True
            if order.ended is not None:
                detail = f"{report.kind} of {report.ref_execution_id}"
                notes += (Anomaly(AnomalyKind.RESTATED_AFTER_END, detail),)
        if changed.quantity > max(order.order_qty, book.quantity):
            over = plain(changed.quantity - order.order_qty)
            notes += (Anomaly(AnomalyKind.OVERFILL, f"{over} shares more than ordered"),)
        ended = order.ended
        if ended is _S.REJECTED and changed.quantity > 0:
            ended = None
            notes += (_note(AnomalyKind.FILL_AFTER_REJECTION, report),)
        base = _S.NEW if order.base in UNACKNOWLEDGED else order.base
        after = order._replace(book=changed, restated=restated, base=base, ended=ended)
        return settle(order, after, None, notes)

    return handle


def acknowledge(state: OrderState) -> Callable[[ChildOrder, ExecutionReport], Folded]:
    """Handle the reports by which a broker takes an order in."""
    may_be_finer = state is _S.ACCEPTED

    def handle(order: ChildOrder, report: ExecutionReport) -> Folded:
        return acknowledged(order, report, _refined(state, report) if may_be_finer else state)

    return handle


def _refined(state: OrderState, report: ExecutionReport) -> OrderState:
    """The finer word where the broker has one: FIX has no ExecType for held or bidding."""
    if report.order_status is not None:
        finer = STATES_BY_NAME.get(report.order_status, state)
        if finer in (_S.ACCEPTED_FOR_BIDDING, _S.HELD):
            return finer
    return state


def acknowledged(order: ChildOrder, report: ExecutionReport, state: OrderState) -> Folded:
    """The broker has the order; an earlier stage never comes back."""
    book, notes = ex.claim(order.book, report)
    after = order if book is order.book else order._replace(book=book)
    if order.ended is not None:
        return after, notes
    if order.base in UNACKNOWLEDGED and order.base is not state:
        after, more = _with_acknowledged_terms(after, report)
        fields = list(after)
        fields[at.STATE] = fields[at.BASE] = state
        if not after.venue_order_id:
            fields[at.VENUE_ORDER_ID] = report.venue_order_id
        fields[at.SUBMISSIONS] = after.submissions or 1
        after = at.order_of(fields)
        if after.pending and state is _NEW:
            # The answer to the new order: reported as New though a cancel is in hand (B.1.d).
            after = after._replace(pending=tuple(_unshown(request) for request in after.pending))
        notes += more
    elif order.conditions and state is _NEW:
        lifted = {_S.SUSPENDED, *((_S.DONE_FOR_DAY,) if order.carries_over else ())}
        if order.conditions & lifted:
            after = after._replace(conditions=order.conditions - lifted)
    if after is order:
        return order, notes
    return settle(order, after, _ACKNOWLEDGEMENT_TRIGGERS[state], notes)


def _unshown(request: PendingRequest) -> PendingRequest:
    if request.is_cancel and request.acknowledged:
        return replace(request, acknowledged=False)
    return request


def _with_acknowledged_terms(order: ChildOrder, report: ExecutionReport) -> Folded:
    """Take the quantity the broker acknowledges: a cash order learns its shares here."""
    quantity = report.order_qty
    if quantity is None or not ex.is_amount(quantity) or quantity == order.order_qty:
        return order, ()
    notes: Anomalies = ()
    if order.order_qty > 0:
        notes = (terms_changed(order, quantity),)
    return order._replace(order_qty=max(quantity, order.cum_qty)), notes


def terms_changed(order: ChildOrder, quantity: Decimal) -> Anomaly:
    """The broker made the terms other than we asked."""
    detail = f"quantity {plain(quantity)}, was {plain(order.order_qty)}"
    return Anomaly(AnomalyKind.TERMS_CHANGED, detail)


def condition(state: OrderState) -> Callable[[ChildOrder, ExecutionReport], Folded]:
    """Handle the reports that put an order into a passing condition."""

    def handle(order: ChildOrder, report: ExecutionReport) -> Folded:
        return conditioned(order, report, state)

    return handle


def conditioned(order: ChildOrder, report: ExecutionReport, state: OrderState) -> Folded:
    """The order is stopped, suspended, done for the day or calculated."""
    book, notes = ex.claim(order.book, report)
    day_over = state in (_S.DONE_FOR_DAY, _S.CALCULATED)
    if order.ended is not None or state in order.conditions:
        same = book is order.book
        return (order if same else order._replace(book=book)), notes
    after = order._replace(
        book=book,
        base=_S.NEW,
        submissions=order.submissions or 1,
        conditions=order.conditions | {state},
        day_ended_at=report.market_time if day_over else order.day_ended_at,
        evidence=evidence_of(report) if day_over and not order.carries_over else order.evidence,
    )
    return settle(order, after, _CONDITION_TRIGGERS[state], notes)


def ending(state: OrderState) -> Callable[[ChildOrder, ExecutionReport], Folded]:
    """Handle the reports that end an order."""

    def handle(order: ChildOrder, report: ExecutionReport) -> Folded:
        return end(order, report, state)

    return handle


def end(order: ChildOrder, report: ExecutionReport, state: OrderState) -> Folded:
    """The venue's end: pending requests and passing conditions fall away with it."""
    book, notes = ex.claim(order.book, report)
    cum = report.cum_qty
    if cum is not None and ex.is_amount(cum) and cum < book.quantity:
        detail = f"broker {plain(cum)}, ours {plain(book.quantity)}"
        notes += (Anomaly(AnomalyKind.CUM_DISAGREES, detail),)
    if order.ended is not None:
        if order.ended is not state:
            notes += (Anomaly(AnomalyKind.CONFLICTING_END, f"{state} after {order.ended}"),)
        same = book is order.book
        return (order if same else order._replace(book=book)), notes
    after = order._replace(
        book=book,
        ended=state,
        conditions=frozenset(),
        pending=(),
        answered=(*order.answered, *(request.request_id for request in order.pending)),
        submissions=order.submissions or 1,
        evidence=evidence_of(report),
    )
    return settle(order, after, _ENDING_TRIGGERS[state], notes)


def evidence_of(report: ExecutionReport) -> str:
    """What the broker said, in short: the proof kept beside an end."""
    said = f"{report.kind} at {report.market_time}"
    return said if report.text is None else f"{said}: {report.text}"


def reject(order: ChildOrder, report: ExecutionReport) -> Folded:
    """A refusal ends the order, unless it answers a second submission of the same client id."""
    key = report.execution_id or f"{report.market_time}"
    if key in order.rejections or order.ended is not None:
        if order.ended in (None, _S.REJECTED):
            return order, ()
        return order, (Anomaly(AnomalyKind.CONFLICTING_END, f"rejected after {order.ended}"),)
    refused = order._replace(rejections=(*order.rejections, key))
    says_live = report.order_status is not None and report.order_status in _EXECUTING
    unanswered = max(order.submissions, 1) > len(refused.rejections)
    executed = order.cum_qty > 0
    if says_live or (unanswered and (executed or order.is_acknowledged)):
        return refused, ()
    if executed:
        detail = f"{plain(order.cum_qty)} shares executed before"
        return refused, (Anomaly(AnomalyKind.REJECTED_AFTER_FILL, detail),)
    if unanswered:
        # One of several submissions was refused; which one is not said.
        after = refused._replace(base=_S.INDETERMINATE)
        return settle(order, after, _R.LOSE, ())
    return end(refused, report, _S.REJECTED)


def lose(order: ChildOrder, report: ExecutionReport) -> Folded:
    """Unknown outcome: everything stays reserved until the broker's evidence."""
    if order.ended is not None or order.base not in UNCONFIRMED:
        return order, ()
    if order.base is _S.INDETERMINATE and order.submissions:
        return order, ()
    after = order._replace(base=_S.INDETERMINATE, submissions=order.submissions or 1)
    return settle(order, after, _R.LOSE, ())


def triggered(order: ChildOrder, report: ExecutionReport) -> Folded:
    """Its condition is met and it is on the book."""
    return acknowledged(order, report, _S.NEW)
