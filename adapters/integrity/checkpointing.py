"""Make checkpoints while an engine runs: every so many events or seconds, and at the end.

It reads the log as any other process would and takes nothing from the engine but a little time.
What it writes — anchor and second stream — is outside the log, so that a run that is repeated gives
the same chain although the seconds are a wall clock's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ...domain.errors import FillwrightError, InvalidInput, StoreDamaged
from ...domain.ops import Anchored
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from .anchors import COMMAND, FILE, URLS, AnchorError, check_form, leave
from .checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from .merkle import Frontier
from .notes import NoteError, SignerKey, VerifierKey, read_signer
from .terms import IntegritySettings
from .timestamps import stamped
from .tree import OnProgress, extend
from .verifying import Outside, Start

LOOK_EVERY_SECONDS: Final = 0.5
ACTOR: Final = "checkpoint"


def last_anchored(log: Log, ops: OpsLog, key: VerifierKey) -> tuple[Frontier, SignedCheckpoint]:
    """The tree of the newest checkpoint of this key that the second stream holds, and that.

    The record is believed because its subtrees hash to the root that the key has signed. A record
    that is not of this key is passed over. Raises LookupError when there is none.
    """
    for recorded in reversed(list(ops.records())):
        record = recorded.record
        if not isinstance(record, Anchored):
            continue
        try:
            mark = parse_checkpoint(record.note)
            if not mark.note.signed_by(key):
                continue
        except NoteError:
            continue
        nodes = [bytes.fromhex(node) for node in record.frontier]
        tree = Frontier(mark.size, nodes)
        if len(nodes) == mark.size.bit_count() and tree.root() == mark.checkpoint.root:
            return tree, mark
    raise LookupError(f"{log.name} has no checkpoint of {key.label}")


def start_for(log: Log, ops: OpsLog, outside: Outside) -> Start | None:
    """Where an incremental check may begin: the newest checkpoint that lies outside as well.

    None when there is none: then the whole log has to be read.
    """
    try:
        tree, mark = last_anchored(log, ops, outside.key)
    except LookupError:
        return None
    kept = {(one.size, one.checkpoint.root, one.checkpoint.head) for one in outside.checkpoints}
    if (mark.size, mark.checkpoint.root, mark.checkpoint.head) not in kept:
        return None
    return Start(tree, mark.checkpoint.head)


class Checkpointer:
    """Signs the log's state and leaves it at the anchor; goes on where the last one ended."""

    def __init__(
        self,
        log: Log,
        ops: OpsLog,
        key: SignerKey,
        anchor: str,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        time_stamp_url: str | None = None,
    ) -> None:
        self._log = log
        self._ops = ops
        self._key = key
        self._anchor = anchor
        self._clock_ns = clock_ns
        self._time_stamp_url = time_stamp_url
        self._tree: Frontier | None = None
        self.size = 0

    def begin(self, on_progress: OnProgress | None = None) -> None:
        """Take up the tree of the last checkpoint, or build it from the first event.

        Raises:
            StoreDamaged: the log no longer holds what was checkpointed: nothing more is signed.
        """
        try:
            tree, mark = last_anchored(self._log, self._ops, self._key.verifier)
        except LookupError:
            self._tree = Frontier()
            return
        hashes = dict(self._log.hashes(mark.size - 1, mark.size))
        if mark.size and hashes.get(mark.size) != mark.checkpoint.head:
            raise StoreDamaged(
                f"{self._log.name}: the event at position {mark.size} is not the one that was "
                "checkpointed; nothing more is signed. Run `fillwright verify` on it"
            )
        self._tree, self.size = tree, mark.size

    def make(self, on_progress: OnProgress | None = None) -> SignedCheckpoint:
        """Checkpoint the head of now: sign, leave at the anchor, and say so in the second stream.

        Raises:
            AnchorError: it could not be left there; the next call tries again.
            StoreError: the log cannot be read, or the record of it not written.
        """
        if self._tree is None:
            self.begin()
        assert self._tree is not None
        head = self._log.head()
        extend(self._log, self._tree, head.position, on_progress)
        root = self._tree.root()
        checkpoint = Checkpoint(
            self._key.name, head.position, root, head.hash, self._clock_ns(), self._ops.head()
        ).signed(self._key)
        if self._time_stamp_url is not None:
            checkpoint = stamped(checkpoint, self._time_stamp_url)
        leave(self._anchor, checkpoint)
        self.size = head.position
        self._ops.append(
            Anchored(
                record_time=checkpoint.checkpoint.time,
                actor=ACTOR,
                log_position=head.position,
                log_hash=head.hash.hex(),
                root=root.hex(),
                frontier=tuple(node.hex() for node in self._tree.nodes),
                note=checkpoint.text,
                anchor=self._anchor,
                time_stamped=self._time_stamp_url is not None,
            )
        )
        return checkpoint


def check_place(settings: IntegritySettings, store: Path) -> None:
    """Refuse a key or an anchor that lies with the log: whoever can change one can change both.

    Raises:
        InvalidInput: naming which.
    """
    folder = store.parent.resolve()
    anchor = settings.anchor_or_default
    key = settings.signing_key
    if key is not None and key.expanduser().resolve().parent == folder:
        raise InvalidInput("integrity.signing_key", key, f"a file outside of {folder}")
    if anchor is not None and not anchor.startswith((*URLS, COMMAND)):
        path = Path(anchor.removeprefix(FILE)).expanduser().resolve()
        if path.parent == folder:
            raise InvalidInput("integrity.anchor", anchor, f"a place outside of {folder}")


@contextmanager
def checkpointing(store: str, settings: IntegritySettings) -> Iterator[None]:
    """Make checkpoints of a store in the background until the block ends, and one then.

    Without a signing key nothing is made. A checkpoint that cannot be made or left is warned of and
    tried again; it never holds up or ends what the block does.

    Raises:
        InvalidInput: the key cannot be read, key or anchor lie with the store, or it is no anchor.
    """
    from ..storage.location import parse_location

    path = parse_location(store)
    anchor = settings.anchor_or_default
    if settings.signing_key is None or anchor is None or path is None:
        yield
        return
    check_form(anchor)
    check_place(settings, path)
    loop = _Background(store, read_signer(settings.signing_key), anchor, settings)
    loop.start()
    try:
        yield
    finally:
        loop.finish()


class _Background:
    """A thread that looks at the log now and then."""

    def __init__(
        self, store: str, key: SignerKey, anchor: str, settings: IntegritySettings
    ) -> None:
        self._store = store
        self._key = key
        self._anchor = anchor
        self._settings = settings
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fillwright-checkpoints")

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with Log.open(self._store, writer=False) as log, OpsLog.open(self._store) as ops:
                self._watch(log, ops)
        except FillwrightError as error:
            self._warn(error)

    def _watch(self, log: Log, ops: OpsLog) -> None:
        settings = self._settings
        maker = Checkpointer(
            log, ops, self._key, self._anchor, time_stamp_url=settings.time_stamp_url
        )
        maker.begin()
        last = time.monotonic()
        while True:
            ending = self._done.wait(LOOK_EVERY_SECONDS)
            new = log.head().position - maker.size
            late = time.monotonic() - last >= settings.checkpoint_seconds
            if new and (ending or late or new >= settings.checkpoint_events):
                last = time.monotonic()
                try:
                    maker.make()
                except AnchorError as error:
                    self._warn(error)
            if ending:
                return

    @staticmethod
    def _warn(error: FillwrightError) -> None:
        import structlog

        structlog.get_logger(__name__).warning(f"no checkpoint was made: {error}")
