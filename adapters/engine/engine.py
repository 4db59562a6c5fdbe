"""The loop: reports and decisions in, durable events, commands out, then time passes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from ...domain.decision import ExecutionStrategy
from ...domain.errors import BrokerUnavailable, InvalidInput, StoreError
from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.ports import NANOS, ExecutionReport, ReportKind
from ...domain.principals import Submitter
from ...domain.reasons import EndReason
from ..storage.records import Conflict, CounterExceeded
from .admission import Admitted
from .batching import AdvisedArrival, BatchAdmission
from .callers import Callers, all_of, tell
from .control import Control
from .desk import Desk
from .drop_copy import DropCopy, IdleTimer
from .incoming import Arrival
from .interruption import end_overdue, is_killed, is_stuck, patience_until, reload
from .messages import MessageBudget
from .recovery import Recovery
from .session_books import Capture, close_session, open_session, record_capture
from .starting import Starting
from .winding_down import WindingDown
from .working import Working

ADMISSION_TRIES_MAX = 5


class Engine:
    """Works the instructions of one account.

    Everything happens in one task, one batch at a time: what a batch decides is committed in one
    append, and only then handed to the broker. Callers wait on futures, so cancelling a caller
    leaves its instruction working.
    """

    def __init__(
        self,
        desk: Desk,
        capture: Capture | None = None,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self.desk = desk
        self._interrupt = interrupt
        self._capture = capture
        self._budget = MessageBudget(desk.rules.messages_per_minute)
        self._admission = BatchAdmission(desk)
        self._working = Working(desk, self._budget)
        self._recovery = Recovery(desk, self._working)
        self._recovery.enter = self._try_open_session
        self._drop_copy = DropCopy(desk, self._recovery)
        self.idle = IdleTimer(desk, self._drop_copy, self._ensure_pump)
        self._control = Control(desk, self._working, self._recovery, interrupt)
        self._callers = Callers()
        self.starting = Starting(desk)
        self.withdraw = self._callers.withdraw
        self._pump_task: asyncio.Task[None] | None = None
        self._recovered = self._interrupted = self._stopping = self._resting = False
        self._life = 0

    # -- start and stop ------------------------------------------------------------------------

    def load(self, limits: Limits) -> None:
        """Rebuild everything from the log; sends and records nothing that is not needed."""
        self.starting.load()
        self._limits = self.desk.configured = limits

    async def close_session(self) -> None:
        """Close the books of the session when nothing is open."""
        await close_session(self.desk, self._recovery, self._capture)
        self.starting.keep()

    async def record_capture(self) -> None:
        """Record the market data used so far today; what follows is recorded later."""
        opened = self.desk.account.session
        if opened is not None and opened.session_date not in self.desk.account.closed_sessions:
            record_capture(self.desk, self._capture, opened.session_date)
            await self.desk.commit()

    async def stop(self) -> None:
        """Stop the loop; what is open at the broker stays open and is found again on start."""
        self._stopping = True
        self.idle.stop()
        self._interrupt()
        if self._pump_task is not None:
            self._pump_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump_task
            self._pump_task = None
        self.starting.keep()

    async def rest(self, *, cancel_orders: bool = False) -> None:
        """End the loop once what it has begun is recorded and sent; nothing new is decided.

        With ``cancel_orders`` own orders are then cancelled, and this returns when the broker has
        proved them dead, however long that takes.
        """
        self._resting = True
        self._interrupt()
        if self._pump_task is not None:
            await asyncio.shield(self._pump_task)
        if cancel_orders:
            parts = self.desk, self._working, self._recovery, self._reports
            await WindingDown(*parts).cancel_orders()

    # -- decisions -----------------------------------------------------------------------------

    def schedule(self, arrival: Arrival, at: int | None = None) -> asyncio.Future[Admitted]:
        """Have a decision arrive at ``at`` (ns UTC; now when None); the future is its admission."""
        self._enter_loop()
        when = self.desk.now if at is None else max(at, self.desk.now)
        future = self._callers.arrive(when, arrival)
        self._interrupt()
        self._ensure_pump()
        return future

    async def submit(self, raw: Mapping[str, object] | bytes) -> Admitted:
        """Admit a decision now; durable when this returns."""
        return await asyncio.shield(self.schedule(Arrival(raw)))

    async def submit_batch(
        self,
        raws: Sequence[Mapping[str, object] | bytes],
        strategies: Sequence[ExecutionStrategy | None] = (),
        by: Submitter | None = None,
    ) -> list[Admitted]:
        """Admit decisions together, ordered and netted by :func:`domain.batch.order_batch`.

        Gives what became of each in the order given, durable; ``strategies`` are recommendations
        as in :class:`AdvisedArrival`.
        """
        group = self._callers.next_number()
        advised = [*strategies, *[None] * (len(raws) - len(strategies))]
        pairs = zip(raws, advised, strict=True)
        arrivals = [AdvisedArrival(raw, by=by, strategy=one, group=group) for raw, one in pairs]
        return await all_of([self.schedule(arrival) for arrival in arrivals])

    def finished(self, instruction: Instruction) -> asyncio.Future[Instruction]:
        """A future of the instruction's terminal state.

        It also comes when an order's outcome is unknown and nothing here can find it out.
        """
        self._enter_loop()
        future = self._callers.wait_for(instruction.id, patience_until(instruction))
        if instruction.is_done:
            self._callers.resolve(self._ended)
        else:
            self._ensure_pump()
        return future

    def end_at(self, id: UUID, at: int, reason: EndReason, actor: str) -> None:
        """Ask for an instruction's end at ``at`` (ns UTC), if it has not ended by then."""
        self._callers.end_at(at, id, reason, actor)
        self._interrupt()
        self._ensure_pump()

    async def cancel(self, id: UUID, reason: EndReason, actor: str) -> None:
        """Ask for an instruction's end; its orders are cancelled first."""
        instruction = self.desk.instructions[id]
        instruction.ask_end(self.desk.stamp(str(id), "cancel", actor=actor), reason)
        self.desk.touch(instruction)
        self._look_now(instruction)

    async def kill(self, scope: str, reason: str, actor: str) -> None:
        """Block and cancel, see :meth:`Control.kill`; durable when this returns.

        While an admission is being written the block follows in the same batch.
        """
        try:
            covered = await self._control.kill(scope, reason, actor)
        except Conflict:
            await self._look_anew()
            covered = await self._control.kill(scope, reason, actor)
        for instruction in covered:
            self._look_now(instruction)

    async def release_kill(self, scope: str, reason: str, actor: str) -> None:
        """Lift a block; see :meth:`Control.release`."""
        await self._control.release(scope, reason, actor)

    def _look_now(self, instruction: Instruction) -> None:
        if not instruction.is_done:
            self.desk.wake(instruction, self.desk.now)
        self._interrupt()
        self._ensure_pump()

    # -- the loop ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until no decision is scheduled and no instruction is open."""
        self._ensure_pump()
        if self._pump_task is not None:
            await asyncio.shield(self._pump_task)

    def _enter_loop(self) -> None:
        """Take leave of an event loop that has ended; those who waited in it are gone.

        Raises:
            InvalidInput: the other loop still runs.
        """
        task = self._pump_task
        if task is None or task.get_loop() is asyncio.get_running_loop():
            return
        if not task.done():
            if task.get_loop().is_running():
                allowed = "calls from the event loop that it works in, which is still running"
                raise InvalidInput("event loop", "another one", allowed)
            self._was_interrupted()
        self._life += 1
        self._pump_task = None
        self._callers.forget()

    def _was_interrupted(self) -> None:
        self._interrupted, self._recovered = True, False

    def _ensure_pump(self) -> None:
        if self._stopping:
            return
        self._enter_loop()
        if self._pump_task is None or self._pump_task.done():
            self._pump_task = asyncio.get_running_loop().create_task(self._pump())

    async def _pump(self) -> None:
        life = self._life
        try:
            await self._recover()
            while self._goes_on():
                if not await self._try_batch() and not self._resting:
                    await self._pass_time()
            await self.desk.commit()
            self._resolve()
            self.idle.arm()
        except BaseException as error:
            if life == self._life:
                self._was_interrupted()
                self._callers.fail(error)
            raise
        finally:
            self._control.unwatch()

    async def _try_batch(self) -> bool:
        """One batch; another process' record that came first has everything looked at anew."""
        try:
            self._control.attend()
            return await self._batch()
        except (CounterExceeded, Conflict):
            await self._look_anew()
            return True

    async def _look_anew(self) -> None:
        """Believe the log, in which another process has put something meanwhile."""
        for _ in range(ADMISSION_TRIES_MAX):
            self._was_interrupted()
            try:
                return await self._recover(was_stopped=False)
            except (CounterExceeded, Conflict):
                continue
        raise StoreError("the log changed at every try; another writer is active")

    def _goes_on(self) -> bool:
        active = self.desk.active.values()
        has_work = self._callers.has_arrivals or any(not i.is_done or i.live for i in active)
        is_owed = self._working.unseen.next_at() is not None or self._drop_copy.is_due
        return (has_work or is_owed) and not self._resting

    async def _recover(self, *, was_stopped: bool = True) -> None:
        """Once, before anything else: settle with the broker what was open before the start."""
        if self._recovered:
            return
        self._recovered = True
        if self._interrupted:
            self._interrupted = False
            reload(self.desk)
        if self.desk.active:
            await self._recovery.take_up(was_stopped=was_stopped)

    async def _batch(self) -> bool:
        """Take in what is here now, act on it durably; False when there was nothing."""
        desk = self.desk
        to_step: dict[UUID, Instruction] = {}
        heard = False
        while reports := await self._reports():
            heard = True
            for report in reports:
                instruction = self._working.take(report)
                if instruction is not None:
                    to_step[instruction.id] = instruction
        compared = await self._drop_copy.attend()
        admitted = await self._admit_due()
        end_overdue(desk, self._callers.over(desk.now))
        due = desk.due(desk.now)
        for instruction in due:
            if await self._ready(instruction):
                to_step[instruction.id] = instruction
        desk.append_jobs()  # what was planned at its release
        for instruction in sorted(to_step.values(), key=lambda i: desk.instructions.order[i.id]):
            self._working.step(instruction)
        active = bool(heard or admitted or due or desk.commands or compared)
        desk.gather()
        full = len(desk.gathered) >= desk.rules.reports_before_commit_max
        awaited = bool(desk.gathered) and self._callers.any_over(self._ended)
        if full or awaited or admitted or desk.commands:
            await desk.commit()
        if not desk.gathered:
            self._resolve()
            self.starting.attend()
        return active

    async def _reports(self) -> list[ExecutionReport]:
        """What the broker says now; a refusal of a second sending is answered by looking (7)."""
        found, self.desk.withheld = self.desk.withheld, []
        for report in self.desk.broker.drain():
            is_known = report.kind is ReportKind.REJECTED and report.raw.get("duplicate")
            found += await self._recovery.look_up(report) if is_known else [report]
        return found or await self._working.unseen.ask()

    async def _ready(self, instruction: Instruction) -> bool:
        """Whether a strategy may be asked; a deferred instruction is checked again first."""
        with contextlib.suppress(BrokerUnavailable):
            await self._recovery.attend(instruction)
        if instruction.ending is not None and instruction.plan is None:
            desk = self.desk
            instruction.finish(desk.stamp(str(instruction.id), "cancel"), instruction.ending)
            desk.touch(instruction)
            desk.retire(instruction)
            return False
        if instruction.ending is not None or instruction.released or instruction.release_at is None:
            return True
        if self.desk.now < instruction.release_at and not is_killed(self.desk, instruction):
            self.desk.wake(instruction, instruction.release_at)
            return False
        if await self._try_open_session() is None:
            with contextlib.suppress(BrokerUnavailable):
                await self._admission.check_again(instruction)
                return False
        self.desk.wake(instruction, self.desk.now + NANOS)
        return False

    async def _admit_due(self) -> int:
        """Admit what has arrived, all in one append."""
        batch = self._callers.arrived(self.desk.now)
        if not batch:
            return 0
        try:
            admitted = await self._admit([coming.arrival for coming in batch])
        except BaseException as error:
            tell((coming.future for coming in batch), error)
            raise
        for coming, result in zip(batch, admitted, strict=True):
            if not coming.future.done():
                coming.future.set_result(result)
        return len(batch)

    async def _admit(self, arrivals: Sequence[Arrival]) -> list[Admitted]:
        unavailable = await self._try_open_session()
        self.desk.queue_reports()
        for _ in range(ADMISSION_TRIES_MAX):
            try:
                admitted = await self._admission.admit_all(arrivals, unavailable)
                self.desk.append_jobs()
            except (CounterExceeded, Conflict):
                # Another writer was faster; what was written of the batch is found again by id.
                reload(self.desk)
            else:
                return admitted
        raise StoreError("the limits' counters changed at every try; another writer is active")

    async def _try_open_session(self) -> BrokerUnavailable | None:
        """Open the session; without the broker's figures it stays closed, and nothing is let in."""
        try:
            await open_session(self.desk, self._limits)
            await self._recovery.count_others()
        except BrokerUnavailable as error:
            return error
        return None

    async def _pass_time(self) -> None:
        """Let time pass to the next thing that is known to come, or until a report comes."""
        desk = self.desk
        parts = self._callers, self._working.unseen, self._drop_copy
        wanted = [desk.next_wake(), *(part.next_at() for part in parts)]
        until = min((at for at in wanted if at is not None), default=None)
        self._control.watch()
        await desk.runtime.wait(until)
        await desk.market.refresh(desk.symbols_in_play())

    def _resolve(self) -> None:
        self._callers.resolve(self._ended)

    def _ended(self, id: UUID) -> Instruction | None:
        """The instruction when it has ended, or when waiting on would not end it."""
        instruction = self.desk.instructions[id]
        return instruction if instruction.is_done or is_stuck(self.desk, instruction) else None
