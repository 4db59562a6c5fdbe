"""Who owns an account: a lease that has to be renewed, with an epoch that fences its last owner.

A row is taken over only when its lease ran out by the server's clock, and each taking raises the
epoch. Whoever was frozen, and goes on later, carries an old epoch: its appends are refused inside
their transaction (``FOR SHARE`` on the row keeps a taking apart from an append under way), and it
knows by its own clock that it must not send. An advisory lock would not do: it stays with a frozen
process as long as its connection lives.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection

from ....domain.errors import StoreBusy, StoreError
from ..location import PostgresAddress
from ..ownership import Ownership
from .connections import CONNECT_SECONDS, FROZEN_SECONDS, WRITER, connect, patiently

RENEWALS_PER_LEASE: Final = 4
WAIT_SECONDS: Final = 0.05
LOCK_SECONDS: Final = 0.2
"""So long a taking waits for an append under way, before it looks whether that is frozen."""
OWNER_MAX: Final = 200

_TAKE: Final = """
INSERT INTO leases (account, owner, epoch, expires_at)
VALUES (%(account)s, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (account) DO UPDATE
SET owner = excluded.owner, epoch = leases.epoch + 1,
    expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE leases.expires_at <= clock_timestamp()
RETURNING epoch"""
_RENEW: Final = """
UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE account = %(account)s AND epoch = %(epoch)s
RETURNING epoch"""
_RELEASE: Final = """
UPDATE leases SET expires_at = clock_timestamp()
WHERE account = %(account)s AND epoch = %(epoch)s"""
_END_FROZEN: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %(writer)s
AND state = 'active' AND wait_event = 'ClientRead'
AND state_change < clock_timestamp() - make_interval(secs => %(frozen)s)
AND pid <> pg_backend_pid()"""
"""Ends writers that stopped inside a transaction between two messages, with all locks they hold.

The server ends those by itself that stopped after a sync (``idle_in_transaction_session_timeout``);
one that stopped before counts as active there for ever.
"""
_OWNER: Final = "SELECT owner FROM leases WHERE account = %s"


def boot_seconds() -> float:
    """A clock that goes on while the process is stopped or the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """The ownership of one account, renewed by a thread until it is released or lost."""

    def __init__(
        self, address: PostgresAddress, ownership: Ownership, epoch: int, seconds: float
    ) -> None:
        self.account = ownership.account
        self.epoch = epoch
        self.seconds = seconds
        self._request_seconds = ownership.request_seconds
        self._address = address
        self._until = 0.0
        self._lost = False
        self._over = Event()
        self._connection: Connection[Any] | None = None
        self._thread = Thread(target=self._renew_on, name="fillwright-lease", daemon=True)

    @classmethod
    def take(cls, address: PostgresAddress, ownership: Ownership) -> Lease:
        """Become the owner, waiting as ownership says for the lease of another to run out.

        Raises:
            StoreBusy: another process owns it; the message names it.
            StoreError: the server cannot be reached, or the lease is too short for a request.
        """
        seconds = address.lease_seconds or ownership.lease_seconds
        if seconds <= ownership.request_seconds:
            raise StoreError(
                f"{address.shown}: lease_seconds={seconds:g} does not outlive one request of up to "
                f"{ownership.request_seconds:g} s; allowed: more than that, twice as much is good"
            )
        account = ownership.account
        owner = f"{socket.gethostname()}:{os.getpid()}"[:OWNER_MAX]
        until, said = time.monotonic() + ownership.wait_seconds, False
        while True:
            asked = boot_seconds()
            epoch = patiently(
                lambda: _taken(address, account, owner, seconds), address.shown, CONNECT_SECONDS
            )
            if isinstance(epoch, int):
                lease = cls(address, ownership, epoch, seconds)
                lease._until = asked + seconds
                lease._thread.start()
                return lease
            if time.monotonic() >= until:
                raise StoreBusy(
                    f"{address.shown}: the account {account} is owned by {epoch}. Wait until it "
                    "ends, stop it, use another account, or stand by (standby_seconds)"
                )
            if not said:
                said = True
                structlog.get_logger(__name__).warning(
                    "standing by for the account", account=account, owner=epoch
                )
            time.sleep(WAIT_SECONDS)

    def check_owner(self) -> None:
        """Check, by our own clock, that nobody can take the account within one request.

        Raises:
            StoreBusy: somebody may have, or may before then.
        """
        if self._lost or boot_seconds() + self._request_seconds > self._until:
            raise StoreBusy(
                f"{self._address.shown}: the lease on the account {self.account} ran out "
                f"or ends within one request; nothing is sent. Another process may own it by now"
            )

    def release(self) -> None:
        """Give the account back at once; a second call does nothing."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        if not self._lost:
            with suppress(psycopg.Error):  # it runs out by itself
                self._execute(_RELEASE)
        self._let_go()

    def _renew_on(self) -> None:
        pause = self.seconds / RENEWALS_PER_LEASE
        while not self._over.wait(pause):
            asked = boot_seconds()
            try:
                row = self._execute(_RENEW)
            except psycopg.Error:
                # The server may be restarting; until it answers, the lease just grows older.
                self._let_go()
                continue
            if row is None:
                self._lost = True
                structlog.get_logger(__name__).error(
                    "another process owns the account now; nothing is appended or sent any more",
                    account=self.account,
                )
                return
            self._until = asked + self.seconds
            with suppress(psycopg.Error):
                self._end_frozen()

    def _end_frozen(self) -> None:
        # Somebody's frozen append would hold up those of every account.
        if self._connection is not None:
            end_frozen(self._connection)

    def _execute(self, statement: str) -> Any:
        if self._connection is None:
            self._connection = connect(self._address)
        parameters = {
            "account": self.account,
            "epoch": self.epoch,
            "seconds": self.seconds,
        }
        cursor = self._connection.execute(statement.encode(), parameters)
        return cursor.fetchone() if cursor.description else None

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def end_frozen(connection: Connection[Any]) -> None:
    """End writers of this database that are frozen inside a transaction, which is void then."""
    parameters = {"writer": WRITER, "frozen": FROZEN_SECONDS}
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute(_END_FROZEN, parameters)


def _taken(address: PostgresAddress, account: str, owner: str, seconds: float) -> int | str:
    """The new epoch, or who owns the account."""
    with connect(address) as connection:
        end_frozen(connection)
        connection.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}".encode())
        parameters = {"account": account, "owner": owner, "seconds": seconds}
        with suppress(psycopg.errors.LockNotAvailable):
            row = connection.execute(_TAKE, parameters).fetchone()
            if row is not None:
                return int(row[0])
        row = connection.execute(_OWNER, (account,)).fetchone()
        return "another process" if row is None else str(row[0])
