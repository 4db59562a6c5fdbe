"""SQL over a mirror and the tail of its log, for reading only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...domain.errors import InvalidInput, StoreDamaged, StoreError
from .columns import COLUMNS_VERSION, SCHEMA
from .segments import Manifest, Segment, read_manifest
from .tables import VIEWS
from .writing import MirroredLog, OnProgress, check_same_log, write_tail

if TYPE_CHECKING:
    import duckdb

QUERY_CHARACTERS_MAX: Final = 100_000
ROWS_AT_A_TIME: Final = 10_000

PIECE_EVENTS: Final = 100_000
"""Events of a piece of the tables at least, but for the last piece."""

Row = tuple[Any, ...]


class Answer:
    """The columns of an answer and its rows, read as they are asked for."""

    def __init__(self, columns: Sequence[tuple[str, str]], cursor: duckdb.DuckDBPyConnection):
        self.columns = tuple(columns)
        self._cursor = cursor

    def rows(self) -> Iterator[Row]:
        """The rows, once.

        Raises:
            InvalidInput: one of them cannot be computed, such as a text cast to a number.
        """
        import duckdb

        try:
            while rows := self._cursor.fetchmany(ROWS_AT_A_TIME):
                yield from rows
        except duckdb.Error as error:
            raise InvalidInput("query", "this row", _first_lines(error)) from error


class Tables:
    """The views of :mod:`tables` over Parquet files.

    ``pieces`` are the same events in parts of at least some 100,000, each as what a FROM may name,
    in the order of the log; for what would take too much memory at once.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        position: int,
        head: bytes,
        pieces: Sequence[str],
    ) -> None:
        self.connection = connection
        self.position = position
        self.head_hash = head
        self.pieces = tuple(pieces)

    def ask(self, sql: str, values: Sequence[object] = ()) -> Answer:
        """Answer one SELECT; ``values`` stand for its question marks.

        Raises:
            InvalidInput: it is not one, or cannot be answered; says what is wrong with it.
        """
        import duckdb

        if not sql.strip() or len(sql) > QUERY_CHARACTERS_MAX:
            allowed = f"one SELECT of at most {QUERY_CHARACTERS_MAX:,} characters"
            raise InvalidInput("query", sql, allowed)
        try:
            statements = duckdb.extract_statements(sql)
            reads = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
            if len(statements) != 1 or statements[0].type not in reads:
                raise InvalidInput("query", sql, "one SELECT; nothing can be written")
            # A cursor of its own: earlier answers stay readable, and threads may ask at once.
            cursor = self.connection.cursor().execute(sql, values)
        except duckdb.Error as error:
            raise InvalidInput("query", sql, _first_lines(error)) from error
        described = cursor.description or ()
        return Answer([(str(name), str(kind)) for name, kind, *_ in described], cursor)


@contextmanager
def open_tables(
    folder: Path | None,
    log: MirroredLog | None,
    on_progress: OnProgress = lambda done, total: None,
) -> Iterator[Tables]:
    """The tables of a mirror, of a log, or of a mirror and what its log has after it.

    Nothing but these files can be read, and no file or setting can be changed.

    Raises:
        InvalidInput: there is neither a mirror nor a log.
        StoreDamaged: the mirror is not one of this log, or a file of it is missing.
        StoreError: DuckDB is not installed; says what to install.
    """
    connect = _duckdb()
    manifest = Manifest() if folder is None else read_manifest(folder)
    if log is None and not manifest.segments:
        raise InvalidInput("mirror", folder, "a folder that `fillwright mirror` has written")
    if manifest.columns_version != COLUMNS_VERSION:
        if log is None:
            raise StoreDamaged(f"{folder} has columns of an earlier version: mirror anew")
        manifest = Manifest()
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(prefix="fillwright-query-"))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        paths = [] if folder is None else manifest.paths(folder)
        segments = list(manifest.segments)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise StoreDamaged(f"{missing[0]} is missing: run `fillwright mirror` again")
        position, head = manifest.position, manifest.head_hash
        if log is not None and folder is not None:
            check_same_log(log, folder, manifest)
        if log is not None:
            tail = write_tail(log, manifest, scratch, on_progress)
            paths += tail.paths(scratch)
            segments += tail.segments
            if tail.segments:
                position, head = tail.position, tail.head_hash
        connection = stack.enter_context(connect(":memory:"))
        _prepare(connection, paths, scratch)
        yield Tables(connection, position, head, list(_pieces(paths, segments)))


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise StoreError(
            "queries need DuckDB, which is not installed: pip install 'fillwright[analysis]'"
        ) from error
    return duckdb.connect


def _prepare(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], scratch: Path) -> None:
    """Make the views, then take away everything that they do not need."""
    connection.execute(f"SET allowed_paths = [{_listed(paths)}]")
    connection.execute(f"SET temp_directory = {_quoted(str(scratch / 'spill'))}")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET python_enable_replacements = false")
    if paths:
        connection.execute(f"CREATE VIEW mirrored AS SELECT * FROM {_read(paths)}")
    else:
        connection.register("empty", SCHEMA.empty_table())
        connection.execute("CREATE TABLE mirrored AS FROM empty")
    for view in VIEWS:
        connection.execute(f"CREATE VIEW {view.name} AS {view.sql}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _pieces(paths: Sequence[Path], segments: Sequence[Segment]) -> Iterator[str]:
    """The files in their order, small ones put together."""
    together: list[Path] = []
    events = 0
    for path, segment in zip(paths, segments, strict=True):
        together.append(path)
        events += segment.last - segment.first + 1
        if events >= PIECE_EVENTS:
            yield _read(together)
            together, events = [], 0
    if together:
        yield _read(together)


def _read(paths: Sequence[Path]) -> str:
    return f"read_parquet([{_listed(paths)}])"


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(_quoted(str(path)) for path in paths)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_lines(error: Exception) -> str:
    return "what DuckDB can answer: " + " ".join(str(error).split())[:600]
