"""Building a report of any kind from what was read, and any part of it from fewer instructions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import polars as pl

from ... import __version__
from ...domain.errors import InvalidInput
from ...domain.ops import REPORT_KINDS
from ...projections.alerts import DEFAULT_THRESHOLDS, AlertThresholds, current_alerts
from ...projections.best_execution import controls, execution, finra5310, regulatory
from ...projections.best_execution.document import Bound, Report, Table, in_currency
from ...projections.best_execution.facts import KEPT, NOT_GIVEN, Facts, facts_of
from ...projections.best_execution.finra5310 import Review
from ...projections.best_execution.reporter import OWN_FLOW, Capacity, Reporter, label_for
from ...projections.instruction_book import Followed
from ...projections.reconciliation import standing_note, told_sessions
from ...projections.reports import SIMULATED_NOTE
from ...projections.tca.analysis import analyse
from ...projections.tca.tables import Tables
from .source import Progress, Source, silent

SESSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
TITLES: Final[Mapping[str, str]] = {
    "execution": "Execution report",
    "best-execution": "Best-execution report",
    "rule605": "Execution statistics in the form of SEC Rule 605",
    "rule606": "Order routing in the form of SEC Rule 606(b)(3)",
    "finra5310": "Regular and rigorous review, FINRA Rule 5310",
    "limits": "Limits report",
    "exceptions": "Exceptions report",
}
RULES: Final[Mapping[str, str]] = {
    "rule605": "SEC Rule 605",
    "rule606": "SEC Rule 606(b)(3)",
    "finra5310": "FINRA Rule 5310",
}
SEVERAL: Final = "own currency"
"""The unit of amounts in rows that are each in a currency of their own."""
FEED_NOTE: Final = (
    "Quotes and prints are those of the feeds named; only on a consolidated feed are they the "
    "NBBO, and VWAP and volume the market's."
)


@dataclass(frozen=True, slots=True)
class Request:
    """Which report: its kind, first and last session (None: all of the log), and who reports.

    ``reviews`` are those on record and ``ops_position`` where in the second stream they were read;
    ``thresholds`` are what alerts are raised by.
    """

    kind: str
    from_session: str | None = None
    to_session: str | None = None
    reporter: Reporter = OWN_FLOW
    reviews: Sequence[Review] = field(default=())
    ops_position: int = 0
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS

    def check(self) -> None:
        """Raises InvalidInput for a kind that there is not, or a period that is none."""
        if self.kind not in REPORT_KINDS:
            raise InvalidInput("kind", self.kind, ", ".join(REPORT_KINDS))
        for name, value in (("from", self.from_session), ("to", self.to_session)):
            if value is not None and not SESSION.fullmatch(value):
                raise InvalidInput(name, value, "a session date, YYYY-MM-DD")
        if self.from_session and self.to_session and self.from_session > self.to_session:
            raise InvalidInput("from", self.from_session, f"no later than {self.to_session}")

    def covers(self, session: str | None) -> bool:
        """Whether a session is in the period."""
        if session is None:
            return self.from_session is None and self.to_session is None
        after = self.from_session is None or session >= self.from_session
        return after and (self.to_session is None or session <= self.to_session)

    def parameters(self) -> dict[str, Any]:
        """What the report depends on beside log and market data."""
        found: dict[str, Any] = {"from": self.from_session, "to": self.to_session}
        if self.kind in RULES:
            found |= {
                "capacity": self.reporter.capacity.value,
                "designated_participant": self.reporter.participant,
                "entity": self.reporter.entity,
                "sp500": sorted(self.reporter.sp500),
                "directed": self.reporter.directed,
            }
        if self.kind == "finra5310":
            found["ops_position"] = self.ops_position
        if self.kind == "exceptions":
            found["alerts"] = asdict(self.thresholds)
        return found


def build(source: Source, request: Request, *, progress: Progress = silent) -> Report:
    """The report.

    Raises:
        InvalidInput: a kind or period that is not allowed.
    """
    request.check()
    facts = None if request.kind == "limits" else facts_within(source, request, progress)
    entries = [
        entry for entry in source.book.instructions().values() if request.covers(entry.session_date)
    ]
    return _report(source, request, facts, entries)


def build_part(source: Source, request: Request, ids: Sequence[str]) -> Report:
    """The same report of some instructions alone, from their events: what drilling down checks."""
    chosen = frozenset(ids)
    facts = None if request.kind == "limits" else _facts(source, chosen)
    entries = [entry for id, entry in source.book.instructions().items() if str(id) in chosen]
    return _report(source, request, facts, entries)


def _report(
    source: Source, request: Request, facts: Facts | None, entries: Sequence[Followed]
) -> Report:
    sessions = tuple(sorted({entry.session_date for entry in entries}))
    problems = () if facts is None else _problems(source, facts)
    return Report(
        kind=request.kind,
        title=TITLES[request.kind],
        label=_label(request),
        from_session=request.from_session,
        to_session=request.to_session,
        sessions=sessions,
        parameters=request.parameters(),
        code_version=__version__,
        log=Bound(
            min(1, source.logged.position),
            source.logged.position,
            source.logged.head_hash,
            source.logged.segments,
        ),
        tables=tuple(_in_own_currency(_tables(source, request, facts, entries), facts)),
        problems=problems,
        notes=tuple(_notes(source, request, facts)),
    )


def _in_own_currency(tables: Sequence[Table], facts: Facts | None) -> Sequence[Table]:
    """Amounts under the name of their currency; logs that name none are of US equities."""
    named = [] if facts is None else facts.instructions["currency"].drop_nulls().unique().to_list()
    if named in ([], ["USD"]):
        return tables
    unit = named[0].lower() if len(named) == 1 else SEVERAL
    return [in_currency(table, unit) for table in tables]


def facts_within(source: Source, request: Request, progress: Progress = silent) -> Facts:
    """Cost analysis of the instructions of the period."""
    instructions = source.logged.tables.instructions
    if request.from_session is None and request.to_session is None:
        return _facts(source, None, progress)
    dates = instructions["session_date"].drop_nulls().unique().to_list()
    inside = [date for date in dates if request.covers(date)]
    ids = instructions.filter(pl.col("session_date").is_in(inside))["instruction_id"].to_list()
    return _facts(source, frozenset(ids), progress)


def _facts(source: Source, ids: frozenset[str] | None, progress: Progress = silent) -> Facts:
    tables = source.logged.tables
    if ids is not None:
        tables = restricted(tables, ids)
    own = source.logged.own_in_prints
    analysis = analyse(tables, own_in_prints=own, keep=KEPT, progress=progress)
    return facts_of(tables, analysis, route=source.broker or NOT_GIVEN)


def restricted(tables: Tables, ids: frozenset[str]) -> Tables:
    """The tables with some instructions only; quotes, prints and sessions stay."""
    chosen = pl.col("instruction_id").is_in(list(ids))
    for name in ("instructions", "orders", "fills", "phases"):
        frame = getattr(tables, name)
        if frame is not None:
            tables = tables.with_table(name, frame.filter(chosen))
    return tables


def _tables(
    source: Source, request: Request, facts: Facts | None, entries: Sequence[Followed]
) -> list[Table]:
    limits = controls.limits_tables(
        source.limits, _sessions_of(source, request), source.book.instructions().values()
    )
    standing = controls.standing_table(told_sessions(source.reconciliation, request.covers))
    if request.kind == "limits":
        return limits
    assert facts is not None
    if request.kind == "execution":
        tables = execution.execution_tables(facts)
        return [*tables, *limits, controls.refused_table(entries), standing]
    if request.kind == "best-execution":
        return execution.best_execution_tables(facts)
    if request.kind == "rule605":
        return regulatory.rule605_tables(facts, request.reporter)
    if request.kind == "rule606":
        return regulatory.rule606_tables(facts, request.reporter)
    if request.kind == "finra5310":
        return finra5310.finra5310_tables(facts, request.reviews)
    alerts = current_alerts(
        source.book,
        source.limits,
        source.reconciliation,
        source.last_at,
        thresholds=request.thresholds,
    )
    reasons = Counter(
        str(entry.instruction.end_reason)
        for entry in entries
        if entry.instruction.end_reason is not None
    )
    found = controls.exceptions_tables(entries, source.reconciliation, alerts, reasons)
    return [*found, limits[1], execution.outliers_table(facts), standing]


def _sessions_of(source: Source, request: Request) -> list[str]:
    dates = {
        date
        for account in source.limits.accounts()
        for date in source.limits.sessions(account)
        if request.covers(date)
    }
    return sorted(dates)


def _label(request: Request) -> str:
    rule = RULES.get(request.kind)
    return label_for(rule, request.reporter) if rule else ""


def _notes(source: Source, request: Request, facts: Facts | None) -> list[str]:
    found = [SIMULATED_NOTE] if source.simulated else []
    found.append(standing_note(told_sessions(source.reconciliation, request.covers)))
    if facts is not None:
        found.append(FEED_NOTE)
    if request.kind == "rule605":
        if not request.reporter.sp500:
            found.append("no symbols of the S&P 500 are configured: all stand under N")
        if request.reporter.capacity is Capacity.OWN_FLOW:
            found.append("the files name the sample's participant and entity unless configured")
        found.append("the value of an order is its quantity times the mid at receipt")
    if request.kind == "rule606":
        found.append("further routing, principal and indications of interest are not known here")
    return found


def _problems(source: Source, facts: Facts) -> tuple[tuple[str, str, str, str], ...]:
    named = [
        (str(problem), str(table), str(id or ""), str(detail))
        for problem, table, id, detail in facts.problems.iter_rows()
    ]
    named += [
        ("missing_segment", "market data", "", _without_path(each))
        for each in source.logged.missing
    ]
    return tuple(sorted(set(named)))


def _without_path(text: str) -> str:
    """A problem's text without where files lie: that is no part of a report."""
    return re.sub(r"(?<!\w)/\S+/", "", text)
