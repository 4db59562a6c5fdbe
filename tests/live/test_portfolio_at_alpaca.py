"""The whole portfolio of the examples at Alpaca, held against the same run in simulation."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.live.test_run_at_alpaca import CLI, Fillwright
from tests.paper.servers import running

EXAMPLES = Path(__file__).parents[2] / "examples" / "decisions"
PORTFOLIO, ACCOUNT = EXAMPLES / "portfolio_generated.json", EXAMPLES / "account_generated.json"
SPEED = 300
"""Six hours of the market in little more than a minute."""
MINUTES_MAX = 15
DECIDED = {"rejected", "no_change"}


def rows_of(said: str) -> dict[str, dict[str, Any]]:
    return {row["decision_id"]: row for row in json.loads(said)["blotter"]}


@pytest.mark.soak
@pytest.mark.timeout(MINUTES_MAX * 60 + 120)
def test_the_portfolio_runs_unchanged_and_decides_as_in_simulation(tmp_path: Path) -> None:
    with running(seed=7, speed=SPEED, start="09:35", account=ACCOUNT) as server:
        fillwright = Fillwright(server, tmp_path)
        command = [*CLI, "run", str(PORTFOLIO), "--json", "--store"]
        ran = subprocess.run(
            [*command, str(fillwright.store), "--broker", "alpaca"],
            env=fillwright.environment,
            capture_output=True,
            text=True,
            timeout=MINUTES_MAX * 60,
            check=False,
        )
        listed = server.call("GET", "/v2/positions").json()
        still_open = server.call("GET", "/v2/orders", params={"status": "open"}).json()
    assert ran.returncode == 0, ran.stderr[-600:]
    rows = rows_of(ran.stdout)
    asked = {row["decision_id"] for row in json.loads(PORTFOLIO.read_text())}
    assert rows.keys() == asked
    simulated = subprocess.run(
        [
            *command,
            str(tmp_path / "simulated.db"),
            "--market",
            "generated",
            "--session",
            "2024-06-12",
            "--account",
            str(ACCOUNT),
        ],
        env=fillwright.environment,
        capture_output=True,
        text=True,
        timeout=MINUTES_MAX * 60,
        check=False,
    )
    assert simulated.returncode == 0, simulated.stderr[-600:]
    ended = {"filled", "cancelled", *DECIDED}
    assert {row["state"] for row in rows.values()} <= ended
    assert still_open == []
    expected = {k: Decimal(v) for k, v in json.loads(ACCOUNT.read_text())["positions"].items()}
    for row in rows.values():
        if row["side"]:
            sign = 1 if row["side"] == "buy" else -1
            expected[row["symbol"]] += sign * Decimal(row["executed"])
    held = {row["symbol"]: Decimal(row["qty"]) for row in listed}
    assert held == {symbol: quantity for symbol, quantity in expected.items() if quantity}
    # Refusals come from limits and bounds, so they are the same whatever the fills were.
    theirs = rows_of(simulated.stdout)
    differing = {
        name: (rows[name]["state"], theirs[name]["state"])
        for name in asked
        if (rows[name]["state"] in DECIDED) is not (theirs[name]["state"] in DECIDED)
    }
    assert differing == {}
