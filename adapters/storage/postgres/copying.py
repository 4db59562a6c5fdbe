"""A store on PostgreSQL read in one snapshot, or filled in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection

from ....domain.errors import StoreDamaged, StoreError
from ..copying import COLUMNS, OPS_COLUMNS, Content, Row, Target
from ..location import PostgresAddress, postgres_address
from ..ops_place import OPS_TABLE
from ..records import Head
from ..schema import EVENTS_TABLE
from .appending import LOCK_HEAD
from .connections import connect
from .faults import explain
from .schema import check_format

ROWS_AT_ONCE: Final = 5_000
_EVENTS: Final = f"SELECT {COLUMNS} FROM {EVENTS_TABLE} ORDER BY position"
_RECORDS: Final = f"SELECT {OPS_COLUMNS} FROM {OPS_TABLE} ORDER BY position"


@contextmanager
def reading(url: str) -> Iterator[Content]:
    """The store at one moment; engines go on appending."""
    address = postgres_address(url)
    try:
        with connect(address) as connection:
            check_format(connection, address)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = connection.execute("SELECT position, hash FROM head").fetchone()
            if row is None:
                raise StoreDamaged(f"{address.shown}: its head is missing")
            yield Content(
                Head(*row),
                _rows(connection, address, _EVENTS),
                connection.execute("SELECT key, used FROM counters ORDER BY key").fetchall(),
                _rows(connection, address, _RECORDS),
            )
            connection.execute("ROLLBACK")
    except psycopg.Error as error:
        raise explain(error, address.shown) from error


def _rows(connection: Connection[Any], address: PostgresAddress, statement: str) -> Iterator[Row]:
    """Rows, and what goes wrong with them as the source's fault: the target reads them."""
    name = f"copy_{abs(hash(statement))}"
    try:
        with connection.cursor(name, binary=True) as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(statement.encode())
            yield from cursor
    except psycopg.Error as error:
        raise explain(error, address.shown) from error


class _ServerTarget:
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def add_events(self, rows: Sequence[Row]) -> None:
        self._copy(f"{EVENTS_TABLE} ({COLUMNS})", rows)

    def add_rest(self, head: Head, counters: Sequence[Row], records: Iterable[Row]) -> None:
        self._copy("counters (key, used)", counters)
        self._copy(f"{OPS_TABLE} ({OPS_COLUMNS})", records)
        self._connection.execute("UPDATE head SET position = %s, hash = %s", head)

    def _copy(self, table: str, rows: Iterable[Row]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)


@contextmanager
def filling(url: str) -> Iterator[Target]:
    """A migrated store without events, filled all or not at all."""
    address = postgres_address(url)
    try:
        with connect(address) as connection:
            check_format(connection, address)
            with connection.transaction():
                _check_empty(connection, address)
                yield _ServerTarget(connection)
            connection.execute(f"ANALYZE {EVENTS_TABLE}".encode())
    except psycopg.Error as error:
        raise explain(error, address.shown) from error


def _check_empty(connection: Connection[Any], address: PostgresAddress) -> None:
    row = connection.execute(LOCK_HEAD).fetchone()
    records = connection.execute(f"SELECT 1 FROM {OPS_TABLE} LIMIT 1".encode()).fetchone()
    if row is None or row[0] != 0 or records is not None:
        raise StoreError(
            f"{address.shown}: the schema {address.schema} holds events already; restore into a "
            "new one (?schema=NAME, then `fillwright store migrate`), nothing is overwritten"
        )
    connection.execute("DELETE FROM counters")
