"""``fillwright tca``: anybody's order and fill tables in, every measure out."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.entrypoints.failures import ExitCode

ORDERS = """\
order_id,symbol,side,quantity,received_at,ended_at,decision_price,end_price,account
1,BAC,Buy,300,2024-10-01T14:00:00Z,2024-10-01T14:10:00Z,10.00,10.20,fund
2,BAC,sell short,100,2024-10-01T14:00:00Z,2024-10-01T14:10:00Z,10.00,10.20,fund
"""
FILLS = """\
fill_id,order_id,at,quantity,price,fee
a,1,2024-10-01T14:01:00.500Z,100,10.02,0.10
b,1,2024-10-01T14:02:00Z,100,10.04,0.10
c,2,2024-10-01T14:03:00Z,100,9.98,0.05
d,9,2024-10-01T14:03:00Z,100,9.98,0.05
"""
QUOTES = """\
symbol,at,bid,ask
BAC,2024-10-01T13:59:59Z,9.99,10.01
BAC,2024-10-01T14:01:00Z,10.00,10.02
BAC,2024-10-01T14:20:00Z,10.10,10.12
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    made = {}
    for name, text in (("orders", ORDERS), ("fills", FILLS), ("quotes", QUOTES)):
        path = tmp_path / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        made[name] = str(path)
    return made


def given(files: dict[str, str]) -> list[str]:
    return [word for name, path in files.items() for word in (f"--{name}", path)]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["tca", *words, "--json"]) == ExitCode.OK
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_two_csv_files_give_the_shortfall_worked_by_hand(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, *given(files))
    bought, sold = found["instructions"]
    # 100 · 0.02 + 100 · 0.04 on what executed, 100 · 0.20 on what did not, 0.20 of fees.
    assert Decimal(bought["shortfall"]) == Decimal("26.20")
    assert Decimal(bought["opportunity_cost"]) == 20
    assert Decimal(bought["arrival_price"]) == 10
    assert Decimal(sold["shortfall"]) == Decimal("2.05")
    assert float(sold["slippage_arrival_bps"]) == 20
    first = next(fill for fill in found["fills"] if fill["fill_id"] == "a")
    assert (first["place"], first["touched"]) == ("at", "far")
    assert float(first["effective_spread"]) == pytest.approx(0.04)
    assert {row["id"] for row in found["problems"]} >= {"d"}
    charged = {row["charge"]: row["charged"] for row in found["fee_ledger"]}
    assert Decimal(charged["sec"]) == Decimal("0.03")
    assert Decimal(charged["cat"]) == Decimal("0.02")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_results_are_written_as_files(
    kind: str, files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["tca", *given(files), "--out", str(out), "--format", kind]) == ExitCode.OK
    assert "shortfall 28.25" in capsys.readouterr().out
    read = pl.read_parquet if kind == "parquet" else pl.read_csv
    for name in ("instructions", "orders", "fills", "phases", "problems", "fee_ledger"):
        read(out / f"{name}.{kind}")
    assert read(out / f"instructions.{kind}")["shortfall"].cast(pl.Float64).sum() == 28.25


def test_a_log_is_analysed_and_its_parts_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "log.db")
    assert main(["demo", "--store", store, "--no-progress"]) == ExitCode.OK
    capsys.readouterr()
    found = told(capsys, "--store", store)
    assert found["instructions"]
    assert found["fills"]
    names = ("delay_cost", "spread_cost", "impact_cost", "timing_cost", "opportunity_cost", "fees")
    for row in found["instructions"]:
        parts = sum(Decimal(row[name]) for name in names)
        assert parts == Decimal(row["shortfall"])
        assert row["vwap"] is not None, "the planned window is captured"
    for row in found["fills"]:
        assert row["positions"], "every fill names its events"


def test_wrong_use_says_what_is_wanted(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tca", "--orders", files["orders"]]) == ExitCode.BAD_INPUT
    assert "--fills" in capsys.readouterr().err
    assert main(["tca", *given(files), "--store", "x.db"]) == ExitCode.BAD_INPUT
    assert "not both" in capsys.readouterr().err
    odd = tmp_path / "fills.txt"
    odd.write_text("x", encoding="utf-8")
    assert main(["tca", *given(files | {"fills": str(odd)})]) == ExitCode.BAD_INPUT
    assert ".csv or .parquet" in capsys.readouterr().err
