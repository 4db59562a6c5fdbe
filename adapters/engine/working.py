"""Working an instruction: ask its strategy, guard the step, record it, prepare the commands."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final
from uuid import UUID

from ...domain import events as e
from ...domain.guard import Guarded, constrain
from ...domain.instruction import Instruction
from ...domain.market import MarketState, TradingStatus
from ...domain.plan import PlanTerms
from ...domain.ports import (
    NANOS,
    CancelOrder,
    ExecutionReport,
    ReportKind,
    SubmitOrder,
    TimeInForce,
)
from ...domain.reasons import Anomalous, EndReason, OnBound, Reason, Refusal
from ...domain.states import InstructionState
from ...domain.strategies.contract import Cancel, InstructionView
from ...domain.strategies.registry import strategy_for
from ...domain.switching import Progressed, reassess
from .desk import Desk
from .market_rules import (
    AUCTION_ORDERS,
    DAILY_LOSS,
    LOSS_LOOK_NS,
    is_locked,
    may_be_absent,
    over_at,
    reopened,
    why_held,
)
from .messages import MessageBudget
from .unseen_fills import UnseenFills

STEPPING_REPORTS: Final = frozenset(
    {
        ReportKind.CANCELED,
        ReportKind.EXPIRED,
        ReportKind.REJECTED,
        ReportKind.TRADE_BUST,
        ReportKind.TRADE_CORRECT,
    }
)
NO_ANSWER: Final = frozenset({ReportKind.CANCEL_REJECTED, ReportKind.UNKNOWN_OUTCOME})
"""Reports that leave open what became of the order."""

WATCH_NS: Final = 5 * NANOS


class Working:
    """Steps instructions; everything it decides is recorded before it is sent."""

    def __init__(self, desk: Desk, budget: MessageBudget) -> None:
        self._desk = desk
        self._budget = budget
        self.unseen = UnseenFills(desk)
        self._watching: dict[UUID, tuple[int, int]] = {}
        self._refused_cancels: set[str] = set()

    # -- reports -------------------------------------------------------------------------------

    def take(self, report: ExecutionReport) -> Instruction | None:
        """Record a report; gives the instruction when its strategy should look again."""
        desk = self._desk
        instruction = desk.owner_of(report.client_order_id)
        if instruction is None:
            desk.account.note(
                desk.stamp("account", f"report:{report.client_order_id}"[:200]),
                Anomalous.UNKNOWN_ORDER,
                f"{report.kind.value} for {report.client_order_id}, which is not ours",
            )
            desk.took(report, desk.account)
            return None
        stamp = desk.stamp(
            str(instruction.id),
            f"report:{report.client_order_id}:{report.execution_id or report.kind.value}"[:200],
            market_time=report.market_time,
            receive_time=report.receive_time,
        )
        if report.kind not in NO_ANSWER:
            desk.heard_at[report.client_order_id] = desk.now
        if not instruction.report(stamp, report):
            return None
        desk.took(report, instruction)
        self.unseen.note(instruction, report.client_order_id)
        if report.kind is ReportKind.CANCEL_REJECTED:
            self._doubt(instruction, report.client_order_id)
        if report.client_order_id not in instruction.live:
            self._refused_cancels.discard(report.client_order_id)
            desk.ended(instruction.requests[report.client_order_id])
            if not instruction.live:
                self._unwatch(instruction)
        if instruction.is_done:
            if instruction.live:
                desk.revive(instruction)
            else:
                desk.retire(instruction)
            return None
        waiting = instruction.id not in desk.wake_of or instruction.overfilled
        return instruction if waiting or report.kind in STEPPING_REPORTS else None

    def _unwatch(self, instruction: Instruction) -> None:
        """With nothing left to watch over, look again when its strategy asked to."""
        look, wanted = self._watching.pop(instruction.id, (0, 0))
        if look and self._desk.wake_of.get(instruction.id) == look:
            self._desk.wake(instruction, wanted)

    def _doubt(self, instruction: Instruction, client_order_id: str) -> None:
        """Ask about an order that would not be cancelled, soon and not at once.

        A step now would ask for the same cancel again and be refused again, without end.
        """
        desk = self._desk
        interval = instruction.plan.parameters.interval_ns if instruction.plan else NANOS
        soon = desk.now + interval
        desk.doubted.add(client_order_id)
        self._refused_cancels.add(client_order_id)
        if desk.wake_of.get(instruction.id, soon + 1) > soon:
            desk.wake(instruction, soon)

    # -- steps ---------------------------------------------------------------------------------

    def step(self, instruction: Instruction) -> None:
        """Ask the strategy what to do now, and prepare to do it."""
        desk, now = self._desk, self._desk.now
        instruction = desk.instructions[instruction.id]  # anew, where the log was read again
        plan = instruction.plan
        if plan is None:
            return
        if instruction.is_done:
            self._clear_away(instruction, plan)
            return
        market = desk.market.state(plan.symbol, now)
        if self._broken(instruction, plan, market) or self._halted(instruction, plan, market):
            return
        plan = self._switched(instruction, plan, market)
        view = instruction.view()
        step = strategy_for(plan.strategy).next_step(plan, view, market, now)
        guarded = constrain(
            step,
            plan,
            view,
            market,
            now,
            session_close=market.session_close,
            closing_buffer_ns=desk.limits.closing_buffer_seconds * NANOS,
            messages_left=self._budget.left(now),
            crosses_kept=self._budget.owed(desk.active, instruction.id, now),
            opposite_limits=desk.open_limits(plan.symbol, plan.side.opposite),
        )
        self._act(instruction, plan, view, market, guarded)

    def _act(
        self,
        instruction: Instruction,
        plan: PlanTerms,
        view: InstructionView,
        market: MarketState,
        guarded: Guarded,
    ) -> None:
        # The moment that was decided at: live, time has gone on since, and replay needs that one.
        desk, now, step = self._desk, market.now, guarded.step
        stamp = desk.stamp(str(instruction.id), f"step:{now}")
        strategy = strategy_for(plan.strategy)
        for violation in guarded.violations:
            if violation.is_overreach:
                instruction.note(stamp, Anomalous.STRATEGY_OVERREACH, violation.value)
        if step.acts:
            provenance = e.Provenance(
                strategy=strategy.name,
                version=strategy.version,
                rule=step.rule,
                now=now,
                plan=plan,
                view=view,
                market=market,
                wake_at=step.wake_at,
            )
            for cancel in step.cancels:
                self._cancel(instruction, cancel, step.rule, provenance)
            if step.places and instruction.state is InstructionState.PLANNED:
                quote = market.usable_quote
                instruction.release(stamp, quote.mid if quote else None)
            for place in step.places:
                request = instruction.intend(stamp, place, provenance)
                desk.opened(request)
                desk.commands.append(SubmitOrder(request))
                self._budget.spend(now)
        if step.rule == "escalate_bound":
            instruction.escalate(stamp, _completing_price(plan, market))
        if step.finish is not None and not instruction.live:
            self._end(instruction, plan, market, step.finish)
        elif step.wake_at is not None or instruction.live:
            desk.wake(instruction, self._watched(instruction, plan, step.wake_at))
        desk.touch(instruction)

    def _watched(self, instruction: Instruction, plan: PlanTerms, wanted: int | None) -> int:
        """When to look again: an order that may trade is never left alone for long.

        A halt may begin any time, and an answer may be lost.
        """
        now = self._desk.now
        self._watching.pop(instruction.id, None)
        if instruction.live:
            gap = max(plan.parameters.interval_ns, WATCH_NS)
            ahead = -(-(now + 1 - plan.start_at) // gap)
            look = plan.start_at + ahead * gap
            if wanted is not None and now < look < wanted:
                self._watching[instruction.id] = (look, wanted)
            wanted = look if wanted is None else min(wanted, look)
        return now + 1 if wanted is None else max(wanted, now + 1)

    def _clear_away(self, instruction: Instruction, plan: PlanTerms) -> None:
        """Cancel what may still trade of an instruction that has ended (a bust reopened it)."""
        if instruction.live:
            self.cancel_all(instruction, "instruction_ended")
            self._desk.wake(instruction, self._desk.now + max(plan.parameters.interval_ns, NANOS))
        else:
            self._desk.retire(instruction)

    def cancel_all(
        self,
        instruction: Instruction,
        rule: str,
        spared: Collection[TimeInForce] = (),
    ) -> None:
        """Cancel every order that may still trade, but those of a time in force that is spared."""
        for order in instruction.live_orders:
            if order.time_in_force in spared:
                continue
            self._cancel(instruction, Cancel(client_order_id=order.client_order_id), rule, None)
        self._desk.touch(instruction)

    def _cancel(
        self,
        instruction: Instruction,
        cancel: Cancel,
        rule: str,
        provenance: e.Provenance | None,
    ) -> None:
        desk = self._desk
        if is_locked(instruction, cancel.client_order_id, desk.now):
            return
        name = cancel.client_order_id
        if name in self._refused_cancels and may_be_absent(desk, instruction.orders[name]):
            return  # it is asked for, and has the broker's id once it is there after all
        stamp = desk.stamp(str(instruction.id), f"step:{desk.now}")
        if instruction.request_cancel(stamp, cancel, rule, provenance):
            order = instruction.orders[cancel.client_order_id]
            desk.commands.append(CancelOrder(order.client_order_id, order.venue_order_id))
            self._budget.spend(desk.now)

    def _end(
        self,
        instruction: Instruction,
        plan: PlanTerms,
        market: MarketState,
        reason: EndReason,
    ) -> None:
        desk = self._desk
        stamp = desk.stamp(str(instruction.id), f"step:{desk.now}")
        quote = market.quote
        mid = quote.mid if quote is not None and quote.is_two_sided else None
        instruction.finish(stamp, reason, _completing_price(plan, market), mid)
        desk.touch(instruction)
        desk.retire(instruction)

    # -- what overrides a strategy -------------------------------------------------------------

    def _broken(self, instruction: Instruction, plan: PlanTerms, market: MarketState) -> bool:
        """End what may not go on: killed, overfilled, or refused by the broker too often."""
        desk, now = self._desk, self._desk.now
        killed = desk.account.is_killed(plan.symbol, plan.strategy.value)
        rejected = instruction.rejections_in_a_row >= desk.rules.rejects_max
        busted = instruction.executed < plan.quantity <= instruction.spent
        # Once closed, the market's state tells of the next session, in which nothing is left to do.
        session_over = market.status is TradingStatus.CLOSED and now >= over_at(instruction, plan)
        stops = rejected or busted or session_over or instruction.overfilled
        if not (killed or stops or instruction.ending):
            return False
        if instruction.live:
            self.cancel_all(instruction, "kill_switch" if killed else "must_end")
            desk.wake(instruction, now + plan.parameters.interval_ns)
        elif killed:
            self._end(instruction, plan, market, EndReason.KILL_SWITCH)
        elif instruction.overfilled:
            self._end(instruction, plan, market, EndReason.VENUE_OVERFILL)
        elif instruction.ending:
            self._end(instruction, plan, market, instruction.ending)
        elif busted:
            self._end(instruction, plan, market, EndReason.BUSTED)
        elif session_over:
            whole = plan.auction is not None and plan.auction.quantity >= plan.quantity
            reason = EndReason.AUCTION_UNFILLED if whole else EndReason.SESSION_END
            self._end(instruction, plan, market, reason)
        elif instruction.spent:
            self._end(instruction, plan, market, EndReason.BROKER_REJECTED)
        else:
            refusal = _broker_refusal(instruction)
            instruction.refused_by_broker(desk.stamp(str(instruction.id), "rejections"), refusal)
            desk.touch(instruction)
            desk.retire(instruction)
        return True

    def _halted(self, instruction: Instruction, plan: PlanTerms, market: MarketState) -> bool:
        """Hold the schedule while the symbol does not trade (ruling 16)."""
        desk, now = self._desk, self._desk.now
        stopped = market.status in (TradingStatus.HALTED, TradingStatus.UNKNOWN)
        cause = market.halt_cause
        if not stopped and (held := why_held(desk, plan)):
            stopped, cause = True, held
        if not stopped and instruction.suspended_since is None:
            return False
        stamp = desk.stamp(str(instruction.id), "halt")
        if stopped:
            desk.reopened.pop(instruction.id, None)
        # The deadline does not move: a strategy that gives up then is asked to. One that completes
        # would trade at once, so it is held as before it.
        last = market.session_close if plan.completes and now >= plan.end_at else plan.end_at
        if stopped and now < last:
            state, seen = market.trading, market.quote
            instruction.suspend(
                stamp,
                cause,
                since=state.halted_since if state else None,
                mid=seen.mid if seen is not None and seen.is_two_sided else None,
            )
            # What is in an auction stays in a halt: trading resumes with one.
            spared = AUCTION_ORDERS if cause != DAILY_LOSS else frozenset[TimeInForce]()
            self.cancel_all(instruction, "halt", spared=spared)
            pause = LOSS_LOOK_NS if cause == DAILY_LOSS else NANOS
            desk.wake(instruction, min(now + pause, last))
            return True
        if stopped:
            return False
        quote = market.quote
        has_reopened = reopened(market, instruction.suspended_since or now)
        since = desk.reopened.setdefault(instruction.id, now) if has_reopened else now
        if now < last and now - since < desk.rules.reopen_delay_seconds * NANOS:
            desk.wake(instruction, min(now + NANOS, last))
            return True
        desk.reopened.pop(instruction.id, None)
        instruction.resume(stamp, quote.mid if quote is not None and quote.is_two_sided else None)
        return False

    def _switched(
        self, instruction: Instruction, plan: PlanTerms, market: MarketState
    ) -> PlanTerms:
        desk, now = self._desk, self._desk.now
        if not desk.rules.switching.switches_max or not instruction.is_active:
            return plan
        arrival = instruction.arrival
        progressed = Progressed(
            instruction.switches,
            instruction.switched_at,
            arrival.half_spread_bps if arrival else None,
            instruction.volatility_bps_at_plan,
        )
        switch = reassess(plan, instruction.view(), market, progressed, desk.rules.switching)
        if switch is None:
            return plan
        instruction.switch(
            desk.stamp(str(instruction.id), f"reassess:{now}"),
            switch.plan,
            rule=switch.rule,
            observed=switch.observed,
            threshold=switch.threshold,
            market=market,
        )
        return switch.plan


def _completing_price(plan: PlanTerms, market: MarketState) -> Decimal | None:
    quote = market.quote
    if quote is None or (plan.on_bound is OnBound.REST and not quote.is_two_sided):
        return None
    return quote.far(plan.side.sign)


def _broker_refusal(instruction: Instruction) -> Refusal:
    text = instruction.last_rejection or "no reason given"
    return Refusal(
        reason=Reason.BROKER_REJECTED,
        field="order",
        observed=text[:200],
        allowed="an order that the broker accepts",
        message=f"The broker refused every order: {text}"[:500],
    )
