"""An application as one client of a server has it: authenticated, asked each time, and named.

A face that serves clients (HTTP, MCP) makes one :class:`Client` of each request's or connection's
token and calls it instead of the application. What is not a method here no client can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..domain.decision import ExecutionStrategy
from ..domain.errors import InvalidInput
from ..domain.executor import Outcome, Raw
from ..domain.planning.facts import Outcome as Planning
from ..domain.ports import Position
from ..domain.principals import REMOTE, Channel, Submitter
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


class Client(Closing):
    """What one client may do over an application, by the token that it gave.

    Every call asks control as it is at that moment, so a principal that is taken away or narrowed
    is refused from its next call on. What is refused is on the record. Behind MCP is a model: it
    reads and submits at most, whoever's the token is. Close it, or use it as a context.
    """

    def __init__(self, application: Application, channel: Channel, token: str) -> None:
        """Authenticate a client.

        Raises:
            InvalidInput: ``channel`` is none of a server's, or the log is in memory only.
            AccessDenied: the token is nobody's, or no principals are set up; on the record.
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
