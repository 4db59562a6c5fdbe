"""Notices on their way, in a thread that neither the engine nor whoever looks ever waits for."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import structlog

from ...domain.errors import StoreError
from ...domain.ops import AlertNotified, AlertRaised
from ..storage.ops_log import OpsLog
from .channels import LOG, Channel, Notice, problem_of

QUEUE_MAX: Final = 10_000
ATTEMPTS: Final = 3
PAUSE_SECONDS: Final = 1.0
MINUTE_SECONDS: Final = 60.0
ACTOR: Final = "alerts"
_logger = structlog.get_logger(__name__)

Task = tuple[Notice, tuple[str, ...]]
Open = Callable[[], OpsLog]


def try_channel(channel: Channel) -> str:
    """Send a notice that says it is a test; why it was not taken, empty when it was."""
    raised = AlertRaised(
        record_time=time.time_ns(),
        actor=ACTOR,
        log_position=0,
        log_hash="0" * 64,
        alert=sha256(b"test").hexdigest(),
        kind="test",
        severity="info",
        subject="fillwright",
        about="",
        observed=None,
        threshold=None,
        unit="",
        since=None,
        market_time=time.time_ns(),
        detail="this is a test; nothing has happened",
    )
    try:
        channel.send(Notice("raised", raised, 0))
    except Exception as error:  # whatever a channel does, it is said and not raised
        return problem_of(error)
    return ""


class Courier:
    """Takes each notice to the channels named with it, and puts on record what became of that.

    A channel that fails is tried again, :data:`ATTEMPTS` times in all; then that is on record and
    it is left at that. Nothing that a channel does is raised.
    """

    def __init__(
        self, channels: Sequence[Channel], open_ops: Open, notices_per_minute_max: int
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._open_ops = open_ops
        self._most = notices_per_minute_max
        self._sent: dict[str, deque[float]] = {name: deque() for name in self._channels}
        self._queue: queue.Queue[Task | None] = queue.Queue(QUEUE_MAX)
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fillwright-notices", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def tell(self, notice: Notice, channels: Sequence[str] = ()) -> None:
        """Have a notice delivered, to all channels unless some are named; returns at once."""
        try:
            self._queue.put_nowait((notice, tuple(channels) or tuple(self._channels)))
        except queue.Full:
            _logger.error(
                "a notice of an alert was dropped: too many wait", kind=notice.raised.kind
            )

    def stop(self, timeout_seconds: float) -> bool:
        """Deliver what waits, without pauses, and end; whether that was done in time."""
        self._hurry.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return False
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        ops: OpsLog | None = None
        while (task := self._queue.get()) is not None:
            notice, names = task
            for name in names:
                outcome = self.deliver(notice, self._channels[name])
                if name == LOG or not notice.raised_at:
                    continue
                try:
                    ops = ops or self._open_ops()
                    ops.append(outcome)
                except StoreError as error:
                    _logger.warning("a notice could not be put on record", error=str(error))
        if ops is not None:
            ops.close()

    def deliver(self, notice: Notice, channel: Channel) -> AlertNotified:
        """Hand a notice to one channel, as often as it takes; gives the record of what came."""
        problem, attempts = self._held_back(channel.name), 0
        while not problem or 0 < attempts < ATTEMPTS:
            attempts += 1
            try:
                channel.send(notice)
            except Exception as error:  # whatever a channel does, trading goes on
                problem = problem_of(error)
                _logger.warning("a notice was not taken", channel=channel.name, problem=problem)
                if attempts < ATTEMPTS and not self._hurry.wait(PAUSE_SECONDS * attempts):
                    continue
            else:
                problem = ""
                break
        return AlertNotified(
            record_time=time.time_ns(),
            actor=ACTOR,
            log_position=notice.raised.log_position,
            log_hash=notice.raised.log_hash,
            alert=notice.raised.alert,
            raised_at=max(notice.raised_at, 1),
            change=notice.change,
            channel=channel.name,
            attempts=attempts,
            delivered=not problem,
            problem=problem[:200],
        )

    def _held_back(self, name: str) -> str:
        """Why the channel is not told now; empty when it is."""
        sent, now = self._sent[name], time.monotonic()
        while sent and now - sent[0] >= MINUTE_SECONDS:
            sent.popleft()
        if len(sent) >= self._most:
            return f"held back: {self._most} notices within a minute"
        sent.append(now)
        return ""
