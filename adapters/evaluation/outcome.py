"""What became of a parent order, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .grid import Parent


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of a parent, for plots: ns UTC, shares, price, and whether it rested."""

    at: int
    quantity: float
    price: float
    rested: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one parent under one policy; quantities in shares.

    ``messages`` counts orders and cancels sent, ``end_reason`` is empty when it was filled.
    """

    parent: Parent
    policy: str
    executed: Decimal
    average_price: float | None
    passive: Decimal
    final_cross: Decimal
    messages: int
    orders: int
    steps: int
    end_reason: str
    executions: tuple[Execution, ...] = ()

    @property
    def completion(self) -> float:
        """Executed over ordered quantity."""
        return float(self.executed / self.parent.quantity)

    def cost_bps(self, benchmark: float) -> float | None:
        """Average price against a benchmark, positive is a cost; None when nothing executed."""
        if self.average_price is None:
            return None
        return self.parent.side.sign * (self.average_price - benchmark) / benchmark * 10_000

    @property
    def arrival_bps(self) -> float | None:
        """Slippage against the arrival mid of what executed."""
        return self.cost_bps(self.parent.arrival_mid)

    @property
    def vwap_bps(self) -> float | None:
        """Slippage against the interval's VWAP of what executed."""
        return self.cost_bps(self.parent.interval_vwap)

    @property
    def shortfall_bps(self) -> float:
        """Cost over the ordered quantity, what did not execute priced at the window's last mid."""
        mid, done = self.parent.arrival_mid, self.completion
        missed = self.parent.side.sign * (self.parent.end_mid - mid) / mid * 10_000
        return (self.arrival_bps or 0.0) * done + missed * (1 - done)
