"""Killed at any moment and started again, the real process ends where it would have ended."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreError

from .checks import check_journal, check_quantities, logged_positions, positions_of
from .conftest import EXAMPLES, PORTFOLIO, Run, command, environment, finished_run

KILLS = 5
SLOW_SECONDS = 400
LONGEST_RUN_SECONDS = 120


def position(store: Path) -> int:
    """How far the log is, while another process may be writing it."""
    try:
        with Log.open(store, writer=False) as log:
            return log.head().position
    except StoreError:
        return 0  # not made yet


def killed_at(store: Path, events: int) -> int:
    """Run until the log has so many events, then kill -9; gives how many it then has."""
    arguments = command("run", *PORTFOLIO, "--store", store, "--json")
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as running:
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        while position(store) < events and running.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert running.returncode == -signal.SIGKILL, running.stderr and running.stderr.read()
    return position(store)


@pytest.mark.timeout(SLOW_SECONDS)
def test_a_run_that_is_killed_again_and_again_ends_as_an_uninterrupted_one(
    portfolio_run: Run, tmp_path: Path
) -> None:
    whole = portfolio_run.json
    events = whole["log"]["position"]
    moments = sorted(random.Random(20240612).sample(range(1, events - 50), KILLS))
    store = tmp_path / "killed.db"
    reached = [killed_at(store, moment) for moment in moments]
    assert reached == sorted(reached)
    assert reached[-1] < events, "the last kill came before the end"

    done = finished_run(store)
    check_journal(store)
    start = positions_of(EXAMPLES / "account_generated.json")
    final = check_quantities(done.json, start)
    assert final == check_quantities(whole, start)
    assert final == logged_positions(store)
    assert outcomes(done) == outcomes(portfolio_run)
    with Log.open(store, writer=False) as log:
        assert log.verify().ok


@pytest.mark.timeout(SLOW_SECONDS)
@pytest.mark.parametrize(
    ("sign", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 0, "SIGTERM")]
)
def test_an_interrupted_run_says_so_and_goes_on_when_asked_again(
    tmp_path: Path, sign: signal.Signals, code: int, word: str
) -> None:
    store = tmp_path / "interrupted.db"
    arguments = command("run", *PORTFOLIO, "--store", store)
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        while position(store) < 100 and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(sign)
        out, err = running.communicate(timeout=LONGEST_RUN_SECONDS)
    assert running.returncode == code
    assert out == b""
    assert err.decode().count("\n") == 1
    assert word in err.decode()
    assert "he same command" in err.decode()
    with Log.open(store) as log:
        assert log.verify().ok


def outcomes(run: Run) -> dict[str, tuple[str, str]]:
    """What became of each decision: its state and executed shares."""
    return {row["decision_id"]: (row["status"], row["executed"]) for row in run.json["blotter"]}
