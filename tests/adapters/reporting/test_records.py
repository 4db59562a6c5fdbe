"""What is put on record about reports: issued once, restated by name, reviewed, drilled down."""

import sqlite3
from pathlib import Path

from fillwright.adapters.reporting import records
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain.ops import ReportIssued, ReviewRecorded
from tests.adapters.entrypoints.conftest import SESSION, Cli


def issue(cli: Cli, store: Path, *arguments: object) -> str:
    """Make and record a report; its id."""
    done = cli("report", "--store", store, "--format", "json", *arguments)
    assert done.code == 0, done.err
    return next(w for w in done.err.replace(",", "").split() if len(w) == 64)


def test_a_report_is_on_record_once_and_moves_nothing_of_the_log(cli: Cli, store: Path) -> None:
    with Log.open(store, writer=False) as log:
        head = log.head()
    first = issue(cli, store, "--kind", "execution")
    assert issue(cli, store, "--kind", "execution") == first
    with Log.open(store, writer=False) as log, OpsLog.open(store, writer=False) as ops:
        assert log.head() == head
        (recorded,) = ops.records()
        record = recorded.record
        assert isinstance(record, ReportIssued)
        assert (record.report, record.kind) == (first, "execution")
        assert (record.log_position, record.log_hash) == (head.position, head.hash.hex())
        assert ops.verify().ok


def test_a_restatement_names_what_it_supersedes(cli: Cli, store: Path) -> None:
    with Log.open(store, writer=False) as log:
        before = log.head().position - 40
    old = issue(cli, store, "--kind", "execution", "--as-of", before)
    other = issue(cli, store, "--kind", "execution", "--from", SESSION)
    new = issue(cli, store, "--kind", "execution")
    assert len({old, other, new}) == 3
    with OpsLog.open(store, writer=False) as ops:
        found = {r.record.report: r.record.supersedes for r in ops.records()}  # type: ignore[attr-defined]
    assert found == {old: None, other: None, new: old}
    # What was issued can be drilled down still, at its own position.
    done = cli("explain", old[:10], "totals:all:instructions", "--store", store, "--json")
    assert (done.code, done.json["report"]) == (0, old)


def test_a_figure_is_drilled_down_by_id_or_by_its_json_file(
    cli: Cli, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.json"
    id = issue(cli, store, "--kind", "best-execution", "--out", out)
    cell = "by_venue:SIM:e_over_q"
    by_file = cli("explain", out, cell, "--store", store, "--json")
    by_id = cli("explain", id, cell, "--store", store, "--json")
    assert by_file.json == by_id.json
    assert by_id.json["agrees"] is True
    assert by_id.json["value"] == by_id.json["by_hand"] == by_id.json["recomputed"]
    assert by_id.json["rows"]
    assert by_id.json["events"]
    assert "agrees" in cli("explain", id, cell, "--store", store).out.decode()


def test_a_log_that_was_changed_gives_another_report_and_says_so(cli: Cli, store: Path) -> None:
    id = issue(cli, store, "--kind", "execution")
    with sqlite3.connect(store) as connection:
        changed = connection.execute(
            'UPDATE stored_events SET state = replace(state, \'"fee":"0\', \'"fee":"1\') '
            "WHERE topic LIKE 'OrderFilled%' OR topic LIKE 'OrderPartiallyFilled%'"
        )
        assert changed.rowcount
    connection.close()
    done = cli("explain", id, "totals:all:fees", "--store", store)
    assert done.code == 2
    assert "cannot" not in done.out.decode()
    assert "differs" in done.err


def test_a_cell_or_report_that_there_is_not_is_named(cli: Cli, store: Path) -> None:
    id = issue(cli, store, "--kind", "execution")
    for report, cell, word in (
        ("ffff", "totals:all:fees", "report"),
        (id, "totals", "cell"),
        (id, "none:all:fees", "table"),
        (id, "totals:all:none", "column"),
        (id, "by_strategy:none:fees", "row"),
        (id, "by_strategy:twap:strategy", "column"),
    ):
        done = cli("explain", report, cell, "--store", store)
        assert (done.code, word in done.err) == (2, True), done.err


def test_a_review_is_on_record_and_in_the_next_report(cli: Cli, store: Path) -> None:
    id = issue(cli, store, "--kind", "finra5310")
    why = "the only venue"
    base = ("review", id[:12], "--store", store, "--decision", "keep", "--reviewer", "kim")
    done = cli(*base, "--reason", why, "--factor", "speed of execution=as before", "--json")
    assert done.code == 0, done.err
    assert (done.json["from"], done.json["report"]) == (SESSION, id)
    with OpsLog.open(store, writer=False) as ops:
        record = list(ops.records())[-1].record
        assert isinstance(record, ReviewRecorded)
        assert why not in record.model_dump_json()
        assert records.reason_of(record, records.keystore_beside(str(store))) == why
    told = cli("report", "--store", store, "--kind", "finra5310", "--format", "json").json
    tables = {table["name"]: table for table in told["tables"]}
    (reviewed,) = tables["reviews"]["rows"]
    assert reviewed[1:5] == ["kim", SESSION, SESSION, ""]
    assert tables["due"]["rows"]
    assert all(row[-1] == reviewed[0] for row in tables["due"]["rows"])
    # The report that was reviewed is what it was: it is bound to where the reviews stood then.
    done = cli("explain", id, "comparison:all:none", "--store", store)
    assert "no such" not in done.err
    assert "differs" not in done.err


def test_a_review_without_finding_reason_or_fitting_report_is_refused(
    cli: Cli, store: Path
) -> None:
    finra = issue(cli, store, "--kind", "finra5310")
    limits = issue(cli, store, "--kind", "limits")
    for report, factor, reason, word in (
        (finra, "speed", "x", "factor"),
        (finra, "speed=same", " ", "reason"),
        (limits, "speed=same", "x", "report"),
    ):
        done = cli(
            *("review", report, "--store", store, "--decision", "keep", "--reviewer", "kim"),
            *("--reason", reason, "--factor", factor),
        )
        assert (done.code, word in done.err) == (2, True), done.err
