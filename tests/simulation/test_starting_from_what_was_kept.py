"""An engine that starts from what was kept beside the log is one that read all of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import from_log, known, start_cache, starting
from fillwright.adapters.engine.from_log import told
from fillwright.adapters.engine.keeping import keep
from fillwright.adapters.replay.replaying import replay
from fillwright.adapters.simulation import Simulation
from fillwright.adapters.storage.log import Log
from fillwright.domain.events import DecisionReceived
from tests.adapters.mirror.logs import BUSY, store_of
from tests.simulation.world import Scene, build, decision, run

DECISIONS = [
    decision(
        ("market", "twap", "limit")[n % 3],
        decision_id=f"d-{n}",
        symbol=("AAPL", "KO")[n % 2],
        target_weight=1.0 + n / 2,
    )
    for n in range(9)
]
ARRIVALS = {f"d-{n}": 600 + 20 * n for n in range(9)}
SCENE = Scene(decisions=DECISIONS, arrivals=ARRIVALS, close=False)


class Cut(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def kept_at_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "KEPT_EVERY", 1)


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended in the midst of its work, with the state of a moment before its end."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting, "KEPT_EVERY", 1)
        run_until(folder / "log.db", 30)
    return folder


def run_until(store: Path, boundaries: int) -> None:
    passed = 0

    def cut(boundary: str) -> None:
        nonlocal passed
        passed += boundary == "store:before"
        if passed == boundaries:
            raise Cut

    with pytest.raises(Cut):
        run(SCENE, store, cut)


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, dirs_exist_ok=True)
    return to / "log.db"


def started(store: Path) -> Simulation:
    return build(replace(SCENE, decisions=(), arrivals={}), store)


def state_of(simulation: Simulation) -> dict[str, Any]:
    """Everything that the engine goes by, with all that it let go of told again."""
    desk = simulation.engine.desk
    instructions = list(desk.instructions.values())
    desk.usage.recall(instruction.id for instruction in instructions)
    opened = desk.account.session
    return {
        "usage": desk.usage.to_bytes(),
        "books": desk.books.to_bytes(),
        "account": parts(desk.account),
        "instructions": [instruction.known() for instruction in instructions],
        "count": len(desk.instructions),
        "active": list(desk.active),
        "order": sorted(desk.active, key=desk.instructions.order.__getitem__),
        "open orders": desk.open_orders,
        "in play": {symbol: n for symbol, n in desk.in_play.items() if n},
        "seen": desk.seen,
        "moved": desk.instructions.moved(opened.session_date) if opened else {},
        "starts": desk.starts,
    }


def parts(of: object) -> dict[str, Any]:
    """The attributes of an object, and of those of its parts that have no equality of their own."""
    return {
        name: parts(value)
        if type(value).__eq__ is object.__eq__ and hasattr(value, "__dict__")
        else value
        for name, value in vars(of).items()
    }


def from_zero(store: Path) -> dict[str, Any]:
    store.with_name("log.db.start").unlink(missing_ok=True)
    with started(store) as simulation:
        assert simulation.engine.starting.began_at == 0
        return state_of(simulation)


def test_a_start_in_mid_work_is_that_of_the_whole_log(cut_run: Path, tmp_path: Path) -> None:
    store = copy_of(cut_run, tmp_path)
    with started(store) as simulation:
        head = simulation.engine.desk.log.head().position
        assert 0 < simulation.engine.starting.began_at <= head
        assert simulation.engine.desk.active
        assert simulation.engine.desk.instructions.sealed > 0
        found = state_of(simulation)
    assert found == from_zero(store)


@pytest.mark.parametrize("boundaries", [3, 9, 17, 24, 41])
def test_a_start_after_a_cut_at_any_commit_is_that_of_the_whole_log(
    boundaries: int, tmp_path: Path
) -> None:
    store = tmp_path / "log.db"
    run_until(store, boundaries)
    with started(store) as simulation:
        found = state_of(simulation)
    assert found == from_zero(store)


@pytest.mark.parametrize("boundaries", [0, 5, 12, 19, 30])
def test_a_start_that_reads_in_part_is_that_of_the_whole_log(
    boundaries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a long log, of which no sums are kept, only what they need is read of most events."""
    store = tmp_path / "log.db"
    if boundaries:
        run_until(store, boundaries)
    else:
        run(replace(SCENE, close=True), store)
    whole = from_zero(store)
    monkeypatch.setattr(from_log, "LEAN_FROM_EVENTS", 1)
    found = from_zero(store)
    assert found == whole


def test_the_sums_told_from_a_log_at_any_position_are_those_that_are_kept_there(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"
    run_until(store, 30)
    with started(store) as simulation:
        desk = simulation.engine.desk
        kept, head = keep(desk), desk.log.head().position
        assert kept is not None
        assert kept.sealed > 0
        assert told(desk.log, desk.name, head) == kept
        nobody = told(desk.log, "nobody", head)
        assert (nobody.sealed, nobody.still_open, nobody.books.books) == (0, [], {})


@pytest.mark.parametrize("back", [0, 40, 111])
def test_the_sums_of_a_log_in_which_fills_come_late_are_those_of_its_whole_events(
    back: int, tmp_path: Path
) -> None:
    """What is over and let go of is told again when the market has more to say of it."""
    with Log.open(store_of(tmp_path / "log.db", BUSY)) as log:
        events = [recorded.event for recorded in log.events()]
        account = next(event.account for event in events if isinstance(event, DecisionReceived))
        kept = told(log, account, len(events) - back)
        assert kept.sealed > 3
        assert start_cache.write(log, account, kept)
        found = replay(log)
    assert found.kept == (), "a rebuild from whole events comes to the same"


def test_a_start_reads_what_was_recorded_after_the_state_was_kept(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    run_until(store, 15)
    early = store.with_name("log.db.start").read_bytes()
    run_until(store, 20)
    store.with_name("log.db.start").write_bytes(early)
    with started(store) as simulation:
        desk = simulation.engine.desk
        assert 0 < simulation.engine.starting.began_at < desk.log.head().position - 10
        found = state_of(simulation)
    assert found == from_zero(store)


def test_work_that_goes_on_from_kept_state_ends_as_any_other(tmp_path: Path) -> None:
    ended = []
    for name in ("kept", "whole"):
        (tmp_path / name).mkdir()
        store = tmp_path / name / "log.db"
        run_until(store, 30)
        if name == "whole":
            store.with_name("log.db.start").unlink()
        simulation = run(replace(SCENE, close=True), store)
        assert bool(simulation.engine.starting.began_at) is (name == "kept")
        with Log.open(store, writer=False) as log:
            assert log.verify().ok
            ended.append([(r.topic, r.originator_id) for r in log.raw_events()])
            assert simulation.engine.desk.usage.counters() == log.counters()
    assert ended[0] == ended[1]


def edit(header: dict[str, Any], body: bytes) -> bytes:
    """A file with this header whose digest is right."""
    header = {key: value for key, value in header.items() if key != "sha256"}
    digest = start_cache._digest(header, body)
    return json.dumps({**header, "sha256": digest}).encode() + b"\n" + body


FAULTS: dict[str, tuple[Callable[[dict[str, Any], bytes], bytes], str]] = {
    "an edited figure": (
        lambda header, body: json.dumps(header).encode() + b"\n" + body.replace(b"1", b"2", 1),
        "not as it was written",
    ),
    "an edited position": (
        lambda header, body: json.dumps({**header, "position": 1}).encode() + b"\n" + body,
        "not as it was written",
    ),
    "other code": (lambda header, body: edit({**header, "code": "0"}, body), "other code"),
    "a newer form": (lambda header, body: edit({**header, "format": 2}, body), "another version"),
    "another account": (lambda header, body: edit({**header, "account": "b"}, body), "account b"),
    "another log": (lambda header, body: edit({**header, "hash": "00" * 32}, body), "the log at"),
    "a longer log": (lambda header, body: edit({**header, "position": 10**6}, body), "the log at"),
    "parts that do not fit": (lambda header, body: edit(header, b"{}"), "not as it was written"),
    "nothing": (lambda header, body: b"", "not as it was written"),
    "half of it": (
        lambda header, body: json.dumps(header).encode() + b"\n" + body[: len(body) // 2],
        "not as it was written",
    ),
    "noise": (lambda header, body: b"\x00\xff" * 100, "not as it was written"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_state_that_cannot_be_believed_is_found_and_the_log_is_read_whole(
    fault: str, cut_run: Path, tmp_path: Path
) -> None:
    store = copy_of(cut_run, tmp_path)
    path = store.with_name("log.db.start")
    line, _, body = path.read_bytes().partition(b"\n")
    spoil, why = FAULTS[fault]
    path.write_bytes(spoil(json.loads(line), body))
    with started(store) as simulation:
        assert simulation.engine.starting.began_at == 0
        assert why in simulation.engine.starting.why
        found = state_of(simulation)
    assert found == from_zero(store)


def test_kept_sums_that_the_stored_counters_gainsay_are_not_used(
    cut_run: Path, tmp_path: Path
) -> None:
    store = copy_of(cut_run, tmp_path)
    path = store.with_name("log.db.start")
    line, _, body = path.read_bytes().partition(b"\n")
    state = json.loads(body)
    key = next(key for key in state["limits"]["counters"] if key.startswith("turnover:"))
    state["limits"]["counters"][key] -= 1_000_000
    path.write_bytes(edit(json.loads(line), json.dumps(state).encode()))
    with started(store) as simulation:
        assert simulation.engine.starting.why == "the stored counters differ"
        found = state_of(simulation)
    assert found == from_zero(store)


def test_a_replay_finds_kept_sums_that_the_events_do_not_come_to(
    cut_run: Path, tmp_path: Path
) -> None:
    store = copy_of(cut_run, tmp_path)
    with Log.open(store, writer=False) as log:
        assert replay(log).kept == ()
    path = store.with_name("log.db.start")
    line, _, body = path.read_bytes().partition(b"\n")
    state = json.loads(body)
    (account,) = state["limits"]["accounts"].values()
    account["equity"] = "1"
    path.write_bytes(edit(json.loads(line), json.dumps(state).encode()))
    with Log.open(store, writer=False) as log:
        found = replay(log)
    assert not found.ok
    (line_of_it,) = (line for line in found.differences() if line.startswith("kept for starts"))
    assert line_of_it.endswith("equity: kept 1, rebuilt 999986.225")


def test_a_replay_finds_kept_sums_of_ended_instructions_that_are_others(
    cut_run: Path, tmp_path: Path
) -> None:
    store = copy_of(cut_run, tmp_path)
    path = store.with_name("log.db.start")
    line, _, body = path.read_bytes().partition(b"\n")
    state = json.loads(body)
    moved = state["moved"][0]
    moved["shares"] = "1"
    gone = state["still_open"].pop()
    state["sealed"] += 1
    path.write_bytes(edit(json.loads(line), json.dumps(state).encode()))
    with Log.open(store, writer=False) as log:
        found = replay(log)
    paths = [path for path, _, _ in found.kept or ()]
    assert f"moved.{moved['session_date']} {moved['symbol']}.shares" in paths
    assert "sealed" in paths
    assert gone in str(found.kept)


def test_few_ended_instructions_in_memory_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = []
    for held in (2_000, 1):
        monkeypatch.setattr(known, "ENDED_HELD_MAX", held)
        store = tmp_path / f"{held}.db"
        simulation = run(replace(SCENE, close=True), store)
        desk = simulation.engine.desk
        assert (desk.instructions.sealed > 0) is (held == 1)
        assert len(desk.instructions) == len(DECISIONS)
        with Log.open(store, writer=False) as log:
            logs.append([raw.hash for raw in log.raw_events()])
    assert logs[0] == logs[1]
