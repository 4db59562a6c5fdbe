"""What ``run`` and ``demo`` share: settings and seed, checks before the start, the run itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer

from ...domain.errors import InvalidInput
from ...domain.ports import Session
from ..engine import EngineRules
from ..inputs.account import StartAccount
from ..integrity.checkpointing import checkpointing
from ..market_data.recorded import RecordedMarketData
from ..running import FileDecision, Outcome, RunTerms, recorded_seed, start, work
from ..settings import Settings
from ..stopping import Terminated, until_terminated
from . import output
from .failures import ExitCode
from .options import store_of
from .progress import RunProgress
from .views import Views, read_views

SIMULATED: Final = "simulated"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings, store and seed that a run goes by."""

    settings: Settings
    store: str
    seed: int

    @property
    def rules(self) -> EngineRules:
        """How the engine works in a simulated session."""
        return replace(self.settings.to_rules(), mode=SIMULATED, seed=self.seed)


def chosen(config: Path | None, store: str | None, seed: int | None) -> Chosen:
    """Read the settings; a store that was begun keeps the seed it was begun with.

    Raises:
        InvalidInput: a setting is wrong, or the seed is not the store's.
    """
    settings = Settings.read(file=config)
    where = store_of(store, settings)
    recorded = recorded_seed(where)
    if seed is not None and recorded is not None and seed != recorded:
        raise InvalidInput(
            "seed", seed, f"{recorded}, which {where} was begun with; or name another store"
        )
    given = seed if seed is not None else recorded
    return Chosen(settings, where, settings.seed if given is None else given)


def session_of(market: RecordedMarketData, day: str) -> Session:
    """The session of a day (``YYYYMMDD``).

    Raises:
        InvalidInput: the exchange has none.
    """
    found = market.calendar.session_on(day)
    if found is None:
        raise InvalidInput("session", day, "a day on which the exchange has a session")
    return found


def check_positions(account: StartAccount, market: RecordedMarketData) -> None:
    """Refuse starting positions that have no market data: they could not be valued.

    Raises:
        InvalidInput: naming the position.
    """
    for symbol in sorted(account.positions):
        if not market.knows(symbol):
            known = ", ".join(market.symbols)
            raise InvalidInput("positions", symbol, f"symbols of the market: {known}")


def trade(
    terms: RunTerms,
    decisions: Sequence[FileDecision],
    *,
    progress: bool,
) -> tuple[Outcome, Views]:
    """Work the decisions until the session's books are closed, and read what the log then says.

    With a signing key in ``terms.integrity`` checkpoints are made meanwhile and at the end.

    Raises:
        StoreError: the store cannot be used or written; what it holds is whole.
    """
    with start(terms) as simulation:
        with (
            checkpointing(terms.store, terms.integrity),
            RunProgress(simulation, len(decisions), enabled=progress) as watch,
        ):
            try:
                outcome = asyncio.run(until_terminated(work(simulation, decisions, watch)))
            except Terminated:
                output.note(
                    "SIGTERM: stopped, and the simulated exchange with it; what is recorded is "
                    "whole, and the same command goes on where it was"
                )
                raise typer.Exit(ExitCode.OK) from None
        return outcome, read_views(simulation.log, terms.store, thresholds=terms.alerts)
