"""How fast a log is verified, beside SHA-256 over the same bytes in the same run.

    python -m bench.verify_speed [--events N] [--rounds N] [--json]

The log is made of the catalogue's golden examples, in streams of fifty events. The limit is what
hashing costs alone: one SHA-256 over all stored bytes, read from the same file. Verification cannot
reach it: beside it stand one SHA-256 per record, which a chain cannot do with less, and the hashes
of chain and tree with nothing compared, which is what a check in one process can reach at most.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from fillwright.adapters.integrity.verifying import verify_log
from fillwright.adapters.storage.log import Log
from fillwright.domain.events import DomainEvent
from tools.golden_events import examples

EVENTS_DEFAULT: Final = 200_000
STREAM_EVENTS: Final = 50
COMMIT_EVENTS: Final = 5_000
FLOOR: Final = "read, and hashes of chain and tree"


class _Batch:
    def __init__(self, events: Sequence[DomainEvent]) -> None:
        self._events = events

    def collect_events(self) -> Sequence[DomainEvent]:
        """The events, once."""
        taken, self._events = self._events, ()
        return taken


def fill(store: Path, events: int) -> None:
    """Write a log of so many events."""
    made = list(examples().values())
    with Log.open(store) as log:
        for start in range(0, events, COMMIT_EVENTS):
            numbers = range(start, min(start + COMMIT_EVENTS, events))
            log.append(_Batch([_example(made, number) for number in numbers]))


def _example(made: Sequence[DomainEvent], number: int) -> DomainEvent:
    stream, version = divmod(number, STREAM_EVENTS)
    return made[number % len(made)].model_copy(
        update={"originator_id": UUID(int=stream + 1), "originator_version": version + 1}
    )


def states(log: Log) -> Iterator[bytes]:
    """The stored bytes, read as verification reads them."""
    return (raw.state for raw in log.raw_events())


def hash_all(log: Log) -> None:
    """One SHA-256 over everything."""
    digest = hashlib.sha256()
    for state in states(log):
        digest.update(state)


def hash_each(log: Log) -> None:
    """One SHA-256 over each record."""
    for state in states(log):
        hashlib.sha256(state).digest()


def hash_as_verified(log: Log) -> None:
    """The hashes that chain and tree need: of each record, of its leaf, and of a node above it."""
    node = bytes(65)
    for state in states(log):
        leaf = hashlib.sha256(state).digest()
        hashlib.sha256(b"\x00" + leaf).digest()
        hashlib.sha256(node).digest()


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median of so many rounds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def measure(events: int, rounds: int) -> dict[str, Any]:
    """Rates in events and MB a second, and the ratios to the limits."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "log.db"
        print(f"writing {events:,} events ...", file=sys.stderr, flush=True)
        fill(store, events)
        with Log.open(store, writer=False) as log:
            size = sum(map(len, states(log)))
            whole = list(states(log))
            cores = os.cpu_count() or 1
            taken = {
                "sha256 of the bytes in memory": seconds(lambda: _in_memory(whole), rounds),
                "read, and sha256 of all": seconds(lambda: hash_all(log), rounds),
                "read, and sha256 of each": seconds(lambda: hash_each(log), rounds),
                FLOOR: seconds(lambda: hash_as_verified(log), rounds),
                "verify, one process": seconds(lambda: _verify(log, 1), rounds),
                f"verify, {cores} processes": seconds(lambda: _verify(log, cores), rounds),
            }
    limit, floor = taken["read, and sha256 of all"], taken[FLOOR]
    return {
        "events": events,
        "megabytes": round(size / 1e6, 1),
        "rows": [
            {
                "what": what,
                "events_per_second": round(events / took),
                "megabytes_per_second": round(size / 1e6 / took, 1),
                "of_read_and_sha256": round(limit / took, 2),
                "of_its_hashes": round(floor / took, 2),
            }
            for what, took in taken.items()
        ],
    }


def _in_memory(whole: Sequence[bytes]) -> None:
    digest = hashlib.sha256()
    for state in whole:
        digest.update(state)


def _verify(log: Log, jobs: int) -> None:
    found = verify_log(log, jobs=jobs)
    if not found.ok:
        raise SystemExit(f"the log of the benchmark does not verify: {found.what}")


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Each rate, and how much it is of reading the log and hashing it in one go."""
    return [
        (
            row["what"],
            f"{row['events_per_second']:,} events/s, {row['of_read_and_sha256']:.2f} of "
            f"reading and SHA-256, {row['of_its_hashes']:.2f} of reading and its three hashes",
        )
        for row in result["rows"]
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=EVENTS_DEFAULT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.events, options.rounds)
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['events']:,} events, {result['megabytes']} MB; last: of one sha256, of three")
    for row in result["rows"]:
        print(
            f"  {row['what']:36}{row['events_per_second']:>10,} events/s"
            f"{row['megabytes_per_second']:>9,.1f} MB/s{row['of_read_and_sha256']:>7.2f}"
            f"{row['of_its_hashes']:>7.2f}"
        )


if __name__ == "__main__":
    main()
