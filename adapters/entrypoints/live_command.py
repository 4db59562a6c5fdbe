"""``run --broker alpaca``: connect, hand over the decisions, work until they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..alerting.data_age import DataAges
from ..alerting.watch import alerting
from ..chaining import due_rows
from ..decisions_file import Row
from ..integrity.checkpointing import checkpointing
from ..live_run import LiveRun, open_live, work_live
from ..running import FileDecision, Outcome, file_decisions
from ..settings import Settings
from . import output
from .options import store_of
from .progress import RunProgress
from .views import Views, read_views


def trade_live(
    rows: Sequence[Row],
    store: str | None,
    config: Path | None,
    addresses: Mapping[str, str | None],
    *,
    is_live: bool,
    progress: bool,
) -> tuple[Outcome, Views]:
    """Work a file's decisions at Alpaca, and read what the log then says.

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
        decisions = file_decisions(rows, run.session, run.rules, run.default_at)
        alerts = settings.alerts
        ages = DataAges(run.engine.desk, alerts.stale_data_seconds, alerts.look_seconds)
        with (
            checkpointing(where, settings.integrity),
            alerting(where, settings.alerts, lambda _: run.engine.desk.now, ages),
            RunProgress(run, len(decisions), enabled=progress) as watch,
        ):
            outcome = asyncio.run(_work(run, decisions, watch, ages))
        return outcome, read_views(run.log, where)
    finally:
        run.application.close()


async def _work(
    run: LiveRun, decisions: Sequence[FileDecision], watch: RunProgress, ages: DataAges
) -> Outcome:
    ages.start()
    try:
        return await work_live(run, decisions, watch)
    finally:
        ages.stop()
