"""Folders that are handed over: filled whole, or left as they were."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Make a folder, or take an empty one; where it cannot be filled nothing is left in it.

    One that was there, or a link to it, stays as it was made.
    """
    was_there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):
            for made in folder.iterdir():
                if made.is_dir():
                    shutil.rmtree(made, ignore_errors=True)
                else:
                    made.unlink()
            if not was_there:
                folder.rmdir()
        raise
