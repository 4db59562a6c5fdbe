"""Opening a schema of a PostgreSQL database as a store, and making its tables."""

from __future__ import annotations

from pathlib import Path

import psycopg
import structlog

from ..location import postgres_address
from ..ownership import Ownership
from .connections import CONNECT_SECONDS, connect, patiently
from .durability import MEANS, advice, switched_off
from .faults import explain
from .leases import Lease
from .recorder import PostgresRecorder
from .schema import TABLES, check_format, migrate


def open_postgres(
    url: str | Path, ownership: Ownership | None, *, writer: bool
) -> PostgresRecorder:
    """The recorder of a store; with an ``ownership`` this process becomes the owner first.

    An owner is warned of a server that is set to lose what it acknowledges when the power fails.

    Raises:
        StoreBusy: another process owns the account.
        StoreNewer: a newer version made the store.
        StoreError: it cannot be reached, or was not migrated.
    """
    address = postgres_address(url)

    def check() -> list[str]:
        with connect(address) as connection:
            check_format(connection, address)
            return [] if ownership is None else switched_off(connection)

    for name in patiently(check, address.shown, CONNECT_SECONDS):
        structlog.get_logger(__name__).warning(
            MEANS[name], store=address.shown, next=advice([name])
        )
    lease = None if ownership is None else Lease.take(address, ownership)
    return PostgresRecorder(address, lease, writer=writer)


def migrate_postgres(url: str | Path, reader: str | None = None) -> int:
    """Make or bring up the tables of a store; gives the format before, 0 for none.

    Raises:
        StoreError: the server cannot be reached, refuses, or the store is newer.
    """
    address = postgres_address(url)
    try:
        with connect(address) as connection:
            return migrate(connection, address, reader)
    except psycopg.Error as error:
        raise explain(error, address.shown) from error


def vacuum(url: str | Path) -> None:
    """Give dead rows' space back and bring statistics up; engines go on.

    Raises:
        StoreError: the server cannot be reached, or refuses.
    """
    address = postgres_address(url)
    try:
        with connect(address) as connection:
            check_format(connection, address)
            for table in TABLES:
                connection.execute(f"VACUUM (ANALYZE) {table}".encode())
    except psycopg.Error as error:
        raise explain(error, address.shown) from error
