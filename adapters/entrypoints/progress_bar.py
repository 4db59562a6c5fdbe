"""A bar on stderr for work whose length is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(asked: bool | None, text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that a callback of (done, total) moves; shown as :func:`wants_progress`."""
    from rich.progress import Progress

    from .output import stderr, wants_progress

    with Progress(console=stderr(), transient=True, disable=not wants_progress(asked)) as progress:
        task = progress.add_task(text, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
