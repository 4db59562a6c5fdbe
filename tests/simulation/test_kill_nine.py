"""A real process killed with SIGKILL at random moments, started again until it is done."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.world import (
    SYMBOLS,
    THOROUGH,
    Scene,
    check_books,
    decision,
    outcome,
    run,
    scaled_days,
    shared_data,
)

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(50 if THOROUGH else 10)
KILLS_MAX = 4


def session() -> Scene:
    """A small session: three strategies on two symbols."""
    names = ("twap", "iceberg", "limit", "market")
    decisions = [
        decision(
            name,
            symbol=SYMBOLS[number % 2],
            decision_id=f"d{number}",
            window="90s",
            target_weight=1.5 + number / 10,
        )
        for number, name in enumerate(names)
    ]
    return Scene(decisions)


def child(store: Path | str) -> None:
    """What the killed process runs; says when it begins to work, and when it is done."""
    scaled_days()
    shared_data()
    print("working", flush=True)
    run(session(), store)
    print("done", flush=True)


def start(store: Path) -> subprocess.Popen[str]:
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.simulation.test_kill_nine import child\n"
        "child(Path(sys.argv[1]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(store)],
        cwd=ROOT,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The session as it ends when nobody interrupts it."""
    ran = run(session(), tmp_path_factory.mktemp("whole") / "a.db")
    check_books(ran)
    return outcome(ran)


@pytest.mark.parametrize("seed", SEEDS)
def test_killing_the_process_changes_nothing_in_the_end(
    seed: int, whole: dict[str, Any], tmp_path: Path
) -> None:
    store, drawn = tmp_path / "a.db", random.Random(seed)
    killed = 0
    for _ in range(KILLS_MAX):
        process = start(store)
        # How long it lives is drawn; what it had done by then differs, what must hold does not.
        time.sleep(drawn.uniform(0.0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), errors
        if process.returncode == 0:
            break
    last = run(session(), store)
    check_books(last)
    assert json.dumps(outcome(last), default=str) == json.dumps(whole, default=str)
    assert all(i.anomalies == 0 for i in last.engine.desk.instructions.values())
