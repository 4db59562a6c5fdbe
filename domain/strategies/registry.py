"""Which strategy works an instruction, by the name that decisions use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..decision import ExecutionStrategy
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
        ExecutionStrategy.MARKET: MarketStrategy(),
        ExecutionStrategy.LIMIT: LimitStrategy(),
        ExecutionStrategy.TWAP: TwapStrategy(),
        ExecutionStrategy.VWAP: VwapStrategy(),
        ExecutionStrategy.ICEBERG: IcebergStrategy(),
        ExecutionStrategy.OPPORTUNISTIC: OpportunisticStrategy(),
        ExecutionStrategy.POV: PovStrategy(),
    }
)
"""All strategies; each works the naive or the smart way as the plan's style says."""


def strategy_for(strategy: ExecutionStrategy) -> Strategy:
    """The strategy that works instructions of this kind."""
    return STRATEGIES[strategy]
