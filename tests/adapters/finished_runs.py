"""A finished session of a generated market, for tests that read or repeat it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from fillwright.adapters.engine import EngineRules
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.inputs.account import StartAccount
from fillwright.adapters.inputs.decisions import Row
from fillwright.adapters.running import RunTerms, file_decisions, load_market, start, work
from fillwright.domain.limits import Limits


def finish(store: Path, decisions: Sequence[Mapping[str, object]]) -> None:
    """Work the decisions to their end, with their market data captured beside the store."""
    terms = RunTerms(
        store=str(store),
        account_name="main",
        market=load_market("generated", "20240612", seed=1),
        account=StartAccount(),
        rules=EngineRules(seed=1),
        limits=Limits(),
        latency_ns=50_000_000,
        fees=Fees(),
    )
    with start(terms) as simulation:
        rows = [Row(number, fields) for number, fields in enumerate(decisions, start=1)]
        asyncio.run(work(simulation, file_decisions(rows, simulation.session, terms.rules)))
