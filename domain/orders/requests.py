"""How answers to cancels and replaces, and the broker's own new terms, change an order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from ..money import plain
from ..ports import ExecutionReport
from . import executions as ex
from .anomalies import Anomalies, Anomaly, AnomalyKind
from .changes import Folded, end, settle, terms_changed
from .child_order import ChildOrder, PendingRequest
from .states import UNACKNOWLEDGED, OrderState, OrderTrigger


def pend_cancel(order: ChildOrder, report: ExecutionReport) -> Folded:
    """The broker deals with a cancel, ours or its own."""
    asked = _of_report(order, report, is_cancel=True)
    if asked is None:
        asked = PendingRequest(report.client_order_id)
    return _pend(order, report, asked, OrderTrigger.PEND_CANCEL)


def pend_replace(order: ChildOrder, report: ExecutionReport) -> Folded:
    """The broker deals with a replace; the old terms hold until it is done."""
    asked = _of_report(order, report, is_cancel=False)
    if asked is None:
        asked = PendingRequest(report.client_order_id, order.order_qty)
    return _pend(order, report, asked, OrderTrigger.PEND_REPLACE)


def _pend(
    order: ChildOrder, report: ExecutionReport, asked: PendingRequest, trigger: OrderTrigger
) -> Folded:
    book, notes = ex.claim(order.book, report)
    after = order if book is order.book else order._replace(book=book)
    if order.ended is not None or asked.request_id in order.answered or asked.acknowledged:
        return after, notes
    shown = replace(asked, acknowledged=True)
    if asked in order.pending:
        pending = tuple(shown if request == asked else request for request in order.pending)
    else:
        pending = (*order.pending, shown)
    # It answers about the order, so it has it, though it may not have accepted it yet.
    unknown = order.base in (OrderState.INTENDED, OrderState.INDETERMINATE)
    after = after._replace(
        pending=pending,
        base=OrderState.PENDING_NEW if unknown else order.base,
        submissions=order.submissions or 1,
    )
    return settle(order, after, trigger, notes)


def _of_report(
    order: ChildOrder, report: ExecutionReport, *, is_cancel: bool
) -> PendingRequest | None:
    """The pending request that a report is about: by its id, else the only one of its kind."""
    kind = [request for request in order.pending if request.is_cancel is is_cancel]
    for request in kind:
        if request.request_id == report.client_order_id:
            return request
    return kind[0] if len(kind) == 1 and not _names_a_request(order, report) else None


def _names_a_request(order: ChildOrder, report: ExecutionReport) -> bool:
    """Whether the report carries the id of some request, pending or answered."""
    name = report.client_order_id
    if name == order.request.client_order_id:
        return False
    return name in order.answered or any(request.request_id == name for request in order.pending)


def answer_rejected(order: ChildOrder, report: ExecutionReport, *, is_cancel: bool) -> Folded:
    """A cancel or replace was refused: the order goes on as if it had not been asked for."""
    name = report.client_order_id
    kind = [request for request in order.pending if request.is_cancel is is_cancel]
    # The order's own id names no request: a broker without request ids answers all under it.
    is_own = name in (order.client_order_id, order.request.client_order_id)
    named = [] if is_own else [r for r in order.pending if r.request_id == name]
    if named:
        refused = named
    elif name in order.answered and not is_own:
        return order, ()
    elif is_cancel:
        refused = kind  # under the order's own id: no cancel of it stands
    else:
        refused = kind if len(kind) == 1 else []
    if not refused:
        if order.ended is not None or name in order.answered:
            return order, ()
        return order, (Anomaly(AnomalyKind.UNMATCHED_ANSWER, f"{report.kind} of {name}"),)
    after = order._replace(
        pending=tuple(request for request in order.pending if request not in refused),
        answered=(*order.answered, *(request.request_id for request in refused)),
    )
    return settle(order, after, None, ())


def replaced(order: ChildOrder, report: ExecutionReport) -> Folded:
    """The new terms hold from here on, amended to what has executed where that is more.

    A broker that puts a new order in the old one's place (its status says ``replaced``) ends the
    old one instead. Under the id of a request that was done in place it is the answer once more.
    """
    name = report.client_order_id
    asked = _of_report(order, report, is_cancel=False)
    in_place = asked is not None and asked.request_id == name
    again = asked is None and name in order.answered
    if not in_place and not again and report.order_status == OrderState.REPLACED:
        return end(order, report, OrderState.REPLACED)
    if order.ended is not None or again:
        return order, ()
    book, notes = ex.claim(order.book, report)
    wanted = order.order_qty if asked is None or asked.order_qty is None else asked.order_qty
    quantity = wanted
    if report.order_qty is not None and ex.is_amount(report.order_qty):
        quantity = report.order_qty
    amended = max(quantity, book.quantity)
    if asked is None:
        notes += (Anomaly(AnomalyKind.UNASKED_REPLACE, f"to {plain(quantity)} by {name}"),)
    elif amended not in (wanted, book.quantity):
        notes += (terms_changed(order, amended),)
    # Requests are dealt with in order: those before the one that is done are answered as well.
    done = order.pending[: order.pending.index(asked) + 1] if asked is not None else ()
    done = tuple(request for request in done if not request.is_cancel)
    after = order._replace(
        book=book,
        order_qty=amended,
        limit_price=_new_limit(order, report, asked),
        client_order_id=name if in_place else order.client_order_id,
        pending=tuple(request for request in order.pending if request not in done),
        answered=(*order.answered, *(request.request_id for request in done)),
        base=OrderState.NEW,
        submissions=order.submissions or 1,
    )
    return settle(order, after, None, notes)


def _new_limit(
    order: ChildOrder, report: ExecutionReport, asked: PendingRequest | None
) -> Decimal | None:
    if report.limit_price is not None and ex.is_amount(report.limit_price):
        return report.limit_price
    if asked is not None and asked.limit_price is not None:
        return asked.limit_price
    return order.limit_price


def restate_terms(order: ChildOrder, report: ExecutionReport) -> Folded:
    """The broker changed the order by itself: renewed it for the day, resized it, or split it."""
    book, quantity = order.book, report.order_qty
    if quantity is not None and not ex.is_amount(quantity):
        quantity = None
    notes: Anomalies = ()
    split_cum = _split_cum(order, report)
    if split_cum is not None:
        book = ex.rescale(book, split_cum, report.market_time)
    else:
        book, notes = ex.claim(book, report)
    if quantity is not None and quantity != order.order_qty:
        notes += (terms_changed(order, quantity),)
    conditions = order.conditions
    if order.carries_over:
        conditions -= {OrderState.DONE_FOR_DAY, OrderState.CALCULATED}
    after = order._replace(
        book=book,
        order_qty=order.order_qty if quantity is None else max(quantity, book.quantity),
        limit_price=_new_limit(order, report, None),
        conditions=conditions,
        base=OrderState.NEW if order.base in UNACKNOWLEDGED else order.base,
        submissions=order.submissions or 1,
    )
    if after == order:
        return order, notes
    return settle(order, after, None, notes)


def _split_cum(order: ChildOrder, report: ExecutionReport) -> Decimal | None:
    """The new CumQty where OrderQty and CumQty change by one ratio, as in a stock split."""
    cum, quantity = report.cum_qty, report.order_qty
    if cum is None or quantity is None or not ex.is_amount(cum) or not ex.is_amount(quantity):
        return None
    if order.cum_qty in (0, cum) or quantity * order.cum_qty != cum * order.order_qty:
        return None
    return cum
