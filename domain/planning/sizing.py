"""How many shares a decision asks for (design §6, ruling 10).

Own open orders and reserved quantities count as if they had traded. Rounding is toward the current
position, so that a quantity never passes its target.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..chains import share_of_today
from ..decision import Decision, TradeAction
from ..limits import HUNDRED
from ..money import ZERO, plain, round_lot
from ..ports import Side
from ..reasons import NothingReason, Reason, Refusal
from .facts import Facts

RAISES = (TradeAction.BUY, TradeAction.ADD)


@dataclass(frozen=True, slots=True)
class Sized:
    """A side and a quantity to trade, with what should be known about it."""

    side: Side
    quantity: Decimal
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoSize:
    """Nothing to trade, and why."""

    reason: NothingReason
    note: str


@dataclass(frozen=True, slots=True)
class PriceMissing:
    """The quantity follows from a weight, and there is no price or equity to compute it from."""


Sizing = Sized | NoSize | PriceMissing | Refusal


def size_decision(decision: Decision, facts: Facts) -> Sizing:
    """The order that brings the position towards where the decision wants it, as far as today.

    All of the way, unless the decision is worked over several sessions (``chains``).
    """
    whole = _whole(decision, facts)
    if not isinstance(whole, Sized) or decision.sessions is None:
        return whole
    today = share_of_today(whole.quantity, decision.sessions, facts.step)
    note = f"{plain(today)} of {plain(whole.quantity)} shares, {decision.sessions} sessions left"
    return Sized(whole.side, today, (*whole.notes, note))


def _whole(decision: Decision, facts: Facts) -> Sizing:
    if decision.order_size == 0:
        return NoSize(NothingReason.ZERO_SIZE_PLAN, "the plan's order size is zero")
    if not facts.position.is_finite():
        return PriceMissing()
    own = facts.usage.of(decision.symbol)
    current = facts.held + own.buy_leaves - own.sell_leaves
    if decision.order_size is not None:
        return _explicit(decision, decision.order_size, current, facts.step)
    if decision.action is TradeAction.CLOSE:
        return _close(current, facts.step)
    if decision.target_weight is not None:
        return _to_target(decision.action, decision.target_weight, current, facts)
    if decision.action is TradeAction.SELL:
        if current < 0:
            return NoSize(
                NothingReason.OPPOSITE_OF_ACTION,
                f"SELL closes a long position; this one is {plain(current)} shares, "
                "which CLOSE buys back",
            )
        return _close(current, facts.step)
    if decision.action is TradeAction.BUY or not facts.limits.half_by_default:
        return target_required(decision.action)
    return _half(decision.action, current, facts.step)


def target_required(action: TradeAction) -> Refusal:
    """The refusal of an action that needs a target and has none."""
    return Refusal(
        reason=Reason.TARGET_REQUIRED,
        field="target_weight",
        observed="nothing",
        allowed="a number from 0 to 1000 (percent of equity)",
        would_pass="target_weight",
        message=f"{action} needs a target_weight",
    )


def weight_pct(shares: Decimal, price: Decimal, equity: Decimal) -> Decimal:
    """The weight of a position in percent of equity."""
    return shares * price / equity * HUNDRED


def _side_of(delta: Decimal) -> Side:
    return Side.BUY if delta > 0 else Side.SELL


def _explicit(decision: Decision, size: Decimal, current: Decimal, step: Decimal) -> Sizing:
    if round_lot(size, step) != size:
        return Refusal(
            reason=Reason.ORDER_QUANTITY,
            field="order_size",
            observed=plain(size),
            allowed=f"a multiple of {plain(step)} shares",
            would_pass=f"order_size {plain(round_lot(size, step))}",
            message=f"order_size {plain(size)} is not a multiple of {plain(step)} shares",
        )
    if decision.action is TradeAction.CLOSE:
        if current == 0:
            return NoSize(NothingReason.NO_POSITION, "there is no position to close")
        return Sized(_side_of(-current), size)
    return Sized(Side.BUY if decision.action in RAISES else Side.SELL, size)


def _close(current: Decimal, step: Decimal) -> Sizing:
    if current == 0:
        return NoSize(NothingReason.NO_POSITION, "there is no position to close")
    quantity = round_lot(abs(current), step)
    residue = abs(current) - quantity
    note = f"{plain(residue)} shares stay: the smallest quantity is {plain(step)}"
    if quantity == 0:
        return NoSize(NothingReason.ROUNDS_TO_ZERO, note)
    return Sized(_side_of(-current), quantity, (note,) if residue else ())


def _half(action: TradeAction, current: Decimal, step: Decimal) -> Sizing:
    if current == 0:
        return NoSize(NothingReason.NO_POSITION, f"there is no position to {action.lower()}")
    quantity = round_lot(abs(current) / 2, step)
    if quantity == 0:
        return NoSize(
            NothingReason.ROUNDS_TO_ZERO,
            f"half of {plain(abs(current))} shares is less than {plain(step)}",
        )
    toward_zero = _side_of(-current)
    side = toward_zero.opposite if action is TradeAction.ADD else toward_zero
    return Sized(side, quantity, ("no target: half of the position",))


def _to_target(action: TradeAction, target_pct: Decimal, current: Decimal, facts: Facts) -> Sizing:
    quote = facts.quote
    if quote is None or not facts.figures_usable:
        return PriceMissing()
    target = facts.account.equity * target_pct / HUNDRED / quote.mid
    delta = target - current
    quantity = round_lot(abs(delta), facts.step)
    where = f"position {plain(current)} shares, target {plain(round_lot(target, facts.step))}"
    if quantity == 0:
        if current == 0 and delta != 0:
            return NoSize(NothingReason.ROUNDS_TO_ZERO, f"the target is below one step: {where}")
        if current == 0 and action not in RAISES:
            return NoSize(NothingReason.NO_POSITION, "there is no position to lower")
        return NoSize(NothingReason.ALREADY_AT_TARGET, where)
    if (delta > ZERO) != (action in RAISES):
        if current == 0:
            return NoSize(NothingReason.NO_POSITION, f"{action} lowers a position: {where}")
        direction = "above" if delta < 0 else "below"
        return NoSize(
            NothingReason.OPPOSITE_OF_ACTION,
            f"{action} cannot trade when the position is {direction} the target: {where}",
        )
    return Sized(_side_of(delta), quantity)
