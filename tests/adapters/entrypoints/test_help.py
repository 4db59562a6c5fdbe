"""Help is quick and complete, and says what exit codes mean."""

from __future__ import annotations

import time

import pytest

from .conftest import Cli, process

COMMANDS = (
    *("demo", "run", "status", "show", "report", "limits"),
    *("events", "replay", "verify", "config"),
)
HELP_SECONDS_MAX = 0.6


def test_help_comes_at_once() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        assert process("--help").returncode == 0
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < HELP_SECONDS_MAX


def test_help_names_every_command_and_every_exit_code(cli: Cli) -> None:
    text = cli("--help").out.decode()
    for name in COMMANDS:
        assert f" {name} " in text
    for code in ("0:", "1:", "2:", "3:", "4:", "130:"):
        assert code in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, cli: Cli) -> None:
    done = cli(name, "--help")
    assert done.code == 0
    assert f"fillwright {name}" in done.out.decode()
    assert "--json" in done.out.decode()


def test_the_version_is_told(cli: Cli) -> None:
    assert cli("--version").out.decode().startswith("fillwright ")
