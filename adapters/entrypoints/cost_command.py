"""``tca``: cost analysis of a log, or of anybody's tables of orders and fills."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...domain.errors import InvalidInput
from .options import ConfigOption, JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    import polars as pl

    from ...projections.tca.analysis import Analysis
    from ...projections.tca.tables import Tables

RESULTS: Final = ("instructions", "orders", "fills", "phases", "problems")
FILE_HELP: Final = "CSV or Parquet; columns: docs/tca-columns.md."


OwnOption = Annotated[
    bool,
    typer.Option(
        "--own-in-trades/--own-not-in-trades",
        help="Whether the trades contain these executions. A log says so itself.",
    ),
]


class FileKind(StrEnum):
    """What the results are written as."""

    PARQUET = "parquet"
    CSV = "csv"


def _file(name: str, what: str) -> Any:
    return typer.Option(name, metavar="FILE", help=f"{what} {FILE_HELP}", show_default=False)


def tca(
    orders: Annotated[Path | None, _file("--orders", "Orders.")] = None,
    fills: Annotated[Path | None, _file("--fills", "Executions of them.")] = None,
    instructions: Annotated[
        Path | None, _file("--instructions", "Parent orders; without it each order is its own.")
    ] = None,
    quotes: Annotated[Path | None, _file("--quotes", "Best bid and ask.")] = None,
    trades: Annotated[Path | None, _file("--trades", "The market's trades.")] = None,
    sessions: Annotated[Path | None, _file("--sessions", "Official open and close.")] = None,
    phases: Annotated[
        Path | None, _file("--phases", "When the strategy of an instruction was chosen.")
    ] = None,
    halts: Annotated[Path | None, _file("--halts", "Halts that stopped instructions.")] = None,
    store: StoreOption = None,
    own_in_trades: OwnOption = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write every result table and the fee ledger there.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[FileKind, typer.Option("--format", help="What --out writes.")] = (
        FileKind.PARQUET
    ),
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Analyse what execution cost: shortfall and its parts, benchmarks, spreads, mark-outs, fees.

    Give --orders and --fills, and what there is of the market, or --store for a log. What cannot be
    known is empty, and `problems` says why. Definitions: docs/cost-analysis.md.
    """
    from ..settings import Settings
    from . import output

    output.log_to_stderr()
    given = {
        "instructions": instructions,
        "orders": orders,
        "fills": fills,
        "quotes": quotes,
        "prints": trades,
        "sessions": sessions,
        "phases": phases,
        "halts": halts,
    }
    files = {name: path for name, path in given.items() if path is not None}
    if files and store is not None:
        raise InvalidInput("--store", store, "files of tables or a store, not both")
    settings = Settings.read(file=config)
    analysis, ledger, missing = _results(
        files, None if files else store_of(store), settings, own_in_trades, (out, format)
    )
    results = _named(analysis, ledger)
    for what in missing:
        output.note(f"not there: {what}")
    if json_output:
        output.print_json({name: _rows(frame) for name, frame in results.items()})
    else:
        _show(analysis, ledger, out)


def _results(
    files: dict[str, Path],
    store: str | None,
    settings: Any,
    own_in_trades: bool,
    written: tuple[Path | None, FileKind],
) -> tuple[Analysis, pl.DataFrame, tuple[str, ...]]:
    """The analysis of files or of a log, its fee ledger, and what market data is not there."""
    from ...projections.tca.analysis import analyse
    from . import output

    missing: tuple[str, ...] = ()
    with output.waiting("reading", enabled=output.wants_progress(None)) as tell:
        if store is None:
            tables = _tables(files)
        else:
            from ..tca_inputs import tables_of_store

            found = tables_of_store(store)
            tables, own_in_trades, missing = found.tables, found.own_in_prints, found.missing
        analysis = analyse(tables, own_in_prints=own_in_trades, progress=output.measuring(tell))
        ledger = _ledger(analysis, settings)
        folder, format = written
        if folder is not None:
            tell("writing")
            _write(_named(analysis, ledger), folder, format)
    return analysis, ledger, missing


def _named(analysis: Analysis, ledger: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {name: getattr(analysis, name) for name in RESULTS} | {"fee_ledger": ledger}


def _tables(files: dict[str, Path]) -> Tables:
    from ...projections.tca.tables import MARKET, Tables, read_table, scan_table

    if "fills" not in files:
        raise InvalidInput("--fills", "nothing", "a file of fills beside the orders")
    read: dict[str, Any] = {
        name: scan_table(path) if name in MARKET else read_table(path)
        for name, path in files.items()
    }
    return Tables.of(**read)


def _ledger(analysis: Analysis, settings: Any) -> pl.DataFrame:
    from ...projections.tca.fee_ledger import fee_ledger

    return fee_ledger(analysis.fills, settings.fees.schedule(), settings.fees.rounding)


def _write(results: dict[str, pl.DataFrame], folder: Path, format: FileKind) -> None:
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in results.items():
        path = folder / f"{name}.{format.value}"
        if format is FileKind.PARQUET:
            frame.write_parquet(path)
            continue
        lists = [c for c, kind in frame.schema.items() if isinstance(kind, pl.List)]
        frame.with_columns(
            pl.col(c).cast(pl.List(pl.String)).list.join(" ") for c in lists
        ).write_csv(path)


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as canonical JSON takes them: decimals as they are, floats as their shortest text."""

    def told(value: Any) -> Any:
        return repr(value) if isinstance(value, float) else value

    return [{name: told(v) for name, v in row.items()} for row in frame.iter_rows(named=True)]


def _show(analysis: Analysis, ledger: pl.DataFrame, out: Path | None) -> None:
    """Totals by currency, the fee ledger's sums, and how often each problem was met."""
    import polars as pl

    from . import output
    from .cost_view import by_currency, problem_counts

    for line in by_currency(analysis.instructions):
        output.print_line(line)
    charged = ledger.group_by("charge", maintain_order=True).agg(
        pl.when(pl.col("charged").null_count() == 0).then(pl.col("charged").sum()).alias("charged")
    )
    for charge, amount in charged.iter_rows():
        shown = "not known for some days" if amount is None else f"{amount:.2f}"
        output.print_line(f"fees by the table, {charge}: {shown}")
    for line in problem_counts(analysis.problems):
        output.print_line(line)
    if out is not None:
        output.print_line(f"written to {out}")
