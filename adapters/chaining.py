"""Chains taken on from earlier sessions, as rows beside those of a decisions file."""

from __future__ import annotations

from ..projections.chains import ChainBook
from ..projections.runner import follow
from .inputs.decisions import Row
from .storage.log import Log


def read_chains(log: Log) -> ChainBook:
    """Every chain that a log has.

    Raises:
        StoreError: the log cannot be read.
    """
    book = ChainBook()
    follow([book], log.events(upto=log.head().position))
    return book


def due_rows(log: Log, session_date: str, account: str) -> tuple[Row, ...]:
    """The links that are due in a session, as rows that stand before a file's first."""
    return tuple(Row(0, raw) for raw in read_chains(log).due(session_date, account))
