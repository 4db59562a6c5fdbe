"""The exchange's own journal: what it took over survives the exchange and its client.

Only requests are kept, each with its virtual time. Matching is deterministic, so running them
again gives the same book, reports, execution ids and account (ruling 20). The journal never
shares a file with the engine's store.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

from ...domain.ports import (
    Algorithm,
    BrokerCommand,
    CancelOrder,
    OrderRequest,
    OrderType,
    Side,
    SubmitOrder,
    TimeInForce,
)

FORMAT: Final = 1
Row = tuple[int, str]
"""Virtual time and the request as JSON."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS header (
    one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS request (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, content TEXT NOT NULL);
"""


class JournalError(ValueError):
    """A journal cannot be used."""


class JournalMismatchError(JournalError):
    """A journal was written under other terms or market data; the message says which."""


class Rows(Protocol):
    """Where a journal's header and rows are kept."""

    def header(self) -> str | None:
        """The header written before, None for a new journal."""
        ...

    def write_header(self, content: str) -> None:
        """Keep the header durably."""
        ...

    def write(self, rows: Sequence[Row]) -> None:
        """Keep rows durably, all of them or none."""
        ...

    def read(self) -> Iterable[Row]:
        """All rows, in the order written."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class MemoryRows:
    """Rows in memory: they outlive an exchange object, not the process."""

    def __init__(self) -> None:
        self._header: str | None = None
        self._rows: list[Row] = []

    def header(self) -> str | None:
        """The header, None for a new journal."""
        return self._header

    def write_header(self, content: str) -> None:
        """Keep the header."""
        self._header = content

    def write(self, rows: Sequence[Row]) -> None:
        """Keep rows."""
        self._rows.extend(rows)

    def read(self) -> Iterable[Row]:
        """All rows, in the order written."""
        return list(self._rows)

    def close(self) -> None:
        """Nothing to let go of."""


class SqliteRows:
    """Rows in an SQLite file; a write returns once it is on disk.

    Raises:
        JournalError: the file cannot be opened or is not a journal of this format.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            # Used by one thread at a time; what is forgotten is closed by another.
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise JournalError(f"{path} cannot be opened: {error}") from error
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise JournalError(f"{path} is not an exchange journal: {error}") from error

    def header(self) -> str | None:
        """The header, None for a new journal."""
        row = self._db.execute("SELECT format, content FROM header").fetchone()
        if row is None:
            return None
        if row[0] != FORMAT:
            raise JournalError(f"{self._path} has journal format {row[0]}, expected {FORMAT}")
        return str(row[1])

    def write_header(self, content: str) -> None:
        """Keep the header durably."""
        self._db.execute("INSERT INTO header VALUES (1, ?, ?)", (FORMAT, content))

    def write(self, rows: Sequence[Row]) -> None:
        """Keep rows in one commit."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT INTO request (at, content) VALUES (?, ?)", rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def read(self) -> Iterable[Row]:
        """All rows, in the order written."""
        rows = self._db.execute("SELECT at, content FROM request ORDER BY number").fetchall()
        return [(int(at), str(content)) for at, content in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class Journal:
    """Requests taken over by a simulated exchange.

    Args:
        path: an SQLite file of its own, or None to keep it in memory.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._rows: Rows = MemoryRows() if path is None else SqliteRows(path)

    def open(self, header: Mapping[str, object]) -> None:
        """Start a new journal under ``header``, or check that an old one has the same.

        Raises:
            JournalMismatchError: naming every part that differs.
        """
        written = self._rows.header()
        content = json.dumps(header, sort_keys=True)
        if written is None:
            self._rows.write_header(content)
        elif written != content:
            parts = ", ".join(sorted(_differences(json.loads(written), json.loads(content))))
            raise JournalMismatchError(f"the journal was written with other {parts}")

    def append(self, at: int, commands: Sequence[BrokerCommand]) -> None:
        """Keep requests taken over at ``at`` durably, in one commit."""
        self._rows.write([(at, _encode(command)) for command in commands])

    def requests(self) -> Iterator[tuple[int, BrokerCommand]]:
        """Every request with its time, in order."""
        for at, content in self._rows.read():
            yield at, _decode(content)

    def close(self) -> None:
        """Let go of the file; a journal in memory stays usable."""
        self._rows.close()

    # Evidence that does not come from the engine

    def submitted(self) -> list[OrderRequest]:
        """Every order that was handed over, duplicates included, in order."""
        return [item.request for _, item in self.requests() if isinstance(item, SubmitOrder)]

    def order_count(self) -> int:
        """How many different orders were taken over."""
        return len({request.client_order_id for request in self.submitted()})

    def duplicates(self) -> dict[str, int]:
        """Client order ids that were handed over more than once, with how often."""
        counts = Counter(request.client_order_id for request in self.submitted())
        return {name: count for name, count in counts.items() if count > 1}


def _encode(command: BrokerCommand) -> str:
    if isinstance(command, CancelOrder):
        return json.dumps({"cancel": command.client_order_id, "venue": command.venue_order_id})
    request = command.request
    return json.dumps(
        {
            "submit": request.client_order_id,
            "symbol": request.symbol,
            "side": request.side,
            "quantity": str(request.quantity),
            "type": request.order_type,
            "tif": request.time_in_force,
            "limit": _text(request.limit_price),
            "display": _text(request.display_quantity),
            **({"algorithm": request.algorithm.name} if request.algorithm else {}),
        }
    )


def _decode(content: str) -> BrokerCommand:
    plain: dict[str, Any] = json.loads(content)
    if "cancel" in plain:
        return CancelOrder(plain["cancel"], plain["venue"])
    return SubmitOrder(
        OrderRequest(
            client_order_id=plain["submit"],
            symbol=plain["symbol"],
            side=Side(plain["side"]),
            quantity=Decimal(plain["quantity"]),
            order_type=OrderType(plain["type"]),
            time_in_force=TimeInForce(plain["tif"]),
            limit_price=_number(plain["limit"]),
            display_quantity=_number(plain["display"]),
            # Only that there is one matters here: the order is refused.
            algorithm=Algorithm(plain["algorithm"], 0, 0) if "algorithm" in plain else None,
        )
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield f"{name} ({old!r}, now {new!r})"
