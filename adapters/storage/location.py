"""Where a store is: a URL, a path, or memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from ...domain.errors import StoreError

_SQLITE: Final = "sqlite:///"
_MEMORY: Final = frozenset({"memory:", ":memory:", "sqlite://", "sqlite:///:memory:"})
_POSTGRES: Final = ("postgresql://", "postgres://")
_ALLOWED: Final = "sqlite:///PATH, postgresql://USER@HOST/DATABASE, a path, or memory:"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PASSWORD: Final = re.compile(r"(://[^:/@]*):[^@/]*@")

DEFAULT_SCHEMA: Final = "fillwright"
LEASE_SECONDS_MIN: Final = 0.5
LEASE_SECONDS_MAX: Final = 300.0


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A store on PostgreSQL: ``conninfo`` is what the client library connects with.

    ``files`` is what the names of files kept beside the store begin with, ``shown`` the URL
    without password. Ownership of an account ends ``lease_seconds`` after its last renewal; None
    leaves it to the owner.
    """

    conninfo: str
    schema: str
    files: Path
    shown: str
    lease_seconds: float | None


def is_postgres(url: str | Path) -> bool:
    """Whether a store is on a PostgreSQL server."""
    return str(url).startswith(_POSTGRES)


def postgres_address(url: str | Path) -> PostgresAddress:
    """Where a store on PostgreSQL is.

    ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME&files=PATH&lease_seconds=N``; other
    parameters are the client library's (``sslmode`` …). The schema is ``fillwright`` by default,
    and files (keys, captured market data) go to ``DATABASE.SCHEMA…`` in the working directory.

    Raises:
        StoreError: a part of it is wrong; the message names it and what is allowed.
    """
    parts = urlsplit(str(url))
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = given.pop("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise StoreError(
            f"store schema {schema!r}: not allowed; allowed: 1 to 63 of a-z, 0-9 and _, "
            "not beginning with a digit or pg_"
        )
    database = unquote(parts.path.lstrip("/")) or "postgres"
    files = given.pop("files", "") or f"{database}.{schema}"
    lease = _lease_seconds(given.pop("lease_seconds", None))
    conninfo = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(given), ""))
    return PostgresAddress(
        conninfo, schema, Path(files).expanduser().absolute(), without_password(url), lease
    )


def _lease_seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEASE_SECONDS_MIN <= seconds <= LEASE_SECONDS_MAX:
        raise StoreError(
            f"store lease_seconds {text!r}: not allowed; "
            f"allowed: {LEASE_SECONDS_MIN:g} to {LEASE_SECONDS_MAX:g}"
        )
    return seconds


def without_password(url: str | Path) -> str:
    """The store as people may see it: without password."""
    return _PASSWORD.sub(r"\1:***@", str(url))


def parse_location(url: str | Path) -> Path | None:
    """The store's file, made absolute, or None for a store in memory.

    ``sqlite:///relative/path``, ``sqlite:////absolute/path`` and plain paths name a file,
    ``memory:`` a log that ends with the process. A store on PostgreSQL has no file of its own:
    there it is the path that the names of the files beside it begin with.

    Raises:
        StoreError: a URL of a kind that is not supported.
    """
    text = str(url)
    if text in _MEMORY:
        return None
    if is_postgres(text):
        return postgres_address(text).files
    if text.startswith(_SQLITE):
        text = text.removeprefix(_SQLITE)
    elif "://" in text:
        raise StoreError(f"store {text.split('://')[0]}://…: not supported; allowed: {_ALLOWED}")
    if not text or "\0" in text:
        raise StoreError(f"the store has no path; allowed: {_ALLOWED}")
    return Path(text).expanduser().absolute()


def is_missing(url: str | Path) -> bool:
    """Whether there is certainly nothing to read yet; a server has to be asked."""
    if is_postgres(url):
        return False
    path = parse_location(url)
    return path is None or not path.is_file()


def check_place(path: Path, *, writer: bool) -> None:
    """Say early and clearly why a store cannot be at ``path``.

    Raises:
        StoreError: it is a folder, its folder is missing, or there is nothing to read.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it, such as {path / 'fillwright.db'}")
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is not a folder: make it, or name a store elsewhere")
    if not writer and not path.exists():
        raise StoreError(f"{path} does not exist: there is no store to read")
