"""``report``, ``explain`` and ``review``: reports from a log, where their figures are from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from .options import AsOfOption, ConfigOption, JsonOption, StoreOption, needs, store_of
from .whole_files import refuse_evidence

if TYPE_CHECKING:
    from ...projections.best_execution.document import Report

PERIOD_DAYS_MAX: Final = 3_660
ACTOR: Final = "fillwright"


class Kind(StrEnum):
    """Which report."""

    EXECUTION = "execution"
    BEST_EXECUTION = "best-execution"
    RULE605 = "rule605"
    RULE606 = "rule606"
    FINRA5310 = "finra5310"
    LIMITS = "limits"
    EXCEPTIONS = "exceptions"


class Form(StrEnum):
    """How it is written."""

    TERMINAL = "terminal"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    HTML = "html"
    XLSX = "xlsx"


class Decided(StrEnum):
    """What a review decided on routing."""

    KEEP = "keep"
    MODIFY = "modify"
    ESCALATE = "escalate"


ActorOption = Annotated[
    str,
    typer.Option("--actor", metavar="NAME", help="Who makes it, as the record names them."),
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First session, YYYY-MM-DD.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="Last session, YYYY-MM-DD.")
]
TableOption = Annotated[
    str | None, typer.Option("--table", metavar="NAME", help="Which table, for csv and parquet.")
]


def report(
    store: StoreOption = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            help="Which report. Without it: the summary of the last sessions.",
            show_default=False,
        ),
    ] = None,
    from_session: FromOption = None,
    to_session: ToOption = None,
    form: Annotated[
        Form, typer.Option("--format", help="How it is written; csv and parquet: one table.")
    ] = Form.TERMINAL,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Write to this file; csv and parquet to a folder write every table.",
            show_default=False,
        ),
    ] = None,
    table: TableOption = None,
    as_of: AsOfOption = None,
    record: Annotated[
        bool,
        typer.Option("--record/--no-record", help="Put on record that it was issued."),
    ] = True,
    actor: ActorOption = ACTOR,
    config: ConfigOption = None,
    period_days: Annotated[
        int,
        typer.Option(
            "--period-days",
            metavar="N",
            min=1,
            max=PERIOD_DAYS_MAX,
            help="Without --kind: how many of the last exchange sessions to cover.",
        ),
    ] = 1,
    json_output: JsonOption = False,
) -> None:
    """Make a report from the log and the market data bound to it.

    Without --kind: totals, cost, limits, refusals and alerts of the last sessions. With it: a
    report that states its log range and hash, is named by the SHA-256 of its bytes, and is put on
    record; the same inputs give the same bytes. `fillwright explain` drills a figure down.
    """
    from . import output

    output.log_to_stderr()
    form = _form(form, out, table, json_output=json_output)
    if kind is None:
        asked = {"from": from_session, "to": to_session, "no-record": not record, "table": table}
        _needs_kind({**asked, "actor": None if actor == ACTOR else actor}, form, out)
        _summary(store, period_days, as_of, config, form)
        return
    _check_reports(period_days)
    from .reporting import make, present

    where = store_of(store)
    with output.waiting("making the report", enabled=output.wants_progress(None)) as tell:
        source, made = make(where, kind.value, (from_session, to_session), as_of, config, tell)
    if table is not None:
        made.table(table)  # refused before it is on record
    if record:
        _issue(where, made, actor)
    present(source, made, form.value, out, table)


def _needs_kind(asked: Mapping[str, object], form: Form, out: Path | None) -> None:
    """Raises InvalidInput for what a summary does not take."""
    needs("--kind", {"format": None if form in (Form.TERMINAL, Form.JSON) else form.value})
    needs("--kind", {**asked, "out": out})


def _form(form: Form, out: Path | None, table: str | None, *, json_output: bool) -> Form:
    """How a report is written; raises InvalidInput where options do not go together."""
    if json_output:
        if form not in (Form.TERMINAL, Form.JSON):
            raise InvalidInput("format", form.value, "json, or no --json with it")
        form = Form.JSON
    if out is not None and form is Form.TERMINAL:
        files = ", ".join(one.value for one in Form if one is not Form.TERMINAL)
        raise InvalidInput("out", out, f"--format with it: {files}")
    if out is not None:
        refuse_evidence(out)  # before anything is on record
    if table is not None and form not in (Form.TERMINAL, Form.CSV, Form.PARQUET):
        raise InvalidInput("table", table, f"--format csv or parquet: {form.value} has every table")
    return form


def _check_reports(period_days: int) -> None:
    """Raises InvalidInput for a number of days, which a report of a kind does not take."""
    if period_days != 1:
        raise InvalidInput("period_days", period_days, "--from and --to where --kind is given")
    _check_installed()


def _check_installed() -> None:
    """Raises InvalidInput where what reports need is not installed."""
    from ..reporting.live import is_installed

    if not is_installed():
        raise InvalidInput("kind", "a report", "this needs pip install 'fillwright[analysis]'")


def _summary(
    store: str | None,
    period_days: int,
    as_of: str | None,
    config: Path | None,
    form: Form,
) -> None:
    from ..settings import Settings
    from . import output
    from .overview import report_view
    from .views import open_views

    settings = Settings.read(file=config)
    views = open_views(store_of(store, settings), as_of, settings.alerts.thresholds())
    made = views.report(period_days)
    if form is Form.JSON:
        output.print_json(made)
    else:
        output.show(report_view(made, views))


def _issue(store: str, made: Report, actor: str) -> None:
    from ...domain.errors import StoreError
    from ..reporting import records
    from ..timekeeping.clocks import SystemClock
    from . import output

    try:
        ops = records.open_ops(store, writer=True)
        if ops is None:
            return
        with ops:
            issued = records.issue(ops, made, actor=actor, at=SystemClock().now())
    except StoreError as error:
        output.note(f"not put on record: {error}")
        return
    old = f", restates {issued.supersedes}" if issued.supersedes else ""
    new = "issued as" if issued.is_new else "issued before as"
    output.note(f"{new} {issued.id}{old}")


def explain(
    report: Annotated[
        str,
        typer.Argument(
            metavar="REPORT",
            help="The id of an issued report, a unique beginning of one, or its JSON file.",
            show_default=False,
        ),
    ],
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL",
            help="TABLE:ROW:COLUMN, such as by_strategy:twap:shortfall_bps; rows without a key "
            "are `all`, keys of several parts have commas between them.",
            show_default=False,
        ),
    ],
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Drill a figure of an issued report down to its events, and make it anew from them.

    The report is made again from the log at its own position and must come out with its own id.
    Exits 4 when a figure made anew from its events alone is not what the report says.
    """
    from . import output
    from .failures import Difference

    output.log_to_stderr()
    _check_installed()
    from .reporting import drill, explained_json, explained_view

    with output.waiting("making the report again", enabled=output.wants_progress(None)):
        found = drill(store_of(store), report, cell)
    if json_output:
        output.print_json(explained_json(found))
    else:
        output.show(*explained_view(found))
    if not found.agrees:
        raise Difference(
            f"{cell}: the report says {found.value}, its events give {found.recomputed}"
        )


ReviewerOption = Annotated[
    str, typer.Option("--reviewer", metavar="NAME", help="Who reviewed.", show_default=False)
]


def review(
    report: Annotated[
        str,
        typer.Argument(
            metavar="REPORT",
            help="The issued report that was looked at: its id or a unique beginning.",
            show_default=False,
        ),
    ],
    decision: Annotated[
        Decided, typer.Option("--decision", help="What follows for routing.", show_default=False)
    ],
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why routing is kept or modified; kept encrypted.",
            show_default=False,
        ),
    ],
    reviewer: ReviewerOption,
    factor: Annotated[
        list[str],
        typer.Option(
            "--factor",
            metavar="NAME=FINDING",
            help="A factor weighed and what was found. Repeat it; at least one.",
            show_default=False,
        ),
    ],
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="SYMBOL", help="Default: all.")
    ] = None,
    order_type: Annotated[
        str | None, typer.Option("--order-type", metavar="TYPE", help="Default: all.")
    ] = None,
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Record a regular and rigorous review of execution quality (FINRA Rule 5310).

    It is bound to an issued finra5310 or best-execution report, whose comparison it judges; the
    next finra5310 report shows it, and which securities and order types are still to be reviewed.
    """
    from . import output

    output.log_to_stderr()
    _check_installed()
    from ..supervision.permissions import name_of
    from .reporting import record_review

    where = store_of(store)
    found = record_review(
        where,
        report,
        decision=decision.value,
        reason=reason,
        reviewer=name_of(where) or reviewer,
        factors=factor,
        symbol=symbol,
        order_type=order_type,
    )
    if json_output:
        output.print_json(found)
    else:
        output.print_line(
            f"review {found['position']} of report {found['report']}: {decision.value}"
        )
