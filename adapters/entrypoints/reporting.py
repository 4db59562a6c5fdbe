"""What the report commands do: make, write, drill down and review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table as Grid
from rich.text import Text

from ...domain.errors import InvalidInput, StoreError
from ...projections.best_execution.document import Report, Table, text
from ...projections.best_execution.finra5310 import FACTORS
from ...projections.canonical import from_canonical, to_json
from ..as_of import parse_as_of
from ..reporting import records
from ..reporting.building import Request, build
from ..reporting.explaining import NO_EVENTS, Explained, explain, rebuilt
from ..reporting.formats import heading, rendered, write_tables
from ..reporting.source import Source, position_at, read_source
from ..settings import Settings
from ..timekeeping.clocks import SystemClock
from . import output
from .whole_files import write_whole

ROWS_SHOWN: Final = 40
EVENTS_SHOWN: Final = 60
COLUMNS_SHOWN: Final = 9
PLACES_SHOWN: Final = {"ms": 0, "usd": 2, "bps": 2}
"""Decimals of a unit in a terminal, where not four; every other format has all of them."""
REVIEWED: Final = ("finra5310", "best-execution")


def make(
    store: str,
    kind: str,
    sessions: tuple[str | None, str | None],
    as_of: str | None,
    config: Path | None,
    tell: output.Tell,
) -> tuple[Source, Report]:
    """Read the store and build the report.

    Raises:
        InvalidInput: kind, period or settings.
        StoreError: the store cannot be read.
    """
    settings = Settings.read(file=config)
    reporter, thresholds = settings.reporting.reporter, settings.alerts.thresholds()
    request = Request(kind, *sessions, reporter, thresholds=thresholds)
    request.check()
    if kind == "finra5310":
        ops = records.open_ops(store, writer=False)
        if ops is not None:
            with ops:
                upto = ops.head().position
                seen = records.reviews(ops, upto)
                request = replace(request, reviews=seen, ops_position=upto)
    position = None if as_of is None else position_at(store, parse_as_of(as_of))
    source = read_source(
        store,
        position=position,
        progress=lambda done, whole: tell(f"reading the log: {done:,} of {whole:,} events"),
    )
    return source, build(source, request, progress=output.measuring(tell))


def present(source: Source, report: Report, form: str, out: Path | None, table: str | None) -> None:
    """Write the report where it was asked for."""
    if form == "terminal":
        output.show(*view(report, table))
        return
    if out is not None and (out.is_dir() or not out.suffix) and form in ("csv", "parquet"):
        written = write_tables(report, form, out)
        output.note(f"{len(written)} files in {out}")
        return
    data = _data(source, report, form, table)
    if out is None:
        output.write_bytes(data)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, data)
        output.note(f"written to {out}")


def _data(source: Source, report: Report, form: str, table: str | None) -> bytes:
    if form == "html":
        from ..reporting.page import page

        return page(source, report, commentary=_commentary(source.store, report)).encode()
    return rendered(report, form, table)


def _commentary(store: str, report: Report) -> tuple[str, str] | None:
    from ...projections.best_execution.document import report_id

    ops = records.open_ops(store, writer=False)
    if ops is None:
        return None
    with ops:
        return records.commentary_of(ops, report_id(report), records.keystore_beside(store))


def view(report: Report, table: str | None) -> list[RenderableType]:
    """The report for a terminal: what it is, and its tables or the one named."""
    about = Grid(box=None, show_header=False, pad_edge=False)
    for name, value in heading(report):
        about.add_row(Text(name, style="dim"), Text(value))
    chosen = [report.table(table)] if table else [t for t in report.tables if t.rows]
    return [about, *(_grid(one) for one in chosen)]


def _grid(table: Table) -> RenderableType:
    grid = Grid(
        title=Text(table.title, style="bold"), title_justify="left", box=None, pad_edge=False
    )
    shown = table.columns[: table.keys + COLUMNS_SHOWN]
    for n, column in enumerate(shown):
        unit = "" if column.unit in ("text", "figure", "count") else f"\n{column.unit}"
        grid.add_column(
            f"{column.title}{unit}",
            justify="left" if n < table.keys or column.unit == "text" else "right",
        )
    for row in table.rows[:ROWS_SHOWN]:
        cells = zip(row, shown, strict=False)
        grid.add_row(*(Text(_shown(value, column.unit)) for value, column in cells))
    more = [table.note] if table.note else []
    if len(table.rows) > ROWS_SHOWN:
        more.append(f"and {len(table.rows) - ROWS_SHOWN} more rows")
    if len(table.columns) > len(shown):
        more.append(
            f"and {len(table.columns) - len(shown)} more columns: json, csv and html have all"
        )
    if more:
        grid.caption = "; ".join(more)
    return grid


def _shown(value: Any, unit: str) -> str:
    from decimal import Decimal

    if isinstance(value, Decimal):
        if not value % 1:
            return f"{value:,.0f}"
        places = PLACES_SHOWN.get(unit, 4)
        return f"{value:,.{places}f}" if places < 4 else f"{value:,.4f}".rstrip("0").rstrip(".")
    return text(value) or "–"


def drill(store: str, name: str, cell: str) -> Explained:
    """Drill down a cell of an issued report, or of a report's JSON file.

    Raises:
        InvalidInput: there is no such report or cell, or it cannot be made again.
    """
    ops = records.open_ops(store, writer=False)
    if ops is None:
        raise StoreError("a log in memory has no issued reports")
    with ops:
        record = records.find_issued(ops, _id_of(name))
        source, request, report = rebuilt(store, record, ops)
        return explain(source, request, report, cell)


def _id_of(name: str) -> str:
    """The id that a JSON file of a report has, or the name as it is given."""
    import hashlib

    path = Path(name)
    if path.suffix != ".json":
        return name
    try:
        data = path.read_bytes().rstrip(b"\n")
        from_canonical(data)
    except (OSError, ValueError) as error:
        raise InvalidInput("report", name, f"a readable report in JSON ({error})") from error
    return hashlib.sha256(data).hexdigest()


def explained_json(found: Explained) -> dict[str, Any]:
    """What was found, as plain values."""
    plain = {
        name: value
        for name, value in found._asdict().items()
        if name not in ("events", "rows", "column")
    }
    rows = [{name: _plain(value) for name, value in row.items()} for row in found.rows]
    return {
        **plain,
        "column": found.column._asdict(),
        "agrees": found.agrees,
        "rows": rows,
        "events": [event._asdict() for event in found.events],
    }


def _plain(value: Any) -> Any:
    """A value of an analysis; floats as the text that gives them back."""
    return repr(value) if isinstance(value, float) else to_json(value)


def explained_view(found: Explained) -> list[RenderableType]:
    """What was found, for a terminal."""
    facts = Grid(box=None, show_header=False, pad_edge=False)
    agrees = Text("yes", style="green") if found.agrees else Text("NO", style="bold red")
    for name, value in (
        ("report", found.report),
        ("figure", f"{found.table}, {', '.join(found.row)}, {found.column.name}"),
        ("meaning", f"{found.column.about} ({found.column.unit})"),
        ("value", text(found.value) or "not known"),
        ("from its events", text(found.recomputed) or "not known"),
        ("agrees", agrees),
        ("instructions", str(len(found.instructions))),
        ("rows", str(len(found.rows))),
        ("events", str(len(found.events)) if found.events else NO_EVENTS),
    ):
        facts.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(value))
    parts: list[RenderableType] = [facts]
    if found.rows:
        parts.append(_rows_grid(found.rows))
    grid = Grid(box=None, pad_edge=False)
    for title in ("position", "event", "hash"):
        grid.add_column(title)
    for event in found.events[:EVENTS_SHOWN]:
        grid.add_row(str(event.position), event.topic, event.hash)
    if len(found.events) > EVENTS_SHOWN:
        grid.caption = f"and {len(found.events) - EVENTS_SHOWN} more: --json has all"
    return [*parts, grid] if found.events else parts


def _rows_grid(rows: Sequence[dict[str, Any]]) -> RenderableType:
    grid = Grid(box=None, pad_edge=False)
    for name in rows[0]:
        grid.add_column(name)
    for row in rows[:ROWS_SHOWN]:
        grid.add_row(*(Text("–" if v is None else str(_plain(v))) for v in row.values()))
    if len(rows) > ROWS_SHOWN:
        grid.caption = f"and {len(rows) - ROWS_SHOWN} more: --json has all"
    return grid


def record_review(
    store: str,
    name: str,
    *,
    decision: str,
    reason: str,
    reviewer: str,
    factors: Sequence[str],
    symbol: str | None,
    order_type: str | None,
) -> dict[str, Any]:
    """Put a review on record.

    Raises:
        InvalidInput: the report is none to review by, a factor has no finding, a text is empty.
    """
    weighed = [_factor(each) for each in factors]
    for field, value in (("reason", reason), ("reviewer", reviewer)):
        if not value.strip():
            raise InvalidInput(field, "nothing", "some text")
    ops = records.open_ops(store, writer=True)
    if ops is None:
        raise StoreError("a log in memory has no issued reports")
    with ops:
        issued = records.find_issued(ops, name)
        if issued.kind not in REVIEWED:
            raise InvalidInput("report", issued.kind, f"a report of kind {' or '.join(REVIEWED)}")
        sessions = _sessions(store, issued.log_position, issued.from_session, issued.to_session)
        record = records.review_record(
            issued,
            reviewer=reviewer,
            at=SystemClock().now(),
            decision=decision,
            reason=reason,
            factors=weighed,
            symbol=symbol,
            order_type=order_type,
            sessions=sessions,
            keys=records.keystore_beside(store),
        )
        placed = ops.append(record)
    return {
        "position": placed.last_position,
        "report": issued.report,
        "decision": decision,
        "reviewer": reviewer,
        "from": sessions[0],
        "to": sessions[1],
    }


def _factor(given: str) -> tuple[str, str]:
    name, _, finding = (part.strip() for part in given.partition("="))
    if not name or not finding:
        raise InvalidInput("factor", given, f"NAME=FINDING, such as {next(iter(FACTORS))}=none")
    return name, finding


def _sessions(store: str, position: int, first: str | None, last: str | None) -> tuple[str, str]:
    """The period of a report, as the log has it where the report left it open."""
    if first and last:
        return first, last
    entries = read_source(store, position=position).book.instructions().values()
    dates = sorted(entry.session_date for entry in entries)
    if not dates:
        raise InvalidInput("report", "a log without sessions", "a report of something")
    return first or dates[0], last or dates[-1]
