"""The tables of a store, and whether a file is one."""

from __future__ import annotations

import sqlite3
from typing import Final

from ...domain.errors import StoreDamaged, StoreError, StoreNewer

FORMAT: Final = 1
"""The format this code writes; stored in the file's header (``PRAGMA user_version``)."""

APPLICATION_ID: Final = 0x66776C67
"""``fwlg`` in the file's header, so that ``file`` and we can tell a store from other databases."""

EVENTS_TABLE: Final = "stored_events"

# ``stream`` is the position of the originator's first event. Streams that are alive together have
# numbers close together, so that a commit of many streams touches few pages of the index, where
# the ids, which are spread at random, would touch a page each: half the cost of a large commit.
# The hash stands before the state, so that reading the head never follows a long state.
CREATE_EVENTS: Final = f"""
CREATE TABLE IF NOT EXISTS {EVENTS_TABLE} (
  position INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  originator_id TEXT NOT NULL,
  originator_version INTEGER NOT NULL,
  topic TEXT NOT NULL,
  hash BLOB NOT NULL,
  state BLOB NOT NULL,
  UNIQUE (stream, originator_version)
)"""

CREATE_STREAMS: Final = f"""
CREATE UNIQUE INDEX IF NOT EXISTS streams ON {EVENTS_TABLE} (originator_id)
WHERE originator_version = 1"""

# An integer that overflows becomes a REAL in SQLite, silently; the check makes it an error.
CREATE_COUNTERS: Final = """
CREATE TABLE IF NOT EXISTS counters (
  key TEXT PRIMARY KEY,
  used INTEGER NOT NULL CHECK (typeof(used) = 'integer')
) WITHOUT ROWID"""

CREATE_STATEMENTS: Final = (CREATE_EVENTS, CREATE_STREAMS, CREATE_COUNTERS)


def check_format(connection: sqlite3.Connection, store: str) -> bool:
    """Whether the file is a store this code can use; False when it is still empty.

    Raises:
        StoreNewer: a later version of fillwright made it.
        StoreDamaged: it is a database of something else.
    """
    (format_version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == APPLICATION_ID and format_version > FORMAT:
        raise StoreNewer(
            f"{store} was made by a newer version (store format {format_version}, this version "
            f"reads up to {FORMAT}). Open it with that version, or upgrade fillwright"
        )
    if application == APPLICATION_ID and format_version >= 1:
        return True
    if application == 0 and tables == 0:
        return False
    raise StoreDamaged(f"{store} is a database, but not a fillwright store. Name another file")


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in CREATE_STATEMENTS:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def prepare(connection: sqlite3.Connection, store: str, *, writer: bool) -> None:
    """Check the format and make the tables of an empty file.

    Raises:
        StoreError: there is nothing to read, or see :func:`check_format`.
    """
    if check_format(connection, store):
        return
    if not writer:
        raise StoreError(f"{store} is empty: nothing has been recorded in it yet")
    create(connection)
