"""``run --broker alpaca``: connect, hand over the decisions, work until they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from ..alerting.conditions import Conditions, conditions
from ..alerting.watch import alerting
from ..chaining import due_rows
from ..inputs.decisions import Row
from ..integrity.checkpointing import checkpointing
from ..live_run import LiveRun, open_live, work_live
from ..running import FileDecision, Outcome, file_decisions
from ..settings import Settings
from ..stopping import Stopping
from . import output
from .failures import Difference, ExitCode
from .options import store_of
from .progress import RunProgress
from .summary import Result
from .views import read_views


def trade_live(
    rows: Sequence[Row],
    store: str | None,
    config: Path | None,
    addresses: Mapping[str, str | None],
    *,
    is_live: bool,
    lenient: bool,
    progress: bool,
) -> tuple[Result, Stopping]:
    """Work a file's decisions at Alpaca, and read what the log then says.

    A signal stops it by ``execution.on_stop``; what came of that is in the last of what is given.

    Raises:
        InvalidInput: a setting, an address, or keys that are missing.
        BrokerUnavailable: the broker cannot be asked, or refuses the keys.
        StoreError: the store cannot be used or written; what it holds is whole.
    """
    settings = Settings.read(file=config, live=is_live)
    where = store_of(store, settings)
    with output.waiting("connecting", enabled=progress):
        run = open_live(settings, where, addresses)
    try:
        links = due_rows(run.log, run.session.date, run.engine.desk.name)
        rows = [*links, *rows]
        decisions = file_decisions(rows, run.session, run.rules, run.default_at, lenient=lenient)
        alerts = settings.alerts
        desk, thresholds = run.engine.desk, alerts.thresholds()
        seen = Conditions(lambda: conditions(desk, thresholds), alerts.look_seconds)
        with (
            checkpointing(where, settings.integrity),
            alerting(where, settings.alerts, lambda _: desk.now, seen),
            RunProgress(run, len(decisions), enabled=progress) as watch,
        ):
            execution = settings.execution
            stopping = Stopping(execution.on_stop, execution.stop_seconds_max, output.note)
            outcome = asyncio.run(_work(run, decisions, watch, seen, stopping))
        views = read_views(run.log, where, thresholds=settings.alerts.thresholds())
        return Result(outcome, views), stopping
    finally:
        run.application.close()


async def _work(
    run: LiveRun,
    decisions: Sequence[FileDecision],
    watch: RunProgress,
    seen: Conditions,
    stopping: Stopping,
) -> Outcome:
    seen.start()
    try:
        return await work_live(run, decisions, watch, stopping)
    finally:
        seen.stop()


def leave_stopped(stopping: Stopping) -> None:
    """End the command after a signal: 0 after SIGTERM, 130 after Ctrl-C, 4 when not proven.

    Raises:
        Difference: not all that was to be cancelled is proven dead.
        Exit: otherwise.
    """
    stopped = stopping.stopped
    if stopped is not None and not stopped.in_time:
        raise Difference(f"stopped, but {len(stopped.left_open)} orders are not proven dead")
    by_hand = stopping.received == "SIGINT"
    raise typer.Exit(ExitCode.INTERRUPTED if by_hand else ExitCode.OK)
