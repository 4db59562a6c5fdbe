"""Reports of a log that is being written, for whoever runs the engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from ...domain.errors import InvalidInput
from ...projections.alerts import AlertThresholds
from ...projections.best_execution.document import Report, fields_of, report_id
from ...projections.best_execution.reporter import Reporter
from ..captured_segments import segments_beside
from ..storage.log import Log


def is_installed() -> bool:
    """Whether what reports need is installed."""
    return find_spec("polars") is not None


def live_report(
    log: Log,
    kind: str,
    sessions: tuple[str | None, str | None],
    terms: tuple[Reporter, AlertThresholds],
) -> Report:
    """A report as of the log's head now, from the first session to the last; it is not recorded.

    Raises:
        InvalidInput: a kind or period that is not allowed, or polars is not installed.
    """
    if not is_installed():
        raise InvalidInput("report", kind, "this needs pip install 'fillwright[analysis]'")
    from .building import Request, build
    from .source import read_log

    reporter, thresholds = terms
    request = Request(kind, *sessions, reporter, thresholds=thresholds)
    request.check()
    return build(read_log(log, log.name, segments_beside(log.name)), request)


def fields_with_id(report: Report) -> dict[str, Any]:
    """The report as plain values, with what it is called."""
    return {"id": report_id(report), **fields_of(report)}
