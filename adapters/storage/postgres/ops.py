"""The second stream on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from ..location import postgres_address
from .connections import (
    CONNECT_SECONDS,
    FROZEN_SECONDS,
    Readers,
    check_writer,
    connect,
    patiently,
)
from .faults import explain
from .recorder import translated
from .schema import check_format

LOCK_STREAM: Final = (
    b"SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.ops_records', 0))"
)


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

    @contextmanager
    def appending(self) -> Iterator[Callable[[str, Sequence[object]], list[Any]]]:
        """A transaction that alone may append; readers go on."""
        check_writer(self._address, writer=self._is_writer)
        try:
            with (
                connect(self._address, frozen_seconds=FROZEN_SECONDS) as connection,
                connection.transaction(),
            ):
                # Not a lock of the table: that asks for the right to change what is in it.
                connection.execute(LOCK_STREAM)

                def execute(statement: str, parameters: Sequence[object]) -> list[Any]:
                    cursor = connection.execute(translated(statement).encode(), parameters)
                    return cursor.fetchall() if cursor.description else []

                yield execute
        except psycopg.Error as error:
            raise explain(error, self.name) from error

    def fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        """Rows of a read of its own."""
        return self._readers.fetch(translated(statement), parameters)

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._readers.close()
