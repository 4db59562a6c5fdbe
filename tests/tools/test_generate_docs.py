"""Generated pages say what the code says."""

from pathlib import Path

import pytest

from tools import generate_docs
from tools.generate_docs import PAGES, main, stale


def test_no_generated_page_is_stale() -> None:
    assert stale() == [], "run python -m tools.generate_docs"


def test_a_missing_or_edited_page_is_stale(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert stale(tmp_path) == list(PAGES)
    for name, make in PAGES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(make(), encoding="utf-8")
    assert stale(tmp_path) == []
    first = next(iter(PAGES))
    (tmp_path / first).write_text(PAGES[first]() + "edited\n", encoding="utf-8")
    assert stale(tmp_path) == [first]


def test_the_check_fails_on_a_stale_page_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    monkeypatch.setattr(generate_docs, "stale", lambda: list(PAGES))
    assert main(["--check"]) == 1
    assert "is stale" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
