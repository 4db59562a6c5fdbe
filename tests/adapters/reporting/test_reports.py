"""Reports of a run: what they state, that they repeat, and that every figure drills down."""

import io
import json
import zipfile
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fillwright.adapters.reporting.building import Request, build
from fillwright.adapters.reporting.explaining import explain
from fillwright.adapters.reporting.source import Source, read_source
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ops import REPORT_KINDS
from fillwright.projections.best_execution.document import Report, report_bytes, report_id
from fillwright.projections.best_execution.reporter import Capacity, Reporter
from tests.adapters.entrypoints.conftest import SESSION, Cli, Run
from tests.simulation.world import THOROUGH

D = Decimal


@pytest.fixture(scope="module")
def reports(source: Source) -> dict[str, Report]:
    return {kind: build(source, Request(kind)) for kind in REPORT_KINDS}


@pytest.mark.parametrize("kind", REPORT_KINDS)
def test_the_same_log_gives_the_same_bytes(kind: str, portfolio_run: Run, source: Source) -> None:
    again = build(read_source(str(portfolio_run.store)), Request(kind))
    assert report_bytes(again) == report_bytes(build(source, Request(kind)))


@pytest.mark.parametrize("kind", REPORT_KINDS)
def test_a_report_states_what_it_stands_on(kind: str, reports: Any, source: Source) -> None:
    told = json.loads(report_bytes(reports[kind]))
    assert told["log"]["last_position"] == source.logged.position
    assert told["log"]["head_hash"] == source.logged.head_hash
    assert told["log"]["segments"]
    assert told["code_version"]
    assert told["sessions"] == [SESSION]
    assert set(told["parameters"]) >= {"from", "to"}


@pytest.mark.parametrize("kind", REPORT_KINDS)
def test_figures_of_every_table_are_made_anew_from_their_events(
    kind: str, reports: Any, source: Source
) -> None:
    report = reports[kind]
    checked = 0
    for table in report.tables:
        for row in table.rows[:1] + table.rows[1:][-1:]:
            figures = range(table.keys, len(table.columns))
            for place in (figures[0], figures[len(figures) // 2], figures[-1]):
                column = table.columns[place].name
                cell = f"{table.name}:{','.join(table.key_of(row))}:{column}"
                found = explain(source, Request(kind), report, cell)
                assert found.agrees, found
                assert found.value == row[place]
                if found.instructions:
                    assert {event.position for event in found.events}
                checked += 1
    assert checked


def test_every_figure_by_strategy_is_what_its_rows_give_by_hand(
    reports: Any, source: Source
) -> None:
    """Every column of one strategy after the other; of all with ``FILLWRIGHT_THOROUGH=1``."""
    table = reports["execution"].table("by_strategy")
    for number, column in enumerate(table.columns[1:]):
        known = [row for row in table.rows if row[table.place(column.name)] is not None]
        rows = known or table.rows
        for row in rows if THOROUGH else [rows[number % len(rows)]]:
            cell = f"by_strategy:{row[0]}:{column.name}"
            found = explain(source, Request("execution"), reports["execution"], cell)
            assert found.has_parts
            assert found.by_hand == found.value, cell


def test_an_event_behind_a_figure_is_the_logs_own(
    reports: Any, source: Source, portfolio_run: Run, cli: Cli
) -> None:
    report = reports["execution"]
    row = report.table("instructions").rows[0]
    found = explain(source, Request("execution"), report, f"instructions:{row[0]}:shortfall")
    lines = cli("events", "--store", portfolio_run.store, "--json", "--instruction", row[0]).out
    logged = [json.loads(line) for line in lines.splitlines()]
    assert [(e.position, e.hash) for e in found.events] == [
        (line["position"], line["hash"]) for line in logged
    ]


def test_totals_are_the_sum_of_every_grouping(reports: Any) -> None:
    report = reports["execution"]
    (totals,) = report.table("totals").rows
    for name in ("by_strategy", "by_symbol", "by_account", "by_session", "by_hour", "by_size"):
        table = report.table(name)
        for column in ("instructions", "ordered", "executed", "notional", "shortfall", "fees"):
            whole = totals[report.table("totals").place(column)]
            assert sum(row[table.place(column)] for row in table.rows) == whole, (name, column)


def test_the_parts_of_the_cost_add_up_to_it(reports: Any, source: Source) -> None:
    from fillwright.projections.best_execution.execution import COST_PARTS

    frame = source.logged.tables
    assert frame.fills.height
    table = reports["execution"].table("instructions")
    told = 0
    for row in table.rows:
        if row[table.place("shortfall")] is not None:
            parts = [row[table.place(f"{name}_bps")] or D(0) for name, _ in COST_PARTS]
            assert abs(sum(parts) - row[table.place("shortfall_bps")]) <= D("0.00001")
            told += 1
    assert told
    for name in ("totals", "by_strategy", "by_symbol", "by_hour", "by_size", "by_side"):
        groups = reports["execution"].table(name)
        for row in groups.rows:
            parts = [row[groups.place(f"{part}_usd")] for part, _ in COST_PARTS]
            assert sum(parts) == row[groups.place("shortfall")], (name, row[0])


def test_the_open_and_the_close_that_were_captured_are_measured_against(
    reports: Any, source: Source
) -> None:
    table = reports["execution"].table("totals")
    assert table.rows[0][table.place("slippage_close_bps")] is not None
    named = {problem for problem, _, _, _ in reports["execution"].problems}
    assert not named & {"session_without_open", "session_without_close"}
    sessions = source.logged.tables.sessions
    assert sessions is not None
    assert sessions["open"].null_count() == sessions["close"].null_count() == 0


def test_orders_are_told_under_the_venue_that_acknowledged_them(reports: Any) -> None:
    table = reports["rule606"].table("venues")
    by_venue = {row[table.place("venue")]: row for row in table.rows}
    assert "SIM" in by_venue
    routed, executed = (table.place(f"{name}_shares") for name in ("routed", "executed"))
    assert by_venue["SIM"][routed] >= by_venue["SIM"][executed] > 0


def test_a_period_takes_in_its_sessions_only(source: Source) -> None:
    inside = build(source, Request("execution", SESSION, SESSION))
    outside = build(source, Request("execution", "2024-06-13", None))
    assert inside.table("totals").rows == build(source, Request("execution")).table("totals").rows
    assert outside.table("totals").rows[0][0] == 0
    assert outside.sessions == ()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Request("rule999"), "kind"),
        (Request("execution", "June"), "from"),
        (Request("execution", "2024-06-13", "2024-06-12"), "from"),
    ],
)
def test_a_report_that_there_is_not_is_refused_by_name(
    source: Source, request_: Request, field: str
) -> None:
    with pytest.raises(InvalidInput, match=field):
        build(source, request_)


def test_outside_a_reporting_capacity_the_form_says_what_it_is_not(source: Source) -> None:
    own = build(source, Request("rule605"))
    assert "not a regulatory report" in own.label
    broker = Reporter(Capacity.BROKER_DEALER, "T", "ACME", frozenset({"AAPL"}))
    dealt = build(source, Request("rule605", reporter=broker))
    assert "broker dealer" in dealt.label
    assert {row[0] for row in dealt.table("detailed").rows} == {"T"}
    assert report_id(own) != report_id(dealt)


def test_a_report_of_a_store_comes_in_every_format(store: Path, cli: Cli, tmp_path: Path) -> None:
    base = ("report", "--store", store, "--kind", "execution")
    told = cli(*base, "--format", "json").json
    tables = {table["name"]: table for table in told["tables"]}
    csv = cli(*base, "--format", "csv", "--table", "by_strategy").out.decode().splitlines()
    assert csv[0].split(",") == [c["name"] for c in tables["by_strategy"]["columns"]]
    assert len(csv) == 1 + len(tables["by_strategy"]["rows"])
    frame = pl.read_parquet(
        io.BytesIO(cli(*base, "--format", "parquet", "--table", "by_strategy").out)
    )
    place = [c["name"] for c in tables["by_strategy"]["columns"]].index("shortfall")
    assert [f"{D(v).normalize():f}" for v in frame["shortfall"]] == [
        f"{D(row[place]).normalize():f}" for row in tables["by_strategy"]["rows"]
    ]
    book = zipfile.ZipFile(io.BytesIO(cli(*base, "--format", "xlsx").out))
    assert len([n for n in book.namelist() if n.startswith("xl/worksheets/sheet")]) == 1 + len(
        tables
    )
    shown = cli(*base).out.decode()
    assert told["log"]["head_hash"] in shown
    assert "By strategy" in shown
    assert cli(*base, "--format", "csv", "--out", tmp_path / "all").code == 0
    assert {path.stem for path in (tmp_path / "all").glob("*.csv")} == set(tables)


def test_the_rule_605_file_is_valid_by_the_secs_own_schema(
    store: Path, cli: Cli, shared_dir: Path
) -> None:
    from fillwright.projections.best_execution.rule605_files import problems

    schema = json.loads((shared_dir / "vectors" / "rule605_oes_schema.csvw.json").read_text())
    text = cli("report", "--store", store, "--kind", "rule605", "--format", "csv").out.decode()
    assert problems(text, schema) == []


def test_bad_options_are_named(store: Path, cli: Cli, tmp_path: Path) -> None:
    base = ("report", "--store", store, "--kind", "execution")
    for arguments, word in (
        (("--format", "csv", "--table", "none", "--from", "2024-06-11"), "table"),
        (("--from", "2024-6-1"), "from"),
        (("--out", tmp_path / "x"), "out"),
        (("--as-of", "999999999"), "as_of"),
    ):
        done = cli(*base, *arguments)
        assert (done.code, word in done.err) == (2, True), done.err
        assert "issued" not in done.err


def test_without_what_reports_need_the_command_says_what_to_install(
    store: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fillwright.adapters.reporting.live.find_spec", lambda name: None)
    for arguments in (
        ("report", "--kind", "execution"),
        ("explain", "0123", "totals:all:fees"),
    ):
        done = cli(*arguments, "--store", store)
        assert (done.code, "fillwright[analysis]" in done.err) == (2, True), done.err
    # The summary of the last sessions needs nothing.
    assert cli("report", "--store", store).code == 0


def test_alerts_are_judged_by_the_configured_thresholds_everywhere(
    store: Path, cli: Cli, tmp_path: Path
) -> None:
    strict = tmp_path / "fillwright.toml"
    strict.write_text("[alerts]\nlimit_used_fraction_min = '0.01'\n")
    with_file = ("--config", str(strict))

    def nearly_used(*command: str) -> list[int]:
        found = []
        for more in ((), with_file):
            told = cli(command[0], "--store", store, *command[1:], *more, "--json").json
            if "tables" in told:
                (alerts,) = (t for t in told["tables"] if t["name"] == "alerts")
                kinds = [row[1] for row in alerts["rows"]]
            else:
                kinds = [alert["kind"] for alert in told["alerts"]]
            found.append(kinds.count("limit_nearly_used"))
        return found

    for command in (("status",), ("report",), ("report", "--kind", "exceptions")):
        before, after = nearly_used(*command)
        assert after > before, command


def test_an_exceptions_report_states_its_thresholds_and_is_made_again_by_them(
    store: Path, cli: Cli, tmp_path: Path
) -> None:
    strict = tmp_path / "fillwright.toml"
    strict.write_text("[alerts]\nslippage_bps_max = '0.5'\n")
    base = ("report", "--store", store, "--kind", "exceptions", "--json")
    done = cli(*base, "--config", str(strict))
    made, id = done.json, sha256(done.out.rstrip(b"\n")).hexdigest()
    assert id in done.err
    assert made["parameters"]["alerts"]["slippage_bps_max"] == "0.5"
    assert cli(*base).out != done.out
    again = cli("explain", id, "alerts:0:observed", "--store", store, "--json")
    (alerts,) = (t for t in made["tables"] if t["name"] == "alerts")
    assert (again.code, again.json["value"]) == (0, alerts["rows"][0][4])
