"""A writer that freezes between two messages of a transaction keeps nobody from its account."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg

from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ownership import Ownership
from fillwright.adapters.storage.postgres import appending, connections
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
