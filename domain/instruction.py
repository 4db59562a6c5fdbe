"""The aggregate: one instruction from decision to its end, with its child orders.

Commands check against the transition table and record events; applying an event only assigns and
reads nothing but the event, so that replay is always possible and always the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from . import events as e
from .aggregate import Aggregate
from .decision import Decision
from .errors import InvariantBroken, invariant
from .ids import client_order_id
from .instruction_record import InstructionRecord
from .market import MarketState, Quote
from .money import ZERO
from .orders import ChildOrder, fold
from .plan import PlanTerms
from .planning.inputs import PlanningInputs
from .ports import ExecutionReport, OrderRequest, ReportKind, SellMark, Side
from .principals import Submitter
from .reasons import Anomalous, Check, EndReason, NothingReason, Refusal
from .reservations import Reservation
from .states import InstructionState, InstructionTrigger, next_instruction_state
from .strategies.contract import Cancel, Place

REPORT_EVENTS: Final[dict[ReportKind, type[e.OrderReported]]] = {
    ReportKind.PENDING_NEW: e.OrderAcknowledged,
    ReportKind.NEW: e.OrderAcknowledged,
    ReportKind.ACCEPTED: e.OrderAcknowledged,
    ReportKind.TRADE: e.OrderFilled,
    ReportKind.TRADE_BUST: e.FillBusted,
    ReportKind.TRADE_CORRECT: e.FillCorrected,
    ReportKind.CANCELED: e.OrderCanceled,
    ReportKind.EXPIRED: e.OrderExpired,
    ReportKind.REJECTED: e.OrderRejected,
    ReportKind.REPLACED: e.OrderReplaced,
    ReportKind.UNKNOWN_OUTCOME: e.OrderIndeterminate,
}


class Instruction(InstructionRecord, Aggregate):
    """One instruction with its commands; each checks first and then records what happened."""

    def __init__(self, id: UUID) -> None:
        InstructionRecord.__init__(self, id)
        Aggregate.__init__(self)

    def receive(
        self,
        stamp: e.Stamp,
        *,
        account: str,
        session_date: str,
        decision_id: str,
        content_hash: str,
        decision: Decision | None,
        arrival: Quote | None,
        data_note: str,
        subject: str,
        sealed_text: str,
        submitted_by: Submitter | None = None,
    ) -> None:
        """Record the decision as received; ``arrival`` is a valid two-sided quote or None."""
        invariant(self.version == 0, "a decision is received once")
        self._record(
            e.DecisionReceived,
            stamp,
            account=account,
            session_date=session_date,
            decision_id=decision_id,
            content_hash=content_hash,
            decision=decision,
            arrival=arrival,
            arrival_mid=arrival.mid if arrival else None,
            data_note=data_note,
            subject=subject,
            sealed_text=sealed_text,
            submitted_by=submitted_by,
        )

    def assess(self, stamp: e.Stamp, inputs: PlanningInputs) -> None:
        """Record what it is planned from, before what comes of it."""
        invariant(not self.is_done, "only an open decision is planned")
        self._record(e.DecisionAssessed, stamp, inputs=inputs)

    def accept(self, stamp: e.Stamp, **planned: Any) -> None:
        """Record the plan with its checks and reservation (fields of ``InstructionPlanned``)."""
        invariant(self.state is InstructionState.PLANNED, "a plan is made once")
        invariant(self.plan is None, "a plan is made once")
        self._record(e.InstructionPlanned, stamp, **planned)

    def refuse(
        self, stamp: e.Stamp, refusals: tuple[Refusal, ...], checks: tuple[Check, ...] = ()
    ) -> None:
        """Record that we refuse it."""
        next_instruction_state(self.state, InstructionTrigger.REFUSE)
        self._record(e.InstructionRejected, stamp, refusals=refusals, checks=checks)

    def do_nothing(
        self,
        stamp: e.Stamp,
        reason: NothingReason,
        note: str = "",
        checks: tuple[Check, ...] = (),
    ) -> None:
        """Record that there is nothing to trade."""
        next_instruction_state(self.state, InstructionTrigger.NOTHING_TO_DO)
        self._record(e.NothingToDo, stamp, reason=reason, note=note, checks=checks)

    def await_release(self, stamp: e.Stamp, release_at: int, rule: str) -> None:
        """Wait for the market to open before planning."""
        invariant(self.plan is None and not self.is_done, "only an unplanned decision waits")
        self._record(e.ReleaseDeferred, stamp, release_at=release_at, rule=rule)

    def release(self, stamp: e.Stamp, release_mid: Decimal | None) -> None:
        """Begin work; recorded in the same append as the first child order."""
        next_instruction_state(self.state, InstructionTrigger.RELEASE)
        self._record(e.InstructionReleased, stamp, release_mid=release_mid)

    def replan(
        self,
        stamp: e.Stamp,
        plan: PlanTerms,
        rule: str,
        checks: tuple[Check, ...] = (),
        volume: Decimal | None = None,
        reservation: Reservation | None = None,
    ) -> None:
        """Change the plan's terms within the quantity that was admitted.

        Another side or price needs a ``reservation`` that covers it.
        """
        invariant(self.plan is not None and not self.is_done, "only an open plan is changed")
        invariant(self.plan is None or plan.quantity <= self.plan.quantity, "a plan never grows")
        held = reservation or self.reservation
        invariant(held is None or held.side is plan.side, "what is reserved is of the plan's side")
        self._record(
            e.InstructionReplanned,
            stamp,
            plan=plan,
            rule=rule,
            checks=checks,
            volume=volume,
            reservation=reservation,
        )

    def switch(
        self,
        stamp: e.Stamp,
        plan: PlanTerms,
        *,
        rule: str,
        observed: str,
        threshold: str,
        market: MarketState | None = None,
    ) -> None:
        """Change strategy or aggression while working."""
        current = self._planned()
        invariant(self.is_active, "only a working instruction is switched")
        invariant(plan.quantity == current.quantity, "a switch keeps the quantity")
        self._record(
            e.StrategySwitched,
            stamp,
            previous=current.strategy,
            plan=plan,
            rule=rule,
            observed=observed,
            threshold=threshold,
            market=market,
        )

    def suspend(
        self,
        stamp: e.Stamp,
        cause: str,
        *,
        since: int | None = None,
        mid: Decimal | None = None,
    ) -> None:
        """Stop the schedule for a halt that began at ``since``; ``mid`` is the mid before it."""
        if self.suspended_since is None:
            remaining = self._planned().quantity - self.spent
            self._record(
                e.InstructionSuspended,
                stamp,
                cause=cause,
                since=since,
                mid=mid,
                remaining=max(remaining, ZERO),
            )

    def resume(self, stamp: e.Stamp, mid: Decimal | None = None) -> None:
        """Let the schedule go on after a halt, and record what it cost at the ``mid`` now."""
        if self.suspended_since is None:
            return
        plan = self._planned()
        remaining = max(plan.quantity - self.spent, ZERO)
        cost = None
        if mid is not None and self.suspended_mid is not None:
            cost = plan.side.sign * remaining * (mid - self.suspended_mid)
        self._record(
            e.InstructionResumed,
            stamp,
            stopped_ns=max(stamp.record_time - self.suspended_since, 0),
            mid=mid,
            remaining=remaining,
            cost=cost,
        )

    def escalate(self, stamp: e.Stamp, completing_price: Decimal | None) -> None:
        """Pause at the bound until a person decides."""
        if not self.escalated:
            self._record(
                e.InstructionEscalated,
                stamp,
                bound_price=self._planned().bound_price,
                completing_price=completing_price,
            )

    def ask_end(self, stamp: e.Stamp, reason: EndReason, check: Check | None = None) -> None:
        """Ask for the end; it comes once every order is proven dead. ``check`` is what failed."""
        if not self.is_done and self.ending is None:
            self._record(e.InstructionEndRequested, stamp, reason=reason, check=check)

    def intend(self, stamp: e.Stamp, place: Place, provenance: e.Provenance) -> OrderRequest:
        """Record a child order before it is sent; returns what to send once durable."""
        plan = self._planned()
        invariant(self.is_active, "orders are placed only while working")
        invariant(
            self.exposure + self.taken_back + place.quantity <= plan.quantity,
            "executed and open quantity never exceed the instruction, nor is a bust made up for",
        )
        ordinal = len(self.orders)
        self._record(
            e.OrderIntended,
            stamp,
            client_order_id=client_order_id(self.id, ordinal),
            ordinal=ordinal,
            symbol=plan.symbol,
            side=plan.side,
            quantity=place.quantity,
            order_type=place.order_type,
            time_in_force=place.time_in_force,
            limit_price=place.limit_price,
            display_quantity=place.display_quantity,
            provenance=provenance,
            sell_mark=place.sell_mark or (SellMark.LONG if plan.side is Side.SELL else None),
        )
        return self.requests[client_order_id(self.id, ordinal)]

    def request_cancel(
        self, stamp: e.Stamp, cancel: Cancel, rule: str, provenance: e.Provenance | None = None
    ) -> bool:
        """Record that a child order is to be cancelled; False when that is already so."""
        order = self.orders[cancel.client_order_id]
        if order.is_dead or order.pending_cancel:
            return False
        self._record(
            e.OrderCancelRequested,
            stamp,
            client_order_id=cancel.client_order_id,
            rule=rule,
            provenance=provenance,
        )
        return True

    def report(self, stamp: e.Stamp, report: ExecutionReport) -> bool:
        """Record what the broker said; False for an exact repeat, which leaves no trace.

        Nothing the market did is refused: late fills, overfills and contradictions are recorded
        with an anomaly beside them.
        """
        order = self.orders.get(report.client_order_id)
        if order is None:
            self.note(stamp, Anomalous.UNKNOWN_ORDER, f"{report.kind} for an order never intended")
            return True
        after, anomalies = fold(order, report)
        if after == order and not anomalies:
            return False
        kind = REPORT_EVENTS.get(report.kind, e.OrderReported)
        self.folded = (report, after)
        self._record(kind, stamp, report=report)
        self.folded = None
        for anomaly in anomalies:
            self.note(stamp, Anomalous.ORDER_REPORT, str(anomaly), report.client_order_id)
        self._after_report(stamp, order, after)
        return True

    def _after_report(self, stamp: e.Stamp, before: ChildOrder, after: ChildOrder) -> None:
        plan = self._planned()
        if self.executed > plan.quantity and after.cum_qty > before.cum_qty:
            self.note(
                stamp,
                Anomalous.OVERFILL,
                f"executed {self.executed} of {plan.quantity}",
                after.client_order_id,
            )
        if self.is_active and self.executed >= plan.quantity and not self.live:
            average = self.average_price
            invariant(average is not None, "a filled instruction has a price")
            self._record(
                e.InstructionFilled,
                stamp,
                executed=self.executed,
                average_price=average,
                fees=self.fees,
                slippage_bps=self.slippage_bps,
            )

    def finish(
        self,
        stamp: e.Stamp,
        reason: EndReason,
        completing_price: Decimal | None = None,
        end_mid: Decimal | None = None,
    ) -> None:
        """End it short of its quantity; every child must be proven dead."""
        next_instruction_state(self.state, InstructionTrigger.CANCEL)
        invariant(not self.live_orders, "an instruction ends only when no order can trade")
        self._record(
            e.InstructionCancelled,
            stamp,
            reason=reason,
            executed=self.executed,
            average_price=self.average_price,
            fees=self.fees,
            slippage_bps=self.slippage_bps,
            completing_price=completing_price,
            end_mid=end_mid,
        )

    def refused_by_broker(self, stamp: e.Stamp, refusal: Refusal) -> None:
        """End it as rejected: nothing executed and the broker refused its orders."""
        next_instruction_state(self.state, InstructionTrigger.ALL_ORDERS_REFUSED)
        invariant(not self.executed and not self.live_orders, "nothing executed, nothing open")
        self._record(e.InstructionRejected, stamp, refusals=(refusal,))

    def note(
        self,
        stamp: e.Stamp,
        kind: Anomalous,
        detail: str,
        client_order_id: str | None = None,
    ) -> None:
        """Record an anomaly."""
        self._record(
            e.InstructionAnomaly,
            stamp,
            kind=kind,
            detail=detail[:2000],
            client_order_id=client_order_id,
        )

    def _planned(self) -> PlanTerms:
        if self.plan is None:
            raise InvariantBroken("the instruction has no plan")
        return self.plan
