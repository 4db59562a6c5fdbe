"""The reference parent orders again, this time decided, planned and worked by the engine."""

from __future__ import annotations

import asyncio
import csv
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.exchange.tape import load_symbol_day
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.simulation import VenueTerms, simulate
from fillwright.domain.limits import Limits
from fillwright.domain.switching import SwitchingRules

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("FILLWRIGHT_MARKET_DIR", ROOT.parent / "shared" / "data"))
LIMITS = Limits(
    daily_loss_pct_max=Decimal(100),
    turnover_pct_max=Decimal(100_000),
    position_pct_max=Decimal(1_000),
    order_value_usd_max=Decimal("1e12"),
    order_quantity_max=Decimal("1e12"),
    adv_fraction_max=Decimal(10),
    quote_age_seconds_max=Decimal(86_400),
)
RULES = EngineRules(messages_per_minute=1_000_000, switching=SwitchingRules(switches_max=0))


def policies(horizon_s: int) -> dict[str, dict[str, Any]]:
    return {
        "MARKET": {"strategy": "market"},
        "TWAP8": {"strategy": "twap", "slices": 8},
        "TWAP60s": {"strategy": "twap", "slices": horizon_s // 60},
        "PEG_CROSS": {"strategy": "iceberg", "display_fraction": 1, "peg": True},
    }


def golden_rows() -> list[dict[str, str]]:
    path = FOLDER / "golden_parents.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["policy"] in policies(3600)]


ROWS = golden_rows()
DAYS: dict[tuple[str, str], tuple[ScaledDay, RecordedMarketData]] = {}


def day_of(symbol: str, date: str) -> tuple[ScaledDay, RecordedMarketData]:
    if (symbol, date) not in DAYS:
        day = load_symbol_day(FOLDER, symbol, date)
        DAYS[symbol, date] = ScaledDay(day), RecordedMarketData([day])
    return DAYS[symbol, date]


async def worked(row: dict[str, str]) -> Any:
    scaled, market = day_of(row["symbol"], row["date"])
    size, horizon = Decimal(row["size"]), int(row["H_s"])
    is_buy = int(row["side"]) > 0
    held = {} if is_buy else {row["symbol"]: size}
    venue = VenueTerms(cash=Decimal("1e10"), positions=held, fees=Fees(), check_buying_power=False)
    simulation = simulate(
        [scaled], store="memory:", venue=venue, rules=RULES, limits=LIMITS, market=market
    )
    fields = {
        "symbol": row["symbol"],
        "action": "BUY" if is_buy else "CLOSE",
        "target_weight": 1000 if is_buy else None,
        "order_size": str(size),
        "window_seconds": horizon,
        "style": "naive",
        "urgency": "urgent",
        "on_bound": "rest",
        "must_complete": True,
        "max_slippage": None,
        **policies(horizon)[row["policy"]],
    }
    fields = {key: value for key, value in fields.items() if key == "max_slippage" or value}
    with simulation:
        admitted = simulation.engine.schedule(Arrival(fields), int(row["t0_ns"]))
        await simulation.engine.run()
        return (await admitted).instruction


@pytest.mark.skipif(not ROWS, reason=f"shared data not present: no golden_parents.csv in {FOLDER}")
@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['policy']}-{row['symbol']}-{row['date']}-{row['t0_ns']}"
)
def test_the_engine_trades_the_reference_parents_exactly(row: dict[str, str]) -> None:
    instruction = asyncio.run(worked(row))
    assert not instruction.refusals
    fills = [
        (fill, order.client_order_id)
        for order in instruction.orders.values()
        for fill in order.executions.values()
    ]
    assert instruction.executed == Decimal(row["size"])
    assert sum(fill.quantity for fill, _ in fills) == instruction.executed
    assert abs(float(instruction.average_price) - float(row["avg_px"])) < 1e-6
