"""The chain's hashes of a log, and its Merkle tree up to a position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...domain.errors import StoreDamaged
from ..storage.log import Log
from .merkle import Frontier, Span, span_roots

PROGRESS_EVERY = 20_000
OnProgress = Callable[[int, int], None]


def leaves(
    log: Log, after: int, upto: int, on_progress: OnProgress | None = None
) -> Iterator[bytes]:
    """The chain hashes with ``after`` < position <= ``upto``, as the log has them.

    Raises:
        StoreDamaged: a position is missing.
    """
    expected = after
    for position, hash in log.hashes(after, upto):
        expected += 1
        if position != expected:
            raise StoreDamaged(f"{log.name}: the event at position {expected} is missing")
        yield hash
        if on_progress is not None and expected % PROGRESS_EVERY == 0:
            on_progress(expected, upto)
    if expected < upto:
        raise StoreDamaged(f"{log.name}: the event at position {expected + 1} is missing")


def extend(log: Log, tree: Frontier, upto: int, on_progress: OnProgress | None = None) -> None:
    """Add the log's events to ``tree`` up to and including position ``upto``."""
    for leaf in leaves(log, tree.size, upto, on_progress):
        tree.append(leaf)


def roots_of_spans(
    log: Log, spans: Sequence[Span], on_progress: OnProgress | None = None
) -> list[bytes]:
    """The roots of these spans of leaves, from one pass over the log."""
    upto = max((end for _, end in spans), default=0)
    return span_roots(leaves(log, 0, upto, on_progress), spans)
