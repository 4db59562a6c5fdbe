"""Verify a log against itself and against the checkpoints that lie outside it.

The chain is checked in pieces that several processes may share: each begins at the hash stored
before it, and the piece before shows that hash to be right. From the pieces the Merkle tree is put
together, and with it the root at every checkpoint.
"""

from __future__ import annotations

import bisect
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ...domain.errors import StoreError
from ..storage.chain import GENESIS, link
from ..storage.log import Log
from ..storage.verification import PAGE, fault_of, foreign_column
from .checkpoints import SignedCheckpoint
from .merkle import Frontier
from .notes import NoteError, VerifierKey
from .tree import OnProgress

PIECE_LEVEL: Final = 14
PIECE_EVENTS: Final = 1 << PIECE_LEVEL
"""Events of one piece; a power of two, so that a whole piece is one subtree."""
PARALLEL_FROM_EVENTS: Final = 8 * PIECE_EVENTS
"""Below this, starting processes costs more than they save."""
JOBS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Outside:
    """What vouches for a log from outside: the key it is signed with and checkpoints kept away."""

    key: VerifierKey
    checkpoints: Sequence[SignedCheckpoint]


@dataclass(frozen=True, slots=True)
class Start:
    """Where an incremental check begins: a tree whose root an anchored checkpoint has."""

    tree: Frontier
    head: bytes


@dataclass(slots=True)
class Verification:
    """What a check found.

    ``checked_from`` and ``size`` bound the events that were read, ``root`` and ``head`` are of
    ``size``. ``anchored_size`` is the largest checkpoint that agrees, 0 when there was none.
    ``what`` is empty when nothing is wrong, ``first_bad_position`` the first event known to be
    wrong, where one is known.
    """

    checked_from: int = 0
    size: int = 0
    head: bytes = GENESIS
    root: bytes = b""
    tree: Frontier = field(default_factory=Frontier)
    anchored_size: int = 0
    checkpoints: int = 0
    first_bad_position: int | None = None
    good: int = 0
    what: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.what

    @property
    def outcome(self) -> str:
        """``anchored``, ``not_anchored`` or ``failed``."""
        if self.what:
            return "failed"
        return "anchored" if self.anchored_size else "not_anchored"


def verify_log(
    log: Log,
    outside: Outside | None = None,
    *,
    start: Start | None = None,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> Verification:
    """Check every event up to the head of now, and every checkpoint of ``outside``.

    Args:
        start: begin there instead of at the first event (see :func:`last_anchored`).
        jobs: how many processes share the work; a log in memory is always checked in this one.
    """
    begin = start or Start(Frontier(), GENESIS)
    head = log.head()
    found = Verification(checked_from=begin.tree.size, size=head.position, head=head.hash)
    try:
        marks = _marks(outside, found)
    except NoteError as error:
        found.what = f"not vouched for: {error}"
        return found
    if head.position < begin.tree.size:
        found.what = _cut(head.position, begin.tree.size)
        found.first_bad_position = head.position + 1
        return found
    if start is not None and _hash_at(log, start.tree.size) != start.head:
        found.what = (
            f"rewritten: the event at {start.tree.size} is not the one of the checkpoint that was "
            "left outside; a whole check tells what is known to be good"
        )
        return found
    walk = _Walk(found, begin, marks)
    walk.run(log, jobs, on_progress)
    found.tree = walk.tree
    found.root = walk.tree.root()
    if found.ok:
        _check_places(log, found)
    if on_progress is not None:
        on_progress(found.size, found.size)
    return found


def _marks(outside: Outside | None, found: Verification) -> list[SignedCheckpoint]:
    """The checkpoints by size, each signed by the right key; those of the same size must agree."""
    if outside is None:
        return []
    marks = sorted(outside.checkpoints, key=lambda one: one.size)
    for number, mark in enumerate(marks, start=1):
        if mark.checkpoint.origin != outside.key.name:
            raise NoteError(
                f"the checkpoint at {mark.size} is of {mark.checkpoint.origin}, and the key is of "
                f"{outside.key.name}"
            )
        try:
            mark.note.require(outside.key)
        except NoteError as error:
            raise NoteError(f"checkpoint {number} of {len(marks)}: {error}") from error
    for one, other in pairwise(marks):
        if one.size == other.size and one.checkpoint.root != other.checkpoint.root:
            raise NoteError(f"two checkpoints at {one.size} events have different roots")
    found.checkpoints = len(marks)
    return marks


def _cut(size: int, anchored: int) -> str:
    return (
        f"missing: the log ends at {size}, and a checkpoint of {anchored} events was left outside; "
        "its end was cut off, or an older copy was put in its place"
    )


def _check_places(log: Log, found: Verification) -> None:
    try:
        misplaced = log.first_misplaced(found.size)
    except StoreError as error:
        found.what = f"cannot be looked up: {error}"
        return
    if misplaced is not None:
        found.first_bad_position, found.what = misplaced
        found.good = found.first_bad_position - 1


# -- pieces ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Piece:
    """Events with ``after`` < position <= ``upto``, and sizes to note the tree at on the way.

    A piece that begins where no subtree can (an incremental check) brings the tree before it.
    ``previous`` is the chain's hash before it where that is known from outside.
    """

    after: int
    upto: int
    sizes: tuple[int, ...]
    base: Frontier | None = None
    previous: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a piece came to: its trees at the asked sizes and at its end, or what is wrong."""

    trees: tuple[Frontier, ...]
    heads: tuple[bytes, ...]
    tree: Frontier
    good: int
    what: str = ""


def _check_piece(log: Log, piece: _Piece) -> _Checked:
    walk = _PieceWalk(piece)
    for batch in (PAGE, 1):
        try:
            walk.run(log, batch)
            break
        except StoreError as error:
            # A page of many events cannot be read: the second time they are read one by one.
            walk.what = f"cannot be read: {error}" if batch == 1 else ""
    return walk.result()


class _PieceWalk:
    """A walk along one piece that can be taken up again where it stopped."""

    def __init__(self, piece: _Piece) -> None:
        self.what = ""
        self._piece = piece
        self._position = piece.after
        self._previous = piece.previous
        self._tree = Frontier() if piece.base is None else piece.base.copy()
        self._stops = [*piece.sizes, piece.upto]
        self._trees: list[Frontier] = []
        self._heads: list[bytes] = []

    def run(self, log: Log, batch: int) -> None:
        """Go on to the end of the piece, or to what is wrong."""
        if self._previous is None:
            self._previous = _hash_at(log, self._position)
        while self._position < self._piece.upto and not self.what:
            stop = next(size for size in self._stops if size > self._position)
            self._run_to(log, stop, batch)
            if self._position in self._piece.sizes:
                self._trees.append(self._tree.copy())
                self._heads.append(self._previous)

    def _run_to(self, log: Log, stop: int, batch: int) -> None:
        """Check the events up to ``stop``, and add those that are right to the tree."""
        position, previous = self._position, self._previous
        assert previous is not None
        leaves: list[bytes] = []
        raw = None
        try:
            for raw in log.raw_events(position, stop, batch):
                at, originator, version, topic, state, hash = raw
                position += 1
                found = link(previous, position, bytes.fromhex(originator), version, topic, state)
                if found != hash or at != position:
                    position -= 1
                    self.what = fault_of(raw, position + 1, previous)
                    break
                previous = hash
                leaves.append(hash)
            else:
                self.what = "" if position == stop else "missing"
        except StoreError:
            raise
        except Exception as error:  # a column of another type or length than we write
            position -= 1
            self.what = foreign_column(error)
        finally:
            self._tree.extend(leaves)
            self._position, self._previous = position, previous

    def result(self) -> _Checked:
        """What the piece came to."""
        trees, heads = tuple(self._trees), tuple(self._heads)
        return _Checked(trees, heads, self._tree, self._position, self.what)


def _hash_at(log: Log, position: int) -> bytes:
    """The stored hash at a position; where it is missing the piece before says so."""
    if position == 0:
        return GENESIS
    return next((hash for _, hash in log.hashes(position - 1, position)), GENESIS)


_worker_log: Log | None = None


def _open_worker(url: str) -> None:
    global _worker_log
    _worker_log = Log.open(url, writer=False)


def _work(piece: _Piece) -> _Checked:
    if _worker_log is None:
        raise StoreError("the worker has no log")
    return _check_piece(_worker_log, piece)


class _Walk:
    """Puts the pieces together in order, and compares the tree with each checkpoint."""

    def __init__(self, found: Verification, start: Start, marks: list[SignedCheckpoint]) -> None:
        self.tree = start.tree.copy()
        self._start = start
        self._found = found
        self._marks = marks
        self._sizes = sorted({mark.size for mark in marks})

    def run(self, log: Log, jobs: int, on_progress: OnProgress | None) -> None:
        """Check all pieces up to the head, stopping at the first that is wrong."""
        found = self._found
        self._compare(self.tree, self._start.head)
        pieces = list(self._pieces(self.tree.size, found.size))
        with _checking(log, pieces, jobs) as results:
            for piece, checked in zip(pieces, results, strict=False):
                self._take(piece, checked)
                if not found.ok:
                    return
                if on_progress is not None:
                    on_progress(piece.upto, found.size)
        beyond = [size for size in self._sizes if size > found.size]
        if beyond:
            found.what = _cut(found.size, beyond[-1])
            found.first_bad_position = found.size + 1

    def _pieces(self, after: int, upto: int) -> Iterator[_Piece]:
        while after < upto:
            # The tree has to be able to take a piece whole: it ends where a subtree can begin.
            end = min((after // PIECE_EVENTS + 1) * PIECE_EVENTS, upto)
            low, high = bisect.bisect_right(self._sizes, after), bisect.bisect(self._sizes, end)
            first = after == self._start.tree.size
            base = self.tree.copy() if after % PIECE_EVENTS else None
            previous = self._start.head if first else None
            yield _Piece(after, end, tuple(self._sizes[low:high]), base, previous)
            after = end

    def _take(self, piece: _Piece, checked: _Checked) -> None:
        found = self._found
        before = self.tree.copy()
        for tree, head in zip(checked.trees, checked.heads, strict=True):
            whole = self._joined(before, piece, tree)
            self._compare(whole, head)
            if not found.ok:
                return
        found.good = checked.good
        if checked.what:
            found.first_bad_position = checked.good + 1
            found.what = checked.what
            return
        self.tree = self._joined(before, piece, checked.tree)

    @staticmethod
    def _joined(before: Frontier, piece: _Piece, inner: Frontier) -> Frontier:
        if piece.base is not None:
            return inner
        whole = before.copy()
        whole.append_frontier(inner)
        return whole

    def _compare(self, tree: Frontier, head: bytes) -> None:
        """Compare with every checkpoint of this size."""
        found = self._found
        for mark in self._marks:
            if mark.size != tree.size:
                continue
            if mark.checkpoint.root != tree.root():
                last = found.anchored_size
                found.first_bad_position = last + 1 if tree.size == last + 1 else None
                found.good = last
                found.what = (
                    f"rewritten: the first {tree.size} events are not those of the checkpoint that "
                    f"was left outside; something after position {last} is other than it was then"
                )
                return
            if mark.checkpoint.head != head:
                found.good = found.anchored_size
                found.what = f"the checkpoint at {tree.size} names another head of the chain"
                return
            found.anchored_size = tree.size


@contextmanager
def _checking(log: Log, pieces: Sequence[_Piece], jobs: int) -> Iterator[Iterator[_Checked]]:
    """The results of the pieces in order, made here or in processes of their own."""
    events = pieces[-1].upto - pieces[0].after if pieces else 0
    jobs = min(jobs, os.cpu_count() or 1, JOBS_MAX)
    if jobs <= 1 or log.in_memory or events < PARALLEL_FROM_EVENTS:
        yield (_check_piece(log, piece) for piece in pieces)
        return
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_open_worker,
        initargs=(log.url,),
    )
    try:
        yield pool.map(_work, pieces)
    finally:
        pool.shutdown(cancel_futures=True)
