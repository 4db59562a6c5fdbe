"""Opening a schema of a PostgreSQL database as a store, and making its tables."""

from __future__ import annotations

from pathlib import Path

import psycopg

from ..location import postgres_address
from .connections import CONNECT_SECONDS, connect, patiently
from .faults import explain
from .leases import Lease
from .recorder import PostgresRecorder
from .schema import check_format, migrate


def open_postgres(url: str | Path, account: str | None, wait_seconds: float) -> PostgresRecorder:
    """The recorder of a store; with an ``account`` this process becomes its owner first.

    Raises:
        StoreBusy: another process owns the account.
        StoreNewer: a newer version made the store.
        StoreError: it cannot be reached, or was not migrated.
    """
    address = postgres_address(url)

    def check() -> None:
        with connect(address) as connection:
            check_format(connection, address)

    patiently(check, address.shown, CONNECT_SECONDS)
    lease = None
    if account is not None:
        lease = Lease.take(address, account, wait_seconds=wait_seconds)
    return PostgresRecorder(address, lease)


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
