"""A part of a plan in the opening or closing auction, around any other strategy.

The part goes out as soon as the plan begins and the auction takes orders, and stays its own until
the auction's report: it is neither cancelled nor traded in another way. What the opening auction
leaves of a part, and the rest beside a part for the closing auction, is worked by the plan's own
strategy. A plan that is all for an auction ends with it.
"""

from __future__ import annotations

from decimal import Decimal

from ..auctions import Auction, AuctionTerms
from ..market import MarketState
from ..money import ZERO
from ..plan import PlanTerms
from ..ports import OrderType
from ..reasons import EndReason
from .common import next_tick, paced
from .contract import InstructionView, OrderView, Place, Step, Strategy
from .rules import Rule


class WithAuction:
    """A strategy that also knows auctions; without an auction part it is the strategy alone."""

    def __init__(self, inner: Strategy) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """The inner strategy's name."""
        return self._inner.name

    @property
    def version(self) -> int:
        """The inner strategy's version."""
        return self._inner.version

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step, of the auction's part or of the inner strategy."""
        terms = plan.auction
        if terms is None:
            return self._inner.next_step(plan, view, market, now)
        waiting = [o for o in view.orders if o.time_in_force is terms.auction.time_in_force]
        if terms.auction is Auction.OPEN:
            return self._opening(plan, terms, view, waiting, market, now)
        return self._closing(plan, terms, view, waiting, market, now)

    def _opening(
        self,
        plan: PlanTerms,
        terms: AuctionTerms,
        view: InstructionView,
        waiting: list[OrderView],
        market: MarketState,
        now: int,
    ) -> Step:
        if waiting or now < terms.at:
            return _enter(plan, terms, view, waiting, now)
        if terms.quantity >= plan.quantity:
            return _over(view, plan)
        # The schedule begins with the session, when nothing had traded yet.
        started = plan.model_copy(update={"start_at": terms.at, "auction": None})
        volume = ZERO if view.volume_at_start is None else view.volume_at_start
        seen = view.model_copy(update={"volume_at_start": volume})
        return self._inner.next_step(started, seen, market, now)

    def _closing(
        self,
        plan: PlanTerms,
        terms: AuctionTerms,
        view: InstructionView,
        waiting: list[OrderView],
        market: MarketState,
        now: int,
    ) -> Step:
        if now >= terms.at:
            return _enter(plan, terms, view, waiting, now) if waiting else _over(view, plan)
        if not waiting and now <= terms.enter_by:
            return _enter(plan, terms, view, waiting, now)
        whole = sum((order.quantity for order in waiting), ZERO) >= plan.quantity
        if waiting and whole:
            return Step(rule=Rule.AWAIT_AUCTION, wake_at=terms.at)
        rest, seen = _without(plan, view, waiting)
        if rest is None:
            return Step(rule=Rule.AWAIT_AUCTION, wake_at=terms.at)
        step = self._inner.next_step(rest, seen, market, now)
        if not waiting or step.finish is None:
            return step
        # What the inner strategy gives up does not end what is in the auction.
        update = {"finish": None, "wake_at": terms.at, "rule": Rule.AWAIT_AUCTION}
        return step.model_copy(update=update)


def _enter(
    plan: PlanTerms,
    terms: AuctionTerms,
    view: InstructionView,
    waiting: list[OrderView],
    now: int,
) -> Step:
    """Send the part while the auction takes it, or wait for what is in it."""
    tick = next_tick(plan, now)
    if waiting or now > terms.enter_by:
        return Step(rule=Rule.AWAIT_AUCTION, wake_at=max(terms.at, tick))
    quantity = min(terms.quantity, view.free(plan))
    if quantity <= 0 or not paced(plan, view, now):
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=tick)
    limit = terms.limit_price
    place = Place(
        quantity=quantity,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        time_in_force=terms.auction.time_in_force,
        limit_price=limit,
    )
    return Step(places=(place,), rule=Rule.ENTER_AUCTION, wake_at=tick)


def _over(view: InstructionView, plan: PlanTerms) -> Step:
    if view.executed >= plan.quantity:
        return Step(rule=Rule.NOTHING_LEFT)
    return Step(rule=Rule.AUCTION_OVER, finish=EndReason.AUCTION_UNFILLED)


def _without(
    plan: PlanTerms, view: InstructionView, waiting: list[OrderView]
) -> tuple[PlanTerms | None, InstructionView]:
    """Plan and view of what is not in the auction; no plan where nothing else is left."""
    apart = sum((order.quantity for order in waiting), ZERO)
    exposed = sum((order.executed + order.leaves for order in waiting), ZERO)
    executed = sum((order.executed for order in waiting), ZERO)
    quantity: Decimal = plan.quantity - apart
    seen = view.model_copy(
        update={
            "executed": view.executed - executed,
            "exposure": view.exposure - exposed,
            "orders": tuple(order for order in view.orders if order not in waiting),
        }
    )
    if quantity <= ZERO:
        return None, seen
    return plan.model_copy(update={"quantity": quantity, "auction": None}), seen
