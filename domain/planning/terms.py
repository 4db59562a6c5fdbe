"""The terms of a plan: strategy, window, price bound, parameters, expected cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from ..decision import Decision, ExecutionStrategy, ExecutionUrgency, TradeAction
from ..market import Quote
from ..money import BPS, ONE, PRICE_MAX, ZERO, bound_price, plain, round_to_tick
from ..plan import BOARD_LOT, PlanTerms, StrategyParameters, final_phase_at
from ..ports import NANOS, Session, Side
from ..reasons import OnBound, Reason, Refusal
from .estimate import impact_bps
from .facts import WINDOW_SECONDS, Facts
from .sizing import Sized

SEED_MASK: Final = 2**63 - 1
COST_STEP: Final = Decimal("0.01")
SCHEDULED: Final = (ExecutionStrategy.TWAP, ExecutionStrategy.VWAP)


@dataclass(frozen=True, slots=True)
class Start:
    """When work on a plan begins and the session it lives in; ``deferred`` says why it waits."""

    at: int
    session: Session
    deferred: str = ""


def choose_strategy(decision: Decision, facts: Facts) -> ExecutionStrategy:
    """The decision's own, else LIMIT for a limit price, MARKET for URGENT, else by timing."""
    if decision.strategy is not None:
        return decision.strategy
    if decision.limit_price is not None:
        return ExecutionStrategy.LIMIT
    if decision.urgency is ExecutionUrgency.URGENT:
        return ExecutionStrategy.MARKET
    return facts.timing.strategy or facts.rules.strategy


def window_seconds(decision: Decision, facts: Facts) -> int:
    """The decision's window, else the strategy's scaled by urgency; at least one second."""
    if decision.window_seconds is not None:
        return decision.window_seconds
    factor = facts.rules.for_urgency(decision.urgency).window_factor
    return max(int(WINDOW_SECONDS[choose_strategy(decision, facts)] * factor), 1)


def build_terms(
    decision: Decision, facts: Facts, sized: Sized, start: Start, instruction_id: UUID
) -> PlanTerms | Refusal:
    """Everything that fixes how the quantity is worked, cut at the session's close (ruling 15).

    Needs a two-sided quote. Refuses only prices that the tick cannot express.
    """
    strategy = choose_strategy(decision, facts)
    seconds = window_seconds(decision, facts)
    end = min(start.at + seconds * NANOS, start.session.close)
    prices = _prices(decision, facts, sized.side, strategy)
    if isinstance(prices, Refusal):
        return prices
    bound, limit = prices
    cap = decision.participation_cap
    # By default only where the feed counts volume: a cap of what is never known would never trade.
    counted = facts.market.volume is not None
    if cap is None and strategy is ExecutionStrategy.VWAP and counted:
        cap = facts.rules.vwap_participation_cap
    if strategy is ExecutionStrategy.POV and not counted:
        return _uncounted()
    if cap is None and strategy is ExecutionStrategy.POV:
        cap = facts.rules.pov_rate
    return PlanTerms(
        symbol=decision.symbol,
        side=sized.side,
        quantity=sized.quantity,
        strategy=strategy,
        style=decision.style or facts.rules.style,
        urgency=decision.urgency,
        start_at=start.at,
        end_at=end,
        final_phase_at=final_phase_at(start.at, end),
        tick=facts.market.tick,
        lot=facts.step,
        arrival_mid=facts.arrival_mid,
        arrival_touch=facts.quote.near(sized.side.sign) if facts.quote else None,
        bound_bps=decision.max_slippage_bps,
        bound_price=bound,
        limit_price=limit,
        on_bound=decision.on_bound or _on_bound(decision),
        must_complete=decision.must_complete,
        participation_cap=cap,
        parameters=_parameters(decision, facts, sized, seconds),
        seed=instruction_id.int & SEED_MASK,
        expected_slippage_bps=expected_cost_bps(facts, sized.quantity),
    )


def reference_mid(facts: Facts, quote: Quote) -> Decimal:
    """What the bound is measured from: the arrival mid, or the mid now where there was none."""
    return quote.mid if facts.arrival_mid is None else facts.arrival_mid


def reserve_price(terms: PlanTerms, facts: Facts, quote: Quote) -> Decimal:
    """What a share is reserved at: the most that it can cost, or bring, when the market stands.

    A buy is reserved at its bound, a sell at the better of bound and ask because it executes at
    its bound or above. Without a bound a configured distance from the touch stands in; it is no
    limit, so that a looser limit never reserves more.
    """
    own = terms.bound_price
    if terms.strategy is ExecutionStrategy.LIMIT and terms.limit_price is not None:
        own = terms.limit_price
    if terms.side is Side.SELL:
        return max(quote.ask, own) if own is not None else quote.ask
    if own is not None:
        return own
    return min(quote.ask * (ONE + facts.rules.unbounded_reserve_bps / BPS), PRICE_MAX)


def expected_cost_bps(facts: Facts, quantity: Decimal) -> Decimal | None:
    """Half spread plus the square-root law ``k * sigma_daily * sqrt(Q / ADV)``, in basis points.

    The timing engine's figure goes first. Null where there is no quote; the impact is left out
    where volatility or volume is unknown (market-structure: square-root law).
    """
    if facts.timing.expected_slippage_bps is not None:
        return facts.timing.expected_slippage_bps
    quote = facts.quote
    if quote is None:
        return None
    impact = impact_bps(facts.market, quantity, facts.rules.impact_coefficient)
    cost = quote.half_spread_bps + (impact or ZERO)
    return cost.quantize(COST_STEP)


def _on_bound(decision: Decision) -> OnBound:
    urgent = decision.urgency is ExecutionUrgency.URGENT
    return OnBound.ESCALATE if urgent or decision.action is TradeAction.CLOSE else OnBound.REST


def _prices(
    decision: Decision, facts: Facts, side: Side, strategy: ExecutionStrategy
) -> tuple[Decimal | None, Decimal | None] | Refusal:
    """(bound price, limit price), rounded to the tick on the safe side.

    A limit price given to another strategy than LIMIT tightens the bound.
    """
    quote = facts.quote
    if quote is None:
        raise ValueError("prices need a two-sided quote")
    tick, sign = facts.market.tick, side.sign
    bound = None
    if decision.max_slippage_bps is not None:
        mid = reference_mid(facts, quote)
        bound = min(bound_price(mid, decision.max_slippage_bps, sign, tick), PRICE_MAX)
        if bound <= 0:
            return _below_tick("max_slippage", plain(decision.max_slippage_bps), tick)
    wanted = decision.limit_price
    if wanted is None and strategy is not ExecutionStrategy.LIMIT:
        return bound, None
    if wanted is None:
        wanted = quote.mid * (ONE - sign * facts.rules.parameters.limit_offset_bps / BPS)
    limit = round_to_tick(wanted, tick, up=side is Side.SELL)
    if limit <= 0:
        return _below_tick("limit_price", plain(wanted), tick)
    limit = limit if bound is None else min(limit * sign, bound * sign) * sign
    return (bound, limit) if strategy is ExecutionStrategy.LIMIT else (limit, limit)


def _uncounted() -> Refusal:
    return Refusal(
        reason=Reason.STALE_MARKET_DATA,
        field="strategy",
        observed=ExecutionStrategy.POV.value,
        allowed="market data that count the session's volume",
        message="pov follows the session's volume, which these market data do not count",
    )


def _below_tick(field: str, observed: str, tick: Decimal) -> Refusal:
    return Refusal(
        reason=Reason.PRICE_COLLAR,
        field=field,
        observed=observed,
        allowed=f"a price of at least one tick ({plain(tick)})",
        message=f"{field} {observed} gives a buy no price above zero on a tick of {plain(tick)}",
    )


def _parameters(decision: Decision, facts: Facts, sized: Sized, seconds: int) -> StrategyParameters:
    """The configured parameters, with what the decision, urgency and quantity replace of them."""
    rules, strategy = facts.rules, choose_strategy(decision, facts)
    asked = {
        "slices": decision.slices,
        "display_fraction": decision.display_fraction,
        "peg": decision.peg,
        "improvement_bps": decision.improvement_bps,
        "risk_curvature": decision.risk_curvature,
        "complete_at_deadline": decision.complete_at_deadline,
        "band_fraction": rules.for_urgency(decision.urgency).band_fraction,
        "limit_timeout_seconds": seconds,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    parameters = rules.parameters.model_copy(update=given)
    slices, curve = parameters.slices, parameters.volume_curve
    if strategy in SCHEDULED:
        lots = int(sized.quantity / facts.step)
        slices = max(min(slices, lots, seconds // rules.slice_gap_seconds_min), 1)
    if strategy is ExecutionStrategy.VWAP:
        curve = facts.volume_curve or curve
    board_lot = parameters.board_lot
    # The round lot of the date and price, unless another one than the usual was configured.
    if board_lot == BOARD_LOT and facts.round_lot is not None:
        board_lot = facts.round_lot
    changed = {"slices": slices, "volume_curve": curve, "board_lot": board_lot}
    return parameters.model_copy(update=changed)
