"""A record on a server whose connection is lost in its transaction is written once all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from fillwright.adapters.storage import ops_log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.postgres import connections
from fillwright.adapters.storage.postgres import ops as place
from fillwright.domain.errors import StoreError
from tests.adapters.storage.cut_wire import Cut, CutWire, cut_wire
from tests.adapters.storage.helpers import filled
from tests.adapters.storage.test_ops_log import verified


@pytest.fixture
def wire(postgres_url: str) -> Iterator[tuple[CutWire, str]]:
    """A wire that is cut at a commit, and the URL of a store by way of it."""
    filled(postgres_url)
    port = urlsplit(postgres_url).port
    with cut_wire(postgres_url, port, appends=(b"COMMIT",)) as (wire, url):
        yield wire, url()


@pytest.mark.parametrize("cut", [Cut(1), Cut(1, passed=1), Cut(1, late=1)])
@pytest.mark.parametrize("expected", [None, 1])
def test_a_commit_without_an_answer_is_looked_for_and_what_is_not_there_is_written(
    postgres_url: str, wire: tuple[CutWire, str], cut: Cut, expected: int | None
) -> None:
    with OpsLog.open(wire[1]) as ops:
        ops.append(verified(1))
        wire[0].cut = cut
        placed = ops.append(verified(2), verified(3), expected=expected)
        assert wire[0].done.is_set()
        assert (placed.first_position, placed.last_position) == (2, 3)
        assert ops.append(verified(4), expected=3).last_position == 4
    with OpsLog.open(postgres_url) as ops:
        assert [one.record for one in ops.records()] == [verified(n) for n in (1, 2, 3, 4)]
        assert ops.verify().ok


def test_a_writer_that_stood_still_in_its_transaction_writes_its_records_all_the_same(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends such a transaction, so that nobody waits for it."""
    filled(postgres_url)
    stood: list[float] = []

    def stand_still(*of: Any) -> bytes:
        if not stood:
            stood.append(connections.FROZEN_SECONDS)
            time.sleep(connections.FROZEN_SECONDS + 0.5)
        return link(*of)

    link = ops_log._link
    monkeypatch.setattr(ops_log, "_link", stand_still)
    with OpsLog.open(postgres_url) as ops:
        assert ops.append(verified(1), verified(2)).last_position == 2
        assert stood
        assert [one.record for one in ops.records()] == [verified(1), verified(2)]
        assert ops.verify().ok


@pytest.mark.parametrize("passed", [0, 1])
def test_a_commit_that_cannot_be_looked_for_is_told_as_unknown(
    wire: tuple[CutWire, str], passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*of: Any, **how: Any) -> psycopg.Connection[Any]:
        if wire[0].done.is_set():
            raise psycopg.OperationalError("nobody listens")
        return connections.connect(*of, **how)

    monkeypatch.setattr(place, "connect", connect)
    monkeypatch.setattr(place, "RECONNECT_SECONDS", 0.3)
    with OpsLog.open(wire[1]) as ops:
        wire[0].cut = Cut(1, passed=passed)
        with pytest.raises(StoreError, match="Whether it was written is unknown"):
            ops.append(verified(1))
        with pytest.raises(StoreError, match="cannot be reached") as told:
            ops.append(verified(2))
        assert "unknown" not in str(told.value), "nothing was written for certain"
