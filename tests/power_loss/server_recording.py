"""A recording of a real server at work, and the check of what a power cut leaves of it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.postgres.opening import migrate_postgres
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.postgres import PostgresServer
from tests.power_loss import journal
from tests.power_loss.folder_disk import Disk, Image
from tests.power_loss.journal import Note
from tests.power_loss.server_work import ACCOUNTS, EVENTS, OPS, Rows, ask, owned, record

ROOT = Path(__file__).resolve().parents[2]
WORK = [sys.executable, "-m", "tests.power_loss.server_work"]
BUSY = {
    "shared_buffers": "2MB",
    "max_wal_size": "4MB",
    "min_wal_size": "2MB",
    "bgwriter_delay": "10ms",
    "wal_writer_delay": "10ms",
    "autovacuum_naptime": "1s",
    "synchronous_commit": "off",
}
"""What has a server write and sync often, and take up old parts of its log again; and it would
acknowledge before it syncs, if our connections did not ask for more."""
PID = "postmaster.pid"
"""Not put back: what starts a server after a power cut clears it away, as it names no process."""


@dataclass(frozen=True)
class Recording:
    """A run: the folder before it, its notes, and what was stored when nothing failed.

    The last column of a row is the transaction that it came from.
    """

    base: Path
    inodes: dict[int, str]
    notes: list[Note]
    events: Rows
    records: Rows

    def disk(self) -> Disk:
        """The disk as it was before the first note."""
        return Disk(self.base, self.inodes)

    def marks(self, upto: int) -> Iterator[dict[str, Any]]:
        """Our own notes up to a point."""
        for note in self.notes[: upto + 1]:
            if note.what == "!":
                yield json.loads(note.content)

    def acknowledged(self, what: str, point: int) -> int:
        """The last position that was acknowledged by a point."""
        return max((m["last"] for m in self.marks(point) if m["what"] == what), default=0)

    def counters(self, position: int) -> dict[str, int]:
        """The counters as they belong to a position."""
        used: dict[str, int] = {}
        for mark in self.marks(len(self.notes)):
            if mark["what"] == "ack" and mark["last"] <= position:
                for key, amount in mark["counters"]:
                    used[key] = used.get(key, 0) + amount
        return dict(sorted(used.items()))


def ends(rows: Rows) -> set[int]:
    """Where a transaction ended."""
    last = {row[-1]: row[0] for row in rows}
    return {0, *last.values()}


def store_at(server: PostgresServer) -> str:
    """The store that is recorded; its leases are short, because a cut leaves them taken."""
    return f"{server.url}?files={server.folder / 'store'}&lease_seconds=1"


def make_base(programs: Path, folder: Path) -> None:
    """A server's data folder with an empty store, shut down in order.

    Without the databases that others are made from: they are two thirds of its files.
    """
    with closing(PostgresServer(programs, options=["--wal-segsize=1"])) as server:
        server.start()
        migrate_postgres(store_at(server))
        for name in ("template0", "template1"):
            ask(store_at(server), f"ALTER DATABASE {name} IS_TEMPLATE false")
            ask(store_at(server), f"DROP DATABASE {name}")
        server.stop()
        copied(server.data, folder)


def copied(source: Path, target: Path) -> None:
    """A folder with its owners and rights."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def inodes_of(data: Path) -> dict[int, str]:
    """The files of a folder by their numbers."""
    files = (path for path in data.rglob("*") if path.is_file())
    return {path.stat().st_ino: str(path.relative_to(data)) for path in files}


def make_recording(
    programs: Path,
    base: Path,
    seed: int,
    *,
    fsync: bool = True,
    work: Sequence[str] = (),
    keep: Path | None = None,
    **settings: str,
) -> Recording:
    """Have a server work under the recorder; its files are left in ``keep`` if that fails.

    Raises:
        CannotRecord: this machine does not allow it.
    """
    made = PostgresServer(
        programs, fsync=fsync, data=lambda data: copied(base, data), **{**BUSY, **settings}
    )
    with closing(made) as server, server.explaining(keep):
        library, notes = server.folder / "preload.so", server.folder / "journal"
        journal.build(library)
        notes.touch()
        if server.user is not None:
            shutil.chown(notes, server.user)
        server.environment = journal.environment(library, notes, server.data)
        inodes = inodes_of(server.data)
        server.start()
        truth = server.folder / "truth"
        subprocess.run(
            [*WORK, store_at(server), notes, truth, str(seed), *work],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        server.stop()
        recording = Recording(
            base, inodes, list(journal.read(notes)), *pickle.loads(truth.read_bytes())
        )
        check_nothing_was_missed(recording, server.data)
        return recording


def check_nothing_was_missed(recording: Recording, data: Path) -> None:
    """Played to its end, the recording is what lies on the disk, byte for byte."""
    disk = recording.disk()
    for note in recording.notes:
        disk.take(note)
    there = {name: (data / name).read_bytes() for name in inodes_of(data).values()}
    played = disk.whole().files
    assert played.keys() == there.keys()
    assert not [name for name in there if there[name] != played[name]]


@contextmanager
def kept(file: Path, *found: object) -> Iterator[None]:
    """What a check failed on is written to a file, because no second run is like it."""
    try:
        yield
    except Exception as error:
        file.write_bytes(pickle.dumps(found))
        error.add_note(f"What it was found in is in {file}.")
        raise


@contextmanager
def recovered(programs: Path, image: Image) -> Iterator[str]:
    """A server started on an image, and the URL of its store."""

    def put(data: Path) -> None:
        image.put(data)
        (data / PID).unlink(missing_ok=True)

    with closing(PostgresServer(programs, data=put, autovacuum="off")) as server:
        server.start()
        with server.explaining():
            yield store_at(server)


def check_image(programs: Path, recording: Recording, point: int, image: Image) -> int:
    """Start a server on what the power cut left, and look; gives the position that it has."""
    with recovered(programs, image) as url:
        events, records = ask(url, EVENTS), ask(url, OPS)
        for rows, true, what in (
            (events, recording.events, "ack"),
            (records, recording.records, "record"),
        ):
            assert len(rows) >= recording.acknowledged(what, point), (
                "what was acknowledged is there"
            )
            assert rows == true[: len(rows)], "byte for byte"
            assert len(rows) in ends(true), "a transaction is there whole or not at all"
        epochs: dict[str, int] = dict(ask(url, "SELECT account, epoch FROM leases"))
        for mark in recording.marks(point):
            if mark["what"] == "owned":
                assert epochs.get(mark["account"], 0) >= mark["epoch"], (
                    "a lease is acknowledged too"
                )
        check_goes_on(url, len(events), len(records), recording.counters(len(events)))
        return len(events)


def check_goes_on(url: str, events: int, records: int, counters: dict[str, int]) -> None:
    """The store verifies, and goes on as if nothing had happened."""
    with owned(url, ACCOUNTS[0]) as log, OpsLog.of(log) as ops:
        assert log.head().position == events
        assert log.counters() == counters
        assert log.verify().ok
        assert log.first_misplaced(events) is None
        assert ops.verify().ok
        update = CounterUpdate("after", 7, 7)
        placed = log.append(Sample(99_999).happen(2), counters=[update])
        assert placed.first_position == events + 1
        assert log.append(Sample(99_998).happen()).first_position == events + 3
        assert ops.append(record(1)).last_position == records + 1
        assert log.verify().ok
        assert ops.verify().ok
        assert log.counters() == {**counters, "after": 7}
