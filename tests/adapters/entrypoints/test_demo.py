"""The demonstration needs nothing and shows what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Cli

SLOW_SECONDS = 240


@pytest.mark.timeout(SLOW_SECONDS)
def test_the_demo_shows_decisions_progress_fills_limits_refusals_and_slippage(
    cli: Cli, tmp_path: Path
) -> None:
    store = tmp_path / "demo.db"
    done = cli("demo", "--store", store, "--progress")
    assert done.code == 0, done.err
    text = done.out.decode()
    for said in (
        "decisions from its manager",
        "Blotter, 12 decisions",
        "filled",
        "Refused, 4 decisions",
        "would pass",
        "Slippage against arrival",
        "completion",
        "Limits of main",
        "turnover",
        f"fillwright replay --store {store}",
    ):
        assert said in text
    assert "12/12 done, 0 working" in done.err
    told = cli("demo", "--store", store, "--json")
    assert "nothing was appended" in told.err
    rows = told.json["blotter"]
    assert {row["action"] for row in rows} >= {"BUY", "SELL", "TRIM", "ADD", "CLOSE"}
    strategies = {group["group"] for group in told.json["report"]["quality"]["by_strategy"]}
    assert strategies >= {"market", "limit", "twap", "vwap", "iceberg", "opportunistic"}
    assert cli("replay", "--store", store).code == 0
