"""``month``: a simulated month on one store, each day reconciled with the broker's statement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failures import Difference
from .options import JsonOption, ProgressOption

if TYPE_CHECKING:
    from ..simulated_month import DayDone, MonthDone


def month(
    store: Annotated[
        Path, typer.Option("--store", metavar="PATH", help="Where the new log is written.")
    ],
    sessions: Annotated[
        int, typer.Option("--sessions", metavar="N", min=1, help="How many trading days.")
    ] = 19,
    symbols: Annotated[
        int, typer.Option("--symbols", metavar="N", min=3, help="How many symbols are traded.")
    ] = 40,
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="The first session.")
    ] = "2025-11-03",
    decisions: Annotated[
        int, typer.Option("--decisions", metavar="N", min=0, help="Decisions a day.")
    ] = 12,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="All follows from it.")] = 1,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Trade an invented month, and hold each day against the broker's own statement.

    Splits, a symbol change, dividends, halts, outages, lost and late messages, restarts of the
    engine and, in November 2025, a half day. The simulated broker writes its statements from its
    own books, into a folder beside the store; docs/simulated-month.md.

    Exit code 0: every day is final and nothing differs. 2: the store is there already. 4: something
    differs, and is named.
    """
    from ...domain.errors import InvalidInput
    from ..month_plan import MonthTerms, plan_month
    from ..simulated_month import run_month
    from . import output

    output.log_to_stderr()
    if store.exists():
        raise InvalidInput("store", store, "a path that is not there yet")
    terms = MonthTerms(
        seed=seed, start=start, sessions=sessions, symbols=symbols, decisions_a_day=decisions
    )
    plan = plan_month(terms)
    shown = output.wants_progress(progress)

    def on_day(day: DayDone) -> None:
        if shown or not json_output:
            typer.echo(_told(day), err=json_output)

    done = run_month(plan, store, on_day)
    if json_output:
        output.print_json(_json(done))
    else:
        output.print_line(f"{len(done.days)} days, {done.breaks} breaks; {done.statements}")
    if done.breaks or not done.is_final:
        raise Difference(f"{done.breaks} breaks that nothing explains")


def _told(day: DayDone) -> str:
    found = day.reconciled
    odd = [*(["half day"] if day.is_half_day else []), *(["restarted"] if day.restarts else [])]
    flows = [f"{flow.kind} {flow.symbol}".strip() for flow in day.statement.flows]
    notes = f" ({', '.join([*odd, *flows])})" if odd or flows else ""
    counts = f"{found.trades} trades, {found.positions} positions, {day.breaks} breaks"
    return f"{day.session_date}{notes}: {counts}, {found.standing}"


def _json(done: MonthDone) -> dict[str, object]:
    return {
        "store": done.store,
        "statements": str(done.statements),
        "breaks": done.breaks,
        "is_final": done.is_final,
        "days": [
            {
                "session": day.session_date,
                "half_day": day.is_half_day,
                "restarts": day.restarts,
                "trades": day.reconciled.trades,
                "breaks": [each.model_dump(mode="json") for each in day.reconciled.breaks],
                "unexplained": list(day.unexplained),
                "standing": day.reconciled.standing,
            }
            for day in done.days
        ],
    }
