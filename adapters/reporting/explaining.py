"""Drilling down: the events that a figure of a report came from, and the figure made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from ...domain.errors import InvalidInput
from ...domain.ops import ReportIssued
from ...projections.alerts import DEFAULT_THRESHOLDS, AlertThresholds
from ...projections.best_execution.document import (
    Column,
    Key,
    Report,
    Value,
    parse_cell,
    report_id,
)
from ...projections.best_execution.facts import FrameMembers
from ...projections.best_execution.reporter import OWN_FLOW, Capacity, Reporter
from ...projections.canonical import from_canonical
from ..storage.ops_log import OpsLog
from . import records
from .building import Request, build, build_part
from .source import EventRef, Source, read_source

NO_EVENTS: Final = "this figure is of the whole log and not of single instructions"


class Explained(NamedTuple):
    """Where a figure came from.

    ``recomputed`` is the same figure made anew from the events of ``instructions`` alone, where it
    is of instructions; ``by_hand`` from ``rows``, the rows behind it, in plain decimals, where it
    is one over rows. ``events`` are all events of those instructions.
    """

    report: str
    table: str
    row: Key
    column: Column
    value: Value
    recomputed: Value
    by_hand: Value
    has_parts: bool
    instructions: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    events: tuple[EventRef, ...]

    @property
    def agrees(self) -> bool:
        """Whether what was made anew is what the report says."""
        return self.value == self.recomputed and (not self.has_parts or self.value == self.by_hand)


def explain(source: Source, request: Request, report: Report, cell: str) -> Explained:
    """Drill a figure of a report down to its events, and make it anew from them.

    Raises:
        InvalidInput: the cell is not in the report, or is a key and not a figure.
    """
    name, key, column = parse_cell(cell)
    table = report.table(name)
    place = table.place(column)
    if place < table.keys:
        raise InvalidInput("column", column, f"a figure of {name}, not a part of its key")
    value = table.row(key)[place]
    ids = table.members.instructions(key)
    rows: Sequence[dict[str, Any]] = ()
    by_hand: Value = None
    members = table.members
    has_parts = isinstance(members, FrameMembers) and members.has(column)
    if isinstance(members, FrameMembers) and has_parts:
        rows = members.contributions(key, column)
        by_hand = members.computed(key, column)
    part = build_part(source, request, ids) if ids else build(source, request)
    again = part.table(name)
    recomputed = again.row(key)[again.place(column)]
    events = sorted({ref for id in ids for ref in source.events.get(id, ())})
    return Explained(
        report_id(report),
        name,
        key,
        table.columns[place],
        value,
        recomputed,
        by_hand,
        has_parts,
        ids,
        tuple(rows),
        tuple(events),
    )


def request_of(record: ReportIssued, ops: OpsLog) -> Request:
    """The request that an issued report answered."""
    given = from_canonical(record.parameters.encode())
    reporter = OWN_FLOW
    if "capacity" in given:
        reporter = Reporter(
            Capacity(given["capacity"]),
            given["designated_participant"],
            given["entity"],
            frozenset(given["sp500"]),
            directed=given["directed"],
        )
    upto = given.get("ops_position", 0)
    return Request(
        record.kind,
        record.from_session,
        record.to_session,
        reporter,
        records.reviews(ops, upto) if record.kind == "finra5310" else (),
        upto,
        _thresholds(given.get("alerts")),
    )


def _thresholds(given: Mapping[str, Any] | None) -> AlertThresholds:
    if given is None:
        return DEFAULT_THRESHOLDS
    usual = asdict(DEFAULT_THRESHOLDS)
    return AlertThresholds(**{name: type(usual[name])(value) for name, value in given.items()})


def rebuilt(store: str, record: ReportIssued, ops: OpsLog) -> tuple[Source, Request, Report]:
    """An issued report made anew from the log at its position.

    Raises:
        InvalidInput: it cannot be made as it was: another version of the code made it, or the
            log or its market data is not what it was.
    """
    request = request_of(record, ops)
    source = read_source(store, position=record.log_position)
    report = build(source, request)
    if report_id(report) != record.report:
        why = (
            f"made by version {record.code_version} of the code"
            if report.code_version != record.code_version
            else "what the log and its market data give now differs"
        )
        raise InvalidInput("report", record.report, f"one that can be made again; {why}")
    return source, request, report
