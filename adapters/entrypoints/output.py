"""Where commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_WIDTH: Final = 120
"""Columns of output that no terminal shows, unless COLUMNS says otherwise."""


def stdout() -> Console:
    """The console for results."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console for progress, notes and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    plain = not stream.isatty() and not os.environ.get("COLUMNS")
    return Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH if plain else None)


def show(*parts: RenderableType) -> None:
    """Print renderables to stdout; plain text is never broken, so that commands can be copied."""
    console = stdout()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))


def note(text: str) -> None:
    """Say something beside the result, on stderr."""
    stderr().print(text, style="dim", markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """One canonical JSON document and a newline, and nothing else, to stdout."""
    from ...projections.canonical import canonical_bytes

    write_bytes(canonical_bytes(value) + b"\n")


def fields_of(record: Any) -> dict[str, Any]:
    """The fields of a slotted record, not what is in them."""
    return {name: getattr(record, name) for name in type(record).__slots__}


def print_line(text: str) -> None:
    """One line of plain text to stdout, never wrapped."""
    sys.stdout.write(f"{text}\n")


def write_bytes(data: bytes) -> None:
    """Bytes to stdout as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def log_to_stderr() -> None:
    """Keep what libraries log out of the results."""
    import structlog

    structlog.configure(
        # Looked up at each line: whoever runs a command may have another stderr by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


Tell = Callable[[str], object]
"""Takes what is under way now."""


@contextmanager
def waiting(text: str, *, enabled: bool) -> Iterator[Tell]:
    """Show that something is under way on stderr; what is given changes what it says."""
    if not enabled:
        yield lambda text: None
        return
    with stderr().status(text) as status:
        yield status.update


def measuring(tell: Tell) -> Callable[[int, int], object]:
    """Says how far cost analysis is."""
    return lambda done, whole: tell(f"measuring fills: {done:,} of {whole:,}")


def wants_progress(asked: bool | None) -> bool:
    """Whether to show progress: as asked, by default only to a terminal."""
    return sys.stderr.isatty() if asked is None else asked
