"""Figures from columns are those of the fold, whatever the market did and wherever it was cut."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.mirror import query
from fillwright.adapters.mirror.figures import costs, figures
from fillwright.adapters.mirror.query import Tables, open_tables
from fillwright.adapters.mirror.segments import read_manifest, read_rows
from fillwright.adapters.mirror.writing import update
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import InvalidInput
from fillwright.domain.killing import LATCH_PREFIX
from fillwright.projections.averages import Average
from fillwright.projections.canonical import to_json
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.execution_quality import ExecutionQuality
from fillwright.projections.reports import totals_of
from fillwright.projections.runner import follow

from .logs import BUSY, Batch, told

MOVES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(0, 120)), min_size=20, max_size=80
)


def folded(log: Log) -> tuple[object, ...]:
    """Totals, quality and counters as the projections fold them from every event."""
    limits, quality = DailyLimits(), ExecutionQuality()
    follow([limits, quality], log.events())
    entries = list(quality.instructions().values())
    # A block is a counter of the store too, and no figure.
    used = {k: v for k, v in limits.counters().items() if v and not k.startswith(LATCH_PREFIX)}
    said = fields_of(quality.summary())
    each = sorted(said.pop("instructions"), key=str)
    return to_json(totals_of(entries)), said, each, used


def computed(tables: Tables) -> tuple[object, ...]:
    """The same from columns."""
    found = figures(tables)
    each = sorted((fields_of(cost) for cost in costs(tables)), key=str)
    return to_json(found.totals), fields_of(found.quality), each, dict(found.counters)


def fields_of(figures: object) -> dict[str, Any]:
    said = to_json(figures)
    assert isinstance(said, dict)
    return said


@settings(max_examples=12)
@given(MOVES, st.integers(1, 60), st.integers(5, 40), st.integers(1, 100))
def test_figures_from_columns_are_those_of_the_fold(
    tmp_path_factory: pytest.TempPathFactory,
    moves: list[tuple[int, int, int]],
    cut: int,
    segment_events: int,
    piece_events: int,
) -> None:
    folder = tmp_path_factory.mktemp("mirror")
    records = told(moves)
    with pytest.MonkeyPatch.context() as patch, Log.open("memory:") as log:
        # What goes on from one piece to the next is put together.
        patch.setattr(query, "PIECE_EVENTS", piece_events)
        log.append(Batch(records[:cut]))
        update(log, folder, segment_events=segment_events)
        log.append(Batch(records[cut:]))
        with open_tables(folder, log) as tables:  # the mirror, and after it the log
            assert computed(tables) == folded(log)
        update(log, folder, segment_events=segment_events)
        with open_tables(folder, None) as tables:
            assert computed(tables) == folded(log)


def test_medians_of_figures_beyond_64_bits_are_exact() -> None:
    far, values = Decimal("1e15"), [Decimal("2.0001"), Decimal("1e15"), Decimal(-1), Decimal(3)]
    one, other = Average(), Average()
    for value in values[:2]:
        one.add(value, Decimal(1))
    for value in values[2:]:
        other.add(value, Decimal(1))
    other.merge(one)
    assert (other.median, other.count) == (Decimal("2.5000"), 4)
    other.add(far, Decimal(1))
    assert other.median == Decimal(3)
    other.add(far, Decimal(1))
    assert other.median == (far + 3) / 2
    assert other.mean == Decimal("500000000000000.6667")


def test_a_mirror_made_in_pieces_is_the_one_made_at_once(tmp_path: Path) -> None:
    records = told(BUSY)
    with Log.open("memory:") as log:
        for start in range(0, len(records), 37):
            log.append(Batch(records[start : start + 37]))
            update(log, tmp_path / "pieces", segment_events=50)
        update(log, tmp_path / "once", segment_events=50)
    tables = [
        [row for segment in read_manifest(folder).segments for row in _rows(folder, segment)]
        for folder in (tmp_path / "pieces", tmp_path / "once")
    ]
    assert len(tables[0]) == len(records)
    assert tables[0] == tables[1]


def _rows(folder: Path, segment: object) -> list[object]:
    return [row for batch in read_rows(folder, segment) for row in batch.to_pylist()]  # type: ignore[arg-type]


def test_every_figure_is_a_decimal_and_none_a_float(tmp_path: Path) -> None:
    with Log.open("memory:") as log:
        log.append(Batch(told(BUSY)))
        with open_tables(None, log) as tables:
            for view in ("decisions", "instructions", "orders", "fills", "limits", "events"):
                answer = tables.ask(f"SELECT * FROM {view}")
                assert not [kind for _, kind in answer.columns if kind in ("DOUBLE", "FLOAT")]
            rows = list(tables.ask("SELECT sum(notional), sum(executed) FROM fills").rows())
            assert all(isinstance(value, Decimal) for value in rows[0])


def test_the_used_of_a_limit_is_in_its_own_unit(tmp_path: Path) -> None:
    with Log.open("memory:") as log:
        log.append(Batch(told(BUSY)))
        limits = DailyLimits()
        follow([limits], log.events())
        with open_tables(None, log) as tables:
            rows = tables.ask(
                "SELECT account, session_date, used FROM limits WHERE counter='trades'"
            )
            used = {(account, date): amount for account, date, amount in rows.rows()}
    assert used
    for (account, date), amount in used.items():
        assert amount == limits.usage(account, date).trades


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{}/x.csv'",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW events",
        "SET threads = 1",
        "INSTALL httpfs",
        "ATTACH '{}/x.db'",
        "SELECT * FROM read_text('{}/secret.txt')",
        "SELECT * FROM '{}/secret.csv'",
        "SELECT * FROM glob('{}/*')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "SELECT 1; SELECT 2",
        "SELECT * FROM tmp_path",
        "SELEC 1",
        "SELECT nothing FROM events",
        "SELECT CAST(range::VARCHAR || 'x' AS INTEGER) FROM range(100000)",
        "",
    ],
)
def test_a_query_reads_the_tables_and_nothing_else(tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with (
        Log.open("memory:") as log,
        open_tables(None, log) as tables,
        pytest.raises(InvalidInput, match="query"),
    ):
        list(tables.ask(sql.format(tmp_path)).rows())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv", "secret.txt"]
