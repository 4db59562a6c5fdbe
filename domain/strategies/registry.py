"""Which strategy works an instruction, by the name that decisions use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..decision import ExecutionStrategy
from .auction import WithAuction
from .contract import Strategy
from .iceberg import IcebergStrategy
from .limit import LimitStrategy
from .market import MarketStrategy
from .opportunistic import OpportunisticStrategy
from .pov import PovStrategy
from .twap import TwapStrategy
from .vwap import VwapStrategy

STRATEGIES: Final[Mapping[ExecutionStrategy, Strategy]] = MappingProxyType(
    {
        ExecutionStrategy.MARKET: WithAuction(MarketStrategy()),
        ExecutionStrategy.LIMIT: WithAuction(LimitStrategy()),
        ExecutionStrategy.TWAP: WithAuction(TwapStrategy()),
        ExecutionStrategy.VWAP: WithAuction(VwapStrategy()),
        ExecutionStrategy.ICEBERG: WithAuction(IcebergStrategy()),
        ExecutionStrategy.OPPORTUNISTIC: WithAuction(OpportunisticStrategy()),
        ExecutionStrategy.POV: WithAuction(PovStrategy()),
    }
)
"""All strategies; each works the naive or the smart way as the plan's style says, beside what the
plan has for an auction."""


def strategy_for(strategy: ExecutionStrategy) -> Strategy:
    """The strategy that works instructions of this kind."""
    return STRATEGIES[strategy]
