"""Any interleaving of what we ask and what a venue says keeps the order's books right."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fillwright.domain.orders import (
    ExecutionStatus,
    fold,
    intend,
    mark_sent,
    request_cancel,
    request_replace,
)
from fillwright.domain.orders.anomalies import AnomalyKind
from fillwright.domain.ports import ExecutionReport, ReportKind
from fillwright.domain.states import ORDER_ENDED, PRECEDENCE, OrderState
from tests.domain.order_cases import D, report, request

TOLD_ONLY = [
    ReportKind.PENDING_NEW,
    ReportKind.NEW,
    ReportKind.ACCEPTED,
    ReportKind.PENDING_CANCEL,
    ReportKind.CANCELED,
    ReportKind.CANCEL_REJECTED,
    ReportKind.PENDING_REPLACE,
    ReportKind.REPLACED,
    ReportKind.REPLACE_REJECTED,
    ReportKind.REJECTED,
    ReportKind.EXPIRED,
    ReportKind.DONE_FOR_DAY,
    ReportKind.STOPPED,
    ReportKind.SUSPENDED,
    ReportKind.CALCULATED,
    ReportKind.RESTATED,
    ReportKind.TRIGGERED,
    ReportKind.STATUS,
    ReportKind.UNKNOWN_OUTCOME,
]
QUANTITIES = st.integers(1, 300)
CENTS = st.integers(900, 1100)


class AnyVenue(RuleBasedStateMachine):
    """A venue that may say anything; beside it a plain list of what it executed."""

    def __init__(self) -> None:
        super().__init__()
        self.order = intend(request(1000))
        self.at = 0
        self.truth: dict[str, tuple[Decimal, Decimal]] = {}
        self.undelivered: list[ExecutionReport] = []
        self.told: list[ExecutionReport] = []
        self.asked = 0

    def hear(self, message: ExecutionReport) -> None:
        before = self.order
        self.order, odd = fold(before, message)
        self.told.append(message)
        kinds = {anomaly.kind for anomaly in odd}
        assert AnomalyKind.UNLISTED_TRANSITION not in kinds
        assert fold(self.order, message)[0] == self.order
        fell = self.order.cum_qty < before.cum_qty
        restates = (ReportKind.TRADE_BUST, ReportKind.TRADE_CORRECT)
        assert not fell or message.kind in restates

    def say(self, kind: ReportKind, name: str = "one", **fields: Any) -> ExecutionReport:
        self.at += 1
        return report(kind, self.at, name, **fields)

    @rule()
    def send(self) -> None:
        self.order = mark_sent(self.order)

    @rule(with_id=st.booleans())
    def ask_to_cancel(self, with_id: bool) -> None:
        self.asked += 1
        exposure = self.order.exposure
        self.order = request_cancel(self.order, f"ask {self.asked}" if with_id else None)
        assert self.order.exposure == exposure

    @rule(quantity=st.integers(1, 2000))
    def ask_to_replace(self, quantity: int) -> None:
        self.asked += 1
        exposure = self.order.exposure
        self.order = request_replace(self.order, f"ask {self.asked}", D(quantity))
        assert self.order.exposure >= exposure

    @rule(kind=st.sampled_from(TOLD_ONLY), data=st.data())
    def tell(self, kind: ReportKind, data: st.DataObject) -> None:
        names = self.order.client_order_ids
        status = data.draw(st.none() | st.sampled_from([str(state) for state in OrderState]))
        self.hear(self.say(kind, data.draw(st.sampled_from(names)), order_status=status))

    @rule(quantity=QUANTITIES, cents=CENTS, late=st.booleans())
    def execute(self, quantity: int, cents: int, late: bool) -> None:
        name = f"fill {len(self.truth)}"
        price = D(cents) / 100
        message = self.say(ReportKind.TRADE, execution_id=name, last_qty=quantity, last_price=price)
        self.truth[name] = (D(quantity), price)
        if late:
            self.undelivered.append(message)
        else:
            self.hear(message)

    @rule(data=st.data())
    def deliver_late(self, data: st.DataObject) -> None:
        if self.undelivered:
            message = data.draw(st.sampled_from(self.undelivered))
            self.undelivered.remove(message)
            self.hear(message)

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        trades = [message for message in self.told if message.kind is ReportKind.TRADE]
        if trades:
            before = self.order
            self.hear(data.draw(st.sampled_from(trades)))
            assert self.order == before

    @rule(data=st.data())
    def bust(self, data: st.DataObject) -> None:
        if self.truth:
            name = data.draw(st.sampled_from(sorted(self.truth)))
            self.truth[name] = (D(0), self.truth[name][1])
            self.hear(self.say(ReportKind.TRADE_BUST, ref_execution_id=name))

    @rule(data=st.data(), quantity=QUANTITIES, cents=CENTS)
    def correct(self, data: st.DataObject, quantity: int, cents: int) -> None:
        if self.truth:
            name = data.draw(st.sampled_from(sorted(self.truth)))
            self.truth[name] = (D(quantity), D(cents) / 100)
            self.hear(
                self.say(
                    ReportKind.TRADE_CORRECT,
                    ref_execution_id=name,
                    last_qty=quantity,
                    last_price=D(cents) / 100,
                )
            )

    @invariant()
    def totals_are_those_of_the_executions_heard(self) -> None:
        waiting = {message.execution_id for message in self.undelivered}
        heard = [
            amounts
            for name, amounts in self.truth.items()
            if name not in waiting or name in self.order.executions
        ]
        assert self.order.cum_qty == sum((quantity for quantity, _ in heard), D(0))
        assert self.order.notional == sum((quantity * price for quantity, price in heard), D(0))
        live = [
            fill.quantity
            for fill in self.order.executions.values()
            if fill.status is not ExecutionStatus.BUSTED
        ]
        assert self.order.cum_qty == sum(live, D(0))

    @invariant()
    def exposure_covers_what_executed_and_what_is_left(self) -> None:
        order = self.order
        assert order.leaves_qty >= 0
        assert order.exposure >= order.cum_qty + order.leaves_qty
        if not order.is_dead:
            assert order.exposure >= order.order_qty
        if order.state in ORDER_ENDED:
            assert (order.leaves_qty, order.exposure) == (D(0), order.cum_qty)

    @invariant()
    def the_state_shown_is_the_highest_of_those_it_is_in(self) -> None:
        order = self.order
        states = {order.base, *order.conditions}
        if order.ended is not None:
            states = {order.ended}
        states |= {
            OrderState.PENDING_CANCEL if asked.is_cancel else OrderState.PENDING_REPLACE
            for asked in order.pending
            if asked.acknowledged
        }
        if order.cum_qty >= order.order_qty:
            states.add(OrderState.FILLED)
        elif order.cum_qty:
            states.add(OrderState.PARTIALLY_FILLED)
        assert PRECEDENCE[order.state] == max(PRECEDENCE[state] for state in states)
        assert order.state in states


AnyVenue.TestCase.settings = settings(stateful_step_count=30)
TestAnyVenue = AnyVenue.TestCase
