"""A small generated market folder, and days of it ready to work parents on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.evaluation.grid import Parent, parents_of, within
from fillwright.adapters.evaluation.policies import Stress
from fillwright.adapters.evaluation.runner import Bench, GridMarket
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.exchange.tape import load_symbol_day
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.instruments import InstrumentSpec

DATE = "20240612"
INSTRUMENTS = (
    InstrumentSpec("ONE", 61.3, 6_000_000, 0.009, 1.05, 25, 20_000, 14_000),
    InstrumentSpec("WIDE", 74.8, 400_000, 0.017, 6.0, 1, 15_000, 3_000),
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market folder of two symbols on one day."""
    path = tmp_path_factory.mktemp("market")
    GeneratedMarket(7, DATE, INSTRUMENTS).write_folder(path)
    return path


@pytest.fixture(scope="session")
def bench(folder: Path) -> Bench:
    """The symbol with wide spreads, without stress."""
    day = load_symbol_day(folder, "WIDE", DATE)
    market = GridMarket([day])
    session = market.calendar.session_on(DATE)
    assert session is not None
    return Bench(
        market,
        ScaledDay(day),
        session,
        latency_ns=50_000_000,
        messages_per_minute=200,
        stress=Stress(),
    )


@pytest.fixture(scope="session")
def parents(bench: Bench) -> list[Parent]:
    """Every tenth parent of five minutes and half an hour, at a twentieth of the volume."""
    made, _ = parents_of(bench.scaled.day, within(bench.session), (300, 1_800), (Decimal("0.05"),))
    return made[::20]
