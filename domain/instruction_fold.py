"""How each event changes an instruction: assignments only, reading nothing but the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from . import events as e
from .handing_over import algorithm_of
from .money import ZERO
from .orders import fold, intend, request_cancel
from .ports import OrderRequest
from .states import (
    INSTRUCTION_TABLE,
    INSTRUCTION_TERMINAL,
    InstructionState,
    InstructionTrigger,
)

if TYPE_CHECKING:
    from .instruction_record import InstructionRecord

_new: Final = tuple.__new__
"""Makes a record in half the time that its class takes."""
_T = InstructionTrigger
_FILL_PART, _LATE_FILL, _BUST = _T.FILL_PART, _T.LATE_FILL, _T.BUST


def _received(i: InstructionRecord, event: e.DecisionReceived) -> None:
    i.account = event.account
    i.session_date = event.session_date
    i.decision_id = event.decision_id
    i.content_hash = event.content_hash
    i.decision = event.decision
    i.received_at = event.record_time
    i.arrival = event.arrival
    i.arrival_mid = event.arrival_mid
    i.state = InstructionState.PLANNED


def _planned(i: InstructionRecord, event: e.InstructionPlanned) -> None:
    i.plan = event.plan
    i.reservation = event.reservation
    i.limit_version = event.limit_version
    i.volume_at_start = event.volume
    i.release_at = event.release_at
    i.volatility_bps_at_plan = event.estimate.volatility_bps if event.estimate else None


def _deferred(i: InstructionRecord, event: e.ReleaseDeferred) -> None:
    i.release_at = event.release_at


def _rejected(i: InstructionRecord, event: e.InstructionRejected) -> None:
    i.refusals = event.refusals
    i.state = InstructionState.REJECTED


def _nothing(i: InstructionRecord, event: e.NothingToDo) -> None:
    i.nothing = event.reason
    i.state = InstructionState.NO_CHANGE


def _released(i: InstructionRecord, event: e.InstructionReleased) -> None:
    i.released = True
    i.released_at = event.record_time
    i.release_mid = event.release_mid
    i.state = InstructionState.WORKING


def _replanned(i: InstructionRecord, event: e.InstructionReplanned) -> None:
    i.plan = event.plan
    i.reservation = event.reservation if event.reservation is not None else i.reservation
    i.release_at = None
    i.volume_at_start = event.volume if event.volume is not None else i.volume_at_start
    i.escalated = False


def _switched(i: InstructionRecord, event: e.StrategySwitched) -> None:
    i.plan = event.plan
    i.switches += 1
    i.switched_at = event.record_time
    _start_over(i, event)


def _suspended(i: InstructionRecord, event: e.InstructionSuspended) -> None:
    i.suspended_since = event.record_time
    i.suspended_mid = event.mid


def _resumed(i: InstructionRecord, event: e.InstructionResumed) -> None:
    i.suspended_since = i.suspended_mid = None
    i.stopped_ns += event.stopped_ns
    _start_over(i, event)


def _start_over(i: InstructionRecord, event: e.DomainEvent) -> None:
    """What remains is spread over the rest of the window from here."""
    i.resumed_at = event.record_time
    i.resumed_executed = i.spent


def _end_requested(i: InstructionRecord, event: e.InstructionEndRequested) -> None:
    i.ending = event.reason


def _escalated(i: InstructionRecord, event: e.InstructionEscalated) -> None:
    i.escalated = True


def _intended(i: InstructionRecord, event: e.OrderIntended) -> None:
    name, quantity, plan, now = event.client_order_id, event.quantity, i.plan, event.record_time
    time_in_force = event.time_in_force
    terms = (
        name,
        event.symbol,
        event.side,
        quantity,
        event.order_type,
        time_in_force,
        event.limit_price,
        event.display_quantity,
        event.sell_mark,
        None if plan is None else algorithm_of(plan, time_in_force, now),
    )
    request: OrderRequest = _new(OrderRequest, terms)
    i.requests[name] = request
    i.orders[name] = intend(request)
    i.live.add(name)
    i.placed_at[name] = i.last_placed_at = now
    i.last_wake_at = event.provenance.wake_at
    i.exposure += quantity


def _cancel_requested(i: InstructionRecord, event: e.OrderCancelRequested) -> None:
    order = i.orders[event.client_order_id]
    i.orders[event.client_order_id] = request_cancel(order)
    if event.provenance is not None:
        i.last_wake_at = event.provenance.wake_at


def _reported(i: InstructionRecord, event: e.OrderReported, *, is_trade: bool = False) -> bool:
    """What a report changes; whether it is of an order that we know."""
    report = event.report
    name = report.client_order_id
    before = i.orders.get(name)
    if before is None:
        return False
    known = i.folded
    fresh = known is not None and known[0] is report
    after = known[1] if known is not None and fresh else fold(before, report)[0]
    i.orders[name] = after
    if after.is_dead:
        i.live.discard(name)
    else:
        i.live.add(name)
    exposed, was_exposed = after.exposure, before.exposure
    if exposed is not was_exposed:
        i.exposure += exposed - was_exposed
    book, was = after.book, before.book
    if book is was:
        return True
    i.notional += book.notional - was.notional
    i.fees += book.fees - was.fees
    traded = book.quantity - was.quantity
    if not traded:
        return True
    i.executed += traded
    state, trigger = i.state, _FILL_PART
    if state in INSTRUCTION_TERMINAL:
        i.restated, trigger = True, _LATE_FILL
    if not is_trade:
        # What the venue took back is never traded again; what it gives back counts against that.
        i.taken_back, trigger = max(i.taken_back - traded, ZERO), _BUST
    i.state = INSTRUCTION_TABLE.get((state, trigger), state)
    return True


def _acknowledged(i: InstructionRecord, event: e.OrderAcknowledged) -> None:
    if _reported(i, event):
        i.rejections_in_a_row = 0


def _traded(i: InstructionRecord, event: e.OrderFilled) -> None:
    if _reported(i, event, is_trade=True):
        i.rejections_in_a_row = 0


def _order_rejected(i: InstructionRecord, event: e.OrderRejected) -> None:
    if _reported(i, event):
        i.rejections_in_a_row += 1
        i.last_rejection = event.report.text or ""


def _filled(i: InstructionRecord, event: e.InstructionFilled) -> None:
    i.state = InstructionState.FILLED
    i.ended_at = event.record_time


def _cancelled(i: InstructionRecord, event: e.InstructionCancelled) -> None:
    i.state = InstructionState.CANCELLED
    i.end_reason = event.reason
    i.completing_price = event.completing_price
    i.end_mid = event.end_mid
    i.ended_at = event.record_time


def _assessed(i: InstructionRecord, event: e.DecisionAssessed) -> None:
    """Nothing but the version: what came of it follows."""


def _anomaly(i: InstructionRecord, event: e.InstructionAnomaly) -> None:
    i.anomalies += 1


REPORTED: Final = (
    e.OrderReported,
    e.OrderAcknowledged,
    e.OrderRejected,
    e.OrderFilled,
    e.OrderCanceled,
    e.OrderExpired,
    e.OrderReplaced,
    e.FillBusted,
    e.FillCorrected,
    e.OrderIndeterminate,
)

_APPLIERS: Final[dict[type[e.DomainEvent], Callable[[InstructionRecord, Any], object]]] = {
    e.DecisionReceived: _received,
    e.DecisionAssessed: _assessed,
    e.InstructionPlanned: _planned,
    e.ReleaseDeferred: _deferred,
    e.InstructionRejected: _rejected,
    e.NothingToDo: _nothing,
    e.InstructionReleased: _released,
    e.InstructionReplanned: _replanned,
    e.StrategySwitched: _switched,
    e.InstructionSuspended: _suspended,
    e.InstructionResumed: _resumed,
    e.InstructionEndRequested: _end_requested,
    e.InstructionEscalated: _escalated,
    e.OrderIntended: _intended,
    e.OrderCancelRequested: _cancel_requested,
    e.InstructionFilled: _filled,
    e.InstructionCancelled: _cancelled,
    e.InstructionAnomaly: _anomaly,
    **dict.fromkeys(REPORTED, _reported),
    e.OrderAcknowledged: _acknowledged,
    e.OrderFilled: _traded,
    e.OrderRejected: _order_rejected,
}

APPLIERS: Final = e.ByKind(_APPLIERS)
