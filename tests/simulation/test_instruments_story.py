"""Which assets a simulated or recorded session traded, as its log says it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.exchange.tape import MarketFolderError
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.instruments import InstrumentSpec
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.simulation import EXACT, simulate
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.limits import Limits

D = Decimal
SPEC = InstrumentSpec("KO", 249.5, 4_000_000, 0.01, 1.5, 10, quotes=800, prints=300)
BUY = {"action": "BUY", "order_size": 100, "confidence": 8, "strategy": "market"}


def trade(
    store: Path, market: GeneratedMarket | RecordedMarketData, *decisions: dict[str, Any]
) -> None:
    data = market.market_data() if isinstance(market, GeneratedMarket) else market
    simulation = simulate(
        [day for symbol in data.symbols for day in data.days_of(symbol)],
        store=str(store),
        rules=EngineRules(planning=EXACT, seed=1),
        limits=Limits(position_pct_max=D(100), turnover_pct_max=D(1_000)),
        market=data,
        day_of_many=True,
    )

    async def work() -> None:
        with simulation:
            for number, fields in enumerate(decisions):
                arrival = Arrival({**BUY, **fields, "reasoning": "momentum"})
                at = simulation.session.open + (600 + number * 300) * 1_000_000_000
                simulation.engine.schedule(arrival, at)
            await simulation.finish()

    asyncio.run(work())


def recorded(store: Path) -> list[e.DomainEvent]:
    kinds = (e.InstrumentRecorded, e.AccountAnomaly)
    with Log.open(str(store), writer=False) as log:
        return [r.event for r in log.events() if isinstance(r.event, kinds)]


def test_a_simulated_session_records_each_asset_once_with_tick_and_round_lot_of_its_day(
    tmp_path: Path,
) -> None:
    store = tmp_path / "a.db"
    before = GeneratedMarket(3, "20251031", [replace(SPEC, price=300.0)])
    trade(store, before, {"symbol": "KO"}, {"symbol": "KO"})
    trade(store, GeneratedMarket(3, "20251103", [replace(SPEC, price=300.0)]), {"symbol": "KO"})
    first, second = recorded(store)
    assert isinstance(first, e.InstrumentRecorded)
    assert isinstance(second, e.InstrumentRecorded)
    found = first.instrument
    assert (found.broker, found.asset_id, found.currency) == ("simulated", "simulated:KO", "USD")
    assert (found.tradable, found.fractionable, found.tick) == (True, False, D("0.01"))
    assert (first.session_date, found.round_lot) == ("2025-10-31", 100)
    assert (second.session_date, second.instrument.round_lot) == ("2025-11-03", 40), "the new tiers"


def test_an_asset_keeps_its_identity_under_a_new_symbol_and_another_asset_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "a.db"
    named = replace(SPEC, asset_id="asset-1")
    trade(store, GeneratedMarket(3, "20251106", [named]), {"symbol": "KO"})
    renamed = replace(SPEC, symbol="KOX", asset_id="asset-1")
    other = replace(SPEC, asset_id="asset-2")
    later = GeneratedMarket(3, "20251107", [renamed, other])
    trade(store, later, {"symbol": "KOX"}, {"symbol": "KO", "action": "SELL"})
    events = recorded(store)
    told = [
        (x.session_date, x.instrument.symbol, x.instrument.asset_id)
        for x in events
        if isinstance(x, e.InstrumentRecorded)
    ]
    assert told == [
        ("2025-11-06", "KO", "asset-1"),
        ("2025-11-07", "KOX", "asset-1"),
        ("2025-11-07", "KO", "asset-2"),
    ]
    odd = [x.detail for x in events if isinstance(x, e.AccountAnomaly)]
    assert "KO was asset-1 and is asset-2" in odd
    assert main(["books", "--store", str(store), "--json"]) == 0
    (known,) = json.loads(capsys.readouterr().out)["instruments"].values()
    assert [(x["symbol"], x["since"]) for x in known["instruments"]] == [
        ("KO", "2025-11-07"),
        ("KOX", "2025-11-07"),
    ]


def test_a_recorded_folder_says_which_assets_it_is_of_and_what_it_does_not_say_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [SPEC, replace(SPEC, symbol="ABC", asset_id="asset-9")]
    folder = GeneratedMarket(3, "20251106", specs).write_folder(tmp_path / "market")
    file = folder / "instruments.json"
    entries = json.loads(file.read_text())
    (entry,) = [each for each in entries if each["symbol"] == "ABC"]
    entry |= {"figi": "BBG000BMX289", "listed_on": "N"}
    file.write_text(json.dumps(entries))
    store = tmp_path / "a.db"
    data = RecordedMarketData.from_folder(folder, "20251106")
    trade(store, data, {"symbol": "ABC"}, {"symbol": "KO"})
    told = {x.instrument.symbol: x.instrument for x in recorded(store) if hasattr(x, "instrument")}
    assert (told["ABC"].asset_id, told["ABC"].figi) == ("asset-9", "BBG000BMX289")
    assert (told["ABC"].exchange, told["ABC"].cusip, told["ABC"].currency) == ("N", None, "USD")
    assert main(["books", "--store", str(store)]) == 0
    said = capsys.readouterr().out
    assert "instruments on record: 2; without FIGI 1, without CUSIP 2" in said
    entry |= {"cusip": 191216100}
    file.write_text(json.dumps(entries))
    with pytest.raises(MarketFolderError, match="cusip must be a text of 1 to 9 characters"):
        RecordedMarketData.from_folder(folder, "20251106")


def test_a_half_penny_tick_of_a_day_holds_for_that_symbol_and_day_alone(tmp_path: Path) -> None:
    """Rule 612 goes by the symbol's measured spread, so that the day's entry says it."""
    store, far = tmp_path / "a.db", {"strategy": "limit", "limit_price": "240.008", "window": "2m"}
    before = GeneratedMarket(3, "20261030", [SPEC])
    after = GeneratedMarket(
        3, "20261102", [replace(SPEC, tick=D("0.005")), replace(SPEC, symbol="PEP")]
    )
    trade(store, before, {"symbol": "KO", **far})
    trade(store, after, {"symbol": "KO", **far}, {"symbol": "PEP", **far})
    with Log.open(str(store), writer=False) as log:
        events = [recorded.event for recorded in log.events()]
    plans = [x.plan for x in events if isinstance(x, e.InstructionPlanned)]
    assert [(x.symbol, x.tick, x.limit_price) for x in plans] == [
        ("KO", D("0.01"), D("240.00")),
        ("KO", D("0.005"), D("240.005")),
        ("PEP", D("0.01"), D("240.00")),
    ]
    told = [x for x in events if isinstance(x, e.InstrumentRecorded)]
    assert [(x.session_date, x.instrument.tick) for x in told if x.instrument.symbol == "KO"] == [
        ("2026-10-30", D("0.01")),
        ("2026-11-02", D("0.005")),
    ]
