"""A prepared statement run without the client library's cursor.

A commit is one statement, and of a lone caller's time on our side two thirds went into what a
cursor does for any statement: finding types, choosing formats, keeping its own list of prepared
ones; of many callers' a fifth into looking at each value of a set. Here types and formats are fixed
once, and values come as the server stores them.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from typing import Any, Final

import psycopg
from psycopg import Connection, errors
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

TYPES: Final = {
    "bigint": 20,
    "text": 25,
    "bytea": 17,
    "bigint[]": 1016,
    "text[]": 1009,
    "bytea[]": 1001,
}
"""The server's numbers of its own types, which never change."""

LOOK_MILLISECONDS: Final = 200
"""How soon an interrupt is noticed that another thread of the process was given."""

_BINARY: Final = 1
DONE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
bigint: Final = Struct(">q").pack
_length: Final = Struct(">i").pack
_array: Final = Struct(">iiIii").pack
_of_eight: Final = Struct(">iq").pack


def bigints(values: Sequence[int]) -> bytes:
    """An array of numbers as the server stores it."""
    parts = [_of_eight(8, value) for value in values]
    return _array(1, 0, TYPES["bigint"], len(parts), 1) + b"".join(parts)


def texts(values: Sequence[str]) -> bytes:
    """An array of texts likewise; one must not hold the character 0."""
    return _strings(TYPES["text"], [value.encode() for value in values])


def byteas(values: Sequence[bytes]) -> bytes:
    """An array of byte strings likewise."""
    return _strings(TYPES["bytea"], values)


def _strings(kind: int, values: Sequence[bytes]) -> bytes:
    parts = [_array(1, 0, kind, len(values), 1)]
    for value in values:
        parts += (_length(len(value)), value)
    return b"".join(parts)


class DirectStatement:
    """One statement whose parameters are given in the server's binary form.

    Args:
        name: what the server knows it by on each connection.
        text: with ``$1``, ``$2`` … for the parameters.
        types: of the parameters in order, out of :data:`TYPES`.
    """

    def __init__(self, name: str, text: str, types: Sequence[str]) -> None:
        self._name = name.encode()
        self._text = text.encode()
        self._types = [TYPES[kind] for kind in types]
        self._formats = [_BINARY] * len(types)
        self._connection: Connection[Any] | None = None
        self._readiness = select.poll()

    def execute(self, connection: Connection[Any], values: Sequence[bytes]) -> int:
        """Run it as a transaction of its own; gives the number of rows.

        Raises:
            psycopg.Error: the server refused, or the connection was lost.
        """
        if self.is_ready(connection):
            # After a rollback the client library drops all statements of the connection, not only
            # its own; nothing is run then.
            with suppress(errors.InvalidSqlStatementName):
                return self._run(connection, values)
        self._prepare(connection)
        return self._run(connection, values)

    def is_ready(self, connection: Connection[Any]) -> bool:
        """Whether the server has it on this connection."""
        return self._connection is connection

    def send(self, connection: Connection[Any], values: Sequence[bytes]) -> None:
        """Send it, and wait for nothing; only where it is ready.

        Raises:
            psycopg.Error: the connection was lost.
        """
        connection.pgconn.send_query_prepared(self._name, values, self._formats)

    def _run(self, connection: Connection[Any], values: Sequence[bytes]) -> int:
        self.send(connection, values)
        return self._finished(connection.pgconn).command_tuples or 0

    def _prepare(self, connection: Connection[Any]) -> None:
        self._connection = None
        made = connection.pgconn
        self._readiness = select.poll()
        self._readiness.register(made.socket, select.POLLIN)
        made.send_prepare(self._name, self._text, self._types)
        self._finished(made)
        self._connection = connection

    def _finished(self, made: PGconn) -> PGresult:
        """What the server answers, once all was sent and it has."""
        while made.flush():
            # It may want to tell us something before it takes the rest.
            self._readiness.modify(made.socket, select.POLLIN | select.POLLOUT)
            try:
                ready = self._readiness.poll(LOOK_MILLISECONDS)
            finally:
                self._readiness.modify(made.socket, select.POLLIN)
            if any(what & ~select.POLLOUT for _, what in ready):
                made.consume_input()
        answer: PGresult | None = None
        while True:
            while made.is_busy():
                self._readiness.poll(LOOK_MILLISECONDS)
                made.consume_input()
            found = made.get_result()
            if found is None:
                break
            answer = found
        if answer is None:
            raise psycopg.OperationalError("the server gave no answer")
        if answer.status not in DONE:
            raise errors.error_from_result(answer)
        return answer
