"""The limits of an account, what is used of them, and the caps that follow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Annotated, Final

from pydantic import Field

from .decision import SYMBOL_PATTERN
from .market import Record
from .money import QUANTITY_MAX, ZERO
from .ports import MINUTE_NS, Account, Side

MICRO: Final = Decimal(1_000_000)
RESTRICTED_MAX: Final = 100_000
HUNDRED: Final = Decimal(100)
FRACTION_BELOW: Final = Decimal("0.1")
"""A target weight above 0 and below this, in percent, is a probable fraction (ruling 10)."""

_GRID: Final = Decimal("0.000001")
_up: Final = Context(rounding=ROUND_CEILING).quantize
_down: Final = Context(rounding=ROUND_FLOOR).quantize

Symbol = Annotated[str, Field(pattern=SYMBOL_PATTERN)]


def grid_up(amount: Decimal) -> Decimal:
    """An amount rounded up to a millionth, so that what is held is never understated."""
    return _up(amount, _GRID)


def grid_down(amount: Decimal) -> Decimal:
    """An amount rounded down to a millionth, so that a cap is never overstated."""
    return _down(amount, _GRID)


class Limits(Record):
    """The limits of one account; a change is a new record with a higher ``version``.

    Percentages are of account equity: turnover of the equity at the session's first account
    record, positions of the equity now, the day's loss of the equity at the close before.
    ``adv_fraction_max`` is a share of average daily volume. ``reducing_*`` is the reserve for what
    only reduces a position once the daily limits are used up. ``restricted`` is never traded.
    """

    version: Annotated[int, Field(ge=1)] = 1
    trades_max_per_day: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    turnover_pct_max: Annotated[Decimal, Field(ge=0, le=100_000)] = Decimal(25)
    position_pct_max: Annotated[Decimal, Field(ge=0, le=1_000)] = Decimal(5)
    daily_loss_pct_max: Annotated[Decimal, Field(gt=0, le=100)] = Decimal(5)
    slippage_bps_max: Annotated[Decimal, Field(gt=0, le=5_000)] = Decimal(500)
    collar_bps_max: Annotated[Decimal, Field(gt=0, le=9_999)] = Decimal(1_000)
    order_value_usd_max: Annotated[Decimal, Field(gt=0, le=Decimal("1e12"))] = Decimal(5_000_000)
    order_quantity_max: Annotated[Decimal, Field(gt=0, le=QUANTITY_MAX)] = Decimal(500_000)
    adv_fraction_max: Annotated[Decimal, Field(gt=0, le=10)] = Decimal("0.1")
    adv_required: bool = False
    duplicate_window_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    decisions_per_minute_max: Annotated[int, Field(ge=0, le=1_000_000)] = 600
    quote_age_seconds_max: Annotated[Decimal, Field(gt=0, le=86_400)] = Decimal(60)
    restricted: Annotated[tuple[Symbol, ...], Field(max_length=RESTRICTED_MAX)] = ()
    reducing_trades_extra: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    reducing_turnover_pct_extra: Annotated[Decimal, Field(ge=0, le=100_000)] = Decimal(100)
    allow_short: bool = False
    allow_fractional: bool = False
    allow_no_bound: bool = True
    half_by_default: bool = True
    closing_buffer_seconds: Annotated[int, Field(ge=0, le=3_600)] = 30

    def position_cap_shares(self, equity: Decimal, price: Decimal) -> Decimal:
        """The most shares a position may have at this price, to a millionth of a share."""
        return grid_down(equity * self.position_pct_max / HUNDRED / price)


@dataclass(frozen=True, slots=True)
class SymbolUsage:
    """What our own instructions hold in one symbol, in shares.

    ``buy_leaves`` and ``sell_leaves`` are reserved and not executed, orders of unknown outcome
    included. ``unreflected`` (signed) is executed and not yet in the broker's position. ``bought``
    and ``sold`` are all own executions of the session, never lowered by a bust; ``busted_*`` is
    what the venue took back, which is not headroom again today. ``unsettled`` says that an order
    has an unknown outcome.
    """

    buy_leaves: Decimal = ZERO
    sell_leaves: Decimal = ZERO
    unreflected: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    busted_bought: Decimal = ZERO
    busted_sold: Decimal = ZERO
    unsettled: bool = False

    def leaves(self, side: Side) -> Decimal:
        """Shares that own open instructions of ``side`` may still trade."""
        return self.buy_leaves if side is Side.BUY else self.sell_leaves

    def executed(self, side: Side) -> Decimal:
        """Own shares executed on ``side`` in the session."""
        return self.bought if side is Side.BUY else self.sold

    def busted(self, side: Side) -> Decimal:
        """Own shares of ``side`` that the venue took back in the session."""
        return self.busted_bought if side is Side.BUY else self.busted_sold


NO_USAGE: Final = SymbolUsage()


@dataclass(frozen=True, slots=True)
class Usage:
    """What one account has used of its limits in one exchange session.

    ``session_equity_usd`` is frozen at the session's first account record. ``turnover_usd`` is
    reserved plus executed, reducing reserve apart. ``buying_power_used_usd`` is reserved plus spent
    in the session, ``buying_power_reserved_usd`` the part of it that the broker's own figure does
    not show yet. ``recent`` maps a content hash to when it was last admitted, ``admitted_at`` lists
    admission times in rising order (ns UTC). ``killed`` holds scopes: ``account``, ``symbol:X``,
    ``strategy:x``.
    """

    session_date: str
    session_equity_usd: Decimal
    trades: int = 0
    turnover_usd: Decimal = ZERO
    reducing_trades: int = 0
    reducing_turnover_usd: Decimal = ZERO
    buying_power_used_usd: Decimal = ZERO
    buying_power_reserved_usd: Decimal = ZERO
    symbols: Mapping[str, SymbolUsage] = field(default_factory=dict)
    recent: Mapping[str, int] = field(default_factory=dict)
    admitted_at: Sequence[int] = ()
    killed: frozenset[str] = frozenset()

    def of(self, symbol: str) -> SymbolUsage:
        """What is held in one symbol."""
        return self.symbols.get(symbol, NO_USAGE)

    def admitted_in_last_minute(self, now: int) -> int:
        """Admissions after ``now`` minus 60 seconds."""
        return len(self.admitted_at) - bisect_right(self.admitted_at, now - MINUTE_NS)


def turnover_cap_usd(limits: Limits, usage: Usage, *, exempt: bool = False) -> Decimal:
    """The session's turnover cap in dollars, or the reducing reserve's."""
    percent = limits.reducing_turnover_pct_extra if exempt else limits.turnover_pct_max
    return grid_down(usage.session_equity_usd * percent / HUNDRED)


@dataclass(frozen=True, slots=True)
class PositionFacts:
    """The broker's figures that a position is measured by: shares, price, equity now."""

    quantity: Decimal
    price: Decimal
    equity: Decimal


def direction_cap_shares(
    limits: Limits, usage: Usage, symbol: str, side: Side, facts: PositionFacts
) -> Decimal:
    """The most shares that own orders of ``side`` may hold in the session, executed and open.

    Buys may bring the position up to its limit; sells may bring it to zero, or to the limit short
    where that is allowed. What a bust freed is not headroom again today (ruling 6), but a position
    that it brought back may be closed.
    """
    own = usage.of(symbol)
    position = facts.quantity + own.unreflected
    limit = limits.position_cap_shares(facts.equity, facts.price)
    if side is Side.SELL and not limits.allow_short:
        limit = ZERO
    limit = max(limit - own.busted(side), ZERO)
    return limit - side.sign * position + own.executed(side)


def buying_power_cap_usd(account: Account, usage: Usage) -> Decimal:
    """The cap on the buying power counter: what is free now plus what the counter holds."""
    free = account.buying_power - usage.buying_power_reserved_usd
    return free + usage.buying_power_used_usd
