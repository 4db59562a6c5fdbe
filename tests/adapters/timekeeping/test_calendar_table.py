"""What is kept of the calendar library says what the library says, or is not believed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fillwright.adapters.timekeeping import calendar_table
from fillwright.adapters.timekeeping.calendar_table import from_library, kept_path, load
from tools.generate_sessions import EXCHANGES, content


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_kept_sessions_are_exactly_those_of_the_library(name: str) -> None:
    assert load(name) == from_library(name)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_kept_file_is_what_the_generator_writes(name: str) -> None:
    # When this fails the library's version was changed: run `python -m tools.generate_sessions`.
    assert kept_path(name).read_text(encoding="utf-8") == content(name)


def test_a_file_of_another_version_of_the_library_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(calendar_table, "version", lambda name: "0.0")
    monkeypatch.setattr(calendar_table, "from_library", asked.append)
    load("XNYS")
    assert asked == ["XNYS"]


def test_asking_for_a_session_in_new_york_does_not_load_pandas() -> None:
    code = (
        "import sys\n"
        "from fillwright.adapters.timekeeping.calendar import ExchangeCalendar\n"
        "assert ExchangeCalendar().session_on('2024-07-03').is_half_day\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
