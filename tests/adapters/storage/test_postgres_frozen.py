"""Who freezes, or falls silent, holds up nobody for long."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import psycopg
import pytest

from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ownership import Ownership
from fillwright.adapters.storage.postgres import appending, connections
from fillwright.adapters.storage.postgres.connections import Readers, connect
from tests.adapters.storage.helpers import Sample
from tests.postgres import PostgresServer, fresh_store


def test_an_account_is_taken_from_a_writer_that_froze_before_its_sync(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = fresh_store(postgres_server, tmp_path, lease_seconds=1)
    address = postgres_address(url)
    old = Ownership("a", request_seconds=0.1)
    with Log.open(url, ownership=old) as log:
        log.append(Sample(1).happen())
    frozen = connections.connect(address, frozen_seconds=connections.FROZEN_SECONDS)
    try:
        with frozen.pipeline():
            frozen.execute(b"BEGIN")
            frozen.execute(appending.LOCK_HEAD)
            # Asking for the answer sends what was said so far, and no sync behind it: to the
            # server this client is at work, and no time limit of its own ends it.
            assert frozen.execute(appending.CHECK_LEASE, ("a",)).fetchone() is not None
            begun = time.monotonic()
            with Log.open(url, ownership=Ownership("a", 20, 0.1)) as new:
                assert time.monotonic() - begun < 10
                assert new.append(Sample(2).happen()).last_position == 2
                assert new.verify().ok
            raise psycopg.OperationalError  # what the thawed client would be told
    except psycopg.Error:
        pass
    finally:
        frozen.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="not known to this system")
def test_every_connection_has_a_limit_to_silence(postgres_url: str) -> None:
    address = postgres_address(postgres_url)
    readers = Readers(address)
    try:
        readers.fetch("SELECT 1", ())
        with connect(address) as writer, readers._pool.connection() as reader:
            for connection in (writer, reader):
                with socket.socket(fileno=os.dup(connection.fileno())) as one:
                    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                    assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
                    assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 11_000
    finally:
        readers.close()
