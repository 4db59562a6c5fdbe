"""The application: what every face (Python, command line, HTTP, MCP) calls; faces hold no logic."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

import structlog

from .. import __version__
from ..domain.decision import ExecutionStrategy
from ..domain.errors import InvalidInput
from ..domain.executor import Outcome, Raw, outcome_of, refused_reuse
from ..domain.instruction import Instruction
from ..domain.limits import Limits
from ..domain.planning.facts import Outcome as Planning
from ..domain.ports import NANOS, Broker, Calendar, Clock
from ..domain.principals import Submitter
from ..domain.reasons import EndReason, Refusal
from ..domain.result import ExecutionResult, OuterStatus
from ..domain.states import InstructionState
from ..projections.alerts import DEFAULT_THRESHOLDS, AlertThresholds
from ..projections.best_execution.reporter import OWN_FLOW, Reporter
from .closing import AsyncClosing, close_all, close_beside
from .engine import Admitted, Engine
from .engine.batching import AdvisedArrival, BatchAdmission
from .views import Telling

if TYPE_CHECKING:
    from .settings import Settings

ACTOR: Final = f"api/{__version__}"
_logger = structlog.get_logger(__name__)


class Application(AsyncClosing, Telling):
    """One account's execution: decisions in, outcomes, status and reports out.

    Implements the ``Executor`` port of the domain. Nothing runs until something is awaited. It may
    be used from one event loop after the other, not from two at once. Close it with ``aclose`` (or
    ``async with``), which leaves open orders as they are: they are found again on the next start.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        *,
        thresholds: AlertThresholds = DEFAULT_THRESHOLDS,
        reporter: Reporter = OWN_FLOW,
        before: Callable[[], Awaitable[None]] | None = None,
        aclose: Sequence[Callable[[], Awaitable[None]]] = (),
        close: Sequence[Callable[[], None]] = (),
    ) -> None:
        """Join the parts; most callers want :meth:`open`.

        ``before`` is awaited before each decision; ``aclose`` and ``close`` are called at the end,
        in order. ``close`` is also called when the object is forgotten.
        """
        super().__init__(engine.desk, thresholds, reporter)
        self.engine = engine
        self._configured = limits
        self._before = before
        self._aclose = aclose
        self._close = tuple(close)
        self._finalizer = weakref.finalize(self, close_beside, self._close)

    @classmethod
    def open(
        cls,
        provider: object,
        settings: Settings | Mapping[str, object] | None = None,
        *,
        store: str | None = None,
        clock: Clock | None = None,
        calendar: Calendar | None = None,
        broker: Broker | None = None,
    ) -> Self:
        """The application over a broker or a seed-style provider; sends and asks nothing yet.

        Args:
            provider: a simulation or simulated provider, one of our brokers, or any object with
                the seed's coroutines.
            settings: configuration, or what ``Settings.read`` takes.
            store: where the log is; by default the settings' ``store``, else in memory.
            clock: the source of time, by default the machine's (or the simulation's own).
            calendar: the exchange's sessions, by default real ones; while trading on paper with a
                provider that has no ``get_clock``, assumed ones.
            broker: the broker port to trade on, where ``provider`` gives market data only.

        Raises:
            InvalidInput: a setting or argument that is not allowed.
            StoreError: the store cannot be opened.
        """
        from .assembly import assemble

        parts = assemble(
            provider, settings, store=store, clock=clock, calendar=calendar, broker=broker
        )
        return cls(
            parts.engine,
            parts.limits,
            thresholds=parts.thresholds,
            reporter=parts.reporter,
            before=parts.before,
            aclose=parts.aclose,
            close=parts.close,
        )

    # -- decisions -------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Ask the broker what must be known before a decision is scheduled, such as its clock.

        From then on what is held is compared by the clock, also while there is nothing to work.

        Raises:
            InvalidInput: the application is closed.
            BrokerUnavailable: the broker cannot be asked.
        """
        await self._prepare()
        self.engine.idle.arm()

    async def admit(
        self,
        raw: Raw | bytes,
        *,
        strategy: ExecutionStrategy | None = None,
        by: Submitter | None = None,
    ) -> Outcome:
        """Admit a decision without waiting for its end; durable when this returns.

        ``by`` is the principal that submits it; by default the one of this process. Bytes are what
        could not be read as a decision; they are refused on the record.

        Raises:
            StoreError: it could not be recorded, and nothing was sent.
        """
        await self._prepare()
        admitted = await self._admitted(raw, strategy, by)
        return self._told(admitted.instruction, admitted)

    async def execute(
        self,
        raw: Raw | bytes,
        *,
        strategy: ExecutionStrategy | None = None,
        by: Submitter | None = None,
    ) -> Outcome:
        """Admit a decision (``by`` as in :meth:`admit`) and wait for its end.

        Returns at once when it is refused, deferred, or known and ended; one that is known and
        still working is waited for. An unexpected failure is an outcome that names the open orders.
        Cancelling the caller leaves the instruction working.
        """
        admitted: Admitted | None = None
        try:
            await self._prepare()
            admitted = await self._admitted(raw, strategy, by)
            if self._is_worked(admitted):
                await self.engine.finished(admitted.instruction)
        except InvalidInput:
            raise
        except Exception as error:
            return self._failed(admitted, error)
        return self._told(admitted.instruction, admitted)

    async def execute_batch(
        self,
        raws: Sequence[Raw],
        strategies: Sequence[ExecutionStrategy | None] = (),
        by: Submitter | None = None,
    ) -> list[Outcome]:
        """Admit decisions as one batch, wait for all ends; outcomes in the order given.

        Highest confidence is admitted first, what reduces risk before what adds it where cash is
        short; of two opposite decisions in a symbol only the difference is traded, and the smaller
        ends with nothing to do.
        """
        try:
            await self._prepare()
            admitted = await self.engine.submit_batch(raws, strategies, by)
        except InvalidInput:
            raise
        except Exception as error:
            return [self._failed(None, error) for _ in raws]
        return list(await asyncio.gather(*(self._end_of(one) for one in admitted)))

    async def wait(self, instruction_id: str, timeout_seconds: Decimal | None = None) -> Outcome:
        """Wait for an instruction's end; after the time limit (engine time) its rest is cancelled.

        One that is deferred is waited for too.

        Raises:
            InvalidInput: the log does not have it, or the time limit is negative.
        """
        instruction = self._instruction(instruction_id)
        if timeout_seconds is not None and not instruction.is_done:
            if timeout_seconds < 0:
                raise InvalidInput("timeout", timeout_seconds, "0 or more seconds")
            at = self._desk.now + int(timeout_seconds * NANOS)
            self.engine.end_at(instruction.id, at, EndReason.WINDOW_ELAPSED, ACTOR)
        return await self._end_of(Admitted(instruction), deferred_too=True)

    async def preview(self, raw: Raw) -> Planning | tuple[Refusal, ...]:
        """What would become of a decision now; records and reserves nothing.

        Raises:
            BrokerUnavailable: the broker cannot be asked.
        """
        await self._prepare()
        return await BatchAdmission(self._desk).preview(raw, self.limits)

    async def cancel(self, instruction_id: str, *, actor: str = ACTOR) -> Outcome:
        """Ask for an instruction's end and wait for it; what executed stays.

        Raises:
            InvalidInput: the log does not have it.
        """
        instruction = self._instruction(instruction_id)
        if not instruction.is_done:
            await self.engine.cancel(instruction.id, EndReason.USER, actor)
        return await self._end_of(Admitted(instruction), deferred_too=True)

    # -- the kill switch -------------------------------------------------------------------------

    async def kill(self, reason: str, *, scope: str = "account", actor: str = ACTOR) -> None:
        """Block trading at once and cancel own orders; ``scope`` is account, symbol:X, strategy:x.

        Latched until a person releases it; positions stay as they are.
        """
        _check_scope(scope)
        await self.engine.kill(scope, reason, actor)
        if not self._desk.active:
            await self.engine.run()  # nothing is worked, so nothing else would make it durable

    async def release(self, reason: str, *, person: str, scope: str = "account") -> None:
        """Lift a block in a person's name; revives nothing.

        Raises:
            InvalidInput: no person is named, or the scope is none.
        """
        _check_scope(scope)
        if not person.strip():
            raise InvalidInput("person", person, "the name of the person who releases it")
        await self.engine.release_kill(scope, reason, f"person:{person.strip()}")

    # -- what is --------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        """The limits in force: the log's, or before the first session the configured ones."""
        return self._desk.account.limits or self._configured

    def outcome(self, instruction_id: str) -> Outcome | None:
        """What came of an instruction so far, None when the log does not have it."""
        instruction = self._find(instruction_id)
        return None if instruction is None else self._told(instruction)

    def results(self) -> list[ExecutionResult]:
        """Every instruction of the log, in order of receipt."""
        outcomes = (self._told(each) for each in self._desk.instructions.values())
        return [outcome.result for outcome in outcomes if outcome.result is not None]

    def trades_today(self) -> list[ExecutionResult]:
        """Instructions of the current session that executed something, in order of receipt."""
        today = self._desk.account.session
        date = today.session_date if today is not None else ""
        mine = (i for i in self._desk.instructions.values() if i.session_date == date)
        outcomes = (self._told(each) for each in mine if each.executed)
        return [outcome.result for outcome in outcomes if outcome.result is not None]

    # -- the end ---------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Stop; open orders stay as they are. A second call does nothing."""
        if not self._finalizer.alive:
            return
        with contextlib.suppress(Exception):
            await self.engine.stop()
        for close in self._aclose:
            await close()
        self.close()

    def close(self) -> None:
        """Let go of store and journal where no event loop runs."""
        if self._finalizer.detach() is not None:
            close_all(self._close)

    # -- parts -----------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        if not self._finalizer.alive:
            raise InvalidInput("application", "closed", "one that is open")
        if self._before is not None:
            await self._before()

    async def _admitted(
        self, raw: Raw | bytes, strategy: ExecutionStrategy | None, by: Submitter | None
    ) -> Admitted:
        # Awaited directly, so that the caller is told before virtual time passes on.
        return await self.engine.schedule(AdvisedArrival(raw, by=by, strategy=strategy))

    def _is_worked(self, admitted: Admitted) -> bool:
        """Whether its end is worth waiting for: it is not over, not deferred, and ours."""
        instruction = admitted.instruction
        if admitted.reused is not None or instruction.is_done:
            return False
        waits = instruction.release_at is not None and not instruction.released
        return not (waits and instruction.state is InstructionState.PLANNED)

    async def _end_of(self, admitted: Admitted, *, deferred_too: bool = False) -> Outcome:
        open_still = deferred_too and not admitted.instruction.is_done
        try:
            if open_still or self._is_worked(admitted):
                await self.engine.finished(admitted.instruction)
        except Exception as error:
            return self._failed(admitted, error)
        return self._told(admitted.instruction, admitted)

    def _told(self, instruction: Instruction, admitted: Admitted | None = None) -> Outcome:
        """The outcome; what the log was rebuilt to counts, not an object of before."""
        if admitted is not None and admitted.reused is not None:
            return refused_reuse(instruction, admitted.reused)
        known = self._desk.instructions.get(instruction.id, instruction)
        mid = None
        if known.executed and known.plan is not None:
            quote = self._desk.market.state(known.plan.symbol, self.now).usable_quote
            mid = quote.mid if quote is not None else None
        repeated = admitted is not None and admitted.repeated
        return outcome_of(known, mid_after=mid, repeated=repeated)

    def _failed(self, admitted: Admitted | None, error: Exception) -> Outcome:
        """An unexpected failure, with the orders that may still trade (ruling 11)."""
        _logger.error("execution failed", error=str(error), kind=type(error).__name__)
        text = f"{type(error).__name__}: {error}"
        if admitted is None:
            return Outcome(OuterStatus.ERROR, f"{text}; see the log for whether it was recorded")
        told = self._told(admitted.instruction, admitted)
        open_orders = told.result.open_orders if told.result else ()
        named = ", ".join(open_orders) or "none"
        message = f"{text}; open orders: {named}"
        return Outcome(OuterStatus.ERROR, message, told.partial, told.result)

    def _find(self, instruction_id: str) -> Instruction | None:
        try:
            return self._desk.instructions.get(UUID(instruction_id))
        except ValueError:
            return None

    def _instruction(self, instruction_id: str) -> Instruction:
        found = self._find(instruction_id)
        if found is None:
            raise InvalidInput("instruction", instruction_id, "the id of one in the log")
        return found


def _check_scope(scope: str) -> None:
    kind, _, name = scope.partition(":")
    if scope != "account" and (kind not in ("symbol", "strategy") or not name):
        raise InvalidInput("scope", scope, "account, symbol:X or strategy:x")
