"""Write what is kept of exchange_calendars; run it after the library's locked version changed.

python -m tools.generate_sessions
"""

from __future__ import annotations

import json

from fillwright.adapters.timekeeping.calendar_table import exceptions_of, from_library, kept_path

EXCHANGES = ("XNYS",)


def content(name: str) -> str:
    """The text of an exchange's file."""
    return json.dumps(exceptions_of(from_library(name)), indent=1) + "\n"


def main() -> None:
    """Write every file."""
    for name in EXCHANGES:
        kept_path(name).write_text(content(name), encoding="utf-8")


if __name__ == "__main__":
    main()
