"""An engine whose log is on a server starts from what it kept of its account, as one on a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillwright.adapters.engine import start_cache, starting
from fillwright.adapters.engine.keeping import keep
from fillwright.adapters.engine.start_cache import Unusable
from fillwright.adapters.replaying import replay
from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.domain.account import TradingAccount
from fillwright.domain.events import Stamp
from fillwright.domain.reasons import Anomalous
from tests.postgres import PostgresServer, fresh_store
from tests.simulation.test_starting_from_what_was_kept import (
    FAULTS,
    SCENE,
    Cut,
    edit,
    started,
    state_of,
)
from tests.simulation.world import run

ACCOUNT = "sim"


@pytest.fixture(autouse=True, scope="module")
def kept_at_every_batch() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting, "KEPT_EVERY", 1)
        yield


@pytest.fixture(scope="module")
def cut_run(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that ended in the midst of its work, with the state of a moment before its end."""
    store = fresh_store(postgres_server, tmp_path_factory.mktemp("cut"))
    passed = 0

    def cut(boundary: str) -> None:
        nonlocal passed
        passed += boundary == "store:before"
        if passed == 30:
            raise Cut

    with pytest.raises(Cut):
        run(SCENE, store, cut)
    return store


def file_of(store: str, account: str = ACCOUNT) -> Path:
    files = postgres_address(store).files
    return files.with_name(f"{files.name}.{account}.start")


def test_a_start_in_mid_work_is_that_of_the_whole_log(cut_run: str) -> None:
    kept = file_of(cut_run).read_bytes()
    with started(cut_run) as simulation:
        assert simulation.engine.starting.began_at > 0
        assert simulation.engine.desk.active
        found = state_of(simulation)
    file_of(cut_run).unlink()
    with started(cut_run) as simulation:
        assert simulation.engine.starting.began_at == 0
        assert "there is none" in simulation.engine.starting.why
        assert state_of(simulation) == found
    file_of(cut_run).write_bytes(kept)


def test_a_state_that_cannot_be_believed_is_found_and_the_log_is_read_whole(cut_run: str) -> None:
    kept = file_of(cut_run).read_bytes()
    line, _, body = kept.partition(b"\n")
    states = []
    for spoil, why in FAULTS.values():
        file_of(cut_run).write_bytes(spoil(json.loads(line), body))
        with started(cut_run) as simulation:
            assert simulation.engine.starting.began_at == 0
            assert why in simulation.engine.starting.why
            states.append(state_of(simulation))
    assert all(state == states[0] for state in states)
    file_of(cut_run).write_bytes(kept)


def test_a_replay_finds_kept_sums_of_any_account_that_the_events_do_not_come_to(
    cut_run: str,
) -> None:
    kept = file_of(cut_run).read_bytes()
    line, _, body = kept.partition(b"\n")
    header, state = json.loads(line), json.loads(body)
    try:
        with Log.open(cut_run, writer=False) as log:
            assert replay(log).kept == ()
            (account,) = state["limits"]["accounts"].values()
            account["equity"] = "1"
            forged = edit({**header, "account": "other"}, json.dumps(state).encode())
            file_of(cut_run, "other").write_bytes(forged)
            found = replay(log)
    finally:
        file_of(cut_run, "other").unlink()
    assert not found.ok
    assert any(line.endswith("equity: kept 1, rebuilt 999986.225") for line in found.differences())


def test_each_account_of_a_shared_log_has_a_file_of_its_own(cut_run: str) -> None:
    """What lies under another's name is not used, whoever put it there."""
    with Log.open(cut_run, writer=False) as log:
        assert start_cache.read(log, ACCOUNT).position > 0
        with pytest.raises(Unusable, match="there is none"):
            start_cache.read(log, "other")
        file_of(cut_run, "other").write_bytes(file_of(cut_run).read_bytes())
        try:
            with pytest.raises(Unusable, match=f"it is of account {ACCOUNT}"):
                start_cache.read(log, "other")
            assert len(start_cache.read_all(log)) == 1
        finally:
            file_of(cut_run, "other").unlink()


def another_appends(log: Log) -> None:
    """Have the account ``other`` put something on the record."""
    account = TradingAccount.named("other")
    for recorded in log.history(account.id):
        account.apply(recorded.event)
    account.note(Stamp(1, "engine", "c", "c"), Anomalous.COUNTERS_DISAGREE, "of the other account")
    log.append(account)


def test_sums_are_kept_although_another_account_appends_meanwhile(
    cut_run: str, tmp_path: Path
) -> None:
    with Log.open(cut_run, exclusive=False) as log:
        kept = start_cache.read(log, ACCOUNT)
        another_appends(log)
        assert start_cache.write(log, ACCOUNT, kept)
        assert start_cache.read(log, ACCOUNT).position == kept.position < log.head().position


def test_nothing_is_kept_that_another_accounts_events_are_missing_from(cut_run: str) -> None:
    """A running engine passes over them, and sums without them would not be those of the log."""
    with started(cut_run) as simulation, Log.open(cut_run, exclusive=False) as other:
        desk = simulation.engine.desk
        assert keep(desk) is not None
        another_appends(other)
        simulation.engine._control.attend(at_once=True)
        assert desk.seen == other.head().position
        desk.usage.position = desk.books.position = desk.seen
        assert keep(desk) is None
    with started(cut_run) as simulation:
        assert simulation.engine.desk.in_order
        assert keep(simulation.engine.desk) is not None
