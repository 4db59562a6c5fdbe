"""After a start or a gap: believe the broker about what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, runtime_checkable

from ...domain import events as e
from ...domain.errors import BrokerUnavailable
from ...domain.instruction import Instruction
from ...domain.market import TradingStatus
from ...domain.orders import ChildOrder
from ...domain.plan import PlanTerms
from ...domain.ports import (
    NANOS,
    CancelOrder,
    ExecutionReport,
    OrderRequest,
    OtherExecution,
    SubmitOrder,
    TimeInForce,
)
from ...domain.reasons import EndReason
from .comparing import position_breaks
from .corporate_facts import hold_breaks
from .desk import Desk
from .fills_watch import FillsWatch
from .inferred_reports import absent, ended
from .market_rules import is_unconfirmed
from .working import Working

RESEND_GRACE_NS: Final = NANOS
ABSENT_PART: Final = 10
"""An order that the broker does not have is asked for again after this part of its age."""
CLOCKS_APART_NS: Final = 600 * NANOS
"""So far before our time of an order its fills are looked for: the broker's clock is its own."""
LOOKS_MAX: Final = 3
"""How often positions that disagree are looked at again while fills are on their way."""


@runtime_checkable
class LossyStream(Protocol):
    """A broker whose stream may lose messages, and which knows when it may have."""

    def take_gap(self) -> bool:
        """Whether messages may have been missed since this was last asked."""
        ...


class Others(Protocol):
    """What others do in the account."""

    async def executions(self, since: int) -> tuple[OtherExecution, ...]:
        """Executions from ``since`` (ns UTC) on that are not ours; empty when there is no news."""
        ...


@runtime_checkable
class SeesOthers(Protocol):
    """A broker that tells what others execute in the account."""

    @property
    def others(self) -> Others:
        """What they do."""
        ...


@runtime_checkable
class TellsExecutions(Protocol):
    """A broker whose list of fills may have one of an order that its lists of orders do not have.

    An account's fills and its orders are kept apart, and either may be behind.
    """

    async def may_have_executed(
        self, request: OrderRequest, venue_order_id: str | None, since: int
    ) -> bool:
        """Whether a fill from ``since`` (ns UTC) on is of this order, or may be.

        Raises:
            BrokerUnavailable: the broker cannot say.
        """
        ...


def look_again(desk: Desk, instruction: Instruction) -> None:
    """Look at it when its strategy last asked to, or at the next point of its grid."""
    plan = instruction.plan
    if plan is None or not instruction.released:
        starts = plan.start_at if plan else desk.now
        desk.wake(instruction, max(instruction.release_at or starts, desk.now))
        return
    last = instruction.last_wake_at
    if last is not None and last >= desk.now:
        desk.wake(instruction, last)
        return
    gap = plan.parameters.interval_ns
    steps = -(-(desk.now - plan.start_at) // gap)
    desk.wake(instruction, max(plan.start_at + steps * gap, desk.now))


class Recovery:
    """Settles what the log alone cannot know, by asking the broker."""

    def __init__(self, desk: Desk, working: Working) -> None:
        self._desk = desk
        self._working = working
        self.fills = FillsWatch(desk, working.take)
        self.may_send_again = True
        """Whether an order that the broker has not got may go out again."""
        self.enter: Callable[[], Awaitable[object]] | None = None
        """Opens the session of today; asked once what was under way has been taken in."""
        self.overtake: Callable[[], None] | None = None
        """Ends what tighter limits do not allow; asked before what did not arrive is sent again."""

    async def take_up(self, *, was_stopped: bool) -> None:
        """Go on with what is open; ``was_stopped`` tells that nobody worked until now."""
        desk = self._desk
        await desk.market.refresh(sorted({i.plan.symbol for i in desk.active.values() if i.plan}))
        if was_stopped:
            self._give_up_overdue()
        if self.overtake is not None:
            self.overtake()
        try:
            await self.reconcile("start")
        except BrokerUnavailable:
            if was_stopped:
                raise
            desk.doubted.update(name for one in desk.active.values() for name in one.live)
        await desk.commit()
        for instruction in desk.active.values():
            look_again(desk, instruction)

    async def look_up(self, refused: ExecutionReport) -> Sequence[ExecutionReport]:
        """What became of an order that the broker had already when it was sent again."""
        try:
            return await self._desk.broker.reports_since([refused.client_order_id])
        except BrokerUnavailable:
            self._desk.doubted.add(refused.client_order_id)  # asked about at the next look
            return ()

    def _give_up_overdue(self) -> None:
        """End what nobody worked at its deadline: a stop does not move it (ruling 18).

        What crosses at the deadline has as long again as its final phase to do so.
        """
        desk = self._desk
        for instruction in desk.active.values():
            plan = instruction.plan
            waits = instruction.release_at is not None and not instruction.released
            if plan is None or instruction.is_done or waits:
                continue
            if desk.now > plan.end_at + (plan.end_at - plan.final_phase_at):
                stamp = desk.stamp(str(instruction.id), "deadline passed while stopped")
                instruction.ask_end(stamp, EndReason.WINDOW_ELAPSED)
                desk.touch(instruction)

    async def attend(self, instruction: Instruction) -> None:
        """Ask the broker about orders of unknown outcome, and those silent for too long.

        A report that was lost is learned here; without it an instruction would never end.
        """
        desk = self._desk
        overdue = [
            o.client_order_id for o in instruction.live_orders if self._overdue(instruction, o)
        ]
        if not overdue:
            return
        desk.asked_at.update(dict.fromkeys(overdue, desk.now))
        desk.doubted.difference_update(overdue)
        before = instruction.version
        reports = await desk.broker.reports_since(overdue)
        for report in reports:
            self._working.take(report)
        if instruction.version > before:
            fills = sum(1 for report in reports if report.execution_id)
            stamp = desk.stamp("account", "silence")
            desk.account.reconciled(stamp, "silence", len(overdue), fills, ())
            desk.touch(desk.account)
        for name in overdue:
            await self.settle(instruction, instruction.orders[name])

    def _overdue(self, instruction: Instruction, order: ChildOrder) -> bool:
        """Whether an answer is due, or nothing was heard for long."""
        desk, name = self._desk, order.client_order_id
        if name in desk.doubted:
            return True
        plan = instruction.plan
        may_go_again = plan is not None and desk.now <= plan.end_at + NANOS
        placed, asked = instruction.placed_at[name], desk.asked_at.get(name)
        if order.is_indeterminate and may_go_again and not instruction.ending:
            # Sent again each time: the longer it is refused or lost, the seldomer.
            return asked is None or desk.now - asked >= (asked - placed) // ABSENT_PART
        last = placed
        last = max(last, desk.heard_at.get(name, last), asked or last)
        is_due = (
            instruction.is_done
            or order.pending_cancel
            or not order.is_acknowledged
            or order.time_in_force is TimeInForce.IOC
            or (plan is not None and desk.now >= plan.end_at)
        )
        rules = desk.rules
        patience = (rules.silent_answer_seconds if is_due else rules.silent_rest_seconds) * NANOS
        if is_unconfirmed(order):  # till the close: the longer it did not come, the seldomer
            patience = max(patience, (desk.now - placed) // ABSENT_PART)
        return desk.now - last >= patience

    async def reconcile(self, trigger: str) -> list[e.Break]:
        """Bring every order that is not proven dead up to date with the broker.

        Gives where positions disagree.
        """
        desk = self._desk
        self.fills.begin()
        open_orders = [
            (instruction, order)
            for instruction in desk.active.values()
            for order in instruction.live_orders
        ]
        ids = [order.client_order_id for _, order in open_orders]
        reports = await desk.broker.reports_since(ids) if ids else ()
        for report in reports:
            self._working.take(report)
        fills = sum(1 for report in reports if report.execution_id)
        for instruction, order in open_orders:
            await self.settle(instruction, instruction.orders[order.client_order_id])
        await self._enter_session()
        known = await self.fills.known()
        breaks = await self._lasting_breaks(ids)
        desk.account.reconciled(
            desk.stamp("account", trigger), trigger, len(open_orders), fills, tuple(breaks), known
        )
        hold_breaks(desk, trigger, breaks)
        desk.touch(desk.account)
        return breaks

    async def count_others(self) -> None:
        """Record what others executed in the account on the session's day, where the broker tells.

        The day begins at midnight at the exchange: what they did before the open is of the session.

        Raises:
            BrokerUnavailable: it cannot be asked, so what is used of the limits is not known.
        """
        desk, opened = self._desk, self._desk.account.session
        if opened is None or not isinstance(desk.broker, SeesOthers):
            return
        date, news = opened.session_date, False
        midnight = opened.open - desk.calendar.local_minutes(opened.open) * 60 * NANOS
        for one in await desk.broker.others.executions(midnight):
            stamp = desk.stamp("account", f"execution:{one.execution_id}"[:200], market_time=one.at)
            news |= desk.account.executed_elsewhere(stamp, desk.name, date, one)
        if news:
            desk.touch(desk.account)
            await desk.commit()

    async def _enter_session(self) -> None:
        """Positions are compared with the start of today's session, not of an earlier one."""
        opened, today = self._desk.account.session, self._desk.calendar.session_at(self._desk.now)
        is_new = today is not None and opened is not None and opened.session_date != today.date
        if is_new and self.enter is not None:
            await self.enter()

    async def _lasting_breaks(self, ids: Sequence[str]) -> list[e.Break]:
        """Where positions disagree also after what was on its way meanwhile has been taken in."""
        desk = self._desk
        breaks = await self.position_breaks()
        if not isinstance(desk.broker, LossyStream):
            return breaks
        for _ in range(LOOKS_MAX):
            if not breaks:
                break
            for report in [*desk.broker.drain(), *await desk.broker.reports_since(ids)]:
                self._working.take(report)
            breaks = await self.position_breaks()
        return breaks

    async def settle(self, instruction: Instruction, order: ChildOrder) -> None:
        """Settle one order whose fate is not known here (ruling 7).

        The same order is only ever sent again under the same client id, and only when the broker
        says that it has none.
        """
        desk = self._desk
        plan = instruction.plan
        if order.is_dead or plan is None:
            return
        if not is_unconfirmed(order):
            await self._settle_known(instruction, order)
            return
        if not desk.broker.capabilities.lookup_by_client_id:
            return
        if await desk.broker.find_order(order.client_order_id) is not None:
            for report in await desk.broker.reports_since([order.client_order_id]):
                self._working.take(report)
            return
        blocked = desk.account.is_killed(plan.symbol, plan.strategy.value)
        deadline = max(plan.end_at, instruction.placed_at[order.client_order_id]) + RESEND_GRACE_NS
        stops = blocked or order.pending_cancel or instruction.ending
        wanted = not stops and not self._is_held_back(instruction, plan)
        if wanted and desk.now <= deadline and desk.calendar.session_at(desk.now) is not None:
            request = instruction.requests[order.client_order_id]
            desk.commands.append(SubmitOrder(request, again=True))
            return
        is_listed = desk.broker.capabilities.lists_closed_orders and not self._may_still_trade()
        if is_listed and not await self._has_executed(instruction, order):
            self._working.take(absent(order, desk.now))

    async def _has_executed(self, instruction: Instruction, order: ChildOrder) -> bool:
        """Whether an order that no list has may have executed after all; takes in what is known."""
        name, broker = order.client_order_id, self._desk.broker
        if not isinstance(broker, TellsExecutions):
            return False
        since = instruction.placed_at[name] - CLOCKS_APART_NS
        request = instruction.requests[name]
        if not await broker.may_have_executed(request, order.venue_order_id, since):
            return False
        for report in await broker.reports_since([name]):
            self._working.take(report)
        return True

    def _is_held_back(self, instruction: Instruction, plan: PlanTerms) -> bool:
        """Whether nothing may go out now: in a halt (ruling 16), or while all is wound down."""
        status = self._desk.market.state(plan.symbol, self._desk.now).status
        halted = instruction.suspended_since is not None or status is TradingStatus.HALTED
        return halted or not self.may_send_again

    async def _settle_known(self, instruction: Instruction, order: ChildOrder) -> None:
        """Believe the broker when it says that an order it once had can trade no more."""
        desk, name = self._desk, order.client_order_id
        if desk.broker.capabilities.lookup_by_client_id:
            seen = await desk.broker.find_order(name)
            if seen is not None and not seen.is_open:
                for report in await desk.broker.reports_since([name]):
                    self._working.take(report)
                if instruction.orders[name].is_open:
                    self._working.take(ended(seen, desk.now))
                return
        if order.pending_cancel:
            desk.commands.append(CancelOrder(name, order.venue_order_id))

    def _may_still_trade(self) -> bool:
        """Whether an order's own expiry, the session's close, is still to come."""
        opened = self._desk.account.session
        return opened is not None and self._desk.now < opened.close

    async def position_breaks(self) -> list[e.Break]:
        """Where the broker's positions are not the session's start plus our executions."""
        desk = self._desk
        opened = desk.account.session
        if opened is None:
            return []
        reported = await desk.broker.positions()
        moved = desk.instructions.moved(opened.session_date)
        return list(position_breaks(opened, moved, reported, desk.account.standing.accepted))
