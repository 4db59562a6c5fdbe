"""Works parent orders through the engine's own step path on the simulated exchange.

The strategy, the guard, the aggregate and its exposure rules, the message budget and the order of
things at one moment are the engine's (``engine.working.Working`` on an ``engine.desk.Desk``). What
is left out is the durable log: events are recorded in memory and dropped, and nothing is committed
before it is sent.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from ...domain import events as e
from ...domain.account import TradingAccount
from ...domain.instruction import Instruction
from ...domain.market import MarketState, Quote, TradingStatus
from ...domain.money import ZERO
from ...domain.plan import PlanTerms
from ...domain.ports import NANOS, CancelOrder, ExecutionReport, Session
from ...domain.reservations import Reservation
from ...domain.strategies.registry import strategy_for
from ...domain.strategies.rules import Rule
from ...domain.switching import SwitchingRules
from ...projections.daily_limits import DailyLimits
from ..brokers.simulated import SimulatedBroker, SimulatedRuntime
from ..engine.desk import Desk
from ..engine.messages import WINDOW_NS, MessageBudget, crosses
from ..engine.rules import EngineRules
from ..engine.working import WATCH_NS, Working
from ..exchange.exchange import Exchange
from ..exchange.scaled import ScaledDay
from ..exchange.terms import Terms
from ..inputs.events import NoEvents
from ..market_data.recorded import RecordedMarketData
from ..storage.keystore import Keystore
from ..storage.log import Log
from ..timekeeping.clocks import VirtualClock
from .grid import Parent
from .outcome import Execution, Outcome
from .policies import Policy, Stress, plan_of

LOOK_AHEAD_NS: Final = 20 * NANOS
"""How far the exchange is asked for the next report at a time."""
NO_SWITCHES: Final = SwitchingRules(switches_max=0)
RUN_ON_NS: Final = 60 * NANOS
"""How long after its window a parent may take to end; far more than the venue's answers need."""


class GridMarket(RecordedMarketData):
    """Recorded market data that remembers the states of whole seconds.

    All parents of a day take decisions on the same grid, so each of its states is made once.
    """

    _seconds: dict[int, MarketState]

    def state(self, symbol: str, now: int) -> MarketState:
        """What could be known of the only symbol at ``now``."""
        if now % NANOS:
            return super().state(symbol, now)
        known = self.__dict__.setdefault("_seconds", {})
        found: MarketState | None = known.get(now)
        if found is None:
            found = known[now] = super().state(symbol, now)
        return found


class Bench:
    """One symbol-day ready for working parents on, and what all of them share."""

    def __init__(
        self,
        market: RecordedMarketData,
        scaled: ScaledDay,
        session: Session,
        *,
        latency_ns: int,
        messages_per_minute: int,
        stress: Stress,
        switching: SwitchingRules = NO_SWITCHES,
    ) -> None:
        self.market = market
        self.scaled = scaled
        self.session = session
        self.latency_ns = latency_ns
        self.stress = stress
        self.rules = EngineRules(messages_per_minute=messages_per_minute, switching=switching)
        self.curve = market.volume_buckets(scaled.day.symbol, session.date)
        self._log = Log.open("memory:")
        self._keystore = Keystore.open(None, seed=0)
        self._usage = DailyLimits()

    def desk(self, exchange: Exchange, clock: VirtualClock) -> Desk:
        """An engine's desk for one parent; its log stays empty."""
        return Desk(
            name="evaluation",
            log=self._log,
            broker=SimulatedBroker(exchange, clock),
            market=self.market,
            runtime=SimulatedRuntime(clock, exchange),
            calendar=self.market.calendar,
            events_calendar=NoEvents(),
            keystore=self._keystore,
            rules=self.rules,
            account=TradingAccount.named("evaluation"),
            usage=self._usage,
        )

    def close(self) -> None:
        """Let go of the empty log."""
        self._log.close()

    def terms(self, parent: Parent) -> Terms:
        """A venue without fees, and an account that can afford the parent and no more."""
        return Terms(
            cash=Decimal(0),
            positions={parent.symbol: parent.quantity},
            open_at=self.session.open,
            close_at=self.session.close,
            latency_ns=self.latency_ns,
            check_buying_power=False,
        )

    def work(self, parent: Parent, policy: Policy, *, keep_executions: bool = False) -> Outcome:
        """Work one parent to its end by one policy."""
        order = ParentOrder.alone(self, parent, policy)
        order.run()
        return order.outcome(keep_executions=keep_executions)

    def work_together(
        self, parents: Sequence[Parent], policy: Policy, *, messages_per_minute: int
    ) -> list[Outcome]:
        """Work parents as if they had begun at one moment, sharing one account's message budget.

        Each meets its own market undisturbed; only the budget is shared.
        """
        budget = MessageBudget(messages_per_minute)
        orders: list[ParentOrder] = []
        orders += [ParentOrder(self, one, policy, budget, beside=orders) for one in parents]
        waiting = [(0, number) for number in range(len(orders))]
        while waiting:
            _, number = heapq.heappop(waiting)
            order = orders[number]
            if order.turn():
                heapq.heappush(waiting, (order.desk.now - order.parent.start, number))
        return [order.outcome() for order in orders]


class _Budget(MessageBudget):
    """A budget of an account whose orders count time from their own start."""

    def __init__(
        self, shared: MessageBudget, start: int, beside: Sequence[ParentOrder] = ()
    ) -> None:
        self._shared = shared
        self._start = start
        self._beside = beside

    def left(self, now: int) -> int:
        return self._shared.left(now - self._start)

    def owed(self, active: Mapping[UUID, Instruction], to: UUID, now: int) -> int:
        ago = now - self._start
        if not self._shared.is_scarce(len(self._beside), ago):
            return 0
        return sum(
            crosses(one.instruction, one.parent.start + ago + WINDOW_NS)
            for one in self._beside
            if one.instruction.id != to
        )

    def spend(self, now: int) -> None:
        self._shared.spend(now - self._start)


class ParentOrder:
    """One parent at work: an instruction with its own desk, clock and exchange."""

    def __init__(
        self,
        bench: Bench,
        parent: Parent,
        policy: Policy,
        budget: MessageBudget,
        *,
        plan: PlanTerms | None = None,
        beside: Sequence[ParentOrder] = (),
    ) -> None:
        """A parent to be worked by ``policy``, or as ``plan`` says where that is given.

        ``beside`` are all that share the budget, this one among them.
        """
        self.parent = parent
        self.policy = policy
        self._exchange = Exchange([bench.scaled], bench.terms(parent))
        self._clock = VirtualClock(parent.start)
        self.desk = bench.desk(self._exchange, self._clock)
        self._working = Working(self.desk, _Budget(budget, parent.start, beside))
        self._messages = 0
        self._steps = 0
        id = uuid5(NAMESPACE_URL, parent.name)
        day = bench.scaled.day
        self.events: list[e.DomainEvent] | None = None
        if plan is None:
            plan = plan_of(
                parent, policy, bench.stress, id=id, tick=day.tick, lot=day.lot, curve=bench.curve
            )
        else:
            self.events = []
        self.instruction = _planned(id, plan, parent, self.desk)
        self._collect()
        self.desk.adopt(self.instruction)
        self.desk.wake(self.instruction, parent.start)

    @classmethod
    def alone(cls, bench: Bench, parent: Parent, policy: Policy) -> ParentOrder:
        """A parent with an account's message budget for itself."""
        return cls(bench, parent, policy, MessageBudget(bench.rules.messages_per_minute))

    def reports(self) -> dict[str, list[ExecutionReport]]:
        """What the venue reported, by order."""
        found: dict[str, list[ExecutionReport]] = {name: [] for name in self.instruction.orders}
        for report in self._exchange.reports_since(list(found), self.desk.now):
            found[report.client_order_id].append(report)
        return found

    def run(self) -> None:
        """Work until it has ended."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """One round of the engine's loop: reports, step, commands, then time; False at the end."""
        desk, instruction = self.desk, self.instruction
        now = desk.now
        reports = self._exchange.drain(now)
        stepping = False
        for report in reports:
            stepping = self._working.take(report) is not None or stepping
        stepping = bool(desk.due(now)) or stepping
        if stepping and not instruction.is_done:
            self._working.step(instruction)
            self._steps += 1
        self._collect()
        desk.touched.clear()
        if desk.commands:
            commands, desk.commands = desk.commands, []
            self._messages += len(commands)
            self._exchange.handle(commands, now)
            if any(isinstance(command, CancelOrder) for command in commands):
                return True  # a cancel is answered at once
        if instruction.is_done and not instruction.live:
            return False
        return self._pass_time(now)

    def _collect(self) -> None:
        """Take what was recorded; it is kept where a plan was given."""
        recorded = self.instruction.collect_events()
        if self.events is not None:
            self.events += recorded

    def _pass_time(self, now: int) -> bool:
        """Let time pass to the next report or the next step that does something."""
        wake = self.desk.next_wake()
        if wake is None:
            limit = self.parent.end + RUN_ON_NS
        else:
            limit = max(wake, now + LOOK_AHEAD_NS)
        following = self._exchange.next_report_at(limit)
        if wake is None:
            if following is None:
                return False
            wake = following
        elif following is None or following > wake:
            wake = self._pass_quietly(wake, limit if following is None else following)
        self._clock.set(max(now, wake if following is None else min(wake, following)))
        return True

    def _pass_quietly(self, wake: int, until: int) -> int:
        """The first wake-up from ``wake`` on, up to ``until``, that is not known to do nothing.

        Nothing is reported before ``until``, so the instruction stays as it is, and a strategy is
        a function of what it is given: a step that neither acts nor ends has no effect but the next
        wake-up, and the rest of the engine's step path need not be gone through for it.
        """
        instruction, market = self.instruction, self.desk.market
        plan = instruction.plan
        if plan is None or not instruction.released:
            return wake
        strategy, view, symbol = strategy_for(plan.strategy), instruction.view(), plan.symbol
        first = wake
        while wake < until:
            state = market.state(symbol, wake)
            if state.status is not TradingStatus.OPEN:
                break
            step = strategy.next_step(plan, view, state, wake)
            following = step.wake_at
            if step.cancels or step.places or step.finish is not None or following is None:
                break
            if step.rule == Rule.ESCALATE_BOUND or not wake < following <= wake + WATCH_NS:
                break
            self._steps += 1
            wake = following
        if wake != first:
            self.desk.wake(instruction, wake)
        return wake

    def outcome(self, *, keep_executions: bool = False) -> Outcome:
        """What became of it."""
        instruction = self.instruction
        fills = [
            (fill, report)
            for report in self._exchange.reports_since(list(instruction.orders), self.desk.now)
            if (fill := report.last_qty) is not None
        ]
        passive = sum((quantity for quantity, r in fills if r.liquidity == "added"), ZERO)
        final = sum(
            (
                quantity
                for quantity, r in fills
                if r.liquidity == "removed" and r.market_time >= self.parent.end
            ),
            ZERO,
        )
        average = instruction.average_price
        return Outcome(
            parent=self.parent,
            policy=self.policy.name,
            executed=instruction.executed,
            average_price=None if average is None else float(average),
            passive=passive,
            final_cross=final,
            messages=self._messages,
            orders=len(instruction.orders),
            steps=self._steps,
            end_reason=instruction.end_reason.value if instruction.end_reason else "",
            executions=tuple(
                Execution(
                    r.market_time, float(quantity), float(r.last_price or 0), r.liquidity == "added"
                )
                for quantity, r in fills
            )
            if keep_executions
            else (),
        )


def _planned(id: UUID, plan: PlanTerms, parent: Parent, desk: Desk) -> Instruction:
    """An instruction that was received and planned at the parent's start."""
    instruction = Instruction(id)
    bid, ask = Decimal(repr(parent.arrival_bid)), Decimal(repr(parent.arrival_ask))
    arrival = Quote(bid=bid, ask=ask, bid_size=ZERO, ask_size=ZERO, at=parent.start)
    stamp = e.Stamp(parent.start, "evaluation", str(id), "grid")
    instruction.receive(
        stamp,
        account=desk.name,
        session_date=parent.date,
        decision_id=parent.name,
        content_hash="",
        decision=None,
        arrival=arrival,
        data_note="",
        subject="evaluation",
        sealed_text="",
    )
    reservation = Reservation(
        account=desk.name,
        session_date=parent.date,
        symbol=parent.symbol,
        side=parent.side,
        quantity=parent.quantity,
        price=arrival.ask,
        turnover_usd=ZERO,
        buying_power_usd=ZERO,
    )
    instruction.accept(
        stamp,
        plan=plan,
        checks=(),
        reservation=reservation,
        equity=ZERO,
        position=ZERO,
        price=arrival.mid,
        limit_version=1,
        volume=desk.market.state(parent.symbol, parent.start).volume,
    )
    return instruction
