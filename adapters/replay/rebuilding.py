"""Every projection from nothing, with the chain checked: in this process, or parts of it in others.

Each part reads the whole log beside the others, but of the events only those that fall to it: it
checks that their hashes follow from the hash before, so that all parts together have checked the
chain, decodes and folds them, and sends what they move in accounts. Here that is applied in the
order of the log (``projections.parts``).
"""

from __future__ import annotations

import marshal
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from ...domain.errors import FillwrightError, StoreDamaged, StoreError
from ...domain.events import upcasting
from ...projections.all_views import AllViews, Keep, keep_none
from ...projections.instruction_events import ACCOUNT_EVENTS
from ...projections.parts import PARTS_MAX, Effect, Folded, Part, Whole
from ...projections.runner import History, ProjectionStopped
from ..collector import without_collector
from ..storage.chain import GENESIS, link
from ..storage.lean_reading import checked_events, lean_decoder, part_decoder
from ..storage.location import is_postgres
from ..storage.log import Log
from ..storage.records import RawRecorded, Recorded
from ..storage.verification import checked

PARALLEL_FROM_EVENTS: Final = 250_000
"""Below this, starting processes costs more than they save."""
WINDOW: Final = 4_096
"""Events between two meetings of the parts."""
PROGRESS_EVERY: Final = 2_000
PIPE_BYTES: Final = 1 << 20
"""What may lie between a part and this process, some ten windows; Linux has 64 kB by default."""

OnProgress = Callable[[int], None]


def rebuild(
    log: Log,
    upto: int,
    on_progress: OnProgress = lambda done: None,
    *,
    seal: bool = False,
    parts: int | None = None,
    keep: Keep = keep_none,
) -> AllViews:
    """Every projection from nothing, with the chain checked on the way.

    Args:
        seal: let go of instructions of which nothing more is expected, so that memory does not
            grow with the log; the projections then hold the open ones and sums of the rest.
        parts: how many processes share the work of sealing; by default one for each processor
            where the log is long. A log in memory or on a server is always read in this one.

        keep: instructions to hold though ``seal`` is set; in one process.

    Raises:
        ProjectionStopped: the log holds what this code cannot follow.
        StoreError: an event cannot be read or is not what was written.
    """
    if parts is None:
        parts = (os.cpu_count() or 1) if upto >= PARALLEL_FROM_EVENTS else 1
    if seal and parts > 1 and not log.in_memory and not is_postgres(log.url):
        return _in_parts(log, upto, on_progress, min(parts, PARTS_MAX))
    views = AllViews(history_upto(log, upto), keep) if seal else AllViews()
    records = checked_events(log, upto, lean_decoder(log) if seal else log.decode)
    with without_collector():
        while batch := list(islice(records, PROGRESS_EVERY)):
            on_progress(views.follow(batch))
    if seal:
        views.tell_again(tuple(views.blotter.instructions()))
    return views


def history_upto(log: Log, upto: int) -> History:
    """The streams of a log as they were at a position."""

    def history(id: UUID, before: int) -> list[Recorded]:
        return [one for one in log.history(id, before) if one.position <= upto]

    return history


# -- what parts send -------------------------------------------------------------------------------


class _Failure(NamedTuple):
    """What stopped a part at a position; ``projection`` names the view that could not follow."""

    position: int
    kind: type[Exception]
    text: str
    projection: str | None

    @classmethod
    def of(cls, position: int, error: Exception) -> _Failure:
        """An error in a form that goes from process to process."""
        if isinstance(error, ProjectionStopped):
            return cls(error.position, type(error), str(error.cause), error.name)
        return cls(position, type(error), str(error), None)

    def raised(self) -> Exception:
        """What to raise here."""
        if self.projection is not None:
            cause = FillwrightError(self.text)
            return ProjectionStopped(self.projection, self.position, cause)
        return self.kind(self.text) if issubclass(self.kind, StoreError) else StoreError(self.text)


class _Sent(NamedTuple):
    """What a part has to say of a window: effects, the accounts' own events, the chain's hash."""

    effects: bytes
    accounts: list[RawRecorded]
    hash: bytes
    failure: _Failure | None


# -- a part ----------------------------------------------------------------------------------------


def _fold_part(to: Connection, url: str, upto: int, part: int, parts: int, window: int) -> None:
    """What a process does: fold its part and send what comes of it, window by window."""
    with Log.open(url, writer=False) as log, without_collector():
        folding = Part(log.history)
        reading = _PartReading(log, upto, part, parts, window)
        while reading.position < upto:
            sent = reading.window(folding)
            to.send(sent)
            if sent.failure is not None:
                return
        to.send(folding.folded())


class _PartReading:
    """Reads its part of a log; ``position`` is how far it is."""

    def __init__(self, log: Log, upto: int, part: int, parts: int, window: int) -> None:
        self.position = 0
        self._log = log
        self._upto, self._part, self._parts, self._window = upto, part, parts, window
        self._decode = part_decoder()

    def window(self, folding: Part) -> _Sent:
        """Fold up to the end of a window, or to what is wrong."""
        accounts: list[RawRecorded] = []
        effects: list[Effect] = []
        failure, hash = None, b""
        try:
            hash = self._fold(folding, accounts)
        except FillwrightError as error:
            failure = _Failure.of(self.position + 1, error)
        try:
            effects = folding.take_effects()
        except FillwrightError as error:
            failure = failure or _Failure.of(self.position, error)
        return _Sent(marshal.dumps(effects), accounts, hash, failure)

    def _fold(self, folding: Part, accounts: list[RawRecorded]) -> bytes:
        decode, fold, after = self._decode, folding.fold, self.position
        end = min(self._upto, after + self._window)
        position, is_gapless = after + 1, True
        rows = self._log.raw_part(self._part, self._parts, after, end)
        try:
            for position, originator, version, topic, state, hash, previous in rows:
                if previous is None and position > 1:
                    is_gapless = False
                    break
                before = previous or GENESIS
                try:
                    id = bytes.fromhex(originator)
                    fits = link(before, position, id, version, topic, state) == hash
                except Exception:  # a column of another type or length than we write
                    fits = False
                if not fits:
                    raw = RawRecorded(position, originator, version, topic, state, hash)
                    checked(raw, position, before)  # says what is wrong
                event = decode(position, originator, version, topic, state)
                if event is not None:
                    fold(event, position)
                    continue
                raw = RawRecorded(position, originator, version, topic, state, hash)
                if _is_of_account(topic):
                    accounts.append(raw)
                else:
                    fold(self._log.decode(raw), position)
        finally:
            self.position = position - 1
        last = self._log.hashes(end - 1, end) if is_gapless else ()
        for position, hash in last:
            self.position = position
            return hash
        raise self._missing(after, end)

    def _missing(self, after: int, end: int) -> StoreDamaged:
        """What is wrong where an event before the end of a window is not there."""
        there = {position for position, _ in self._log.hashes(after, end)}
        gone = (one for one in range(after + 1, end + 1) if one not in there)
        first = next(gone, self.position + 1)
        self.position = first - 1
        return StoreDamaged(f"the event at position {first} is missing")


@cache
def _is_of_account(topic: str) -> bool:
    try:
        name, _ = upcasting.split_topic(topic)
    except ValueError:
        return False
    return upcasting.latest(name) in ACCOUNT_EVENTS


# -- the whole -------------------------------------------------------------------------------------


def _in_parts(log: Log, upto: int, on_progress: OnProgress, parts: int) -> AllViews:
    whole = Whole(history_upto(log, upto))
    position = 0
    with _processes(log.url, upto, parts) as connections, without_collector():
        while position < upto:
            windows: list[_Sent] = [_received(one) for one in connections]
            failures = [one.failure for one in windows if one.failure is not None]
            failure = min(failures, key=lambda one: one.position) if failures else None
            items = _in_order(log, windows)
            if failure is not None:
                whole.follow((one for one in items if one[0] < failure.position), position, b"")
                raise failure.raised()
            position = min(position + WINDOW, upto)
            whole.follow(items, position, windows[0].hash)
            on_progress(position)
        folded: list[Folded] = [_received(one) for one in connections]
    return whole.finish(folded)


def _in_order(log: Log, windows: Sequence[_Sent]) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, ...]] = []
    for sent in windows:
        items += marshal.loads(sent.effects)
        items += [Recorded(raw.position, log.decode(raw), raw.hash) for raw in sent.accounts]
    items.sort(key=itemgetter(0))
    return items


def _received(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError as error:
        raise StoreError("a process that rebuilt a part of the views ended early") from error


def _widen(sender: Connection) -> None:
    """Let a part be some windows ahead of the others, where the system can: it waits less."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # the system allows less: what it has will do
            fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


@contextmanager
def _processes(url: str, upto: int, parts: int) -> Iterator[list[Connection]]:
    """A process for each part; what is left of them ends with the block."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe(duplex=False) for _ in range(parts)]
    for _, sender in pairs:
        _widen(sender)
    started = [
        context.Process(
            target=_fold_part, args=(sender, url, upto, part, parts, WINDOW), daemon=True
        )
        for part, (_, sender) in enumerate(pairs)
    ]
    try:
        for process, (_, sender) in zip(started, pairs, strict=True):
            process.start()
            sender.close()
        yield [receiver for receiver, _ in pairs]
    finally:
        for process, (receiver, _) in zip(started, pairs, strict=True):
            receiver.close()
            if process.pid is not None:
                process.terminate()
                process.join()
