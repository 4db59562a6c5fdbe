"""The recorder on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from eventsourcing.persistence import ApplicationRecorder, Subscription

from ....domain.ids import account_stream_id
from ..appending import Outcome
from ..chain import GENESIS
from ..group_commit import WriteJob
from ..location import PostgresAddress
from ..recording import BATCH, COLUMNS, ChainedRecorder
from ..schema import EVENTS_TABLE
from .appending import Fence
from .connections import Readers, check_writer
from .leases import Lease
from .sending import PostgresSender
from .writing import PostgresWriter

NEAR: Final = 5_000
"""Positions that are looked through at once for one account's, where many are."""
FAR: Final = 1_000_000
"""The same where few are: most streams are met in many places, and looking at each again for every
few thousand positions took three times as long."""
FEW: Final = 20_000
"""Own events of a wide range that are read by their positions; more are read as where many are."""
WIDER: Final = 8
SPARSE: Final = 50
"""One own event in so many positions is few, and the next range so many times wider."""
_OWN: Final = f"""
WITH touched AS MATERIALIZED (
  SELECT DISTINCT stream FROM {EVENTS_TABLE} WHERE position > ? AND position <= ?
), own AS MATERIALIZED (
  SELECT f.position FROM touched JOIN {EVENTS_TABLE} AS f ON f.position = touched.stream
  WHERE f.originator_id = ? OR f.topic >= 'DecisionReceived.' AND f.topic < 'DecisionReceived/'
    AND position(? IN f.state) > 0
)"""
"""The streams with events in a range that are an account's: its own, and its instructions'."""
_OF_OWN: Final = f"""
FROM {EVENTS_TABLE} AS e JOIN own ON own.position = e.stream
WHERE e.position > ? AND e.position <= ? ORDER BY e.position"""
SELECT_POSITIONS_OF: Final = f"{_OWN} SELECT e.position {_OF_OWN} LIMIT ?"
SELECT_NEAR_OF: Final = (
    f"{_OWN} SELECT {', '.join(f'e.{name}' for name in COLUMNS.split(', '))} {_OF_OWN}"
)
SELECT_AT: Final = f"SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE position = ANY(?) ORDER BY position"
HEAD_AND_LAST: Final = f"""
SELECT h.position, h.hash, coalesce(e.position, 0), coalesce(e.hash, ?)
FROM head AS h LEFT JOIN (
  SELECT position, hash FROM {EVENTS_TABLE} ORDER BY position DESC LIMIT 1
) AS e ON true"""
"""In one statement, which sees one moment: appends go on beside it."""


class PostgresRecorder(ChainedRecorder):
    """A :class:`ChainedRecorder` on a server."""

    def __init__(self, address: PostgresAddress, lease: Lease | None, *, writer: bool) -> None:
        self._prepare_to_write(address.shown)
        self._address = address
        self._is_writer = writer
        self._lease = lease
        fence = None if lease is None else Fence(lease.account, lease.epoch)
        self._sender = PostgresSender(PostgresWriter(address, fence))
        if writer:
            self.sender = self._sender
        self._readers = Readers(address)

    @property
    def in_memory(self) -> bool:
        """Whether the log ends with this process, and no other can open it."""
        return False

    def check_owner(self) -> None:
        """Check that nobody else can own the account within one request; raises StoreBusy."""
        if self._lease is not None:
            self._lease.check_owner()

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Not offered: readers follow the log by position."""
        raise NotImplementedError("follow the log by position: Log.events(after=…)")

    # -- writing -------------------------------------------------------------------------------

    def commit_jobs(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write jobs in one durable transaction; called by one thread at a time."""
        check_writer(self._address, writer=self._is_writer)
        return self._sender.alone(lambda writer: writer.commit(jobs))

    def replace_counters(self, counters: Mapping[str, int], account: str | None) -> None:
        """Put counters in the place of all others, or of all others of one account."""
        check_writer(self._address, writer=self._is_writer)
        self._sender.alone(lambda writer: writer.replace_counters(counters, account))

    # -- reading -------------------------------------------------------------------------------

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Rows of a read of its own; raises StoreError when it cannot be read."""
        return self._readers.fetch(translated(statement), parameters)

    def rows_of(self, account: str, after: int, upto: int) -> Iterator[Any]:
        """Rows of an account's events; few of others', whose accounts' names are in theirs."""
        named = f'"account":{json.dumps(account, ensure_ascii=False)}'.encode()
        stream = account_stream_id(account).hex
        width = NEAR
        while after < upto:
            last = min(after + width, upto)
            own = (after, last, stream, named, after, last)
            if width == NEAR:
                found = self.fetch(SELECT_NEAR_OF, own)
                yield from found
            else:
                found = self.fetch(SELECT_POSITIONS_OF, (*own, FEW + 1))
                if len(found) > FEW:
                    width = NEAR
                    continue
                for start in range(0, len(found), BATCH):
                    page = [position for (position,) in found[start : start + BATCH]]
                    yield from self.fetch(SELECT_AT, (page,))
            width = min(width * WIDER, FAR) if len(found) * SPARSE <= last - after else NEAR
            after = last

    def head_fault(self) -> tuple[int, str] | None:
        """Where the row that appends go on from differs from the last event, and how."""
        rows = self.fetch(HEAD_AND_LAST, (GENESIS,))
        if not rows:
            return 1, "the row that says where the log ends is missing"
        position, hash, last, last_hash = rows[0]
        if (position, hash) == (last, last_hash):
            return None
        at = f"the log ends at {last}, and the row that says where it ends names "
        if position == last:
            return last, f"altered: {at}another hash there"
        fault = "missing: its end was cut off" if position > last else "added by somebody else"
        return min(position, last) + 1, f"{fault}; {at}{position}"

    def close(self) -> None:
        """Finish what was accepted and refuse the rest; give the account back."""
        super().close()
        self._sender.alone(PostgresWriter.let_go)
        self._readers.close()
        if self._lease is not None:
            self._lease.release()


@cache
def translated(statement: str) -> str:
    """A statement with ``?`` for parameters as the client library wants it."""
    return statement.replace("%", "%%").replace("?", "%s")
