"""What the moment says about trading now: named rules, each with what it saw and its threshold.

:func:`assess` is pure arithmetic on one market state and the calendar's facts, so that a stored
assessment can be computed again from the same inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from ..decision import ExecutionStrategy, ExecutionUrgency
from ..market import MarketState, TradingStatus
from ..money import ZERO
from ..planning.facts import WINDOW_SECONDS
from ..ports import MINUTE_NS, NANOS, ScheduledEvent, Session, Side
from .terms import (
    DEFAULT_TIMING,
    EFFECTS,
    RISKS,
    SCORE_MAX,
    SCORE_MIN,
    SCORE_NEUTRAL,
    SCORE_NORMAL,
    STRATEGY_BY_RULE,
    Assessment,
    FiredRule,
    Level,
    Period,
    TimingAssessment,
    TimingConfig,
    TimingRule,
    Trend,
)

SESSION_MINUTES: Final = 390
MAY_NOT_TRADE: Final = frozenset({ExecutionStrategy.LIMIT, ExecutionStrategy.OPPORTUNISTIC})
_STEP: Final = Decimal("0.0001")
_ROUNDED_MAX: Final = Decimal(10) ** 20


def deferral(
    session: Session | None,
    now: int,
    urgency: ExecutionUrgency,
    config: TimingConfig = DEFAULT_TIMING,
) -> int | None:
    """When an order that comes ``now`` may start, or None when it may at once (ruling 11).

    In the first minutes of a session that is their end; in the last minutes it is the session's
    close, because nothing starts in it any more. URGENT waits for nothing, and outside a session
    there is nothing to wait out.
    """
    if session is None or urgency is ExecutionUrgency.URGENT or not session.contains(now):
        return None
    if now >= session.close - config.avoid_close_minutes * MINUTE_NS:
        return session.close
    after_open = session.open + config.avoid_open_minutes * MINUTE_NS
    return after_open if now < after_open else None


def assess(
    state: MarketState,
    session: Session | None,
    local_minutes: int | None,
    events: Sequence[ScheduledEvent],
    config: TimingConfig,
    *,
    urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM,
    side: Side | None = None,
    quantity: Decimal | None = None,
) -> TimingAssessment:
    """Judge the moment of ``state``.

    ``session`` is the one that the moment lies in, ``local_minutes`` its minutes since midnight at
    the exchange, ``events`` those still ahead. Without ``side`` trends do not count, without
    ``quantity`` (shares) sizes do not.
    """
    rules = [
        *session_rules(state, session, local_minutes, events, config),
        *liquidity_rules(state, side, quantity, config),
        *condition_rules(state, side, config),
    ]
    if urgency is ExecutionUrgency.URGENT:
        rules.append(FiredRule(name=TimingRule.URGENT))
    known = state.quote is not None or state.volatility_bps is not None
    if not known:
        rules.insert(0, FiredRule(name=TimingRule.NO_MARKET_DATA))
    score = score_of(rules) if known else SCORE_NEUTRAL
    strategy, decided_by = recommend(rules, config, urgency)
    start, end = _window(state.now, session, strategy, urgency, config)
    return TimingAssessment(
        timing_score=score,
        assessment=assessment_of(score),
        recommended_strategy=strategy,
        decided_by=decided_by,
        rules=tuple(rules),
        risks=tuple(RISKS[rule.name] for rule in rules if rule.name in RISKS),
        period=period_of(state.now, session, local_minutes, config),
        volatility=volatility_level(state, config),
        trend=trend_of(state, config),
        liquidity=liquidity_level(state, rules),
        spread_bps=_spread_bps(state),
        expected_slippage_bps=expected_slippage_bps(state, quantity, config),
        window_start_at=start,
        window_end_at=end,
        release_at=deferral(session, state.now, urgency, config),
    )


def session_rules(
    state: MarketState,
    session: Session | None,
    local_minutes: int | None,
    events: Sequence[ScheduledEvent],
    config: TimingConfig,
) -> list[FiredRule]:
    """Rules of the clock: closed, halted, first and last minutes, lunch, scheduled events."""
    rules = []
    period = period_of(state.now, session, local_minutes, config)
    if session is None or period is Period.CLOSED:
        rules.append(_fired(TimingRule.MARKET_CLOSED))
    elif state.status is not TradingStatus.OPEN:
        rules.append(_fired(TimingRule.SYMBOL_HALTED, note=state.status.value))
    if session is not None and period is Period.OPENING:
        observed = _minutes(state.now - session.open)
        rules.append(
            _fired(TimingRule.OPENING_MINUTES, observed, config.avoid_open_minutes, "minutes")
        )
    if session is not None and period is Period.CLOSING:
        observed = _minutes(session.close - state.now)
        rules.append(
            _fired(TimingRule.CLOSING_MINUTES, observed, config.avoid_close_minutes, "minutes")
        )
    if period is Period.LUNCH and local_minutes is not None:
        rules.append(
            _fired(
                TimingRule.LUNCH_HOURS,
                Decimal(local_minutes),
                config.lunch_start_minutes,
                "minutes since local midnight",
            )
        )
    ahead = min((event for event in events if event.at >= state.now), key=_at, default=None)
    if ahead is not None and ahead.at - state.now <= config.event_ahead_minutes * MINUTE_NS:
        observed = _minutes(ahead.at - state.now)
        limit = config.event_ahead_minutes
        rules.append(_fired(TimingRule.EVENT_AHEAD, observed, limit, "minutes", ahead.kind))
    return rules


def liquidity_rules(
    state: MarketState, side: Side | None, quantity: Decimal | None, config: TimingConfig
) -> list[FiredRule]:
    """Rules of the quote: there at all, fresh, its spread, its sizes, and the order against it."""
    quote = state.quote
    if quote is None or not quote.is_two_sided:
        return [_fired(TimingRule.NO_QUOTE)]
    rules = []
    age = Decimal(state.quote_age_ns or 0) / NANOS
    if age > config.quote_age_seconds_max:
        rules.append(_fired(TimingRule.STALE_QUOTE, age, config.quote_age_seconds_max, "seconds"))
    spread = _spread_bps(state) or ZERO
    if spread >= config.very_wide_spread_bps:
        rules.append(
            _fired(TimingRule.VERY_WIDE_SPREAD, spread, config.very_wide_spread_bps, "bps")
        )
    elif spread >= config.wide_spread_bps:
        rules.append(_fired(TimingRule.WIDE_SPREAD, spread, config.wide_spread_bps, "bps"))
    elif spread <= config.tight_spread_bps:
        rules.append(_fired(TimingRule.TIGHT_SPREAD, spread, config.tight_spread_bps, "bps"))
    sizes = (quote.bid_size, quote.ask_size)
    touch = min(sizes) if side is None else quote.far_size(side.sign)
    if touch < config.touch_shares_min:
        rules.append(_fired(TimingRule.THIN_TOUCH, touch, config.touch_shares_min, "shares"))
    if quantity is not None and quantity > 0:
        if touch == 0 or quantity / touch >= config.large_for_touch_ratio:
            ratio = quantity / touch if touch else None
            limit = config.large_for_touch_ratio
            rules.append(_fired(TimingRule.LARGE_FOR_TOUCH, ratio, limit, "times the touch"))
        usual = state.average_daily_volume
        if usual and quantity / usual >= config.large_for_day_ratio:
            limit = config.large_for_day_ratio
            rules.append(
                _fired(TimingRule.LARGE_FOR_DAY, quantity / usual, limit, "of a day's volume")
            )
        impact = expected_impact_bps(state, quantity, config)
        if impact is not None and impact >= config.costly_impact_bps:
            limit = config.costly_impact_bps
            rules.append(_fired(TimingRule.COSTLY_IMPACT, impact, limit, "bps by the root law"))
    return rules


def condition_rules(state: MarketState, side: Side | None, config: TimingConfig) -> list[FiredRule]:
    """Rules of the price: its volatility, and its trend as the order's side feels it."""
    rules = []
    level, observed = volatility_level(state, config), state.volatility_bps
    if level is Level.EXTREME:
        limit = config.extreme_volatility_bps
        rules.append(_fired(TimingRule.EXTREME_VOLATILITY, observed, limit, "bps per minute"))
    elif level is Level.HIGH:
        limit = config.high_volatility_bps
        rules.append(_fired(TimingRule.HIGH_VOLATILITY, observed, limit, "bps per minute"))
    if side is not None and trend_of(state, config) in (Trend.UP, Trend.DOWN):
        against = side.sign * (state.trend_bps or ZERO) > 0
        name = TimingRule.TREND_AGAINST if against else TimingRule.TREND_WITH
        rules.append(_fired(name, state.trend_bps, config.trend_bps, "bps in 5 minutes"))
    return rules


def recommend(
    rules: Sequence[FiredRule],
    config: TimingConfig,
    urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM,
) -> tuple[ExecutionStrategy, TimingRule | None]:
    """The strategy of the first rule of ``STRATEGY_BY_RULE`` that fired, and that rule.

    HIGH urgency passes over the strategies that may end without having traded.
    """
    fired = {rule.name for rule in rules}
    passed_over = MAY_NOT_TRADE if urgency is ExecutionUrgency.HIGH else frozenset()
    for name, strategy in STRATEGY_BY_RULE:
        if name in fired and strategy not in passed_over:
            return strategy, name
    return config.default_strategy, None


def score_of(rules: Sequence[FiredRule]) -> Decimal:
    """8 and the points of the rules that fired, kept within 1 to 10."""
    score = SCORE_NORMAL + sum(rule.points for rule in rules)
    return min(max(score, SCORE_MIN), SCORE_MAX)


def assessment_of(score: Decimal) -> Assessment:
    """The score in a word."""
    if score >= 7:
        return Assessment.FAVORABLE
    return Assessment.UNFAVORABLE if score < 4 else Assessment.NEUTRAL


def period_of(
    now: int, session: Session | None, local_minutes: int | None, config: TimingConfig
) -> Period:
    """The part of the session; edges belong to the later part, the closing one wins."""
    if session is None or not session.contains(now):
        return Period.CLOSED
    if now >= session.close - config.avoid_close_minutes * MINUTE_NS:
        return Period.CLOSING
    if now < session.open + config.avoid_open_minutes * MINUTE_NS:
        return Period.OPENING
    if (
        local_minutes is not None
        and config.lunch_start_minutes <= local_minutes < config.lunch_end_minutes
    ):
        return Period.LUNCH
    return Period.REGULAR


def volatility_level(state: MarketState, config: TimingConfig) -> Level:
    """Volatility against its thresholds; each threshold itself counts as above."""
    observed = state.volatility_bps
    if observed is None:
        return Level.UNKNOWN
    if observed >= config.extreme_volatility_bps:
        return Level.EXTREME
    return Level.HIGH if observed >= config.high_volatility_bps else Level.NORMAL


def trend_of(state: MarketState, config: TimingConfig) -> Trend:
    """The trend against its threshold; the threshold itself is a trend."""
    observed = state.trend_bps
    if observed is None:
        return Trend.UNKNOWN
    if abs(observed) < config.trend_bps:
        return Trend.FLAT
    return Trend.UP if observed > 0 else Trend.DOWN


def liquidity_level(state: MarketState, rules: Sequence[FiredRule]) -> Level:
    """High with a tight spread and shares at the touch, low when wide or thin, else normal."""
    if state.quote is None or not state.quote.is_two_sided:
        return Level.UNKNOWN
    fired = {rule.name for rule in rules}
    if fired & {TimingRule.VERY_WIDE_SPREAD, TimingRule.WIDE_SPREAD, TimingRule.THIN_TOUCH}:
        return Level.LOW
    return Level.HIGH if TimingRule.TIGHT_SPREAD in fired else Level.NORMAL


def expected_slippage_bps(
    state: MarketState, quantity: Decimal | None, config: TimingConfig
) -> Decimal | None:
    """Half the spread plus the square-root law's impact, in bps; None without a quote."""
    quote = state.quote
    if quote is None or not quote.is_two_sided:
        return None
    return _rounded(quote.half_spread_bps + (expected_impact_bps(state, quantity, config) or ZERO))


def expected_impact_bps(
    state: MarketState, quantity: Decimal | None, config: TimingConfig
) -> Decimal | None:
    """``k * sigma * sqrt(quantity / ADV)`` in bps; None where one of them is unknown.

    Sigma is the day's volatility, taken from the one-minute one by the square root of 390 minutes
    (Grinold and Kahn; Almgren et al. 2005).
    """
    usual, sigma = state.average_daily_volume, state.volatility_bps
    if not quantity or not usual or sigma is None:
        return None
    return config.impact_coefficient * sigma * (Decimal(SESSION_MINUTES) * quantity / usual).sqrt()


def _spread_bps(state: MarketState) -> Decimal | None:
    quote = state.quote
    if quote is None or not quote.is_two_sided:
        return None
    return _rounded(quote.half_spread_bps * 2)


def _window(
    now: int,
    session: Session | None,
    strategy: ExecutionStrategy,
    urgency: ExecutionUrgency,
    config: TimingConfig,
) -> tuple[int | None, int | None]:
    if session is None or not session.contains(now):
        return None, None
    start = max(now, deferral(session, now, urgency, config) or now)
    end = min(start + WINDOW_SECONDS[strategy] * NANOS, session.close)
    return start, end


def _fired(
    name: TimingRule,
    observed: Decimal | None = None,
    threshold: Decimal | int | None = None,
    unit: str = "",
    note: str = "",
) -> FiredRule:
    return FiredRule(
        name=name,
        observed=None if observed is None else _rounded(observed),
        threshold=None if threshold is None else Decimal(threshold),
        unit=unit,
        points=EFFECTS.get(name, 0),
        note=note,
    )


def _minutes(span_ns: int) -> Decimal:
    return _rounded(Decimal(span_ns) / MINUTE_NS)


def _at(event: ScheduledEvent) -> int:
    return event.at


def _rounded(value: Decimal) -> Decimal:
    """Four places; what is absurdly large stays as it is, because it could not be kept exact."""
    return value if abs(value) >= _ROUNDED_MAX else value.quantize(_STEP)
