"""A real process killed with SIGKILL at random moments, started again until it is done."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

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
LIFE_SECONDS_MAX = 0.3


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


def serve() -> None:
    """Run the session in a new process for each line: its store, and when to kill it (seconds).

    Says how each ended. The processes are forked from one that has made the market already.
    """
    scaled_days()
    shared_data()
    print("ready", flush=True)
    for line in sys.stdin:
        store, seconds = json.loads(line)
        process = os.fork()
        if process == 0:
            _work(Path(store))
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _work(store: Path) -> NoReturn:
    code = 1
    try:
        run(session(), store)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class Victims:
    """Processes that work the session and are killed."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def killed_after(self, store: Path, seconds: float) -> int:
        """How the process ended; 0 when it was done before."""
        assert self._server.stdin is not None
        print(json.dumps([str(store), seconds]), file=self._server.stdin, flush=True)
        return int(self.said())

    def said(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    code = "from tests.simulation.test_kill_nine import serve\nserve()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        found = Victims(server)
        assert found.said() == "ready"
        yield found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The session as it ends when nobody interrupts it."""
    ran = run(session(), tmp_path_factory.mktemp("whole") / "a.db")
    check_books(ran)
    return outcome(ran)


@pytest.mark.parametrize("seed", SEEDS)
def test_killing_the_process_changes_nothing_in_the_end(
    seed: int, whole: dict[str, Any], victims: Victims, tmp_path: Path
) -> None:
    store, drawn = tmp_path / "a.db", random.Random(seed)
    for _ in range(KILLS_MAX):
        # How long it lives is drawn; what it had done by then differs, what must hold does not.
        code = victims.killed_after(store, drawn.uniform(0.0, LIFE_SECONDS_MAX))
        assert code in (0, -signal.SIGKILL)
        if code == 0:
            break
    last = run(session(), store)
    check_books(last)
    assert json.dumps(outcome(last), default=str) == json.dumps(whole, default=str)
    assert all(i.anomalies == 0 for i in last.engine.desk.instructions.values())
