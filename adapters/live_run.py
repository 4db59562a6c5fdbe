"""A run of a decisions file at a real broker, in real time.

Orchestration only. The same file on the same store goes on where it was; what was decided is never
decided twice, and what was sent is found again at the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..domain import events as e
from ..domain.errors import BrokerUnavailable
from ..domain.ports import NANOS, Session
from .alpaca_provider import AlpacaProvider
from .application import Application
from .engine import Engine, EngineRules
from .running import EventHook, FileDecision, Outcome
from .settings import Settings
from .stopping import Stopping
from .storage.log import Log
from .supervision.permissions import submitter_here

AFTER_CLOSE_NS: Final = 8 * 3_600 * NANOS
"""So long after its close a session is still the one that a file's decisions are of."""
PATIENCE_SECONDS: Final = 65.0
"""Longer than the minute of a rate limit."""
ASK_AGAIN_SECONDS: Final = 2.0


@dataclass(slots=True)
class LiveRun:
    """An application over a live broker, and the session that a run is of."""

    application: Application
    session: Session

    @property
    def engine(self) -> Engine:
        """The engine that works it."""
        return self.application.engine

    @property
    def log(self) -> Log:
        """The log that it writes."""
        return self.engine.desk.log

    @property
    def default_at(self) -> int:
        """When a decision without a time arrives: after the opening, at once while it is closed.

        A closed market refuses it, or defers it to the next open where that is configured.
        """
        now, session = self.engine.desk.now, self.session
        if not session.contains(now):
            return now
        return max(now, session.open + self.rules.planning.avoid_open_seconds * NANOS)

    @property
    def rules(self) -> EngineRules:
        """How the engine works."""
        return self.engine.desk.rules


def open_live(settings: Settings, store: str, addresses: Mapping[str, str | None]) -> LiveRun:
    """Connect to Alpaca and take up what the store has.

    Raises:
        InvalidInput: keys are missing or an address is none.
        BrokerUnavailable: the broker cannot be asked, or refuses the keys.
        StoreError: the store cannot be used.
    """
    provider = AlpacaProvider.of_settings(settings, **addresses)
    try:
        application = Application.open(provider, settings, store=store)
        application.engine.desk.submitter = submitter_here(store)
    except BaseException:
        provider.close()
        raise
    return LiveRun(application, _session_of(application))


async def work_live(
    run: LiveRun,
    decisions: Sequence[FileDecision],
    watch: EventHook | None = None,
    stopping: Stopping | None = None,
) -> Outcome:
    """Hand the decisions over, each at its time, and work until all have ended.

    The session's books are closed when its close has passed; before that the market data that was
    used so far is recorded. With ``stopping`` a signal ends it before, and decisions that were not
    taken by then are no part of the outcome.

    Raises:
        BrokerUnavailable: the broker cannot be asked.
        StoreError: the log cannot be written; what it holds is whole, and the run can be taken up.
    """
    engine, before = run.engine, run.log.head().position
    if watch is not None:
        told = engine.desk.on_event

        def both(event: e.DomainEvent) -> None:
            watch(event)
            if told is not None:
                told(event)

        engine.desk.on_event = both
    await run.application.prepare()
    futures = [engine.schedule(each.arrival, each.at) for each in decisions]
    try:
        await (engine.run() if stopping is None else stopping.run(engine))
        was_stopped = stopping is not None and bool(stopping.received)
        await record_end(engine, run.session, is_patient=not was_stopped)
    finally:
        for future in futures:
            if future.done() and not future.cancelled():
                future.exception()
    head = run.log.head()
    pairs = tuple(
        (decision, future.result())
        for decision, future in zip(decisions, futures, strict=True)
        if future.done() and not future.cancelled()
    )
    return Outcome(pairs, head.position - before, head)


async def record_end(engine: Engine, session: Session, *, is_patient: bool = True) -> None:
    """Close the session's books after its close; before it record the market data used so far.

    A broker that cannot be asked is asked again for a good minute, if ``is_patient``: one answer
    that is late would end a day's run as failed.

    Raises:
        BrokerUnavailable: the broker cannot be asked; the market data used is recorded all the
            same, and the books are closed by the next run.
        StoreError: it cannot be recorded.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + (PATIENCE_SECONDS if is_patient else 0)
    while engine.desk.now >= session.close:
        try:
            return await engine.close_session()
        except BrokerUnavailable:
            if loop.time() >= ends:
                await engine.record_capture()
                raise
        await asyncio.sleep(ASK_AGAIN_SECONDS)
    await engine.record_capture()


def _session_of(application: Application) -> Session:
    """The session under way; after its close still the one that the log has open; else the next."""
    desk = application.engine.desk
    now = desk.now
    current = desk.calendar.session_at(now)
    if current is not None:
        return current
    opened = desk.account.session
    if opened is not None and opened.open <= now < opened.close + AFTER_CLOSE_NS:
        return Session(opened.session_date, opened.open, opened.close)
    return desk.calendar.next_session(now)
