"""Reports that the broker did not send, and that follow from what it lists."""

from __future__ import annotations

from ...domain.orders.child_order import ChildOrder
from ...domain.ports import BrokerOrder, ExecutionReport, ReportKind


def ended(seen: BrokerOrder, now: int) -> ExecutionReport:
    """The end of an order that the broker lists as one that can trade no more."""
    return ExecutionReport(
        kind=ReportKind.CANCELED if seen.status == "canceled" else ReportKind.EXPIRED,
        client_order_id=seen.client_order_id,
        market_time=now,
        receive_time=now,
        venue_order_id=seen.venue_order_id,
        cum_qty=seen.filled_qty,
        text=f"the broker has it as {seen.status}, no longer open",
        derived=True,
    )


def absent(order: ChildOrder, now: int) -> ExecutionReport:
    """The end of an order that the broker's complete list of its day does not have."""
    return ExecutionReport(
        kind=ReportKind.EXPIRED,
        client_order_id=order.client_order_id,
        market_time=now,
        receive_time=now,
        text="not in the broker's complete list of the day's orders and fills",
        derived=True,
    )
