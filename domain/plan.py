"""The execution plan: the seed's public record and the exact terms that the log stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from .auctions import AuctionTerms
from .decision import Curvature, ExecutionStrategy, ExecutionUrgency, Style, TradeInstruction
from .market import Record
from .money import ONE, Bps, Price, Quantity, Shares
from .ports import NANOS, SellMark, Side
from .reasons import OnBound

SLICES_MAX: Final = 500
CURVE_BUCKETS_MAX: Final = 32
BOARD_LOT: Final = Decimal(100)


@dataclass
class ExecutionPlan:
    """Detailed execution plan (seed).

    ``order_size`` is in shares, prices in account currency, ``expected_slippage`` in basis points.
    """

    instruction: TradeInstruction
    strategy: ExecutionStrategy
    order_size: Decimal | float | None
    target_price: Decimal | float | None = None
    limit_price: Decimal | float | None = None
    stop_price: Decimal | float | None = None
    chunk_size: Decimal | float | None = None
    execution_schedule: Sequence[Mapping[str, Any]] = field(default_factory=list)
    market_timing: Mapping[str, Any] = field(default_factory=dict)
    expected_slippage: Decimal | float = 0.0
    risk_assessment: Mapping[str, Any] = field(default_factory=dict)


class StrategyParameters(Record):
    """Numbers a strategy runs by; the defaults are the seed's.

    ``volume_curve`` holds relative volumes of equal buckets from session open to close; empty means
    the U-shaped default.  ``randomise`` is the largest fraction of a slice gap by which slice times
    are shifted, seeded by the instruction id.  ``band_fraction`` is how far, as a share of the
    quantity in a window of five minutes, smart slices may be ahead of the schedule or behind it; it
    falls with the root of the window.  ``risk_curvature`` bends the schedule after Almgren and
    Chriss, about (kappa T)^2 with 0 the straight line.  ``peg`` lets an iceberg follow the touch,
    which shows at least ``board_lot`` shares: those of a round lot on the date and at the price.
    A cross is expected to cost half the spread less ``lean_ticks`` times the lean of the book, in
    ticks; up to ``cross_cheap`` of half the usual spread it is made a band ahead of schedule, from
    ``cross_dear`` on not before a band behind it.  A quote older than
    ``quote_age_seconds_max`` is not acted on.  A call up to ``wake_slack_ns`` after a moment of the
    decision grid counts as made for it (naive pegs move at decision times only; 0 in simulation
    with a virtual clock, where calls are never late).  ``rest_fraction_max`` is how much of the
    quantity smart slices may show at any time; with 0 they never rest.
    """

    slices: Annotated[int, Field(ge=1, le=SLICES_MAX)] = 8
    interval_ns: Annotated[int, Field(gt=0)] = NANOS
    display_fraction: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.1")
    improvement_bps: Bps = Decimal(20)
    limit_offset_bps: Bps = Decimal(10)
    limit_timeout_seconds: Annotated[int, Field(ge=1)] = 1800
    complete_at_deadline: bool = True
    band_fraction: Decimal = Decimal("0.5")
    randomise: Annotated[Decimal, Field(ge=0, lt=1)] = Decimal(0)
    volume_curve: Annotated[tuple[int, ...], Field(max_length=CURVE_BUCKETS_MAX)] = ()
    board_lot: Annotated[Decimal, Field(gt=0)] = BOARD_LOT
    peg: bool = True
    risk_curvature: Curvature = Decimal(0)
    lean_ticks: Annotated[Decimal, Field(ge=0, le=10)] = Decimal("0.6")
    cross_cheap: Annotated[Decimal, Field(ge=-10, le=10)] = Decimal("0.3")
    cross_dear: Annotated[Decimal, Field(ge=-10, le=10)] = Decimal("1.1")
    quote_age_seconds_max: Annotated[int, Field(ge=1)] = 120
    wake_slack_ns: Annotated[int, Field(ge=0)] = NANOS // 4
    rest_fraction_max: Annotated[Decimal, Field(ge=0, le=1)] = Decimal(1)


class PlanTerms(Record):
    """Everything that fixes how an instruction is worked; stored with the plan and each step.

    Times are integer ns UTC. ``bound_price`` is the worst price a child may have, None where no
    bound was asked for. ``final_phase_at`` is when caps give way to completion (ruling 3).
    ``arrival_touch`` is the near touch of the quote that gave ``arrival_mid``: an iceberg that is
    not pegged stays there. ``auction`` is the part that goes into an auction. ``long_quantity`` is
    how much of a sell is held and sold long; what goes beyond is sold short, marked ``short_mark``,
    in orders of its own; None where nothing is sold short.
    """

    symbol: str
    side: Side
    quantity: Quantity
    strategy: ExecutionStrategy
    style: Style
    urgency: ExecutionUrgency
    start_at: int
    end_at: int
    final_phase_at: int
    tick: Decimal
    lot: Decimal = ONE
    arrival_mid: Price | None
    arrival_touch: Price | None = None
    bound_bps: Bps | None
    bound_price: Price | None
    limit_price: Price | None = None
    on_bound: OnBound = OnBound.REST
    must_complete: bool = False
    participation_cap: Decimal | None = None
    parameters: StrategyParameters = StrategyParameters()
    seed: int = 0
    expected_slippage_bps: Bps | None = None
    auction: AuctionTerms | None = None
    long_quantity: Shares | None = None
    short_mark: SellMark | None = None

    @property
    def completes(self) -> bool:
        """Whether it trades all that is left when its window is over, however long that takes."""
        waited = self.strategy is ExecutionStrategy.OPPORTUNISTIC
        return self.must_complete or (waited and self.parameters.complete_at_deadline)


FINAL_PHASE_FRACTION: Final = Decimal("0.05")
FINAL_PHASE_MIN_NS: Final = 5 * NANOS
FINAL_PHASE_MAX_NS: Final = 120 * NANOS


def final_phase_at(start: int, end: int) -> int:
    """When the final phase begins: the last 5 % of the window, at least 5 s, at most 2 min."""
    length = int((end - start) * FINAL_PHASE_FRACTION)
    length = min(max(length, FINAL_PHASE_MIN_NS), FINAL_PHASE_MAX_NS)
    return max(start, end - length)
