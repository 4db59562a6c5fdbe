"""The words of timing: thresholds, the closed list of rules, and what an assessment holds."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from ..decision import ExecutionStrategy
from ..market import Record

SCORE_MIN: Final = Decimal(1)
SCORE_MAX: Final = Decimal(10)
SCORE_NORMAL: Final = Decimal(8)
"""The score when no rule fires."""
SCORE_NEUTRAL: Final = Decimal(5)
"""The score when nothing is known of the market."""


class TimingConfig(Record):
    """Thresholds of the timing rules, each with its unit in its name.

    ``lunch_*_minutes`` count from local midnight at the exchange. Spreads are full spreads over
    the mid. ``*_volatility_bps`` are standard deviations of one-minute returns (15 bps is about
    3 % a day). ``trend_bps`` is the mid's move over 5 minutes. ``large_*`` are an order's shares
    over the far touch's, and over the average daily volume. ``costly_impact_bps`` is the impact
    that the square-root law expects of the order.
    """

    avoid_open_minutes: Annotated[int, Field(ge=0, le=120)] = 5
    avoid_close_minutes: Annotated[int, Field(ge=0, le=120)] = 10
    lunch_start_minutes: Annotated[int, Field(ge=0, le=1440)] = 12 * 60
    lunch_end_minutes: Annotated[int, Field(ge=0, le=1440)] = 13 * 60 + 30
    event_ahead_minutes: Annotated[int, Field(ge=0, le=1440)] = 30
    quote_age_seconds_max: Annotated[int, Field(ge=1, le=3600)] = 30
    tight_spread_bps: Annotated[Decimal, Field(ge=0)] = Decimal(5)
    wide_spread_bps: Annotated[Decimal, Field(gt=0)] = Decimal(20)
    very_wide_spread_bps: Annotated[Decimal, Field(gt=0)] = Decimal(60)
    touch_shares_min: Annotated[Decimal, Field(ge=0)] = Decimal(100)
    high_volatility_bps: Annotated[Decimal, Field(gt=0)] = Decimal(15)
    extreme_volatility_bps: Annotated[Decimal, Field(gt=0)] = Decimal(40)
    trend_bps: Annotated[Decimal, Field(gt=0)] = Decimal(20)
    large_for_touch_ratio: Annotated[Decimal, Field(gt=0)] = Decimal(5)
    large_for_day_ratio: Annotated[Decimal, Field(gt=0)] = Decimal("0.01")
    costly_impact_bps: Annotated[Decimal, Field(gt=0)] = Decimal(15)
    impact_coefficient: Annotated[Decimal, Field(ge=0, le=10)] = Decimal(1)
    slippage_bps_unknown: Annotated[Decimal, Field(ge=0)] = Decimal(10)
    default_strategy: ExecutionStrategy = ExecutionStrategy.TWAP


DEFAULT_TIMING: Final = TimingConfig()


class TimingRule(StrEnum):
    """The closed list of what an assessment can be explained by."""

    NO_MARKET_DATA = "no_market_data"
    MARKET_CLOSED = "market_closed"
    SYMBOL_HALTED = "symbol_halted"
    OPENING_MINUTES = "opening_minutes"
    CLOSING_MINUTES = "closing_minutes"
    LUNCH_HOURS = "lunch_hours"
    EVENT_AHEAD = "event_ahead"
    NO_QUOTE = "no_quote"
    STALE_QUOTE = "stale_quote"
    VERY_WIDE_SPREAD = "very_wide_spread"
    WIDE_SPREAD = "wide_spread"
    TIGHT_SPREAD = "tight_spread"
    THIN_TOUCH = "thin_touch"
    LARGE_FOR_TOUCH = "large_for_touch"
    LARGE_FOR_DAY = "large_for_day"
    COSTLY_IMPACT = "costly_impact"
    EXTREME_VOLATILITY = "extreme_volatility"
    HIGH_VOLATILITY = "high_volatility"
    TREND_AGAINST = "trend_against"
    TREND_WITH = "trend_with"
    URGENT = "urgent"


EFFECTS: Final = MappingProxyType(
    {
        TimingRule.MARKET_CLOSED: -4,
        TimingRule.SYMBOL_HALTED: -4,
        TimingRule.OPENING_MINUTES: -3,
        TimingRule.CLOSING_MINUTES: -3,
        TimingRule.LUNCH_HOURS: -1,
        TimingRule.EVENT_AHEAD: -2,
        TimingRule.NO_QUOTE: -2,
        TimingRule.STALE_QUOTE: -2,
        TimingRule.VERY_WIDE_SPREAD: -3,
        TimingRule.WIDE_SPREAD: -2,
        TimingRule.TIGHT_SPREAD: 1,
        TimingRule.THIN_TOUCH: -1,
        TimingRule.EXTREME_VOLATILITY: -3,
        TimingRule.HIGH_VOLATILITY: -2,
        TimingRule.TREND_AGAINST: -1,
        TimingRule.TREND_WITH: 1,
    }
)
"""Points each rule moves the score by; rules that are not here only steer the strategy."""

RISKS: Final = MappingProxyType(
    {
        TimingRule.NO_MARKET_DATA: "market data is not available",
        TimingRule.MARKET_CLOSED: "the market is closed",
        TimingRule.SYMBOL_HALTED: "trading is halted or its state unknown",
        TimingRule.OPENING_MINUTES: "opening volatility",
        TimingRule.CLOSING_MINUTES: "closing volatility",
        TimingRule.LUNCH_HOURS: "less volume over lunch",
        TimingRule.EVENT_AHEAD: "a scheduled event is near",
        TimingRule.NO_QUOTE: "no two-sided quote",
        TimingRule.STALE_QUOTE: "the quote is old",
        TimingRule.VERY_WIDE_SPREAD: "very wide spread",
        TimingRule.WIDE_SPREAD: "wide spread",
        TimingRule.THIN_TOUCH: "few shares at the touch",
        TimingRule.LARGE_FOR_TOUCH: "the order is large for the touch",
        TimingRule.LARGE_FOR_DAY: "the order is large for a day's volume",
        TimingRule.COSTLY_IMPACT: "the order is expected to move the price",
        TimingRule.EXTREME_VOLATILITY: "extreme volatility",
        TimingRule.HIGH_VOLATILITY: "high volatility",
        TimingRule.TREND_AGAINST: "the price moves against the order",
    }
)
"""What each rule warns of."""

STRATEGY_BY_RULE: Final = (
    (TimingRule.URGENT, ExecutionStrategy.MARKET),
    (TimingRule.VERY_WIDE_SPREAD, ExecutionStrategy.LIMIT),
    (TimingRule.WIDE_SPREAD, ExecutionStrategy.LIMIT),
    (TimingRule.LARGE_FOR_DAY, ExecutionStrategy.VWAP),
    (TimingRule.COSTLY_IMPACT, ExecutionStrategy.VWAP),
    (TimingRule.EXTREME_VOLATILITY, ExecutionStrategy.TWAP),
    (TimingRule.HIGH_VOLATILITY, ExecutionStrategy.TWAP),
    (TimingRule.LARGE_FOR_TOUCH, ExecutionStrategy.TWAP),
    (TimingRule.TREND_WITH, ExecutionStrategy.OPPORTUNISTIC),
)
"""The first rule of this list that fired decides the strategy; with none it is the default.

What is large for the touch is worked over time: a smart TWAP shows a small part of it as well, and
on recorded days cost less than half of what an iceberg did.
"""


class FiredRule(Record):
    """One rule that fired: what it saw, against what, in which unit, and its points."""

    name: TimingRule
    observed: Decimal | None = None
    threshold: Decimal | None = None
    unit: str = ""
    points: int = 0
    note: str = ""


class Period(StrEnum):
    """The part of the session."""

    CLOSED = "closed"
    OPENING = "opening"
    REGULAR = "regular"
    LUNCH = "lunch"
    CLOSING = "closing"


class Level(StrEnum):
    """How much of something there is."""

    UNKNOWN = "unknown"
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    EXTREME = "extreme"


class Trend(StrEnum):
    """Where the mid is going."""

    UNKNOWN = "unknown"
    FLAT = "flat"
    UP = "up"
    DOWN = "down"


class Assessment(StrEnum):
    """The score in a word: favourable from 7, unfavourable below 4."""

    FAVORABLE = "favorable"
    NEUTRAL = "neutral"
    UNFAVORABLE = "unfavorable"


class TimingAssessment(Record):
    """The timing of one symbol at one moment, with every rule that fired in order.

    ``window_start_at`` to ``window_end_at`` (ns UTC) is when to trade by the recommended strategy,
    None outside a session. ``release_at`` is when a deferred order may start (:func:`deferral`).
    ``decided_by`` names the rule that chose the strategy, None for the default.
    ``expected_slippage_bps`` is None where there is no quote to tell from.
    """

    timing_score: Annotated[Decimal, Field(ge=SCORE_MIN, le=SCORE_MAX)]
    assessment: Assessment
    recommended_strategy: ExecutionStrategy
    decided_by: TimingRule | None
    rules: tuple[FiredRule, ...]
    risks: tuple[str, ...]
    period: Period
    volatility: Level
    trend: Trend
    liquidity: Level
    spread_bps: Decimal | None
    expected_slippage_bps: Decimal | None
    window_start_at: int | None
    window_end_at: int | None
    release_at: int | None
