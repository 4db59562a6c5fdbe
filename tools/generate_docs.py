"""Write the pages of docs/ that are made from the code, or say which of them are stale.

python -m tools.generate_docs            write them
python -m tools.generate_docs --check    exit 1 when one is not what the code says
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tools import (
    generate_cli,
    generate_configuration,
    generate_events,
    generate_lifecycle,
    generate_order_terms,
    generate_tables,
    generate_tca_columns,
)

ROOT = Path(__file__).resolve().parents[1]

PAGES: dict[str, Callable[[], str]] = {
    "docs/cli.md": generate_cli.page,
    "docs/configuration.md": generate_configuration.page,
    "docs/events.md": generate_events.page,
    "docs/lifecycle.md": generate_lifecycle.page,
    "docs/order-terms.md": generate_order_terms.page,
    "docs/tables.md": generate_tables.page,
    "docs/tca-columns.md": generate_tca_columns.page,
}
"""Each generated page by its path from the root, with what makes its text."""


def stale(root: Path = ROOT) -> list[str]:
    """The pages that are missing or not what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != make()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args(arguments).check
    names = stale()
    for name in names:
        if check:
            print(f"{name} is stale: run python -m tools.generate_docs", file=sys.stderr)
        else:
            (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and names else 0


if __name__ == "__main__":
    raise SystemExit(main())
