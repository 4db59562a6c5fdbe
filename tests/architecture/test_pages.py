"""What the pages of docs/ name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("docs/**/*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]
PATH = re.compile(r"`((?:adapters|bench|domain|examples|projections|tests|tools)/[\w/.-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(PATH.findall(page.read_text(encoding="utf-8")))
    there = {name for name in named if (ROOT / name).exists() or (ROOT / f"{name}.py").exists()}
    assert named - there == set()
