"""An engine whose log is on a server starts from what it kept of its account, as one on a file."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from fillwright.adapters.engine import start_cache, starting
from fillwright.adapters.engine.keeping import keep
from fillwright.adapters.engine.start_cache import Unusable
from fillwright.adapters.replay.replaying import replay
from fillwright.adapters.simulation import simulate
from fillwright.adapters.storage.copying import copy_store
from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres import recorder
from fillwright.domain.account import TradingAccount
from fillwright.domain.events import DecisionReceived, Stamp
from fillwright.domain.ids import account_stream_id
from fillwright.domain.reasons import Anomalous, EndReason
from tests.adapters.storage.test_postgres import raw
from tests.postgres import PostgresServer, fresh_store
from tests.simulation import world
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
OTHERS = {account_stream_id("other")}


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


@pytest.fixture
def own_run(
    cut_run: str,
    postgres_server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A copy of that run, for tests that go on with its log, which is read in many pieces."""
    for name, few in {"NEAR": 7, "FAR": 40, "FEW": 4, "BATCH": 3}.items():
        monkeypatch.setattr(recorder, name, few)
    store = fresh_store(postgres_server, tmp_path)
    copy_store(cut_run, store)
    shutil.copytree(postgres_address(cut_run).files.parent, tmp_path, dirs_exist_ok=True)
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
    with Log.open(cut_run, writer=False) as log:
        assert replay(log).kept == ()
        try:
            file_of(cut_run, "other").write_bytes(edit({**header, "account": "other"}, body))
            found = replay(log)
        finally:
            file_of(cut_run, "other").unlink()
        assert not found.ok
        assert any("names" in line and "rebuilt (absent)" in line for line in found.differences())
        try:
            (account,) = state["limits"]["accounts"].values()
            account["equity"] = "1"
            file_of(cut_run).write_bytes(edit(header, json.dumps(state).encode()))
            found = replay(log)
        finally:
            file_of(cut_run).write_bytes(kept)
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


def other_runs(store: str, folder: Path) -> int:
    """Have an engine of the account ``other`` trade on the same log; gives where it then ends."""
    files = postgres_address(store).files
    beside = store.replace(f"files={files}", f"files={folder / 'other.pg'}")
    assert beside != store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "simulate", partial(simulate, account="other"))
        run(SCENE, beside)
    with Log.open(store, writer=False) as log:
        return log.head().position


def test_an_engine_starts_from_behind_what_another_account_did_meanwhile(
    own_run: str, tmp_path: Path
) -> None:
    """It passes over it, keeps the sums of its own all the same, and reads none of it again."""
    with started(own_run) as simulation:
        desk = simulation.engine.desk
        before = desk.log.head().position
        after = other_runs(own_run, tmp_path)
        assert after > before + 100
        simulation.engine._control.attend(at_once=True)
        assert desk.seen == after
        assert desk.in_order
        simulation.engine.starting.keep()
        mine = {UUID(raw.originator_id) for raw in desk.log.raw_events_of(ACCOUNT, 0, after)}
        assert list(desk.log.raw_events_of(ACCOUNT, before, after)) == []
        with Log.open(own_run, writer=False) as log:
            assert mine == {r.event.originator_id for r in log.events(upto=before)} - OTHERS
            kept = start_cache.read(log, ACCOUNT)
            assert (kept.position, list(kept.limits.names.values())) == (after, [ACCOUNT])
            assert replay(log).kept == ()
    with started(own_run) as simulation:
        assert simulation.engine.starting.began_at == after
        found = state_of(simulation)
    file_of(own_run).unlink()
    with started(own_run) as simulation:
        assert simulation.engine.starting.began_at == 0
        assert state_of(simulation) == found


def test_sums_kept_before_another_account_traded_lead_to_the_state_of_the_whole_log(
    own_run: str, tmp_path: Path
) -> None:
    with started(own_run) as simulation:
        expected = state_of(simulation)
    early = file_of(own_run).read_bytes()
    after = other_runs(own_run, tmp_path)
    file_of(own_run).write_bytes(early)
    with started(own_run) as simulation:
        assert 0 < simulation.engine.starting.began_at < after
        found = state_of(simulation)
    for state in (found, expected):  # where the log ends is another place
        del state["seen"]
        state["usage"] = json.loads(state["usage"])["state"]
        state["books"] = json.loads(state["books"])["state"]
    assert found == expected


def test_nothing_is_kept_while_the_order_of_what_others_recorded_is_not_the_logs(
    own_run: str,
) -> None:
    """A block recorded elsewhere comes before what is folded here already."""
    with started(own_run) as simulation, Log.open(own_run, exclusive=False) as other:
        desk = simulation.engine.desk
        account = TradingAccount.named(ACCOUNT)
        for recorded in other.history(account.id):
            account.apply(recorded.event)
        account.engage_kill(Stamp(1, "person:kim", "c", "c"), "symbol:XYZ", "a reason")
        other.append(account)
        desk.started = True
        instruction = next(iter(desk.active.values()))
        instruction.ask_end(desk.stamp("c", "c"), EndReason.USER)
        desk.touch(instruction)
        asyncio.run(desk.commit())
        assert desk.own, "there is something before it that was not looked at"
        assert keep(desk) is None
        simulation.engine._control.attend(at_once=True)
        assert (desk.own, desk.unwritten, desk.in_order) == ([], 0, False)
        assert keep(desk) is None
    with started(own_run) as simulation:
        assert keep(simulation.engine.desk) is not None


@pytest.mark.parametrize("few", [0, 1_000])
def test_an_account_reads_its_own_events_of_a_shared_log_in_order_and_no_others(
    few: int, own_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever way: by their positions where they are few, else with what lies between; and in a
    store that was made when the key of the positions did not hold the streams."""
    if few:
        raw(own_run, "ALTER TABLE stored_events DROP CONSTRAINT stored_events_pkey")
        raw(own_run, "ALTER TABLE stored_events ADD PRIMARY KEY (position)")
    both = other_runs(own_run, tmp_path)
    monkeypatch.setattr(recorder, "FEW", few)
    account_of = {account_stream_id(name): name for name in (ACCOUNT, "other")}
    expected: dict[str, list[int]] = {ACCOUNT: [], "other": []}
    with Log.open(own_run, writer=False) as log:
        for recorded in log.events():
            event = recorded.event
            if isinstance(event, DecisionReceived):
                account_of[event.originator_id] = event.account
            expected[account_of[event.originator_id]].append(recorded.position)
        assert min(map(len, expected.values())) > 40
        for name, positions in expected.items():
            assert [raw.position for raw in log.raw_events_of(name, 0, both)] == positions
