"""Reports of a log that is being written, for whoever runs the engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from ...domain.errors import InvalidInput
from ...projections.best_execution.document import Report, fields_of, report_id
from ..end_facts import SEGMENTS_SUFFIX
from ..storage.location import parse_location
from ..storage.log import Log


def is_installed() -> bool:
    """Whether what reports need is installed."""
    return find_spec("polars") is not None


def live_report(
    log: Log, kind: str, from_session: str | None = None, to_session: str | None = None
) -> Report:
    """A report as of the log's head now; it is not put on record.

    Raises:
        InvalidInput: a kind or period that is not allowed, or polars is not installed.
    """
    if not is_installed():
        raise InvalidInput("report", kind, "this needs pip install 'fillwright[analysis]'")
    from .building import Request, build
    from .source import read_log

    path = parse_location(log.name)
    folder = path.with_name(path.name + SEGMENTS_SUFFIX) if path else None
    request = Request(kind, from_session, to_session)
    request.check()
    return build(read_log(log, log.name, folder), request)


def fields_with_id(report: Report) -> dict[str, Any]:
    """The report as plain values, with what it is called."""
    return {"id": report_id(report), **fields_of(report)}
