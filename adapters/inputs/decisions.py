"""Decisions from a file: JSON, JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...domain.errors import InvalidInput
from ...domain.principals import Submitter

REQUIRED: Final = ("symbol", "action")
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
ROWS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One decision as the file has it: its fields, or its bytes where they cannot be read.

    ``by`` is in whose name it is handed in, None for whoever hands in the file.
    """

    line: int
    raw: Mapping[str, object] | bytes
    by: Submitter | None = None


def read_decisions(path: Path) -> list[Row]:
    """The decisions of a file in its order; the form is told by the ending.

    A row that cannot be read is given as bytes, to be recorded as refused. Empty CSV cells are
    fields that were not given.

    Raises:
        InvalidInput: the file cannot be read at all, or a CSV file lacks a required column.
    """
    if not path.is_file():
        raise InvalidInput("decisions file", path, "an existing .json, .jsonl or .csv file")
    if path.stat().st_size > FILE_BYTES_MAX:
        raise InvalidInput("decisions file", path, f"a file of at most {FILE_BYTES_MAX} bytes")
    ending = path.suffix.lower()
    readers = {".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv}
    reader = readers.get(ending)
    if reader is None:
        raise InvalidInput("decisions file", path.name, "a name ending in .json, .jsonl or .csv")
    rows = reader(path.read_bytes(), path)
    if not rows:
        raise InvalidInput("decisions file", path, "at least one decision")
    if len(rows) > ROWS_MAX:
        raise InvalidInput("decisions file", f"{len(rows)} rows", f"at most {ROWS_MAX} rows")
    return rows


def _json(content: bytes, path: Path) -> list[Row]:
    try:
        loaded = json.loads(content)
    except ValueError as error:
        raise InvalidInput("decisions file", path, f"valid JSON ({error})") from error
    if isinstance(loaded, dict):
        loaded = loaded.get("decisions", [loaded])
    if not isinstance(loaded, list):
        raise InvalidInput("decisions file", path, "a JSON list of objects")
    return [
        Row(number, item if isinstance(item, dict) else json.dumps(item).encode())
        for number, item in enumerate(loaded, start=1)
    ]


def _json_lines(content: bytes, path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError:
            item = None
        rows.append(Row(number, item if isinstance(item, dict) else line))
    return rows


def _csv(content: bytes, path: Path) -> list[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("decisions file", path, "text in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InvalidInput(
            "column", ", ".join(missing) + " missing", "a header with " + ", ".join(REQUIRED)
        )
    reader.fieldnames = columns
    rows = []
    try:
        for cells in reader:
            given = {key: value for key, value in cells.items() if value not in (None, "")}
            if None in cells or not given:
                line = json.dumps(list(cells.values()), default=str).encode()
                rows.append(Row(reader.line_num, line))
            else:
                rows.append(Row(reader.line_num, given))
    except csv.Error as error:
        allowed = f"well-formed CSV (line {reader.line_num}: {error})"
        raise InvalidInput("decisions file", path, allowed) from error
    return rows
