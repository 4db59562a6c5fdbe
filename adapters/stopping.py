"""A process that is told to stop: what it does with open orders, said and on record."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from ..domain.errors import FillwrightError, StoreError
from ..domain.ops import EngineStopped, OpsRecord, StopRequested
from ..domain.ops.stopping import NAMED_MAX
from ..domain.reasons import EndReason
from ..domain.stopping import OnStop
from .engine import Engine
from .engine.desk import ACTOR
from .storage.ops_log import OpsLog

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
AT_ONCE: Final = 130
SHOWN_MAX: Final = 20
_DOES: Final[Mapping[OnStop, str]] = {
    OnStop.LEAVE: "open orders are left working",
    OnStop.CANCEL: "open orders are cancelled",
    OnStop.END: "open orders are cancelled and their instructions end",
}

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(slots=True)
class Stopping:
    """Waits for a signal beside a running engine, and then stops it by the policy.

    ``say`` tells people, on stderr. A second signal leaves the process at once: what is durable is
    on disk, and open orders are found again on the next start. ``received`` is the name of the one
    that came, empty while none has.
    """

    policy: OnStop
    seconds_max: int
    say: Say
    received: str = ""
    stopped: EngineStopped | None = None
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, engine: Engine, serving: Awaitable[None] | None = None) -> None:
        """Run the engine until all is done, or until it is told to stop and has.

        With ``serving`` the engine works what is handed to it meanwhile, until that ends; when it
        is told to stop, ``serving`` is cancelled after the engine has.

        Raises:
            StoreError, BrokerUnavailable: what the engine raises.
        """
        running = asyncio.ensure_future(engine.run() if serving is None else serving)
        asked = asyncio.ensure_future(self._asked.wait())
        with self._listening():
            try:
                await asyncio.wait((running, asked), return_when=asyncio.FIRST_COMPLETED)
                if asked.done() and not running.done():
                    await self._stop(engine)
                    await engine.stop()
                    if serving is not None:
                        running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                else:
                    await running
            finally:
                asked.cancel()

    async def _stop(self, engine: Engine) -> None:
        withdrawn = engine.withdraw()
        before = _live(engine)
        self.say(
            f"{self.received}: {_DOES[self.policy]}, within {self.seconds_max} s; "
            f"{withdrawn} decisions are not taken; a second signal leaves at once"
        )
        requested = StopRequested(
            **_head(engine),
            account=engine.desk.name,
            signal=self.received,
            policy=self.policy,
            seconds_max=self.seconds_max,
            decisions_withdrawn=withdrawn,
        )
        await self._record(engine, requested)
        in_time, problem = True, ""
        try:
            async with asyncio.timeout(self.seconds_max):
                await self._carry_out(engine)
        except TimeoutError:
            in_time = False
        except FillwrightError as error:
            in_time, problem = False, str(error)
        live = _live(engine)
        active = engine.desk.active.values()
        self.stopped = EngineStopped(
            **_head(engine),
            account=engine.desk.name,
            policy=self.policy,
            in_time=in_time,
            cancelled=tuple(sorted(before - live))[:NAMED_MAX],
            left_open=tuple(sorted(live))[:NAMED_MAX],
            instructions_open=sum(not each.is_done for each in active),
            problem=problem[:500],
        )
        await self._record(engine, self.stopped)
        for line in _told(self.stopped):
            self.say(line)

    async def _carry_out(self, engine: Engine) -> None:
        if self.policy is OnStop.END:
            for instruction in list(engine.desk.active.values()):
                await engine.cancel(instruction.id, EndReason.SHUTDOWN, ACTOR)
            await engine.run()
        await engine.rest(cancel_orders=self.policy is not OnStop.LEAVE)

    async def _record(self, engine: Engine, record: OpsRecord) -> None:
        """Put it on record; what cannot be is said, and stops nothing."""

        def write() -> None:
            with OpsLog.of(engine.desk.log) as ops:
                ops.append(record)

        try:
            await asyncio.get_running_loop().run_in_executor(None, write)
        except StoreError as error:
            self.say(f"not put on record: {error}")

    # -- signals -------------------------------------------------------------------------------

    @contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for one in SIGNALS:
            loop.add_signal_handler(one, self._told_to, one)
        try:
            yield
        finally:
            for one in SIGNALS:
                loop.remove_signal_handler(one)

    def _told_to(self, number: signal.Signals) -> None:
        if self.received:
            self.say(f"{number.name}: left at once; open orders are found on the next start")
            os._exit(AT_ONCE)
        self.received = number.name
        self._asked.set()


class Terminated(Exception):
    """SIGTERM came."""


async def until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """What some work gives; SIGTERM cancels it as Ctrl-C does.

    Raises:
        Terminated: SIGTERM came before it had ended.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    task = loop.create_task(work)

    def tell() -> None:
        told.set()
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, tell)
    try:
        return await task
    except asyncio.CancelledError:
        if told.is_set():
            raise Terminated from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _head(engine: Engine) -> dict[str, Any]:
    head = engine.desk.log.head()
    return {
        "record_time": time.time_ns(),
        "actor": ACTOR,
        "log_position": head.position,
        "log_hash": head.hash.hex(),
    }


def _live(engine: Engine) -> set[str]:
    return {name for each in engine.desk.active.values() for name in each.live}


def _told(stopped: EngineStopped) -> list[str]:
    lines = [
        f"stopped: {len(stopped.cancelled)} orders have ended, {len(stopped.left_open)} are open, "
        f"{stopped.instructions_open} instructions go on at the next start"
    ]
    lines += [f"left open: {name}" for name in stopped.left_open[:SHOWN_MAX]]
    if not stopped.in_time:
        why = stopped.problem or "the broker has not proved it in time"
        lines.append(f"not everything is proven dead: {why}")
    return lines
