"""What the commands tell of a finished store, for people and for programs."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fillwright.adapters.storage.chain import link

from .conftest import Cli, Run, bound_process, command, environment, process

ACTIVE_DECISION = "pm-20240612-01"
REFUSED_DECISION = "pm-20240612-15"


@pytest.fixture
def store(portfolio_run: Run) -> Path:
    return portfolio_run.store


@pytest.fixture
def copy(portfolio_run: Run, tmp_path: Path) -> Path:
    """A copy of the store with its segments, to be tampered with."""
    for path in portfolio_run.store.parent.iterdir():
        target = tmp_path / path.name
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copy(path, target)
    return tmp_path / portfolio_run.store.name


def test_status_shows_everything_that_is_done(cli: Cli, store: Path, portfolio_run: Run) -> None:
    told = cli("status", "--store", store, "--json").json
    assert told["active"] == []
    assert told["done"] == portfolio_run.json["blotter"]
    assert told["log"]["head_hash"] == portfolio_run.json["log"]["head_hash"]
    shown = cli("status", "--store", store).out.decode()
    assert "0 working, 24 done" in shown
    assert "turnover" in shown


def test_status_is_as_of_the_last_record_and_not_of_its_hour_on_the_sessions_day(
    cli: Cli, copy: Path
) -> None:
    assert "as of 2024-06-12 15:35:00" in cli("status", "--store", copy).out.decode()
    cli("kill", "--store", copy, "--reason", "drill")
    last = json.loads(cli("events", "--json", "--store", copy).out.splitlines()[-1])
    at = datetime.fromtimestamp(
        last["fields"]["record_time"] // 10**9, ZoneInfo("America/New_York")
    )
    assert at.year > 2024
    assert f"as of {at:%Y-%m-%d %H:%M:%S}" in cli("status", "--store", copy).out.decode()


def test_an_instruction_is_found_by_its_id_a_beginning_of_it_or_its_decision(
    cli: Cli, store: Path
) -> None:
    by_decision = cli("show", ACTIVE_DECISION, "--store", store, "--json").json
    id = by_decision["instruction"]["instruction_id"]
    assert cli("show", id, "--store", store, "--json").json == by_decision
    assert cli("show", id[:8], "--store", store, "--json").json == by_decision


def test_a_beginning_that_fits_several_is_refused_and_an_unknown_id_too(
    cli: Cli, store: Path
) -> None:
    several = cli("show", "", "--store", store)
    assert several.code == 2
    assert "enough of it to be unique" in several.err
    none = cli("show", "zzz", "--store", store)
    assert none.code == 2
    assert "fillwright status" in none.err


def test_the_story_tells_checks_orders_with_their_rule_fills_and_the_reasoning(
    cli: Cli, store: Path
) -> None:
    shown = cli("show", ACTIVE_DECISION, "--store", store).out.decode()
    trail = cli("show", ACTIVE_DECISION, "--store", store, "--json").json["trail"]
    told = dict(pair for entry in trail for pair in entry["observed"])
    assert f"estimated    {float(told['estimated cost bps']):.2f} bps against arrival" in shown
    assert f"fees {float(told['expected fees']):,.2f}" in shown
    told = cli("show", ACTIVE_DECISION, "--store", store, "--json").json
    rules = {order["rule"] for order in told["instruction"]["orders"]}
    for said in ("momentum after the open", "spread_within_bound", "Fills,", *rules):
        assert said
        assert said in shown
    positions = [entry["position"] for entry in told["trail"]]
    assert positions == sorted(positions)
    assert told["trail"][0]["topic"] == "DecisionReceived.v4"


def test_the_story_of_a_refusal_tells_what_would_pass(cli: Cli, store: Path) -> None:
    shown = " ".join(cli("show", REFUSED_DECISION, "--store", store).out.decode().split())
    assert "allowed: at most 5 % of equity" in shown
    assert "would pass: target_weight 4.99" in shown


def test_the_report_is_the_one_that_the_run_ended_with(
    cli: Cli, store: Path, portfolio_run: Run
) -> None:
    assert cli("report", "--store", store, "--json").json == portfolio_run.json["report"]
    shown = cli("report", "--store", store, "--period-days", "5").out.decode()
    assert "24 decisions" in shown
    assert "completion" in shown
    assert "simulated: the book does not respond to our orders" in shown


def test_a_report_knows_the_mid_at_the_end_from_captured_data(portfolio_run: Run) -> None:
    judged = portfolio_run.json["report"]["quality"]["instructions"]
    assert judged
    assert all(one["end_mid"] and one["volume"] for one in judged)
    assert portfolio_run.json["report"]["quality"]["overall"]["shortfall_count"] == len(judged)


def test_limits_shows_use_and_limits_in_force(cli: Cli, store: Path) -> None:
    told = cli("limits", "--store", store, "--json").json["main"]
    assert told["in_force"]["trades_max_per_day"] == 50
    assert {use["limit"] for use in told["used"]["uses"]} >= {"trades", "turnover"}
    assert "position_pct_max" in cli("limits", "--store", store).out.decode()


def test_event_lines_are_the_stored_bytes_and_their_chain_can_be_recomputed(
    cli: Cli, store: Path, portfolio_run: Run
) -> None:
    lines = cli("events", "--json", "--store", store).out.splitlines()
    head = portfolio_run.json["log"]
    assert len(lines) == head["position"]
    previous = bytes(32)
    for number, line in enumerate(lines, start=1):
        event = json.loads(line)
        assert list(event) == ["fields", "hash", "position", "topic"]
        assert event["position"] == number
        state = line[len(b'{"fields":') : line.rindex(b',"hash":')]
        previous = chained(previous, event, state)
        assert event["hash"] == previous.hex()
    assert previous.hex() == head["head_hash"]


def chained(previous: bytes, event: dict[str, object], state: bytes) -> bytes:
    """The link of one event, from what its line says and nothing else."""
    fields = json.loads(state)
    id = bytes.fromhex(fields["originator_id"].replace("-", ""))
    topic, position = str(event["topic"]), int(str(event["position"]))
    return link(previous, position, id, fields["originator_version"], topic, state)


def test_events_can_be_taken_up_and_kept_to_one_instruction(
    cli: Cli, store: Path, portfolio_run: Run
) -> None:
    count = portfolio_run.json["log"]["position"]
    rest = cli("events", "--json", "--store", store, "--after", count - 3).out.splitlines()
    assert [json.loads(line)["position"] for line in rest] == [count - 2, count - 1, count]
    own = cli("events", "--json", "--store", store, "--instruction", ACTIVE_DECISION).out
    ids = {json.loads(line)["fields"]["originator_id"] for line in own.splitlines()}
    told = cli("show", ACTIVE_DECISION, "--store", store, "--json").json
    assert ids == {told["instruction"]["instruction_id"]}
    text = cli("events", "--store", store, "--after", count - 1).out.decode()
    assert "session 2024-06-12 closed" in text


def test_a_reader_of_events_that_has_enough_is_no_error(store: Path) -> None:
    text = f"set -o pipefail; {' '.join(command('events', '--json'))} --store {store} | head -1"
    done = subprocess.run(["bash", "-c", text], env=environment(), capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr == b""


def test_verify_finds_an_altered_event_and_names_it(cli: Cli, copy: Path) -> None:
    good = cli("verify", "--store", copy, "--json")
    assert (good.code, good.json["ok"], good.json["segment_faults"]) == (0, True, [])
    with sqlite3.connect(copy) as connection:
        connection.execute(
            "UPDATE stored_events SET state = replace(state, '\"KO\"', '\"KX\"') WHERE position = 9"
        )
    connection.close()
    bad = cli("verify", "--store", copy)
    assert bad.code == 4
    assert bad.err.count("\n") == 1
    assert "position 9" in bad.err


def test_verify_finds_a_changed_segment_of_market_data(cli: Cli, copy: Path) -> None:
    folder = copy.with_name(copy.name + ".market")
    segment = sorted(folder.iterdir())[0]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    assert hashlib.sha256(data).hexdigest() != segment.stem
    bad = cli("verify", "--store", copy)
    assert bad.code == 4
    assert segment.stem in bad.err


def test_verify_calls_no_difference_what_it_may_not_read(copy: Path) -> None:
    segment, other = sorted(copy.with_name(copy.name + ".market").iterdir())[:2]
    segment.chmod(0)
    done = bound_process("verify", "--store", copy)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"segment {segment.stem}: Permission denied" in done.stderr
    assert "Make it readable and verify again" in done.stderr
    told = json.loads(bound_process("verify", "--store", copy, "--json").stdout)
    assert (told["ok"], told["segment_faults"]) == (False, [])
    assert f"segment {segment.stem}" in told["not_checked"][-1]
    other.write_bytes(other.read_bytes() + b"x")
    done = bound_process("verify", "--store", copy)
    assert done.returncode == 4, "what cannot be read hides no difference"
    assert other.stem in done.stderr


def test_replay_finds_a_counter_that_is_not_what_the_log_says(cli: Cli, copy: Path) -> None:
    assert cli("replay", "--store", copy).code == 0
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE counters SET used = used + 1 WHERE key LIKE 'turnover:%'")
    connection.close()
    bad = cli("replay", "--store", copy)
    assert bad.code == 4
    assert "counter turnover:main:2024-06-12" in bad.err
    assert "Replay differs" in bad.out.decode()


def test_the_configuration_can_be_shown_without_its_secrets(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLWRIGHT_LIMITS__TRADES_MAX_PER_DAY", "7")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "very-secret")
    told = cli("config", "--json")
    assert told.json["limits.trades_max_per_day"] == 7
    shown = cli("config", "--show")
    assert "limits.trades_max_per_day" in shown.out.decode()
    assert b"very-secret" not in told.out + shown.out
    assert "is valid" in cli("config").out.decode()


def test_the_store_may_be_named_by_the_environment(copy: Path) -> None:
    done = subprocess.run(
        command("verify"),
        env={**environment(), "FILLWRIGHT_STORE": str(copy)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_process_of_its_own_says_the_same(store: Path, cli: Cli) -> None:
    assert process("report", "--store", store).stdout == cli("report", "--store", store).out
