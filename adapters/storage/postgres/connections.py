"""Connections to a server: one that writes, and a pool that reads."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg
import structlog
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool, PoolTimeout

from ....domain.errors import StoreError
from ..location import PostgresAddress
from .faults import explain, first_line, interrupt_in, is_connection_lost

CONNECT_SECONDS: Final = 5
RECONNECT_SECONDS: Final = 20.0
"""How long a server that went away is waited for before an append or a read fails."""

RETRY_SECONDS: Final = 0.1
MOMENT_SECONDS: Final = 1.0
READERS_MAX: Final = 4
FROZEN_SECONDS: Final = 1.0
"""A writer that stands still inside a transaction is thrown out, so that no other waits for it."""

UNHEARD: Final[dict[str, Any]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}
"""After eleven seconds without a sign of the other machine a connection is lost: the first three
are for one that waits, the last (ms) for one that has sent, which is not asked otherwise; the
system's own limits are two hours and a quarter of one."""

CLIENT: Final = "fillwright"
WRITER: Final = "fillwright writer"
"""How connections name themselves: one that writes must not keep its locks when it freezes."""

# Compiling takes longer than what we ask for. States above 2 kB are compressed when they are
# written, an eighth of a batch's time by the server's own method; not every server has the other.
_QUICKER: Final = """
SELECT set_config(name, wanted, false)
FROM pg_settings JOIN (
  VALUES ('jit', 'off'), ('default_toast_compression', 'lz4')
) AS ours (name, wanted) USING (name)
WHERE enumvals IS NULL OR wanted = ANY (enumvals)"""

_Result = TypeVar("_Result")

# The client library tells of each connection that it loses; who has no log of their own would find
# that on stderr, line upon line. What it means is said by `Wait` and by errors.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


def connect(address: PostgresAddress, *, frozen_seconds: float | None = None) -> Connection[Any]:
    """A connection of its own, committing each statement, in the store's schema.

    Raises:
        psycopg.Error: the server cannot be reached, or refuses.
    """
    connection: Connection[Any] = psycopg.connect(
        address.conninfo,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        application_name=CLIENT if frozen_seconds is None else WRITER,
        **UNHEARD,
    )
    try:
        configure(connection, address)
        if frozen_seconds is not None:
            connection.execute(
                f"SET idle_in_transaction_session_timeout = {int(frozen_seconds * 1000)}".encode()
            )
    except BaseException:
        connection.close()
        raise
    return connection


def configure(connection: Connection[Any], address: PostgresAddress) -> None:
    """Have a connection work in the store's schema, durably."""
    schema = sql.Identifier(address.schema)
    connection.execute(sql.SQL("SET search_path TO {}").format(schema))
    # A server may be set to lie about durability; what we acknowledge is on its disk.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )
    connection.execute(_QUICKER)


def check_writer(address: PostgresAddress, *, writer: bool) -> None:
    """Refuse to write what was opened for reading; raises StoreError."""
    if not writer:
        raise StoreError(f"{address.shown}: it was opened for reading only, and cannot be written")


class Wait:
    """Says once that a server is waited for, when it has been away for more than a moment."""

    def __init__(self, store: str, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self._since: float | None = None
        self._is_told = False

    def tell(self, error: BaseException) -> None:
        """Another try has failed."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if self._is_told or now - self._since < MOMENT_SECONDS:
            return
        self._is_told = True
        structlog.get_logger(__name__).warning(
            f"{self._store}: the server is away, and waited for ({first_line(error)})",
            seconds_max=self._seconds,
        )


def patiently(act: Callable[[], _Result], store: str, seconds: float) -> _Result:
    """Do something that may be repeated, for so long while the server is away.

    Raises:
        StoreError: it stays away, or refuses for another reason.
    """
    until, before = time.monotonic() + seconds, sys.exception()
    wait = Wait(store, seconds)
    while True:
        try:
            return act()
        except psycopg.Error as error:
            interrupt = interrupt_in(error, before)
            if interrupt is not None:
                raise interrupt from None
            if not is_connection_lost(error) or time.monotonic() >= until:
                raise explain(error, store) from error
            wait.tell(error)
            time.sleep(RETRY_SECONDS)


class Readers:
    """A few connections for reading, made when they are needed."""

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            address.conninfo,
            kwargs={"autocommit": True, "application_name": "fillwright-reader", **UNHEARD},
            min_size=0,
            max_size=READERS_MAX,
            configure=lambda connection: configure(connection, address),
            timeout=CONNECT_SECONDS,
            num_workers=1,
            open=False,
            name="fillwright-readers",
        )
        self._is_open = False
        self._closed = False

    def fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        """Rows of a read of its own; a server that restarts is waited for.

        Raises:
            StoreError: it cannot be read.
        """
        return patiently(
            lambda: self._fetch(statement, parameters), self._address.shown, RECONNECT_SECONDS
        )

    def _fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        if self._closed:
            raise StoreError("the log is closed")
        if not self._is_open:
            self._pool.open()
            self._is_open = True
        try:
            with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
                return cursor.execute(statement.encode(), parameters).fetchall()
        except PoolTimeout:
            connect(self._address).close()  # says why there is none
            raise
        except psycopg.OperationalError:
            self._pool.check()  # the others may be lost too; asking each time costs a round trip
            raise

    def close(self) -> None:
        """Let go of the connections."""
        self._closed = True
        self._pool.close()
