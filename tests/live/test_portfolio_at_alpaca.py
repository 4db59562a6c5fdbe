"""The whole portfolio of the examples at Alpaca, held against the same run in simulation.

A handful of decisions by default, the whole day under ``make soak``. Each execution in the log is
held against the server's journal, by order, execution id, quantity and price.
"""

from __future__ import annotations

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.live.agreement import compared
from tests.live.test_run_at_alpaca import CLI, Fillwright
from tests.paper.servers import running

EXAMPLES = Path(__file__).parents[2] / "examples" / "decisions"
PORTFOLIO, ACCOUNT = EXAMPLES / "portfolio_generated.json", EXAMPLES / "account_generated.json"
SPEED = 300
"""Six hours of the market in little more than a minute."""
HANDFUL: dict[str, dict[str, Any]] = {
    "pm-20240612-01": {"window": "3m"},
    "pm-20240612-04": {"window": "3m"},
    "pm-20240612-10": {"max_slippage": 200},
    "pm-20240612-15": {},
    "pm-20240612-19": {},
}
"""Decisions of the portfolio for the short run, all at once, with what is changed in them."""
HANDFUL_SPEED = 60
MINUTES_MAX = 15
SENDING_SECONDS = 12.0
"""How long, in real time, an order may be under way to the server."""
DECIDED = {"rejected", "no_change"}


def rows_of(said: str) -> dict[str, dict[str, Any]]:
    return {row["decision_id"]: row for row in json.loads(said)["blotter"]}


def run_at_alpaca(
    folder: Path, decisions: list[dict[str, Any]], start: str, speed: int
) -> dict[str, dict[str, Any]]:
    """Rows of the blotter, after both sides were found to tell the same."""
    held = json.loads(ACCOUNT.read_text())["positions"]
    journal = folder / "paper.db"
    with running(seed=7, speed=speed, start=start, account=ACCOUNT, journal=journal) as server:
        ran = Fillwright(server, folder).run(decisions, "--json", seconds_max=MINUTES_MAX * 60)
        assert ran.returncode == 0, ran.stderr[-600:]
        assert server.call("GET", "/v2/orders", params={"status": "open"}).json() == []
        found = compared(server, folder, held, speed * SENDING_SECONDS)
    assert found.problems == []
    rows = rows_of(ran.stdout)
    assert rows.keys() == {row["decision_id"] for row in decisions}
    assert {row["state"] for row in rows.values()} <= {"filled", "cancelled", *DECIDED}
    assert found.fills >= sum(Decimal(row["executed"] or 0) > 0 for row in rows.values()) > 0
    return rows


def test_a_handful_of_the_portfolio_is_executed_as_the_servers_journal_says(tmp_path: Path) -> None:
    decisions = [
        {k: v for k, v in row.items() if k != "decision_time"} | HANDFUL[row["decision_id"]]
        for row in json.loads(PORTFOLIO.read_text())
        if row["decision_id"] in HANDFUL
    ]
    rows = run_at_alpaca(tmp_path, decisions, "10:30", HANDFUL_SPEED)
    assert {name for name, row in rows.items() if row["state"] == "rejected"} == {
        "pm-20240612-15",
        "pm-20240612-19",
    }


@pytest.mark.soak
@pytest.mark.timeout(MINUTES_MAX * 60 + 120)
def test_the_portfolio_runs_unchanged_and_decides_as_in_simulation(tmp_path: Path) -> None:
    decisions = json.loads(PORTFOLIO.read_text())
    rows = run_at_alpaca(tmp_path, decisions, "09:35", SPEED)
    options = ["--market", "generated", "--session", "2024-06-12", "--account", str(ACCOUNT)]
    simulated = subprocess.run(
        [*CLI, "run", str(PORTFOLIO), "--json", "--store", str(tmp_path / "sim.db"), *options],
        env={k: v for k, v in os.environ.items() if not k.startswith("FILLWRIGHT_")},
        capture_output=True,
        text=True,
        timeout=MINUTES_MAX * 60,
        check=False,
    )
    assert simulated.returncode == 0, simulated.stderr[-600:]
    # Refusals come from limits and bounds, so they are the same whatever the fills were.
    theirs = rows_of(simulated.stdout)
    differing = {
        name: (row["state"], theirs[name]["state"])
        for name, row in rows.items()
        if (row["state"] in DECIDED) is not (theirs[name]["state"] in DECIDED)
    }
    assert differing == {}
