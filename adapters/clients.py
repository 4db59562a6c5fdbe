"""An application as one client of a server has it: authenticated, asked each time, and named.

A face that serves clients (HTTP, MCP) makes one :class:`Client` of each request's or connection's
token and calls it instead of the application. What is not a method here no client can do.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..domain.decision import ExecutionStrategy
from ..domain.errors import FillwrightError, InvalidInput
from ..domain.executor import Outcome, Raw
from ..domain.planning.facts import Outcome as Planning
from ..domain.ports import Position
from ..domain.principals import REMOTE, AccessDenied, Channel, Submitter
from ..domain.reasons import Refusal
from ..domain.supervision.exceptions import Held
from .application import Application
from .closing import Closing
from .supervision.exceptions_book import Exceptions
from .supervision.supervising import Caller, Supervisor

SUBMIT: Final = "submit"
PREVIEW: Final = "preview"
OUTCOME: Final = "outcome"
CANCEL: Final = "cancel"
KILL: Final = "kill"
STATUS: Final = "status"
LIMITS: Final = "limits"
SHOW: Final = "show"
EXCEPTIONS: Final = "exceptions list"
STRANGERS_SECONDS: Final = 60
STRANGERS_MAX: Final = 60


class TooManyStrangers(FillwrightError):
    """Nobody whom the store does not know is answered for ``retry_seconds``."""

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(f"too many calls without a known token; again in {retry_seconds} seconds")
        self.retry_seconds = retry_seconds


class Strangers:
    """Counts callers whom the store does not know, so that they cannot fill its record.

    The first of a minute are refused on the record each. Another record says that more come; those
    are turned away until the minute is over. Whoever has a known token is never held up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since, self._count = clock(), 0

    def one_more(self, supervisor: Supervisor) -> None:
        """Count the caller of a supervisor, whom it does not know.

        Raises:
            AccessDenied: they have become too many; on the record.
            TooManyStrangers: they were too many before.
        """
        now = self._clock()
        if now - self._since >= STRANGERS_SECONDS:
            self._since, self._count = now, 0
        self._count += 1
        if self._count == STRANGERS_MAX:
            why = (
                f"{STRANGERS_MAX} calls without a known token within {STRANGERS_SECONDS} seconds; "
                "more are turned away off the record until these are over"
            )
            supervisor.deny(AccessDenied("unknown callers", "recognise", why))
        if self._count > STRANGERS_MAX:
            raise TooManyStrangers(math.ceil(self._since + STRANGERS_SECONDS - now))


class Client(Closing):
    """What one client may do over an application, by the token that it gave.

    Every call asks control as it is at that moment, so a principal that is taken away or narrowed
    is refused from its next call on. What is refused is on the record. Behind MCP is a model: it
    reads and submits at most, whoever's the token is. Close it, or use it as a context.
    """

    def __init__(
        self,
        application: Application,
        channel: Channel,
        token: str,
        strangers: Strangers | None = None,
    ) -> None:
        """Authenticate a client; ``strangers`` counts those of a server whom nobody knows.

        Raises:
            InvalidInput: ``channel`` is none of a server's, or the log is in memory only.
            AccessDenied: the token is nobody's, or no principals are set up; on the record.
            TooManyStrangers: likewise, and off the record, because too many came before.
            StoreError: who may what cannot be read.
        """
        log = application.engine.desk.log
        if channel not in REMOTE:
            raise InvalidInput("channel", channel.value, ", ".join(sorted(REMOTE)))
        if log.in_memory:
            raise InvalidInput("store", "in memory", "one on which principals are set up")
        self._application, self._channel = application, channel
        self._supervisor = Supervisor(log.url, Caller.with_token(token, channel))
        try:
            if strangers is not None and not self._supervisor.is_known:
                strangers.one_more(self._supervisor)
            self.name = self._supervisor.me.name
        except BaseException:
            self.close()
            raise

    async def admit(
        self, raw: Raw | bytes, *, strategy: ExecutionStrategy | None = None
    ) -> Outcome:
        """As :meth:`Application.admit`, in the client's name.

        Raises:
            AccessDenied: it may not submit; on the record.
        """
        return await self._application.admit(raw, strategy=strategy, by=self._submitter())

    async def execute(
        self, raw: Raw | bytes, *, strategy: ExecutionStrategy | None = None
    ) -> Outcome:
        """As :meth:`Application.execute`, in the client's name; raises as :meth:`admit`."""
        return await self._application.execute(raw, strategy=strategy, by=self._submitter())

    async def execute_batch(
        self, raws: Sequence[Raw], strategies: Sequence[ExecutionStrategy | None] = ()
    ) -> list[Outcome]:
        """As :meth:`Application.execute_batch`, in the client's name; raises as :meth:`admit`."""
        return await self._application.execute_batch(raws, strategies, self._submitter())

    async def preview(self, raw: Raw) -> Planning | tuple[Refusal, ...]:
        """As :meth:`Application.preview`; raises AccessDenied."""
        self._supervisor.require(PREVIEW)
        return await self._application.preview(raw)

    def outcome(self, instruction_id: str) -> Outcome | None:
        """As :meth:`Application.outcome`; raises AccessDenied."""
        self._supervisor.require(OUTCOME)
        return self._application.outcome(instruction_id)

    async def cancel(self, instruction_id: str) -> Outcome:
        """As :meth:`Application.cancel`, in the client's name; raises AccessDenied."""
        return await self._application.cancel(instruction_id, actor=self._actor(CANCEL))

    async def kill(self, reason: str, *, scope: str = "account") -> None:
        """As :meth:`Application.kill`, in the client's name; raises AccessDenied."""
        await self._application.kill(reason, scope=scope, actor=self._actor(KILL))

    def refuse(self, command: str, why: str) -> None:
        """Put on the record that the client asked for a command in a way that is none.

        Raises:
            AccessDenied: it may not run the command at all.
        """
        self._supervisor.require(command)
        with contextlib.suppress(AccessDenied):
            self._supervisor.deny(AccessDenied(self.name, command, why))

    async def status(self) -> Mapping[str, Any]:
        """As :meth:`Application.monitor`; raises AccessDenied."""
        self._supervisor.require(STATUS)
        return await self._application.monitor()

    async def positions(self) -> Mapping[str, Position]:
        """All positions of the account by symbol, as the broker has them; raises AccessDenied."""
        self._supervisor.require(STATUS)
        return await self._application.engine.desk.broker.positions()

    def limits(self) -> dict[str, Any]:
        """What is used of the limits, and all that are in force; raises AccessDenied."""
        self._supervisor.require(LIMITS)
        return {"used": self._application.session_limits(), "in_force": self._application.limits}

    def exceptions(self) -> list[Held]:
        """What somebody still has to look at; raises AccessDenied."""
        self._supervisor.require(EXCEPTIONS)
        held = Exceptions(self._supervisor).held(self._supervisor.now)
        return [one for one in held if one.is_open]

    def show(self) -> str:
        """Where the log is, for whoever may read all of an instruction; raises AccessDenied."""
        self._supervisor.require(SHOW)
        return self._supervisor.store

    def close(self) -> None:
        """Let go of the store's second stream; a second call does nothing."""
        self._supervisor.close()

    def _submitter(self) -> Submitter:
        me = self._supervisor.require(SUBMIT)
        return Submitter(principal=me.name, person=me.person, channel=self._channel)

    def _actor(self, command: str) -> str:
        me = self._supervisor.require(command)
        return f"{me.kind.value}:{me.name}"
