"""``demo``: a whole session from nothing, in the time it takes to read what it prints."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .options import JsonOption, ProgressOption

SESSION: Final = "20240612"
SEED_DEFAULT: Final = 5
CASH_USD: Final = Decimal(874_500)
POSITIONS: Final = {
    "KO": Decimal(600),
    "MSFT": Decimal(90),
    "AAPL": Decimal(120),
    "NPK": Decimal(400),
}
DECISIONS: Final[tuple[dict[str, Any], ...]] = (
    {
        "decision_id": "demo-01",
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 4.5,
        "confidence": 9,
        "strategy": "twap",
        "max_slippage": 75,
        "reasoning": "earnings momentum",
    },
    {
        "decision_id": "demo-02",
        "symbol": "NVDA",
        "action": "BUY",
        "target_weight": 3.0,
        "confidence": 8,
        "strategy": "vwap",
        "max_slippage": 40,
        "reasoning": "demand for accelerators",
    },
    {
        "decision_id": "demo-03",
        "symbol": "SPY",
        "action": "BUY",
        "target_weight": 2.0,
        "confidence": 7,
        "strategy": "market",
        "urgency": "high",
        "reasoning": "put idle cash to work",
    },
    {
        "decision_id": "demo-04",
        "symbol": "KO",
        "action": "TRIM",
        "confidence": 6,
        "strategy": "iceberg",
        "reasoning": "half of it has done its work",
    },
    {
        "decision_id": "demo-05",
        "symbol": "MSFT",
        "action": "SELL",
        "target_weight": 1.5,
        "confidence": 6,
        "strategy": "limit",
        "window": "2h",
        "reasoning": "rich valuation",
    },
    {
        "decision_id": "demo-06",
        "symbol": "NPK",
        "action": "CLOSE",
        "confidence": 7,
        "strategy": "twap",
        "max_slippage": 60,
        "window": "3h",
        "reasoning": "thesis broken",
    },
    {
        "decision_id": "demo-07",
        "symbol": "MSFT",
        "action": "ADD",
        "target_weight": 4.0,
        "confidence": 5,
        "strategy": "opportunistic",
        "max_slippage": 75,
        "decision_time": "2024-06-12T13:00:00-04:00",
        "reasoning": "buy it back on a dip",
    },
    {
        "decision_id": "demo-08",
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 2.0,
        "confidence": 5,
        "decision_time": "2024-06-12T13:30:00-04:00",
        "reasoning": "already above that: NO_CHANGE",
    },
    {
        "decision_id": "demo-09",
        "symbol": "NVDA",
        "action": "ADD",
        "target_weight": 12.0,
        "confidence": 9,
        "decision_time": "2024-06-12T14:00:00-04:00",
        "reasoning": "over the limit of 5 % a position",
    },
    {
        "decision_id": "demo-10",
        "symbol": "NPK",
        "action": "BUY",
        "target_weight": 1.0,
        "confidence": 4,
        "max_slippage": 1,
        "decision_time": "2024-06-12T14:10:00-04:00",
        "reasoning": "its spread alone costs more than the bound",
    },
    {
        "decision_id": "demo-11",
        "symbol": "TSLA",
        "action": "BUY",
        "target_weight": 2.0,
        "confidence": 5,
        "reasoning": "not traded here",
    },
    {
        "decision_id": "demo-12",
        "symbol": "KO",
        "action": "BUY",
        "target_weight": -3.0,
        "confidence": 11,
        "reasoning": "no valid decision",
    },
)
"""Twelve decisions that show what happens: six strategies, all actions, and every kind of no."""


def demo(
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="PATH",
            help="Where to keep the log. Default: a new temporary folder.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, help="What market and choices follow from."),
    ] = SEED_DEFAULT,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Trade twelve decisions on a generated session: needs nothing, takes seconds.

    Shows decisions, live progress, fills, limits used, refused decisions with what would pass,
    slippage per strategy, and where the log is.
    """
    from ..inputs.account import StartAccount
    from ..inputs.decisions import Row
    from ..running import GENERATED, RunTerms, file_decisions, load_market
    from . import output
    from .running_commands import FeeModel, latency_ns
    from .sessions import chosen, session_of, trade
    from .summary import Result

    output.log_to_stderr()
    shown = output.wants_progress(progress)
    where = store or str(Path(tempfile.mkdtemp(prefix="fillwright-demo-")) / "log.db")
    base = chosen(None, where, seed)
    with output.waiting("generating a market of six symbols", enabled=shown):
        market = load_market(GENERATED, SESSION, seed=base.seed)
        session = session_of(market, SESSION)
    terms = RunTerms(
        store=where,
        account_name=base.settings.account,
        market=market,
        account=StartAccount(CASH_USD, dict(POSITIONS)),
        rules=base.rules,
        limits=base.settings.to_limits(),
        latency_ns=latency_ns(),
        fees=FeeModel.US.rates(base.settings.fees.schedule(), session.date),
        integrity=base.settings.integrity,
    )
    rows = [Row(number, fields) for number, fields in enumerate(DECISIONS, start=1)]
    if not json_output:
        output.show(_decisions_table(), Text())
    outcome, views = trade(terms, file_decisions(rows, session, base.rules), progress=shown)
    result = Result(outcome, views, market.symbols)
    result.present(_next_steps(where), json_output=json_output)


def _decisions_table() -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("id", "decided", "action", "symbol", "target", "strategy", "reasoning"):
        table.add_column(name, no_wrap=name != "reasoning")
    for fields in DECISIONS:
        target = fields.get("target_weight")
        table.add_row(
            fields["decision_id"],
            str(fields.get("decision_time", "2024-06-12T09:35"))[11:16],
            fields["action"],
            fields["symbol"],
            "" if target is None else f"{target} %",
            fields.get("strategy", ""),
            fields["reasoning"],
        )
    title = "A generated session, 12 June 2024: 1,000,000 USD account, decisions from its manager"
    return Group(Text(title, style="bold"), table)


def _next_steps(store: str) -> RenderableType:
    lines = (
        ("fillwright show demo-01 --store", "the story of one decision, event by event"),
        ("fillwright report --store", "the execution report, rebuilt from the log"),
        ("fillwright events --json --store", "every event, with its link of the chain"),
        ("fillwright replay --store", "rebuild every view and re-run every decision"),
        ("fillwright verify --store", "recompute the hash chain"),
    )
    text = Text("\nGo on with\n", style="bold")
    for command, what in lines:
        text.append(f"  {command} {store}\n", style="cyan").append(f"      {what}\n", style="dim")
    text.rstrip()
    return text
