"""The TWAP day in NautilusTrader 1.221, for comparison; see ``bench/README.md``.

    PYTHON -m bench.peers.nautilus_twap_day --parents 1000 [--stagger-seconds 1]

PYTHON is an interpreter that has ``nautilus_trader==1.221.0``; fillwright is not needed. Prints
one line of JSON. Only the run is timed: not imports, making quotes or loading them. Its own TWAP
algorithm works the parents on its own simulated venue, without a cache database, event store or
log output, which is what it does by default in a backtest and less than we do.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import time
from decimal import Decimal
from typing import Any

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import ExecAlgorithmId, InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.risk.config import RiskEngineConfig
from nautilus_trader.trading.strategy import Strategy

from bench.twap_market import (
    LATENCY_NS,
    SHARES,
    SLICES,
    START_NS,
    TICKS_PER_DOLLAR,
    WINDOW_SECONDS,
    Quotes,
    random_walk,
)

NEVER_THROTTLED = "1000000/00:00:01"


class Parents(Strategy):
    """Hands the parents to the TWAP algorithm at their times and counts what is filled."""

    def __init__(self, instrument: Equity, parents: int, stagger_ns: int) -> None:
        super().__init__()
        self._instrument = instrument
        self._parents = parents
        self._stagger_ns = stagger_ns
        self.fills = 0
        self.shares = 0

    def on_start(self) -> None:
        """Subscribe as any strategy would, and set a timer for each moment of arrival."""
        self.subscribe_quote_ticks(self._instrument.id)
        moments = self._parents if self._stagger_ns else 1
        for number in range(moments):
            at = START_NS + number * self._stagger_ns
            self.clock.set_time_alert_ns(f"arrive-{number}", at, self._arrive)

    def _arrive(self, event: object) -> None:
        for _ in range(1 if self._stagger_ns else self._parents):
            order = self.order_factory.market(
                instrument_id=self._instrument.id,
                order_side=OrderSide.BUY,
                quantity=Quantity.from_int(SHARES),
                exec_algorithm_id=ExecAlgorithmId("TWAP"),
                exec_algorithm_params={
                    "horizon_secs": WINDOW_SECONDS,
                    "interval_secs": WINDOW_SECONDS / SLICES,
                },
            )
            self.submit_order(order)

    def on_order_filled(self, event: Any) -> None:
        """Count an execution."""
        self.fills += 1
        self.shares += int(event.last_qty)


def quote_ticks(instrument: Equity, quotes: Quotes) -> list[QuoteTick]:
    """The shared quotes as its own objects."""
    times = quotes.times.astype(np.uint64)
    return list(
        QuoteTick.from_raw_arrays_to_list(
            instrument.id,
            2,
            0,
            quotes.bid_ticks / TICKS_PER_DOLLAR,
            quotes.ask_ticks / TICKS_PER_DOLLAR,
            quotes.bid_sizes.astype(np.float64),
            quotes.ask_sizes.astype(np.float64),
            times,
            times,
        )
    )


def equity() -> Equity:
    """The symbol: cents, whole shares."""
    return Equity(
        instrument_id=InstrumentId(Symbol("TWAP"), Venue("SIM")),
        raw_symbol=Symbol("TWAP"),
        currency=USD,
        price_precision=2,
        price_increment=Price.from_str("0.01"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def engine_over(instrument: Equity, ticks: list[QuoteTick]) -> BacktestEngine:
    """Its backtest engine, silent, unthrottled, and without its analysis after the run."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(max_order_submit_rate=NEVER_THROTTLED),
            run_analysis=False,
        )
    )
    engine.add_venue(
        venue=Venue("SIM"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(9_000_000_000, USD)],
        base_currency=USD,
        default_leverage=Decimal(1),
        latency_model=LatencyModel(base_latency_nanos=LATENCY_NS),
    )
    engine.add_instrument(instrument)
    engine.add_data(ticks)
    return engine


def run_one(parents: int, quotes: int, stagger_ns: int) -> dict[str, Any]:
    """One size in this process."""
    market = random_walk(quotes)
    fingerprint = market.fingerprint()
    instrument = equity()
    engine = engine_over(instrument, quote_ticks(instrument, market))
    strategy = Parents(instrument, parents, stagger_ns)
    engine.add_exec_algorithm(TWAPExecAlgorithm())
    engine.add_strategy(strategy)
    # What was made before is nobody's cost: keep the collector from walking it.
    gc.collect()
    gc.freeze()
    began, cpu_began = time.perf_counter(), time.process_time()
    engine.run()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return {
        "peer": f"NautilusTrader {nautilus_trader.__version__}",
        "parents": parents,
        "quotes": quotes,
        "market": fingerprint,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "fills": strategy.fills,
        "orders_closed": engine.cache.orders_closed_count(),
        "complete": strategy.shares == parents * SHARES,
    }


def main() -> None:
    """Run one size and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parents", type=int, default=1_000)
    parser.add_argument("--quotes", type=int, default=200_000)
    parser.add_argument("--stagger-seconds", type=float, default=0.0)
    options = parser.parse_args()
    stagger_ns = round(options.stagger_seconds * 10**9)
    print(json.dumps(run_one(options.parents, options.quotes, stagger_ns)))


if __name__ == "__main__":
    main()
