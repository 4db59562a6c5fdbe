"""The log as it was: status, one instruction, limits and report at a position or a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain.events import InstructionFilled, InstructionPlanned
from fillwright.projections.reports import report_from_log

from .conftest import Cli, Run


@pytest.fixture
def store(portfolio_run: Run) -> Path:
    return portfolio_run.store


def first(store: Path, kind: type) -> tuple[int, int, str]:
    """Position, record time and instruction of the first event of a kind."""
    with Log.open(store, writer=False) as log:
        found = next(r for r in log.events() if isinstance(r.event, kind))
    return found.position, found.event.record_time, str(found.event.originator_id)


def test_an_instruction_is_shown_as_it_was(cli: Cli, store: Path) -> None:
    position, _, id = first(store, InstructionFilled)
    before = cli("show", id, "--store", store, "--as-of", position - 1, "--json").json
    after = cli("show", id, "--store", store, "--as-of", position, "--json").json
    assert before["instruction"]["state"] == "partially_filled"
    assert after["instruction"]["state"] == "filled"
    assert after["instruction"]["last_position"] == position
    assert before["trail"] == after["trail"][:-1]


def test_limits_grow_with_the_first_admission(cli: Cli, store: Path) -> None:
    position, _, _ = first(store, InstructionPlanned)
    used = [
        next(iter(cli("limits", "--store", store, "--as-of", at, "--json").json.values()))["used"]
        for at in (position - 1, position)
    ]
    assert [one["uses"][0]["used"] for one in used] == ["0", "1"]


def test_a_report_is_the_one_that_would_have_been_made_then(cli: Cli, store: Path) -> None:
    position, _, _ = first(store, InstructionFilled)
    made = cli("report", "--store", store, "--as-of", position, "--json").json
    with Log.open(store, writer=False) as log:
        records = list(log.events(upto=position))
    expected = report_from_log(records, now=records[-1].event.record_time, code_version="x")
    assert made["log"]["last_position"] == position
    assert made["log"]["head_hash"] == records[-1].hash.hex()
    assert made["totals"]["filled"] == expected.totals.filled == 1


def test_a_time_stands_for_what_was_recorded_by_then(cli: Cli, store: Path) -> None:
    _, at, id = first(store, InstructionFilled)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=-(-at // 1_000))
    told = cli("replay", "--store", store, "--as-of", moment.isoformat(), "--json").json
    assert told["log"]["last_record_time"] <= -(-at // 1_000) * 1_000
    assert id in [row["instruction_id"] for row in told["done"]]
    by_ns = cli("status", "--store", store, "--as-of", at - 1, "--json").json
    assert id in [row["instruction_id"] for row in by_ns["active"]]


@pytest.mark.parametrize(
    "moment", ["0", "-3", "yesterday", "2024-06-12", "2024-06-12T10:00:00", "99999999", "1" * 20]
)
def test_a_moment_that_is_none_says_what_one_is(cli: Cli, store: Path, moment: str) -> None:
    refused = cli("status", "--store", store, f"--as-of={moment}")
    assert refused.code == 2
    assert "position" in refused.err


def test_nothing_was_recorded_before_the_first_event(cli: Cli, store: Path) -> None:
    refused = cli("limits", "--store", store, "--as-of", "1999-01-01T00:00:00Z")
    assert refused.code == 2
    assert "a time from the first on" in refused.err


def test_another_strategy_is_compared_by_the_command(cli: Cli, store: Path) -> None:
    told = cli("replay", "--store", store, "--what-if", "market", "--json").json
    assert told["changes"] == "market"
    assert {row["changed_strategy"] for row in told["compared"]} == {"market"}
    shown = cli("replay", "--store", store, "--what-if", "slices=3").out.decode()
    assert "complete within window and bound" in shown
    for wrong in (["--what-if", "hasty"], ["--what-if", "twap", "--decisions"]):
        assert cli("replay", "--store", store, *wrong).code == 2


@pytest.mark.parametrize("said", ["20260302", "1772461800", "2026-03-02T14:30:00"])
def test_a_number_that_is_no_time_is_refused_where_only_a_time_is_meant(
    cli: Cli, store: Path, tmp_path: Path, said: str
) -> None:
    """As a position it would be passed over, and a strategy be live from its approval on."""
    evidence = tmp_path / "evaluation.json"
    evidence.write_text("{}")
    why = ("--evidence", evidence, "--reason", "looked at")
    for asked, field in (
        (("strategies", "propose", "twap", *why, "--go-live"), "go_live"),
        (("exceptions", "list", "--at"), "at"),
    ):
        done = cli(*asked, said, "--store", store)
        assert (done.code, done.err.startswith(f"fillwright: {field}: ")) == (2, True), done.err
