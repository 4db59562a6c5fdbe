"""The second stream on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from ....domain.errors import StoreError
from ..location import postgres_address
from ..ops_place import OPS_TABLE, Write
from ..records import Appended
from .connections import (
    CONNECT_SECONDS,
    FROZEN_SECONDS,
    RECONNECT_SECONDS,
    Readers,
    check_writer,
    connect,
    patiently,
)
from .faults import is_connection_lost
from .recorder import translated
from .schema import check_format

LOCK_STREAM: Final = (
    b"SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.ops_records', 0))"
)
_HASH: Final = f"SELECT hash FROM {OPS_TABLE} WHERE position = %s".encode()


class PostgresPlace:
    """The second stream in a schema on a server."""

    def __init__(self, url: str | Path, *, writer: bool) -> None:
        self._address = address = postgres_address(url)
        self._is_writer = writer
        self.name = address.shown

        def check() -> None:
            with connect(address) as connection:
                check_format(connection, address)

        patiently(check, self.name, CONNECT_SECONDS)
        self._readers = Readers(address)

    def append(self, write: Write) -> Appended | None:
        """Write in a transaction that alone may append; readers go on.

        Where the connection is lost it is done anew: the server may be restarting, or ended it
        because this process stood still. What got no answer is looked for before that.
        """
        check_writer(self._address, writer=self._is_writer)
        unanswered: Appended | None = None

        def attempt() -> Appended | None:
            nonlocal unanswered
            with (
                connect(self._address, frozen_seconds=FROZEN_SECONDS) as connection,
                connection.transaction(),
            ):
                # Not a lock of the table: that asks for the right to change what is in it. Whoever
                # has it knows that a transaction of before, cut off, is over.
                connection.execute(LOCK_STREAM)
                if unanswered is None or not _is_there(connection, unanswered):
                    unanswered = None
                    unanswered = write(partial(_rows, connection))
            return unanswered

        try:
            return patiently(attempt, self.name, RECONNECT_SECONDS)
        except StoreError as error:
            cause = error.__cause__
            if unanswered is None or cause is None or not is_connection_lost(cause):
                raise
            raise StoreError(
                f"{error}. Whether it was written is unknown: when the server is back, look again"
            ) from cause

    def fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        """Rows of a read of its own."""
        return self._readers.fetch(translated(statement), parameters)

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._readers.close()


def _rows(connection: Connection[Any], statement: str, parameters: Sequence[object]) -> list[Any]:
    cursor = connection.execute(translated(statement).encode(), parameters)
    return cursor.fetchall() if cursor.description else []


def _is_there(connection: Connection[Any], placed: Appended) -> bool:
    row = connection.execute(_HASH, (placed.last_position,)).fetchone()
    return row is not None and bytes(row[0]) == placed.head_hash
