"""Logs on a server for ``python -m bench.start_up --server``, and what is measured of them.

One store holds the account's own log alone; another a short log of its own with as many open
instructions, and behind it, after its sums were kept, as many events of another account.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from bench.log_of_any_size import ROWS_AT_A_TIME, rows, template
from fillwright.adapters.storage.copying import COLUMNS
from fillwright.adapters.storage.location import is_postgres, postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres.opening import migrate_postgres
from fillwright.adapters.storage.records import Head
from fillwright.adapters.storage.schema import EVENTS_TABLE

ACCOUNT: Final = "sim"
NEIGHBOUR: Final = "neighbour"
OWN_EVENTS: Final = 20_000
"""Events of the account itself beside another's: enough that their sums are kept."""


def new_store(server_url: str, folder: Path, name: str) -> str:
    """The URL of an empty store."""
    url = f"{server_url}?schema={name}&files={folder / name}"
    migrate_postgres(url)
    return url


def head_of(store: str) -> Head:
    """Where the log ends."""
    with Log.open(store, writer=False) as log:
        return log.head()


def kept_of(store: str) -> Path:
    """Where an engine keeps the sums of the account."""
    if not is_postgres(store):
        return Path(f"{store}.start")
    files = postgres_address(store).files
    return files.with_name(f"{files.name}.{ACCOUNT}.start")


def fill(store: str, account: str, count: int, still_open: int, after: Head) -> Head:
    """Add at least ``count`` events of an account behind ``after``; gives the log's new head."""
    address = postgres_address(store)
    head = after
    with psycopg.connect(address.conninfo) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))
        batch: list[tuple[Any, ...]] = []
        row: Any = None
        for row in rows(template(account), count, still_open, after):
            batch.append(row)
            if len(batch) == ROWS_AT_A_TIME:
                _copy(connection, batch)
                batch.clear()
        if row is not None:
            head = Head(row[0], row[5])
        _copy(connection, batch)
        connection.execute("UPDATE head SET position = %s, hash = %s", head)
        connection.commit()
        connection.autocommit = True
        connection.execute(f"VACUUM ANALYZE {EVENTS_TABLE}".encode())
    return head


def _copy(connection: psycopg.Connection[Any], batch: Iterable[tuple[Any, ...]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {EVENTS_TABLE} ({COLUMNS}) FROM STDIN".encode()) as copy,
    ):
        for row in batch:
            copy.write_row(row)


def read_rows_on_server(store: str) -> dict[str, Any]:
    """The server alone, over the rows of instructions that never ended."""
    address = postgres_address(store)
    with psycopg.connect(address.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))
        found = connection.execute(
            f"""SELECT stream FROM {EVENTS_TABLE}
            WHERE position > (SELECT max(position) - 40000 FROM {EVENTS_TABLE}) GROUP BY stream
            HAVING bool_or(topic LIKE 'DecisionReceived.%%')
            AND NOT bool_or(topic LIKE 'InstructionFilled.%%')""".encode(),
            (),
        ).fetchall()
        streams = [row[0] for row in found]
        wall, cpu = time.perf_counter(), time.process_time()
        connection.execute(
            f"SELECT * FROM {EVENTS_TABLE} WHERE stream = ANY(%s)".encode(), (streams,)
        ).fetchall()
        return {
            "seconds": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "open": len(streams),
        }
