"""What the simulation shows on files it shows on a server: the same suites with other stores."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.postgres import ABSENT, binaries
from tests.simulation.test_kill_nine import ROOT

SUITES = (
    "test_controls.py",
    "test_crash_points.py",
    "test_faults.py",
    "test_restatements.py",
    "test_session_rules.py",
    "test_switching.py",
)
"""Those that look at a store through a run only."""
BOUNDED = "test_restatements.py"
EACH_SECONDS_MAX = 3_600
"""For one test of theirs: every commit is a round trip here, and a test may have thousands."""


def passes(*suites: str) -> None:
    """Run suites with every log on a server."""
    if binaries() is None:
        pytest.skip(ABSENT)
    environment = {key: value for key, value in os.environ.items() if "XDIST" not in key}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        + [f"--timeout={EACH_SECONDS_MAX}"]
        + [f"tests/simulation/{suite}" for suite in suites],
        cwd=ROOT,
        env={**environment, "FILLWRIGHT_SIMULATION_STORE": "postgres"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:]
    assert " passed" in done.stdout


def test_one_suite_passes_with_its_logs_on_a_server() -> None:
    passes(BOUNDED)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_passes_with_its_logs_on_a_server(suite: str) -> None:
    passes(suite)
