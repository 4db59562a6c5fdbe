"""The part of a plan that goes into an auction, and what becomes of early and late decisions."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ..auctions import Auction, AuctionTerms, AuctionTimes, BeforeOpen, LateDecision, auction_times
from ..decision import Decision, ExecutionStrategy, ExecutionUrgency
from ..money import BPS, ONE, ZERO, plain, round_lot, round_to_tick
from ..plan import PlanTerms, final_phase_at
from ..ports import NANOS, Session, Side
from ..reasons import Reason, Refusal
from ..strategies.common import worst_price
from ..strategies.schedule import U_SHAPED_CURVE, curve_share
from .facts import Facts
from .sizing import Sized
from .terms import Start, choose_strategy, window_seconds

REPORT_NS: Final = 600 * NANOS
"""How long after its time an auction's report may take."""
HURRIED: Final = frozenset({ExecutionUrgency.HIGH, ExecutionUrgency.URGENT})


def times_of(auction: Auction, session: Session, facts: Facts) -> AuctionTimes:
    """Until when an auction takes orders, by the broker's and the listing market's cut-offs.

    The time that is kept for the way there comes before both.
    """
    margin = facts.rules.auction_margin_seconds
    return auction_times(auction, session, venue=facts.listing, margin_seconds=margin)


def before_open(decision: Decision, facts: Facts) -> BeforeOpen:
    """What becomes of a decision while the market is closed."""
    if decision.before_open is not None:
        return decision.before_open
    if decision.auction is Auction.OPEN:
        return BeforeOpen.AUCTION
    if facts.rules.before_open is not None:
        return facts.rules.before_open
    return BeforeOpen.WAIT if facts.rules.defer_when_closed else BeforeOpen.REFUSE


def late_decision(decision: Decision, facts: Facts) -> Decision | Refusal | None:
    """A decision in the minutes before the close as it can still be done.

    A limit order for the closing auction while that takes orders, else a limit order that trades
    at once, else a refusal; None where it is not late, or is not to be handled so.
    """
    session, rules = facts.session, facts.rules
    if session is None or facts.now < session.close - rules.avoid_close_seconds * NANOS:
        return None
    chosen = decision.auction is Auction.CLOSE or rules.late is LateDecision.AUCTION
    if not chosen or not session.contains(facts.now):
        return None
    times = times_of(Auction.CLOSE, session, facts)
    if facts.now <= times.limit_by:
        return decision.model_copy(update={"auction": Auction.CLOSE, "auction_fraction": ONE})
    if decision.urgency in HURRIED:
        crossing = {"strategy": ExecutionStrategy.MARKET, "auction": None, "auction_fraction": None}
        return decision.model_copy(update=crossing)
    left = plain(Decimal(session.close - facts.now) / NANOS)
    return Refusal(
        reason=Reason.AUCTION,
        field="auction",
        observed=f"{left} s to the close, after the closing auction's cut-off",
        allowed="urgency high or urgent once the closing auction takes no more orders",
        would_pass='urgency "high"',
        message=f"auction: the closing auction takes no more orders {left} s before the close; "
        'urgency "high" trades with a limit order at once',
    )


def with_limit(decision: Decision, facts: Facts, side: Side) -> Decision:
    """The decision with a limit price where it has neither one nor a bound.

    It lies ``unbounded_reserve_bps`` past the mid: an order in an auction is never without one.
    """
    quote = facts.quote
    if decision.limit_price is not None or decision.max_slippage_bps is not None or quote is None:
        return decision
    away = ONE + side.sign * facts.rules.unbounded_reserve_bps / BPS
    price = round_to_tick(quote.mid * away, facts.market.tick, up=side is Side.SELL)
    return decision.model_copy(update={"limit_price": max(price, facts.market.tick)})


def with_auction(
    terms: PlanTerms, decision: Decision, facts: Facts, sized: Sized, start: Start
) -> PlanTerms | Refusal:
    """The terms with the auction part that the decision wants.

    A plan with a part for the closing auction is worked until the close; one that is all for the
    opening auction lasts until that must have been reported.
    """
    part = auction_part(decision, facts, sized, start, worst_price(terms))
    if part is None or isinstance(part, Refusal):
        return part or terms
    end, begins = start.session.close, terms.start_at
    if part.auction is Auction.OPEN:
        begins = start.session.open
        seconds = window_seconds(decision, facts)
        whole = part.quantity >= terms.quantity
        end = begins + REPORT_NS if whole else min(begins + seconds * NANOS, end)
    update = {"auction": part, "end_at": end, "final_phase_at": final_phase_at(begins, end)}
    return terms.model_copy(update=update)


def auction_part(
    decision: Decision, facts: Facts, sized: Sized, start: Start, worst: Decimal | None
) -> AuctionTerms | Refusal | None:
    """The part that is placed in the auction, None when the decision wants none.

    ``worst`` is the tighter of bound and limit price, which makes it a limit order. The part is
    capped at ``auction_participation_max`` of what the auction is expected to trade.
    """
    auction = decision.auction
    if auction is None:
        return None
    session, rules = start.session, facts.rules
    times = times_of(auction, session, facts)
    by = times.enter_by(worst)
    if start.at > by:
        return _refused(
            f"{_seconds(times.at - start.at)} s before the {auction} auction"
            if start.at < times.at
            else f"after the {auction} auction",
            f"at least {_seconds(times.at - by)} s before it",
        )
    volume = facts.market.average_daily_volume
    if not volume:
        return _refused("average daily volume unknown", "a known average daily volume")
    share = rules.open_auction_adv_share
    if auction is Auction.CLOSE:
        share = rules.close_auction_adv_share
    cap = round_lot(volume * share * rules.auction_participation_max, facts.step)
    wanted = sized.quantity * _fraction(decision, facts, start, share)
    wanted = sized.quantity if wanted >= sized.quantity else round_lot(wanted, facts.step)
    quantity = min(wanted, cap)
    if quantity <= ZERO:
        return _refused(
            f"{plain(wanted)} shares wanted in the {auction} auction and {plain(cap)} allowed",
            f"at most {plain(rules.auction_participation_max)} of what it is expected to trade",
        )
    return AuctionTerms(
        auction=auction,
        quantity=quantity,
        limit_price=worst,
        enter_by=by,
        cancel_by=times.cancel_by,
        at=times.at,
    )


def _fraction(decision: Decision, facts: Facts, start: Start, share: Decimal) -> Decimal:
    """How much of the quantity the auction gets: what is said, else all of it.

    VWAP gives it what the auction is expected to trade of the volume from the start to the close
    (from the auction to the window's end, for the opening one).
    """
    if decision.auction_fraction is not None:
        return decision.auction_fraction
    if choose_strategy(decision, facts) is not ExecutionStrategy.VWAP:
        return ONE
    curve = facts.volume_curve or facts.rules.parameters.volume_curve or U_SHAPED_CURVE
    session = start.session
    first, last = max(start.at, session.open), session.close
    if decision.auction is Auction.OPEN and decision.window_seconds is not None:
        last = min(session.open + decision.window_seconds * NANOS, last)
    through = (ONE - share) * curve_share(curve, session.open, session.close, first, last)
    return share / (share + through) if share + through > 0 else ZERO


def _refused(observed: str, allowed: str) -> Refusal:
    return Refusal(
        reason=Reason.AUCTION,
        field="auction",
        observed=observed,
        allowed=allowed,
        message=f"auction: {observed}; allowed: {allowed}",
    )


def _seconds(ns: int) -> str:
    return plain(Decimal(ns) / NANOS)
