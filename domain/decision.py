"""What a portfolio manager says: the seed's trade instruction and the checked decision."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Final

from pydantic import Field

from .auctions import Auction, BeforeOpen
from .market import Record
from .money import Price, plain
from .ports import SellMark
from .reasons import OnBound

TEXT_MAX: Final = 65_536
LABEL_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,23}$"
"""A short label; longer text may be personal and belongs to the reasoning, which is sealed."""
RECORD_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$"
"""The name of a record kept elsewhere: a locate, a parent order."""
SYMBOL_PATTERN: Final = r"^[A-Z][A-Z0-9./-]{0,14}$"


class ExecutionStrategy(Enum):
    """How an instruction is worked."""

    MARKET = "market"
    LIMIT = "limit"
    TWAP = "twap"
    VWAP = "vwap"
    ICEBERG = "iceberg"
    OPPORTUNISTIC = "opportunistic"
    POV = "pov"


class ExecutionUrgency(Enum):
    """How soon it must be done; shapes window and aggression."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class TradeAction(StrEnum):
    """What the portfolio manager wants done with the position."""

    BUY = "BUY"
    SELL = "SELL"
    TRIM = "TRIM"
    ADD = "ADD"
    CLOSE = "CLOSE"


class Style(StrEnum):
    """Smart slices rest before they cross; naive ones are the textbook version.

    ``broker`` hands the whole instruction to the broker's own algorithm.
    """

    SMART = "smart"
    NAIVE = "naive"
    BROKER = "broker"


@dataclass
class TradeInstruction:
    """Complete trade instruction from the portfolio manager (seed).

    Weights are percent of account equity (3.0 = 3 %), ``confidence`` is 1-10, ``max_slippage`` is
    in basis points from the arrival mid (None: no bound). Nothing is checked here; everything is
    when it is executed.
    """

    symbol: str
    action: str
    target_weight: float | Decimal | None = None
    current_weight: float | Decimal | None = None
    confidence: int = 5
    time_horizon: str = "medium"
    reasoning: str = ""
    risk_factors: list[str] = field(default_factory=list)
    urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM
    max_slippage: float | Decimal | None = 10.0
    execution_window: timedelta = timedelta(hours=2)
    decision_id: str | None = None


DECISION_ID_MAX: Final = 200
SESSIONS_MAX: Final = 60
LATER_FIELDS: Final = (
    "auction",
    "auction_fraction",
    "before_open",
    "locate",
    "parent_id",
    "risk_curvature",
    "sell_mark",
    "sessions",
)
"""Fields that older logs do not have: unset, they leave the digest of a decision as it was."""

Weight = Annotated[Decimal, Field(ge=0, le=1000)]
CURVATURE_MIN: Final = Decimal(-2)
CURVATURE_MAX: Final = Decimal(10_000)
Curvature = Annotated[Decimal, Field(ge=CURVATURE_MIN, le=CURVATURE_MAX)]
"""How risk averse a schedule is, about (kappa T)^2 of Almgren and Chriss; 0 is a straight line."""


class Decision(Record):
    """A checked decision, without its personal text.

    Weights are percent of equity, ``max_slippage_bps`` None means no bound was asked for,
    ``window_seconds`` None leaves the window to strategy and urgency, ``decided_at`` is integer ns
    UTC. ``slices`` to ``complete_at_deadline`` replace that parameter of the strategy (see
    ``StrategyParameters``); None leaves it to configuration. ``auction`` places
    ``auction_fraction`` of the quantity (all of it by default) in that auction, ``before_open`` is
    what to do before the open. ``sell_mark`` may only say ``short_exempt``, which the engine never
    chooses; ``locate`` names the record of borrowed shares. ``sessions`` is over how many
    sessions, today's included, the rest is worked (``chains``), ``parent_id`` the decision that
    began it.
    """

    symbol: Annotated[str, Field(pattern=SYMBOL_PATTERN)]
    action: TradeAction
    target_weight: Weight | None = None
    current_weight: Annotated[Decimal, Field(ge=-1000, le=1000)] | None = None
    confidence: Annotated[int, Field(ge=1, le=10)] = 5
    time_horizon: Annotated[str, Field(pattern=LABEL_PATTERN)] = "medium"
    urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM
    max_slippage_bps: Annotated[Decimal, Field(gt=0, le=5000)] | None = Decimal(10)
    window_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    strategy: ExecutionStrategy | None = None
    style: Style | None = None
    limit_price: Price | None = None
    on_bound: OnBound | None = None
    must_complete: bool = False
    participation_cap: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    order_size: Annotated[Decimal, Field(ge=0)] | None = None
    slices: Annotated[int, Field(ge=1, le=500)] | None = None
    display_fraction: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    peg: bool | None = None
    improvement_bps: Annotated[Decimal, Field(ge=0, le=1000)] | None = None
    risk_curvature: Curvature | None = None
    complete_at_deadline: bool | None = None
    decided_at: int | None = None
    auction: Auction | None = None
    auction_fraction: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    before_open: BeforeOpen | None = None
    sell_mark: SellMark | None = None
    locate: Annotated[str, Field(pattern=RECORD_PATTERN)] | None = None
    parent_id: Annotated[str, Field(min_length=1, max_length=DECISION_ID_MAX)] | None = None
    sessions: Annotated[int, Field(ge=1, le=SESSIONS_MAX)] | None = None

    def content_hash(self) -> str:
        """A digest of everything that would trade; the reasoning is not part of it (ruling 9)."""
        parts = []
        for name in sorted(type(self).model_fields):
            value = getattr(self, name)
            if value is None and name in LATER_FIELDS:
                continue
            if isinstance(value, Decimal):
                value = plain(value)
            elif isinstance(value, Enum):
                value = value.value
            parts.append(f"{name}={value}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
