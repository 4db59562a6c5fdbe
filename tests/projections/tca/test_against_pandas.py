"""A generated month gives the same numbers as an independent computation in plain pandas."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from bench import cost_analysis
from bench.cost_month import generate
from fillwright.projections.tca import analysis
from fillwright.projections.tca.analysis import analyse
from fillwright.projections.tca.tables import Tables


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return generate(
        2_000, days=3, symbols=3, instructions_per_day=4, quotes_per_day=900, prints_per_day=700
    ).tables


def test_every_shared_figure_agrees_with_plain_pandas(
    tables: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    for name, frame in tables.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    ours, _ = cost_analysis.fillwright(tmp_path)
    theirs, _ = cost_analysis.pandas(tmp_path)
    assert set(theirs) == set(ours)
    for name, value in theirs.items():
        assert value == pytest.approx(ours[name], rel=1e-6), name


def test_it_does_not_matter_in_how_many_pieces_fills_are_measured(
    tables: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = analyse(Tables.of(**tables))
    monkeypatch.setattr(analysis, "FILLS_AT_ONCE", 150)
    pieces = analyse(Tables.of(**tables))
    for name in ("instructions", "orders", "fills", "phases", "problems"):
        assert getattr(whole, name).equals(getattr(pieces, name)), name
    assert whole.orders.height == tables["orders"].height


def test_the_order_of_rows_does_not_matter(tables: dict[str, pl.DataFrame]) -> None:
    whole = analyse(Tables.of(**tables))
    mixed = {name: frame.sample(fraction=1, shuffle=True, seed=3) for name, frame in tables.items()}
    again = analyse(Tables.of(**mixed))
    for name, key in (("instructions", "instruction_id"), ("fills", "fill_id")):
        one, other = getattr(whole, name).sort(key), getattr(again, name).sort(key)
        assert one.equals(other), name
