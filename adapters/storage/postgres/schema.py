"""The tables of a store on PostgreSQL, made once by an explicit migration.

Engines never make tables: two that start together would crash into each other.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection, errors, sql

from .... import __version__
from ....domain.errors import StoreError, StoreNewer
from ..chain import GENESIS
from ..location import PostgresAddress
from ..schema import EVENTS_TABLE

FORMAT: Final = 1
"""The format this code writes; stored in ``schema_version``."""

_LOCK_KEY: Final = 0x66776C67
"""Serializes migrations: ``fwlg``."""

# Columns, keys and their reasons are those of the SQLite store; that of the positions holds the
# streams too, so that looking for an account's in a shared log need not read all states of others.
# Stores made before have a key without them, and all works there. `head` is the row that every
# appending transaction locks first, which is what makes positions gapless and in commit order.
_TABLES: Final = (
    f"""
CREATE TABLE {EVENTS_TABLE} (
  position bigint,
  stream bigint NOT NULL,
  originator_id text COLLATE "C" NOT NULL,
  originator_version bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  hash bytea NOT NULL,
  state bytea NOT NULL,
  PRIMARY KEY (position) INCLUDE (stream),
  UNIQUE (stream, originator_version)
)""",
    f"""
CREATE UNIQUE INDEX streams ON {EVENTS_TABLE} (originator_id) WHERE originator_version = 1""",
    """
CREATE TABLE head (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  position bigint NOT NULL,
  hash bytea NOT NULL
) WITH (
  fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000
)""",
    """
CREATE TABLE counters (
  key text COLLATE "C" PRIMARY KEY,
  used bigint NOT NULL
) WITH (fillfactor = 50)""",
    """
CREATE TABLE ops_records (
  position bigint PRIMARY KEY,
  topic text COLLATE "C" NOT NULL,
  hash bytea NOT NULL,
  state bytea NOT NULL
)""",
    """
CREATE TABLE leases (
  account text COLLATE "C" PRIMARY KEY,
  owner text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 20)""",
    """
CREATE TABLE schema_version (
  version integer PRIMARY KEY,
  migrated_at timestamptz NOT NULL DEFAULT now(),
  code_version text NOT NULL
)""",
)

# For SQL users: documented in docs/postgresql.md. The state is JSON, shown as such.
# The database's texts have no character 0, and one text of somebody's would hide all events: it is
# shown as U+FFFD. A backslash that is itself escaped begins no escape.
_STATE: Final = r"""
CROSS JOIN LATERAL (
  SELECT CASE
    WHEN position('\\u0000'::bytea IN state) = 0 THEN convert_from(state, 'UTF8')
    ELSE regexp_replace(
      convert_from(state, 'UTF8'), '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g'
    )
  END::jsonb AS fields
) AS decoded"""
_VIEWS: Final = (
    f"""
CREATE OR REPLACE VIEW events AS
SELECT position,
       originator_id::uuid AS originator_id,
       originator_version,
       split_part(topic, '.v', 1) AS event,
       split_part(topic, '.v', 2)::integer AS version,
       to_timestamp(((fields ->> 'record_time')::numeric / 1000000000)
         ::double precision) AS recorded_at,
       (fields ->> 'record_time')::bigint AS record_time_ns,
       fields,
       encode(hash, 'hex') AS hash
FROM {EVENTS_TABLE}{_STATE}""",
    f"""
CREATE OR REPLACE VIEW records AS
SELECT position,
       split_part(topic, '.v', 1) AS record,
       split_part(topic, '.v', 2)::integer AS version,
       fields,
       encode(hash, 'hex') AS hash
FROM ops_records{_STATE}""",
    """
CREATE OR REPLACE VIEW limit_counters AS
SELECT key, used::numeric / 1000000 AS used FROM counters""",
    """
CREATE OR REPLACE VIEW owners AS
SELECT account, owner, epoch, expires_at, expires_at > clock_timestamp() AS is_owned FROM leases""",
)
TABLES: Final = (EVENTS_TABLE, "head", "counters", "ops_records", "leases")
VIEWS: Final = ("events", "records", "limit_counters", "owners")


def found_format(connection: Connection[Any], schema: str) -> int | None:
    """The format of the store in a schema; None when there is none."""
    try:
        row = connection.execute(
            sql.SQL("SELECT max(version) FROM {}.schema_version").format(sql.Identifier(schema))
        ).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None
    return None if row is None else row[0]


def check_format(connection: Connection[Any], address: PostgresAddress) -> None:
    """Whether this code can use the store.

    Raises:
        StoreError: it was not migrated.
        StoreNewer: a later version of fillwright made it.
    """
    found = found_format(connection, address.schema)
    if found is None:
        raise StoreError(
            f"{address.shown}: the schema {address.schema} has no store yet. "
            "Make its tables once: `fillwright store migrate --store URL`"
        )
    if found > FORMAT:
        raise StoreNewer(
            f"{address.shown} was made by a newer version (store format {found}, this version "
            f"reads up to {FORMAT}). Open it with that version, or upgrade fillwright"
        )


def migrate(connection: Connection[Any], address: PostgresAddress, reader: str | None) -> int:
    """Make or bring up the tables, all or none; gives the format that was there before, 0 for none.

    ``reader`` names a role that may read the views from now on. Safe to run twice, and by several
    at once: the second waits and finds nothing to do.

    Raises:
        StoreNewer: a later version of fillwright made it.
        psycopg.Error: the database refused; nothing was changed.
    """
    schema = sql.Identifier(address.schema)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        row = connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL", (f"{address.schema}.schema_version",)
        ).fetchone()
        before = 0
        if row is not None and row[0]:
            check_format(connection, address)
            before = FORMAT
        else:
            _create(connection)
        for view in _VIEWS:
            connection.execute(view.encode())
        if reader is not None:
            _grant(connection, schema, reader)
    return before


def _create(connection: Connection[Any]) -> None:
    for statement in _TABLES:
        connection.execute(statement.encode())
    connection.execute("INSERT INTO head (position, hash) VALUES (0, %s)", (GENESIS,))
    connection.execute(
        "INSERT INTO schema_version (version, code_version) VALUES (%s, %s)", (FORMAT, __version__)
    )


def _grant(connection: Connection[Any], schema: sql.Identifier, reader: str) -> None:
    role = sql.Identifier(reader)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
    for view in VIEWS:
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(view), role))
