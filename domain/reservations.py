"""What an admission reserves of the limits, and how fills and ends move the store's counters.

Every counter counts what is reserved *plus* what has executed in the session, and every cap is
stated on that same basis. A fill that is recorded between the reading of the facts and the append
therefore moves neither side, and ``UPDATE … SET used = used + x WHERE used + x <= cap`` in the
transaction of the plan is exact however many callers race. Amounts are on a grid of millionths,
reservations rounded up and caps down, so that decimals here and integers in the store agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from .limits import (
    MICRO,
    Limits,
    PositionFacts,
    Usage,
    buying_power_cap_usd,
    direction_cap_shares,
    grid_down,
    grid_up,
    turnover_cap_usd,
)
from .market import Record
from .money import ONE, ZERO, Money, Price, Quantity
from .ports import MINUTE_NS, NANOS, Account, Side

COUNTER_MAX: Final = 2**63 - 1


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

    def of(self, quantity: Decimal) -> Reservation:
        """The same for another quantity (shares)."""
        notional = grid_up(quantity * self.price)
        power = notional if self.buying_power_usd else ZERO
        update = {"quantity": quantity, "turnover_usd": notional, "buying_power_usd": power}
        return self.model_copy(update=update)


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
    executed, notional, ended, uncertain = progress
    quantity, turnover, power = (
        reservation.quantity,
        reservation.turnover_usd,
        reservation.buying_power_usd,
    )
    released = ended and not uncertain
    leaves = ZERO if released or executed >= quantity else quantity - executed
    share = leaves / quantity
    dollars = grid_up(notional + turnover * share)
    if power == turnover:
        spent = dollars
    else:
        spent = grid_up((notional if power > 0 else ZERO) + power * share)
    slots = ONE if reservation.trade_slots and (executed or not released) else ZERO
    return _new(Held, (slots, dollars, grid_up(executed + leaves), spent))


_new: Final = tuple.__new__
"""Makes a record in half the time that its class takes; every fill asks."""
NOTHING_HELD: Final = Held(ZERO, ZERO, ZERO, ZERO)


def micro(amount: Decimal) -> int:
    """An amount in millionths, rounded up."""
    return int(grid_up(amount) * MICRO)


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


def replacing_counters(
    before: Reservation, updates: Iterable[CounterUpdate]
) -> tuple[CounterUpdate, ...]:
    """The ``updates`` of a reservation that takes the place of one that has executed nothing.

    What takes no more than before is never refused; what is under another key is given back.
    """
    freed = dict(zip(counter_keys(before), _amounts(held(before, Progress())), strict=True))
    changes = [(u.key, u.amount_micro - freed.pop(u.key, 0), u.cap_micro) for u in updates]
    changes += [(key, -amount, None) for key, amount in freed.items()]
    return tuple(
        CounterUpdate(key, amount, cap if amount > 0 else None)
        for key, amount, cap in changes
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

    A deferred instruction is checked again against this, so that it does not meet itself. What was
    reserved in another session took nothing of this one's trades, turnover and spending.
    """
    freed = _shift(usage, reservation, held(reservation, Progress()), NOTHING_HELD, ZERO)
    if reservation.session_date == usage.session_date:
        return freed
    return replace(
        freed,
        trades=usage.trades,
        turnover_usd=usage.turnover_usd,
        reducing_trades=usage.reducing_trades,
        reducing_turnover_usd=usage.reducing_turnover_usd,
        buying_power_used_usd=usage.buying_power_used_usd,
    )


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
