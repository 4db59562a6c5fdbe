"""What must be true of a finished run, told by the exchange's journal and not by the engine."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from fillwright.adapters.engine import EngineRules
from fillwright.adapters.exchange.journal import Journal
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.inputs.account import read_account
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.running import RunTerms, start
from fillwright.adapters.storage.log import Log
from fillwright.domain.events import SessionClosed
from fillwright.domain.fees import FeeSchedule
from fillwright.domain.limits import Limits

Positions = dict[str, Decimal]


def exchange_positions(store: Path, market: RecordedMarketData, account: Path) -> Positions:
    """The positions at the exchange, rebuilt from its own journal."""
    day = date.fromisoformat(market.days_of(market.symbols[0])[0].date)
    terms = RunTerms(
        store=str(store),
        account_name="main",
        market=market,
        account=read_account(account),
        rules=EngineRules(),
        limits=Limits(),
        latency_ns=50_000_000,
        fees=Fees.of_schedule(FeeSchedule(), day.isoformat()),
    )
    with start(terms) as simulation:
        positions = simulation.exchange.positions(simulation.session.close)
        return {name: held.quantity for name, held in positions.items()}


def logged_positions(store: Path) -> Positions:
    """The positions that the log closes its session with."""
    with Log.open(store, writer=False) as log:
        closed = [r.event for r in log.events() if isinstance(r.event, SessionClosed)]
    assert len(closed) == 1
    assert closed[0].open_orders == 0
    assert closed[0].breaks == ()
    return {position.symbol: position.quantity for position in closed[0].positions}


def check_quantities(document: Any, start_positions: Positions) -> Positions:
    """Executed quantities are the sums of their fills and orders; gives the final positions."""
    positions = Counter({name: Decimal(0) for name in start_positions})
    positions.update(start_positions)
    for row in document["blotter"]:
        executed = Decimal(row["executed"])
        fills = sum((Decimal(fill["quantity"]) for fill in row["fills"]), Decimal(0))
        orders = sum((Decimal(order["executed"]) for order in row["orders"]), Decimal(0))
        assert executed == fills == orders
        assert executed <= Decimal(row["requested"])
        if row["side"]:
            positions[row["symbol"]] += executed if row["side"] == "buy" else -executed
    return {name: quantity for name, quantity in positions.items() if quantity}


def check_journal(store: Path) -> int:
    """No order was ever handed over twice; gives how many there were."""
    journal = Journal(store.with_name(store.name + ".exchange"))
    try:
        assert journal.duplicates() == {}
        return journal.order_count()
    finally:
        journal.close()


def positions_of(path: Path) -> Positions:
    """The starting positions of an account file."""
    return {k: Decimal(v) for k, v in json.loads(path.read_text())["positions"].items()}
