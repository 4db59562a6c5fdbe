"""Chains taken on from earlier sessions, as rows beside those of a decisions file."""

from __future__ import annotations

from typing import Final

import structlog

from ..domain.principals import AccessDenied, Submitter, why_not
from ..projections.chains import ChainBook
from ..projections.runner import follow
from .inputs.decisions import Row
from .storage.log import Log
from .supervision.supervising import Supervisor, is_supervised

SUBMIT: Final = "submit"
_logger = structlog.get_logger(__name__)


def read_chains(log: Log) -> ChainBook:
    """Every chain that a log has.

    Raises:
        StoreError: the log cannot be read.
    """
    book = ChainBook()
    follow([book], log.events(upto=log.head().position))
    return book


def due_rows(log: Log, session_date: str, account: str) -> tuple[Row, ...]:
    """The links that are due in a session, as rows that stand before a file's first.

    Each is handed in by whoever submitted its parent, whoever runs the session. One whose submitter
    may submit no more is left out, on the record, until they may again.

    Raises:
        StoreError: the log cannot be read, or who may submit.
    """
    due = read_chains(log).due(session_date, account)
    if not due or log.in_memory or not is_supervised(log):
        return tuple(Row(0, link.raw, link.by) for link in due)
    with Supervisor(log.url) as supervisor:
        return tuple(
            Row(0, link.raw, link.by)
            for link in due
            if link.by is None or _may_submit(supervisor, link.by, f"chain {link.root}")
        )


def _may_submit(supervisor: Supervisor, by: Submitter, command: str) -> bool:
    """Whether the principal is in force, of the same person, and may submit on its way."""
    known = supervisor.state.principals.get(by.principal)
    if known is None or known.person != by.person:
        why: str | None = "it is no principal in force"
    else:
        why = why_not(known, SUBMIT, by.channel)
    if why is None:
        return True
    try:
        supervisor.deny(AccessDenied(by.principal, command, f"no link of today: {why}"))
    except AccessDenied as denied:
        _logger.warning("a chain is not taken on", why=str(denied))
    return False
