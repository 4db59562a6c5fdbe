"""Help is quick and complete, and says what exit codes mean."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import Cli

COMMANDS = (
    *("demo", "run", "status", "show", "report", "limits"),
    *("events", "replay", "verify", "config"),
    *("monitor", "doctor", "kill"),
)
HEAVY = ("pandas", "numpy", "pyarrow", "exchange_calendars", "eventsourcing", "fastapi")
"""What takes long to load, and help has no use for."""


def test_help_comes_at_once_because_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; from fillwright.adapters.entrypoints.cli import main; "
        "sys.argv = ['fillwright', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


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
