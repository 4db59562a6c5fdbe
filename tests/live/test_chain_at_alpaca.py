"""A decision for two sessions: half is bought on the first day, the rest taken on by the second."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.live.test_run_at_alpaca import CLI, SPEED, Fillwright
from tests.paper.servers import running

DAYS = ("20240612", "20240613")


@pytest.mark.timeout(240)
def test_what_the_first_day_left_is_bought_on_the_second(tmp_path: Path) -> None:
    asked = {
        "decision_id": "build",
        "symbol": "KO",
        "action": "BUY",
        "order_size": 101,
        "sessions": 2,
        "strategy": "market",
        "max_slippage": "none",
    }
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 1_000_000}))
    with running(speed=SPEED, start="10:00", account=account, session=DAYS[0]) as server:
        day = Fillwright(server, tmp_path)
        assert day.run([asked]).returncode == 0
        bought = {p.symbol: p.qty for p in server.trading.get_all_positions()}
    assert bought == {"KO": "50"}
    account.write_text(json.dumps({"cash": 996_900, "positions": {"KO": 50}}))
    with running(speed=SPEED, start="10:00", account=account, session=DAYS[1]) as server:
        day = Fillwright(server, tmp_path)
        for _ in range(2):  # the same command again finds nothing left to do
            done = day.run([asked])
            assert done.returncode == 0, done.stderr
            bought = {p.symbol: p.qty for p in server.trading.get_all_positions()}
            assert bought == {"KO": "101"}
    told = subprocess.run(
        [*CLI, "chains", "--store", str(day.store), "--json"],
        env=day.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (chain,) = json.loads(told.stdout)["chains"]
    links = [(one["session"], one["executed"], one["state"]) for one in chain["links"]]
    assert links == [("2024-06-12", "50", "filled"), ("2024-06-13", "51", "filled")]
    assert (chain["executed"], chain["open"]) == ("101", False)
