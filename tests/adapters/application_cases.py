"""A small simulated day and a small provider that tests of the application trade on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock, Mock

import numpy as np

from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.simulated_provider import SimulatedProvider, simulated_provider
from fillwright.domain.ports import NANOS

DATE = "20240612"
OPEN = 1_718_199_000 * NANOS  # 2024-06-12 09:30 in New York
SECONDS = 6 * 3600 + 1800


def steady_day(symbol: str, price: float = 100.0) -> SymbolDay:
    """A day whose quote is renewed each second, a cent wide with 5,000 shares a side."""
    count = SECONDS
    q_ts = OPEN + np.arange(count, dtype=np.int64) * NANOS
    t_ts = q_ts[::10] + NANOS // 2
    column = np.ones((count, 1))
    return SymbolDay(
        symbol=symbol,
        date=DATE,
        tick=Decimal("0.01"),
        lot=Decimal(1),
        levels=1,
        ext_level_size=Decimal(5_000),
        queue_share=Decimal("0.3"),
        q_ts=q_ts,
        bid_px=column * price,
        bid_sz=column * 5_000,
        ask_px=column * (price + 0.01),
        ask_sz=column * 5_000,
        t_ts=t_ts,
        t_px=np.full(len(t_ts), price),
        t_sz=np.full(len(t_ts), 400.0),
        aggressor=np.full(len(t_ts), -1, dtype=np.int8),
        lit=np.ones(len(t_ts), dtype=bool),
        regular=np.ones(len(t_ts), dtype=bool),
        venue=np.array(["SIM"] * len(t_ts), dtype=object),
    )


MARKET = RecordedMarketData([steady_day("AAA"), steady_day("BBB", 50.0)])


def steady_provider(**positions: int) -> SimulatedProvider:
    """A provider on the steady day, from 10:00."""
    return simulated_provider(date=DATE, market=MARKET, positions=positions)


def buy(symbol: str = "AAA", weight: float = 3.0, **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "action": "BUY",
        "target_weight": weight,
        "strategy": "market",
        **more,
    }


def mock_provider(**coroutines: Any) -> Mock:
    """The seed's mock: coroutines for what is given, plain mocks for everything else."""
    provider = Mock()
    answers: Mapping[str, Any] = {
        "place_order": {"success": True, "order_id": "test_order_123"},
        "get_order": {"status": "filled", "filled_avg_price": 150.0},
        "get_latest_quote": {"bid": 149.98, "ask": 150.02, "bid_size": 500, "ask_size": 500},
        "get_account_info": {"account_value": 100_000, "buying_power": 50_000, "cash": 50_000},
        "get_positions": {},
        "get_orders": [],
    }
    for name, answer in {**answers, **coroutines}.items():
        is_mock = isinstance(answer, Mock)
        setattr(provider, name, answer if is_mock else AsyncMock(return_value=answer))
    return provider
