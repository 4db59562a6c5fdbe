"""Limits, what is used of them, and the amounts that an admission reserves.

Every counter counts what is reserved *plus* what has executed in the session, and every cap is
stated on that same basis. A fill that is recorded between the reading of the facts and the append
therefore moves neither side, and ``UPDATE … SET used = used + x WHERE used + x <= cap`` in the
transaction of the plan is exact however many callers race. Amounts are on a grid of millionths,
reservations rounded up and caps down, so that decimals here and integers in the store agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from .decision import SYMBOL_PATTERN
from .market import Record
from .money import QUANTITY_MAX, ZERO, Money, Price, Quantity
from .ports import NANOS, Account, Side

MICRO: Final = Decimal(1_000_000)
MINUTE_NS: Final = 60 * NANOS
COUNTER_MAX: Final = 2**63 - 1
RESTRICTED_MAX: Final = 100_000
HUNDRED: Final = Decimal(100)
FRACTION_BELOW: Final = Decimal("0.1")
"""A target weight above 0 and below this, in percent, is a probable fraction (ruling 10)."""

_GRID: Final = Decimal("0.000001")

Symbol = Annotated[str, Field(pattern=SYMBOL_PATTERN)]


def grid_up(amount: Decimal) -> Decimal:
    """An amount rounded up to a millionth, so that what is held is never understated."""
    return amount.quantize(_GRID, rounding=ROUND_CEILING)


def grid_down(amount: Decimal) -> Decimal:
    """An amount rounded down to a millionth, so that a cap is never overstated."""
    return amount.quantize(_GRID, rounding=ROUND_FLOOR)


def micro(amount: Decimal) -> int:
    """An amount in millionths, rounded up."""
    return int(grid_up(amount) * MICRO)


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


class Reservation(Record):
    """What one admitted instruction keeps of the limits until it ends.

    ``price`` is what a share is reserved at: the bound of a buy, the better of bound and ask of a
    sell, because a sell executes at its bound or above. ``buying_power_usd`` is 0 for an order that
    only reduces a position. ``exempt`` takes trade and turnover from the reducing reserve.
    """

    account: str
    session_date: str
    symbol: str
    side: Side
    quantity: Quantity
    price: Price
    trade_slots: Annotated[int, Field(ge=0, le=1)] = 1
    turnover_usd: Annotated[Money, Field(ge=0)]
    buying_power_usd: Annotated[Money, Field(ge=0)]
    exempt: bool = False


def turnover_cap_usd(limits: Limits, usage: Usage, *, exempt: bool = False) -> Decimal:
    """The session's turnover cap in dollars, or the reducing reserve's."""
    percent = limits.reducing_turnover_pct_extra if exempt else limits.turnover_pct_max
    return grid_down(usage.session_equity_usd * percent / HUNDRED)


@dataclass(frozen=True, slots=True)
class CounterUpdate:
    """Add ``amount_micro`` to the counter ``key`` if it stays within ``cap_micro``.

    Amounts are millionths: of a trade, a dollar or a share. A cap of None always passes: what the
    market did is recorded whatever the limit says.
    """

    key: str
    amount_micro: int
    cap_micro: int | None


class Progress(NamedTuple):
    """How far an instruction is: gross executed shares and notional, busts not taken off.

    ``ended`` means it is terminal, ``uncertain`` that a child order's outcome is unknown, which
    keeps everything reserved.
    """

    executed: Decimal = ZERO
    notional_usd: Decimal = ZERO
    ended: bool = False
    uncertain: bool = False


class Held(NamedTuple):
    """What an instruction holds of each counter; dollars, shares, trades."""

    trades: Decimal
    turnover_usd: Decimal
    shares: Decimal
    buying_power_usd: Decimal


def held(reservation: Reservation, progress: Progress) -> Held:
    """What an instruction holds: its executions at what they cost, its leaves as reserved.

    The trade slot comes back only when the instruction ended with nothing executed (ruling 12);
    nothing comes back while an outcome is unknown.
    """
    released = progress.ended and not progress.uncertain
    leaves = ZERO if released else max(reservation.quantity - progress.executed, ZERO)
    share = leaves / reservation.quantity
    spends = reservation.buying_power_usd > 0
    spent = progress.notional_usd if spends else ZERO
    return Held(
        trades=Decimal(reservation.trade_slots if progress.executed or not released else 0),
        turnover_usd=grid_up(progress.notional_usd + reservation.turnover_usd * share),
        shares=grid_up(progress.executed + leaves),
        buying_power_usd=grid_up(spent + reservation.buying_power_usd * share),
    )


NOTHING_HELD: Final = Held(ZERO, ZERO, ZERO, ZERO)


def _micro_cap(cap: Decimal) -> int:
    """A cap in millionths, as far as a counter of 64 bits reaches."""
    return max(min(int(grid_down(cap) * MICRO), COUNTER_MAX), -COUNTER_MAX)


def counter_keys(reservation: Reservation, session_date: str | None = None) -> tuple[str, ...]:
    """The keys of trades, turnover, position and buying power, in this order."""
    prefix = "reducing_" if reservation.exempt else ""
    scope = f"{reservation.account}:{session_date or reservation.session_date}"
    return (
        f"{prefix}trades:{scope}",
        f"{prefix}turnover:{scope}",
        f"position:{scope}:{reservation.symbol}:{reservation.side}",
        f"buying_power:{scope}",
    )


def turnover_key(account: str, session_date: str) -> str:
    """The key of a session's turnover outside the reducing reserve."""
    return f"turnover:{account}:{session_date}"


def _amounts(now: Held) -> tuple[int, ...]:
    """In the order of :func:`counter_keys`, in millionths."""
    amounts = (now.trades, now.turnover_usd, now.shares, now.buying_power_usd)
    return tuple(micro(amount) for amount in amounts)


def true_up(
    reservation: Reservation, before: Progress, after: Progress, session_date: str | None = None
) -> tuple[CounterUpdate, ...]:
    """What a fill or the end of an instruction changes in the counters; never refused.

    Changes add up exactly: whatever the path, the sum is what the last progress holds.
    ``session_date`` names another session that a late fill executed in.
    """
    changes = zip(
        counter_keys(reservation, session_date),
        _amounts(held(reservation, before)),
        _amounts(held(reservation, after)),
        strict=True,
    )
    return tuple(CounterUpdate(key, new - old, None) for key, old, new in changes if new != old)


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


def reservation_counters(
    reservation: Reservation,
    limits: Limits,
    usage: Usage,
    account: Account,
    facts: PositionFacts,
) -> tuple[CounterUpdate, ...]:
    """The updates that must all pass, in one transaction with the plan, to admit an instruction.

    The cap of an order that only reduces a position covers it by construction; amounts of zero are
    left out.
    """
    trades = limits.reducing_trades_extra if reservation.exempt else limits.trades_max_per_day
    caps = (
        Decimal(trades),
        turnover_cap_usd(limits, usage, exempt=reservation.exempt),
        direction_cap_shares(limits, usage, reservation.symbol, reservation.side, facts),
        buying_power_cap_usd(account, usage),
    )
    amounts = _amounts(held(reservation, Progress()))
    return tuple(
        CounterUpdate(key, amount, _micro_cap(cap))
        for key, amount, cap in zip(counter_keys(reservation), amounts, caps, strict=True)
        if amount
    )


def admit(
    usage: Usage, reservation: Reservation, limits: Limits, content_hash: str, now: int
) -> Usage:
    """The usage after a reservation was taken; what the windows no longer need is dropped."""
    changed = _shift(usage, reservation, NOTHING_HELD, held(reservation, Progress()), ZERO)
    start = bisect_right(usage.admitted_at, now - MINUTE_NS)
    oldest = now - limits.duplicate_window_seconds * NANOS
    recent = {known: at for known, at in usage.recent.items() if at > oldest}
    return replace(
        changed,
        recent={**recent, content_hash: now},
        admitted_at=(*usage.admitted_at[start:], now),
    )


def release(usage: Usage, reservation: Reservation) -> Usage:
    """The usage as if a reservation that has executed nothing had not been taken.

    A deferred instruction is checked again against this, so that it does not meet itself.
    """
    return _shift(usage, reservation, held(reservation, Progress()), NOTHING_HELD, ZERO)


def advance(usage: Usage, reservation: Reservation, before: Progress, after: Progress) -> Usage:
    """The usage after a fill or an end; newly executed shares are not yet in broker figures."""
    executed = after.executed - before.executed
    return _shift(usage, reservation, held(reservation, before), held(reservation, after), executed)


def _shift(
    usage: Usage, reservation: Reservation, before: Held, after: Held, executed: Decimal
) -> Usage:
    own = usage.of(reservation.symbol)
    leaves = after.shares - before.shares - executed
    if reservation.side is Side.BUY:
        own = replace(own, buy_leaves=own.buy_leaves + leaves, bought=own.bought + executed)
    else:
        own = replace(own, sell_leaves=own.sell_leaves + leaves, sold=own.sold + executed)
    own = replace(own, unreflected=own.unreflected + reservation.side.sign * executed)
    trades = int(after.trades - before.trades)
    turnover = after.turnover_usd - before.turnover_usd
    power = after.buying_power_usd - before.buying_power_usd
    exempt = reservation.exempt
    return replace(
        usage,
        trades=usage.trades + (0 if exempt else trades),
        turnover_usd=usage.turnover_usd + (ZERO if exempt else turnover),
        reducing_trades=usage.reducing_trades + (trades if exempt else 0),
        reducing_turnover_usd=usage.reducing_turnover_usd + (turnover if exempt else ZERO),
        buying_power_used_usd=usage.buying_power_used_usd + power,
        buying_power_reserved_usd=usage.buying_power_reserved_usd + power,
        symbols={**usage.symbols, reservation.symbol: own},
    )
