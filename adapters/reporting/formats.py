"""A report as JSON, CSV, Parquet or a workbook, and what each says at its head."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...domain.errors import InvalidInput
from ...projections.best_execution.document import (
    Report,
    Table,
    report_bytes,
    report_id,
    text,
)
from ...projections.best_execution.rule605_files import detailed_text, summary_csv

if TYPE_CHECKING:
    import polars as pl

FORMATS: Final = ("terminal", "json", "csv", "parquet", "html", "xlsx")
MAIN_TABLE: Final = {
    "execution": "instructions",
    "best-execution": "by_symbol",
    "rule605": "summary",
    "rule606": "venues",
    "finra5310": "comparison",
    "limits": "limits",
    "exceptions": "refused",
}
"""The table that a format for one table gives, unless another is named."""
_TEXT_UNITS: Final = frozenset({"text"})
_INTEGERS: Final = frozenset({"count", "ns"})
_LONGEST_SHEET_NAME: Final = 31


def main_table(report: Report, name: str | None) -> Table:
    """The table named, by default the report's main one.

    Raises:
        InvalidInput: there is none of that name.
    """
    return report.table(name or MAIN_TABLE[report.kind])


def json_bytes(report: Report) -> bytes:
    """The canonical bytes that the report is named by, and a newline."""
    return report_bytes(report) + b"\n"


def csv_text(report: Report, table: Table) -> str:
    """One table as CSV; Rule 605's are its own files, to the letter."""
    if report.kind == "rule605" and table.name in ("summary", "detailed"):
        names = [column.name for column in table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in table.rows]
        return summary_csv(rows) if table.name == "summary" else detailed_text(rows)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([text(value) for value in row] for row in table.rows)
    return out.getvalue()


def frame_of(table: Table) -> pl.DataFrame:
    """One table as a frame: figures as DECIMAL, counts and times as integers."""
    import polars as pl

    columns = {}
    for n, column in enumerate(table.columns):
        values = [row[n] for row in table.rows]
        numbers = all(isinstance(v, Decimal | int) or v is None for v in values)
        if column.unit in _TEXT_UNITS or not numbers:
            columns[column.name] = pl.Series(
                [None if v is None else text(v) for v in values], dtype=pl.String
            )
        elif column.unit in _INTEGERS:
            columns[column.name] = pl.Series(values, dtype=pl.Int64)
        else:
            exact = [None if v is None else Decimal(v) for v in values]
            columns[column.name] = pl.Series(exact, dtype=pl.Decimal(38, 12))
    return pl.DataFrame(columns)


def parquet_bytes(table: Table) -> bytes:
    """One table as Parquet."""
    out = io.BytesIO()
    frame_of(table).write_parquet(out, compression="zstd", statistics=True)
    return out.getvalue()


def xlsx_bytes(report: Report) -> bytes:
    """A workbook with a sheet about the report and one for each table; figures are numbers.

    Raises:
        InvalidInput: the library for it is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        allowed = "this needs pip install 'fillwright[analysis]'"
        raise InvalidInput("format", "xlsx", allowed) from error
    import datetime as dt

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    # The time a file was made is no part of a report.
    book.set_properties({"title": report.title, "created": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)})
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    about = book.add_worksheet("report")
    about.set_column(0, 0, 22)
    about.set_column(1, 1, 110)
    for row, (name, value) in enumerate(heading(report)):
        about.write_string(row, 0, name, bold)
        about.write_string(row, 1, value)
    for table in report.tables:
        _sheet(book.add_worksheet(table.name[:_LONGEST_SHEET_NAME]), table, bold)
    book.close()
    return out.getvalue()


def _sheet(sheet: Any, table: Table, bold: Any) -> None:
    sheet.freeze_panes(1, table.keys)
    for n, column in enumerate(table.columns):
        unit = "" if column.unit in ("text", "figure") else f", {column.unit}"
        sheet.write_string(0, n, f"{column.title}{unit}", bold)
        sheet.write_comment(0, n, column.about)
    for n, row in enumerate(table.rows, 1):
        for place, value in enumerate(row):
            if isinstance(value, Decimal | int) and not isinstance(value, bool):
                sheet.write_number(n, place, float(value))
            elif value is not None:
                sheet.write_string(n, place, text(value))


def heading(report: Report) -> list[tuple[str, str]]:
    """What every report states of itself: period, log range, hash, code, parameters, data."""
    log = report.log
    period = f"{report.from_session or 'the first session'} to {report.to_session or 'the last'}"
    found = [
        ("report", report.title),
        ("what it is", report.label),
        ("period", period),
        ("sessions", ", ".join(report.sessions)),
        ("log", f"positions {log.first_position} to {log.last_position}"),
        ("hash", log.head_hash),
        ("code", report.code_version),
        ("parameters", ", ".join(f"{k}={_short(v)}" for k, v in report.parameters.items())),
        ("market data", ", ".join(log.segments)),
        ("id", report_id(report)),
    ]
    found += [("note", note) for note in report.notes]
    found += [
        ("data quality", f"{name} ({table}{' ' + id if id else ''}): {detail}")
        for name, table, id, detail in report.problems[:PROBLEMS_SHOWN]
    ]
    if len(report.problems) > PROBLEMS_SHOWN:
        found.append(("data quality", f"and {len(report.problems) - PROBLEMS_SHOWN:,} more"))
    return [(name, value) for name, value in found if value]


PROBLEMS_SHOWN: Final = 200


def _short(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "any" if value is None else str(value)


def rendered(report: Report, form: str, table: str | None) -> bytes:
    """The report's bytes in a format that gives one file.

    Raises:
        InvalidInput: the format or the table is none that there is.
    """
    if form == "json":
        return json_bytes(report)
    if form == "csv":
        return csv_text(report, main_table(report, table)).encode()
    if form == "parquet":
        return parquet_bytes(main_table(report, table))
    if form == "xlsx":
        return xlsx_bytes(report)
    raise InvalidInput("format", form, ", ".join(FORMATS))


def write_tables(report: Report, form: str, folder: Path) -> list[Path]:
    """Every table as a file of its own in a folder, and the report's JSON beside them.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in report.tables:
        path = folder / f"{table.name}.{form}"
        path.write_bytes(rendered(report, form, table.name))
        written.append(path)
    (folder / "report.json").write_bytes(json_bytes(report))
    return [*written, folder / "report.json"]
