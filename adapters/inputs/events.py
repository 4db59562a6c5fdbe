"""Scheduled events (earnings, rate decisions) from a JSON or CSV file.

JSON holds a list of objects, CSV a header line; both have the fields ``at`` (ISO 8601 with an
offset, or integer ns UTC), ``kind`` (one of ``KINDS``), and optionally ``symbol`` (empty: the whole
market) and ``description``.
"""

from __future__ import annotations

import csv
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ...domain.decision import SYMBOL_PATTERN
from ...domain.errors import InvalidInput
from ...domain.ports import ScheduledEvent

KINDS: Final = (
    "earnings",
    "dividend",
    "split",
    "fomc",
    "cpi",
    "employment",
    "gdp",
    "auction",
    "index_rebalance",
    "options_expiry",
    "other",
)
FIELDS: Final = ("at", "kind", "symbol", "description")
EVENTS_MAX: Final = 100_000
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
DESCRIPTION_CHARACTERS_MAX: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_AT_ALLOWED: Final = "ISO 8601 with an offset (2013-10-30T14:00:00-04:00) or integer ns UTC"
_AT_NS_MAX: Final = 1 << 62
_DIGITS_MAX: Final = 19


class NoEvents:
    """A calendar without any scheduled event."""

    def between(self, symbol: str, start: int, end: int) -> Sequence[ScheduledEvent]:
        """No event, for any symbol and span."""
        return ()


class FileEvents:
    """Scheduled events in order of time."""

    def __init__(self, events: Iterable[ScheduledEvent]) -> None:
        """Hold ``events``; their order does not matter."""
        self._events = sorted(events, key=lambda each: (each.at, each.symbol or "", each.kind))
        self._times = [each.at for each in self._events]

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._events)

    @classmethod
    def read(cls, path: str | Path) -> FileEvents:
        """Read a ``.json`` or ``.csv`` file.

        Raises:
            InvalidInput: naming file, row and field, what was found and what is allowed. Rows
                count from 1; in CSV the header is not a row.
        """
        source = Path(path)
        readers = {".json": _json_rows, ".csv": _csv_rows}
        reader = readers.get(source.suffix.lower())
        if reader is None:
            raise InvalidInput("events file", source.name, "a name that ends in .json or .csv")
        rows = reader(source, _text(source))
        if len(rows) > EVENTS_MAX:
            raise InvalidInput(source.name, f"{len(rows)} events", f"at most {EVENTS_MAX}")
        return cls(_event(row, f"{source.name} row {n}") for n, row in enumerate(rows, start=1))

    def between(self, symbol: str, start: int, end: int) -> Sequence[ScheduledEvent]:
        """Events of the symbol and of the whole market with ``start <= at < end`` (ns UTC)."""
        first, last = bisect_left(self._times, start), bisect_left(self._times, end)
        return tuple(e for e in self._events[first:last] if e.symbol in (None, symbol))


def _text(source: Path) -> str:
    try:
        if source.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput("events file", source.name, f"at most {FILE_BYTES_MAX} bytes")
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInput("events file", f"{source.name}: {reason}", "a readable file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("events file", source.name, "text in UTF-8") from error


def _json_rows(source: Path, text: str) -> list[Mapping[str, object]]:
    try:
        rows = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(source.name, str(error), "JSON") from error
    if not isinstance(rows, list):
        raise InvalidInput(source.name, type(rows).__name__, "a list of events")
    for n, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            allowed = f"an object with the fields {', '.join(FIELDS)}"
            raise InvalidInput(f"{source.name} row {n}", row, allowed)
    return rows


def _csv_rows(source: Path, text: str) -> list[Mapping[str, object]]:
    reader = csv.DictReader(text.splitlines(), restkey="", strict=True)
    try:
        missing = {"at", "kind"} - set(reader.fieldnames or ())
        if missing:
            found = ", ".join(reader.fieldnames or ()) or "an empty file"
            raise InvalidInput(f"{source.name} header", found, f"the fields {', '.join(FIELDS)}")
        rows: list[Mapping[str, object]] = []
        for n, row in enumerate(reader, start=1):
            if "" in row:
                raise InvalidInput(f"{source.name} row {n}", row[""], "no more values than fields")
            rows.append(row)
    except csv.Error as error:
        raise InvalidInput(source.name, str(error), "CSV") from error
    return rows


def _event(row: Mapping[str, object], where: str) -> ScheduledEvent:
    unknown = sorted(set(row) - set(FIELDS))
    if unknown:
        raise InvalidInput(f"{where} field {unknown[0]}", row[unknown[0]], ", ".join(FIELDS))
    kind = str(row.get("kind") or "").strip().lower()
    if kind not in KINDS:
        raise InvalidInput(f"{where} kind", kind, ", ".join(KINDS))
    description = str(row.get("description") or "").strip()
    if len(description) > DESCRIPTION_CHARACTERS_MAX:
        allowed = f"at most {DESCRIPTION_CHARACTERS_MAX} characters"
        raise InvalidInput(f"{where} description", description, allowed)
    return ScheduledEvent(
        at=_at(row.get("at"), where),
        kind=kind,
        symbol=_symbol(row.get("symbol"), where),
        description=description,
    )


def _at(value: object, where: str) -> int:
    text = str(value).strip() if isinstance(value, str | int) and value is not True else ""
    try:
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX:
            moment = int(text)
        else:
            parsed = datetime.fromisoformat(text)
            if parsed.tzinfo is None:
                raise ValueError("no offset")
            # Exact integers: a float of seconds could not hold the microseconds.
            moment = (parsed - _EPOCH) // timedelta(microseconds=1) * 1_000
        if not 0 <= moment < _AT_NS_MAX:
            raise ValueError("out of range")
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{where} at", value, _AT_ALLOWED) from error
    return moment


def _symbol(value: object, where: str) -> str | None:
    text = str(value if value is not None else "").strip()
    if not text:
        return None
    if not _SYMBOL.fullmatch(text):
        allowed = "a symbol in capitals such as AAPL or BRK.B, or empty for the whole market"
        raise InvalidInput(f"{where} symbol", text, allowed)
    return text
