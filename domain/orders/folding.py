"""How a report of the broker changes a child order, by the rules of FIX order states.

:func:`fold` is total: whatever a broker can say gives an order and perhaps anomalies, never an
exception. Facts of the market win over what we thought: a fill is kept whenever it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from ..ports import ExecutionReport, ReportKind
from . import executions as ex
from .anomalies import Anomaly, AnomalyKind
from .changes import (
    STATES_BY_NAME,
    Folded,
    acknowledge,
    acknowledged,
    condition,
    end,
    ending,
    lose,
    reject,
    restatement,
    trade,
    triggered,
)
from .child_order import ChildOrder
from .requests import answer_rejected, pend_cancel, pend_replace, replaced, restate_terms
from .states import ORDER_ENDED, UNACKNOWLEDGED, OrderState


def fold(order: ChildOrder, report: ExecutionReport) -> Folded:
    """The order after ``report``, and what was odd about it.

    A report that says nothing new gives the same object back. Totals come from the set of
    executions, so neither their order nor their repetition matters.
    """
    if (
        report.client_order_id != order.client_order_id
        and report.client_order_id not in order.client_order_ids
        and (report.venue_order_id is None or report.venue_order_id != order.venue_order_id)
    ):
        return order, (Anomaly(AnomalyKind.WRONG_ORDER, f"report for {report.client_order_id}"),)
    after, notes = HANDLERS[report.kind](order, report)
    if report.venue_order_id is not None and after.venue_order_id is None:
        after = after._replace(venue_order_id=report.venue_order_id)
    return after, notes


def status(order: ChildOrder, report: ExecutionReport) -> Folded:
    """A snapshot: it may acknowledge, end or mask an order, and never makes a fill.

    Where it counts more than the executions we know, the difference is flagged and keeps its room.
    """
    if report.order_status is None:
        return _claimed(order, report)
    state = STATES_BY_NAME.get(report.order_status)
    if state is None:
        after, notes = _claimed(order, report)
        return after, (*notes, Anomaly(AnomalyKind.UNKNOWN_STATUS, report.order_status))
    if state in ORDER_ENDED:
        if order.ended is not None:
            return _claimed(order, report)
        if state is OrderState.REJECTED and order.cum_qty > 0:
            return reject(order, report)
        return end(order, report, state)
    if state in (OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.FILLED):
        if order.base not in UNACKNOWLEDGED:
            return _claimed(order, report)
        return acknowledged(order, report, OrderState.NEW)
    return _SNAPSHOTS[state](order, report)


def _claimed(order: ChildOrder, report: ExecutionReport) -> Folded:
    book, notes = ex.claim(order.book, report)
    return (order if book is order.book else order._replace(book=book)), notes


Handler = Callable[[ChildOrder, ExecutionReport], Folded]

_SNAPSHOTS: Final[Mapping[OrderState, Handler]] = {
    OrderState.PENDING_NEW: acknowledge(OrderState.PENDING_NEW),
    OrderState.ACCEPTED: acknowledge(OrderState.ACCEPTED),
    OrderState.ACCEPTED_FOR_BIDDING: acknowledge(OrderState.ACCEPTED_FOR_BIDDING),
    OrderState.HELD: acknowledge(OrderState.HELD),
    OrderState.STOPPED: condition(OrderState.STOPPED),
    OrderState.SUSPENDED: condition(OrderState.SUSPENDED),
    OrderState.DONE_FOR_DAY: condition(OrderState.DONE_FOR_DAY),
    OrderState.CALCULATED: condition(OrderState.CALCULATED),
    OrderState.PENDING_CANCEL: pend_cancel,
    OrderState.PENDING_REPLACE: pend_replace,
    OrderState.INDETERMINATE: _claimed,
    OrderState.INTENDED: _claimed,
}

HANDLERS: Final[Mapping[ReportKind, Handler]] = {
    ReportKind.PENDING_NEW: acknowledge(OrderState.PENDING_NEW),
    ReportKind.ACCEPTED: acknowledge(OrderState.ACCEPTED),
    ReportKind.NEW: acknowledge(OrderState.NEW),
    ReportKind.TRIGGERED: triggered,
    ReportKind.TRADE: trade,
    ReportKind.TRADE_BUST: restatement(ex.bust),
    ReportKind.TRADE_CORRECT: restatement(ex.correct),
    ReportKind.PENDING_CANCEL: pend_cancel,
    ReportKind.PENDING_REPLACE: pend_replace,
    ReportKind.CANCEL_REJECTED: partial(answer_rejected, is_cancel=True),
    ReportKind.REPLACE_REJECTED: partial(answer_rejected, is_cancel=False),
    ReportKind.REPLACED: replaced,
    ReportKind.RESTATED: restate_terms,
    ReportKind.CANCELED: ending(OrderState.CANCELED),
    ReportKind.EXPIRED: ending(OrderState.EXPIRED),
    ReportKind.REJECTED: reject,
    ReportKind.DONE_FOR_DAY: condition(OrderState.DONE_FOR_DAY),
    ReportKind.CALCULATED: condition(OrderState.CALCULATED),
    ReportKind.STOPPED: condition(OrderState.STOPPED),
    ReportKind.SUSPENDED: condition(OrderState.SUSPENDED),
    ReportKind.STATUS: status,
    ReportKind.UNKNOWN_OUTCOME: lose,
}
