"""Any interleaving of our commands and the venue's reports keeps an instruction's books right."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from fillwright.adapters.storage.mapper import EventMapper
from fillwright.domain import events as e
from fillwright.domain.errors import FillwrightError
from fillwright.domain.instruction import Instruction
from fillwright.domain.ports import ExecutionReport, ReportKind
from fillwright.domain.reasons import Anomalous, EndReason, Reason, Refusal
from fillwright.domain.states import INSTRUCTION_TERMINAL, InstructionState
from fillwright.domain.strategies.contract import Cancel
from tests.domain.instruction_cases import (
    ZERO,
    VenueOrder,
    place_of,
    planned,
    provenance,
    stamp,
    terms,
)

D = Decimal
CENTS = st.integers(1990, 2010)
PICK = st.integers(0, 1_000_000)
MAPPER = EventMapper()

HAS_ORDERS = precondition(lambda self: self.venue)
HAS_TRADES = precondition(lambda self: any(r.kind is ReportKind.TRADE for r in self.heard))


class AnyInterleaving(RuleBasedStateMachine):
    """An instruction between us, who keep to our quantity, and a venue that need not."""

    def __init__(self) -> None:
        super().__init__()
        self.made = planned(D(1000))
        self.history: list[e.DomainEvent] = []
        self.replica = Instruction(self.made.id)
        self.at = 10
        self.venue: dict[str, VenueOrder] = {}
        self.undelivered: list[ExecutionReport] = []
        self.heard: list[ExecutionReport] = []
        self.venue_excess = ZERO
        self.first_end: InstructionState | None = None
        self.executed_at_end = ZERO
        self.takes = 0

    @initialize(quantity=st.integers(100, 1000), orders=st.lists(st.integers(1, 70), max_size=3))
    def plan(self, quantity: int, orders: list[int]) -> None:
        self.quantity = D(quantity)
        self.made = planned(self.quantity)
        self.collect()
        for percent in orders:
            if not self.made.is_active:
                self.release()
            self.place(percent)

    # -- helpers -------------------------------------------------------------------------------

    def tick(self) -> e.Stamp:
        self.at += 1
        return stamp(self.at)

    def collect(self) -> list[e.DomainEvent]:
        new = self.made.collect_events()
        for event in new:
            stored = MAPPER.encode(event)
            self.history.append(MAPPER.decode(stored.topic, stored.state))
            assert self.history[-1] == event
            self.replica.apply(self.history[-1])
        if self.first_end is None and self.made.is_done:
            self.first_end = self.made.state
            self.executed_at_end = self.made.executed
            assert not self.made.live_orders, "ended while an order could still trade"
        return new

    def refused(self, command: Any, *args: Any) -> None:
        """A command that is not allowed leaves no trace."""
        before = self.replica.known()
        with pytest.raises(FillwrightError):
            command(*args)
        assert self.collect() == []
        assert self.made.known() == before

    def hear(self, report: ExecutionReport) -> list[e.DomainEvent]:
        self.heard.append(report)
        self.made.report(self.tick(), report)
        return self.collect()

    def an_order(self, pick: int) -> VenueOrder | None:
        orders = list(self.venue.values())
        return orders[pick % len(orders)] if orders else None

    def gross(self) -> Decimal:
        """Shares that were ever executed or may yet be, as far as an honest venue goes."""
        total = ZERO
        for order in self.venue.values():
            ours = self.made.orders[order.name]
            printed = order.printed
            total += printed if ours.is_dead else max(order.quantity, printed)
        return total

    # -- what we do ----------------------------------------------------------------------------

    @precondition(lambda self: not self.made.released)
    @rule()
    def release(self) -> None:
        if self.made.state is InstructionState.PLANNED:
            self.made.release(self.tick(), D("20.005"))
            assert [type(event) for event in self.collect()] == [e.InstructionReleased]
        else:
            self.refused(self.made.release, self.tick(), None)

    @rule(percent=st.integers(1, 110))
    def place(self, percent: int) -> None:
        """An order for a part of the quantity, more of it than may be sent included."""
        made = self.made
        quantity = max(self.quantity * percent // 100, D(1))
        args = (self.tick(), place_of(quantity), provenance(made, self.at))
        fits = made.exposure + made.taken_back + quantity <= self.quantity
        if not made.is_active or not fits:
            self.refused(made.intend, *args)
            return
        assert self.gross() + quantity <= self.quantity + self.venue_excess
        request = made.intend(*args)
        assert [type(event) for event in self.collect()] == [e.OrderIntended]
        assert made.exposure <= self.quantity
        assert request.client_order_id not in self.venue
        self.venue[request.client_order_id] = VenueOrder(request.client_order_id, quantity)

    @HAS_ORDERS
    @rule(pick=PICK)
    def ask_to_cancel(self, pick: int) -> None:
        order = self.an_order(pick)
        if order is None:
            return
        exposure, ours = self.made.exposure, self.made.orders[order.name]
        wanted = not ours.is_dead and not ours.pending_cancel
        cancel = Cancel(client_order_id=order.name)
        assert self.made.request_cancel(self.tick(), cancel, "test") is wanted
        assert len(self.collect()) == int(wanted)
        assert self.made.exposure == exposure, "a cancel that is only asked for frees nothing"

    @rule()
    def suspend_and_resume(self) -> None:
        if self.made.is_active:
            self.made.suspend(self.tick(), "halted")
            self.made.resume(self.tick())
            self.collect()

    @rule()
    def switch(self) -> None:
        if self.made.is_active:
            plan = terms(self.quantity, style="naive")
            self.made.switch(self.tick(), plan, rule="test", observed="a", threshold="b")
            self.collect()

    @precondition(lambda self: self.made.ending is None)
    @rule()
    def ask_for_the_end(self) -> None:
        self.made.ask_end(self.tick(), EndReason.USER)
        self.collect()

    @rule(really=st.integers(0, 5))
    def finish(self, really: int) -> None:
        made = self.made
        if really:
            return
        if made.is_done or made.live_orders:
            self.refused(made.finish, self.tick(), EndReason.WINDOW_ELAPSED)
            return
        made.finish(self.tick(), EndReason.WINDOW_ELAPSED)
        self.collect()

    @rule(really=st.integers(0, 5))
    def give_up_as_refused(self, really: int) -> None:
        made = self.made
        if really:
            return
        refusal = Refusal(
            reason=Reason.BROKER_REJECTED, field="order", observed="x", allowed="y", message="z"
        )
        fits = made.state is InstructionState.WORKING and not made.executed
        if not fits or made.live_orders:
            self.refused(made.refused_by_broker, self.tick(), refusal)
        elif made.orders:
            made.refused_by_broker(self.tick(), refusal)
            self.collect()

    # -- what the venue does -------------------------------------------------------------------

    @HAS_ORDERS
    @rule(pick=PICK, kind=st.sampled_from([ReportKind.PENDING_NEW, ReportKind.NEW]))
    def acknowledge(self, pick: int, kind: ReportKind) -> None:
        order = self.an_order(pick)
        if order and order.known:
            order.acknowledged = True
            self.hear(order.say(kind, self.at))

    @HAS_ORDERS
    @rule(pick=PICK, share=st.integers(1, 100), cents=CENTS, held_back=st.booleans())
    def fill(self, pick: int, share: int, cents: int, held_back: bool) -> None:
        """An honest execution, within what the order leaves; its report may come later."""
        order = self.an_order(pick)
        if order and order.leaves:
            quantity = min(max(D(order.leaves * share // 100), D(1)), order.leaves)
            self.execute(order, quantity, D(cents) / 100, held_back=held_back)

    @HAS_ORDERS
    @rule(pick=PICK, shares=st.integers(1, 50), cents=CENTS)
    def overfill_or_fill_late(self, pick: int, shares: int, cents: int) -> None:
        """A dishonest one: more than the order leaves, or after it was said to have ended."""
        order = self.an_order(pick)
        if order is None:
            return
        self.venue_excess += D(shares)
        order.known = True
        ours = self.made.orders[order.name]
        self.execute(order, D(shares), D(cents) / 100, held_back=False)
        if ours.is_dead and self.made.orders[order.name].is_open:
            # A fill of an order that was refused: all of it may trade again.
            self.venue_excess += ours.order_qty

    def execute(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, *, held_back: bool
    ) -> None:
        self.at += 1
        self.takes += 1
        name = f"fill {self.takes}"
        order.set_fill(name, quantity, price)
        report = order.say(
            ReportKind.TRADE, self.at, execution_id=name, last_qty=quantity, last_price=price
        )
        if held_back:
            self.undelivered.append(report)
            return
        before, quantity_before = self.made.state, self.made.executed
        events = self.hear(report)
        assert self.made.executed > quantity_before
        kinds = [type(event) for event in events]
        assert kinds[0] is e.OrderFilled
        if self.made.executed > self.quantity:
            noted = [x.kind for x in events if isinstance(x, e.InstructionAnomaly)]
            assert Anomalous.OVERFILL in noted
        ended = self.made.state is not before and self.made.is_done
        assert (e.InstructionFilled in kinds) is ended

    @precondition(lambda self: self.undelivered)
    @rule(pick=PICK)
    def deliver_late(self, pick: int) -> None:
        if self.undelivered:
            self.hear(self.undelivered.pop(pick % len(self.undelivered)))

    @HAS_TRADES
    @rule(pick=PICK)
    def repeat_exactly(self, pick: int) -> None:
        trades = [report for report in self.heard if report.kind is ReportKind.TRADE]
        if trades:
            before, version = self.replica.known(), self.made.version
            self.made.report(self.tick(), trades[pick % len(trades)])
            assert self.collect() == []
            assert self.made.version == version
            assert self.made.known() == before

    @HAS_TRADES
    @rule(pick=PICK)
    def repeat_through_another_channel(self, pick: int) -> None:
        """The same shares once more under another execution id: known by their CumQty."""
        trades = [report for report in self.heard if report.kind is ReportKind.TRADE]
        if not trades:
            return
        first = trades[pick % len(trades)]
        order = self.venue[first.client_order_id]
        executed, notional = self.made.executed, self.made.notional
        self.hear(
            order.say(
                ReportKind.TRADE,
                first.market_time - stamp(0).record_time,
                execution_id=f"{first.execution_id} elsewhere",
                last_qty=first.last_qty,
                last_price=first.last_price,
                cum_qty=first.cum_qty,
            )
        )
        assert (self.made.executed, self.made.notional) == (executed, notional)

    @HAS_ORDERS
    @rule(pick=PICK, kind=st.sampled_from([ReportKind.CANCELED, ReportKind.EXPIRED]))
    def end_an_order(self, pick: int, kind: ReportKind) -> None:
        order = self.an_order(pick)
        if order and order.open:
            order.open = False
            self.hear(order.say(kind, self.at))
            assert self.made.orders[order.name].is_dead

    @HAS_ORDERS
    @rule(pick=PICK)
    def reject(self, pick: int) -> None:
        order = self.an_order(pick)
        if order and order.open and not order.fills and not order.acknowledged:
            order.open = False
            self.hear(order.say(ReportKind.REJECTED, self.at, text="no"))

    @HAS_ORDERS
    @rule(pick=PICK, known=st.booleans())
    def lose_the_outcome(self, pick: int, known: bool) -> None:
        order = self.an_order(pick)
        if order is None or order.acknowledged or order.fills or not order.open:
            return
        order.known = known
        exposure = self.made.exposure
        self.hear(order.say(ReportKind.UNKNOWN_OUTCOME, self.at, cum_qty=None, order_qty=None))
        assert self.made.exposure == exposure, "an unknown outcome keeps everything"

    @precondition(lambda self: any(order.fills for order in self.venue.values()))
    @rule(pick=PICK, cents=CENTS, shares=st.integers(0, 400), is_bust=st.booleans())
    def restate(self, pick: int, cents: int, shares: int, is_bust: bool) -> None:
        """A bust, or a correction of quantity and price, of any execution in any state."""
        trades = [(order, name) for order in self.venue.values() for name in order.fills]
        order, name = trades[pick % len(trades)]
        self.at += 1
        if is_bust or not shares:
            quantity, price, kind = ZERO, order.fills[name][1], ReportKind.TRADE_BUST
            fields: dict[str, Any] = {}
        else:
            quantity, price, kind = D(shares), D(cents) / 100, ReportKind.TRADE_CORRECT
            fields = {"last_qty": quantity, "last_price": price}
        before = order.largest[name]
        order.set_fill(name, quantity, price)
        self.venue_excess += order.largest[name] - before
        if any(report.execution_id == name for report in self.undelivered):
            # Taken back before we were told of it: we cannot know how much was printed.
            self.venue_excess += before
        state = self.made.state
        self.hear(order.say(kind, self.at, ref_execution_id=name, cum_qty=None, **fields))
        completed = self.made.state is InstructionState.FILLED and not is_bust
        assert self.made.state is state or (completed and state not in INSTRUCTION_TERMINAL)

    # -- what always holds ---------------------------------------------------------------------

    @invariant()
    def executed_is_the_sum_of_live_executions(self) -> None:
        waiting = {report.execution_id for report in self.undelivered}
        truth = [
            amounts
            for order in self.venue.values()
            for name, amounts in order.fills.items()
            if name not in waiting or name in self.made.orders[order.name].executions
        ]
        made = self.made
        assert made.executed == sum((quantity for quantity, _ in truth), ZERO)
        assert made.notional == sum((quantity * price for quantity, price in truth), ZERO)
        assert made.executed == sum((order.cum_qty for order in made.orders.values()), ZERO)
        if made.executed:
            assert made.average_price == made.notional / made.executed
        else:
            assert made.average_price is None

    @invariant()
    def exposure_is_the_sum_over_orders_and_within_the_quantity(self) -> None:
        made = self.made
        summed = sum((order.exposure for order in made.orders.values()), ZERO)
        assert made.exposure == summed
        assert made.exposure <= self.quantity + self.venue_excess
        assert made.live == {name for name, order in made.orders.items() if order.is_open}

    @invariant()
    def only_the_venue_can_execute_too_much(self) -> None:
        printed = sum((order.printed for order in self.venue.values()), ZERO)
        assert printed <= self.quantity + self.venue_excess

    @invariant()
    def an_overfill_is_flagged(self) -> None:
        made = self.made
        assert made.overfilled is (made.executed > self.quantity)
        kinds = {x.kind for x in self.history if isinstance(x, e.InstructionAnomaly)}
        assert not made.overfilled or Anomalous.OVERFILL in kinds

    @invariant()
    def an_end_keeps_its_name(self) -> None:
        if self.first_end is None:
            assert self.made.state not in INSTRUCTION_TERMINAL
            return
        assert self.made.state is self.first_end
        if self.made.executed != self.executed_at_end:
            assert self.made.restated
        ends = [
            event
            for event in self.history
            if isinstance(
                event, e.InstructionFilled | e.InstructionCancelled | e.InstructionRejected
            )
        ]
        assert len(ends) == 1

    @invariant()
    def what_the_stored_bytes_say_is_the_same_object(self) -> None:
        assert self.made.version == len(self.history)
        assert self.replica.known() == self.made.known()

    def teardown(self) -> None:
        versions = [event.originator_version for event in self.history]
        assert versions == list(range(1, len(versions) + 1))
        if self.history:
            assert Instruction.replay(self.history).known() == self.made.known()


AnyInterleaving.TestCase.settings = settings(stateful_step_count=40)
TestAnyInterleaving = AnyInterleaving.TestCase
