"""The whole evaluation: determinism, bad input reported by name, the command's outputs."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.evaluation.files import write_outcomes
from fillwright.adapters.evaluation.parallel import Evaluation, Request, evaluate
from fillwright.adapters.evaluation.policies import POLICIES, policies_named
from fillwright.adapters.evaluation.summary import summarise
from fillwright.adapters.evaluation.tables import shares_by
from fillwright.adapters.exchange.tape import MarketFolderError
from fillwright.domain.errors import InvalidInput

from .conftest import DATE


def request(folder: Path, **changes: Any) -> Request:
    given: dict[str, Any] = {
        "folder": folder,
        "policies": tuple(policies_named(["adaptive", "MARKET"])),
        "symbols": ("WIDE",),
        "horizons": (300,),
        "sizes": (Decimal("0.05"),),
    }
    return Request(**{**given, **changes})


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    return evaluate(request(folder), 1)


def test_the_help_names_every_policy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["evaluate", "--help"]) == 0
    text = capsys.readouterr().out
    assert [name for name in POLICIES if name not in text] == []


def test_every_parent_is_worked_by_every_policy_in_a_fixed_order(evaluation: Evaluation) -> None:
    assert evaluation.parents == 76 * 2
    assert len(evaluation.outcomes) == 76 * 2 * 3
    assert [o.policy for o in evaluation.outcomes[:3]] == ["adaptive", "MARKET", "TWAP60s"]
    starts = [o.parent.start for o in evaluation.outcomes]
    assert starts == sorted(starts)


def test_two_runs_in_one_process_or_two_give_identical_files(
    folder: Path, evaluation: Evaluation, tmp_path: Path
) -> None:
    again = evaluate(request(folder), 2)
    write_outcomes(tmp_path / "a.parquet", evaluation.outcomes)
    write_outcomes(tmp_path / "b.parquet", again.outcomes)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert summarise(evaluation) == summarise(again)


def test_the_summary_pairs_each_policy_with_the_baseline(evaluation: Evaluation) -> None:
    summary = summarise(evaluation)
    paired = summary["paired"]["adaptive"]
    savings: dict[str, float] = {}
    for outcome in evaluation.outcomes:
        sign = {"TWAP60s": 1, "adaptive": -1}.get(outcome.policy, 0)
        name = outcome.parent.name
        savings[name] = savings.get(name, 0.0) + sign * (outcome.arrival_bps or 0.0)
    assert paired["saving_bps"] == pytest.approx(sum(savings.values()) / len(savings), abs=1e-6)
    assert paired["saving_share_of_half_spread"] == pytest.approx(
        paired["saving_bps"] / paired["half_spread_bps"], abs=1e-5
    )
    assert paired["clusters"] == 1
    assert paired["lower_95_share_by_day"] is None
    assert set(paired["by_symbol"]) == {"WIDE"}
    assert set(paired["by_horizon"]) == {"5m"}
    assert set(paired["by_size"]) == {"0.05"}
    assert summary["policies"]["adaptive"]["completion"] == 1


def test_the_default_policy_saves_on_a_market_it_was_not_made_on(evaluation: Evaluation) -> None:
    assert summarise(evaluation)["paired"]["adaptive"]["saving_share_of_half_spread"] > 0.15


def _damaged(folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    (copy / "core" / f"trades_ONE_{DATE}.parquet").write_bytes(b"not a parquet file")
    return copy


def test_a_malformed_file_is_reported_and_the_others_are_worked(
    folder: Path, tmp_path: Path
) -> None:
    damaged = _damaged(folder, tmp_path)
    found = evaluate(request(damaged, symbols=(), policies=tuple(policies_named([]))), 1)
    assert {o.parent.symbol for o in found.outcomes} == {"WIDE"}
    assert [(s.symbol, s.date) for s in found.skipped] == [("ONE", DATE)]
    assert "not a readable Parquet file" in found.skipped[0].why


def _rewritten(folder: Path, tmp_path: Path, kind: str, change: Any) -> Path:
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    path = copy / "core" / f"{kind}_WIDE_{DATE}.parquet"
    pq.write_table(change(pq.ParquetFile(path).read()), path)
    return copy


def test_crossed_books_and_missing_trades_are_reported_by_name(
    folder: Path, tmp_path: Path
) -> None:
    def cross(table: Any) -> Any:
        bid, ask = table.column("bid_px"), table.column("ask_px")
        table = table.set_column(table.column_names.index("bid_px"), "bid_px", ask)
        return table.set_column(table.column_names.index("ask_px"), "ask_px", bid)

    crossed = _rewritten(folder, tmp_path, "quotes", cross)
    found = evaluate(request(crossed), 1)
    assert not found.outcomes
    assert "book states are crossed" in found.skipped[0].why
    shutil.rmtree(crossed)
    silent = _rewritten(folder, tmp_path, "trades", lambda table: table.slice(0, 0))
    found = evaluate(request(silent), 1)
    assert str(found.skipped[0]) == f"WIDE {DATE}: no regular prints in the session"


def test_sizes_above_the_whole_volume_are_reported(folder: Path) -> None:
    sizes = (Decimal("0.05"), Decimal(2))
    found = evaluate(request(folder, sizes=sizes, policies=tuple(policies_named([]))), 1)
    assert found.parents == 76 * 2
    assert [str(each) for each in found.skipped] == ["size 2 is more than the whole volume"]


def test_a_folder_of_many_symbols_shows_the_saving_of_each() -> None:
    symbols = {f"SYMBOL{n}": {"saving_share_of_half_spread": n / 100} for n in range(40)}
    paired = {
        "adaptive": {"by_symbol": symbols},
        "MARKET": {"by_symbol": {"SYMBOL7": {"saving_share_of_half_spread": None}}},
    }
    rows = shares_by("by_symbol", paired)
    assert len(rows) == 40
    assert rows[7] == ("SYMBOL7", ["7.0%", "–"])
    assert rows[8] == ("SYMBOL8", ["8.0%", "–"])


def test_unknown_symbols_policies_and_folders_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="NONE"):
        evaluate(request(folder, symbols=("NONE",)), 1)
    with pytest.raises(InvalidInput, match="nonsense"):
        policies_named(["nonsense"])
    with pytest.raises(MarketFolderError, match=r"instruments\.json"):
        evaluate(request(tmp_path), 1)


def test_the_command_prints_json_and_writes_rows_and_a_page(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run.parquet"
    arguments = ["evaluate", "--market", str(folder), "--symbols", "WIDE", "--horizons", "5m"]
    arguments += ["--sizes", "0.05", "--policies", "adaptive", "--processes", "1"]
    assert main([*arguments, "--bounded", "--json", "--out", str(out)]) == 0
    printed, noted = capfd.readouterr()
    summary = json.loads(printed)
    assert set(summary["policies"]) == {"adaptive", "TWAP60s"}
    assert {"saving_bps", "lower_95_share", "half_spread_bps"} <= set(summary["paired"]["adaptive"])
    assert set(summary["bounded"]["policies"]) == {"adaptive", "TWAP60s"}
    assert "a second" in noted
    assert pq.ParquetFile(out).metadata.num_rows == 76 * 2 * 2
    page = out.with_suffix(".html").read_text()
    assert page.count("<svg") == 6
    assert "http" not in page
    for unit in ("saving over half the spread", "bps vs arrival", "price", "share executed"):
        assert f">{unit}</text>" in page
    assert main([*arguments, "--horizons", "60m"]) == 0
    assert "saving against TWAP60s" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--horizons", "5x", "horizons"),
        ("--horizons", ",", "horizons: ',' is not allowed; allowed: at least one"),
        ("--sizes", "-1", "sizes"),
        ("--policies", "x", "policies"),
        ("--dates", "20240101", f"dates of the folder: {DATE}"),
    ],
)
def test_the_command_names_what_it_cannot_use(
    folder: Path, option: str, value: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--market", str(folder), option, value]) == 2
    assert message in capfd.readouterr().err
