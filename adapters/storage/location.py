"""Where a store is: a URL, a path, or memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ...domain.errors import StoreError

_SQLITE: Final = "sqlite:///"
_MEMORY: Final = frozenset({"memory:", ":memory:", "sqlite://", "sqlite:///:memory:"})


def parse_location(url: str | Path) -> Path | None:
    """The store's file, made absolute, or None for a store in memory.

    ``sqlite:///relative/path``, ``sqlite:////absolute/path`` and plain paths name a file,
    ``memory:`` a log that ends with the process.

    Raises:
        StoreError: a URL of a kind that is not supported.
    """
    text = str(url)
    if text in _MEMORY:
        return None
    if text.startswith(_SQLITE):
        text = text.removeprefix(_SQLITE)
    elif "://" in text:
        raise StoreError(
            f"store {text.split('://')[0]}://…: not supported; "
            "allowed: sqlite:///PATH, a path, or memory:"
        )
    if not text or "\0" in text:
        raise StoreError("the store has no path; allowed: sqlite:///PATH, a path, or memory:")
    return Path(text).expanduser().absolute()


def check_place(path: Path, *, writer: bool) -> None:
    """Say early and clearly why a store cannot be at ``path``.

    Raises:
        StoreError: it is a folder, its folder is missing, or there is nothing to read.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it, such as {path / 'fillwright.db'}")
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is not a folder: make it, or name a store elsewhere")
    if not writer and not path.exists():
        raise StoreError(f"{path} does not exist: there is no store to read")
