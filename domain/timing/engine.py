"""The seed's timing engine: when to trade a symbol and by which strategy.

The judgement itself is :func:`~.timing_rules.assess`; this class asks a market (the ``MarketData``
port) or a seed-style provider for what it needs. Whatever a source does, an assessment comes back:
a part that cannot be had is named as a risk, and without any part the neutral default holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ..decision import ExecutionStrategy, ExecutionUrgency, TradeAction
from ..market import MarketState, Quote, TradingStatus
from ..money import BPS, ONE, PRICE_MAX, QUANTITY_MAX, ZERO, to_decimal
from ..ports import MINUTE_NS, Calendar, Clock, EventsCalendar, ScheduledEvent, Session, Side
from .rules import (
    SESSION_MINUTES,
    assess,
    condition_rules,
    deferral,
    liquidity_level,
    liquidity_rules,
    period_of,
    recommend,
    session_rules,
    trend_of,
    volatility_level,
)
from .terms import (
    DEFAULT_TIMING,
    Assessment,
    FiredRule,
    Level,
    Period,
    TimingAssessment,
    TimingConfig,
    TimingRule,
    Trend,
)

__all__ = [
    "DEFAULT_TIMING",
    "Assessment",
    "ExecutionTimingEngine",
    "FiredRule",
    "Level",
    "Period",
    "TimingAssessment",
    "TimingConfig",
    "TimingRule",
    "Trend",
    "assess",
    "deferral",
]

DAYS_ASKED: Final = 5
RISK_CHARACTERS_MAX: Final = 200
DAILY_VOLATILITY_MAX: Final = Decimal("0.15")
"""A provider's volatility above this is read as annualised: 15 % a day would be 240 % a year."""
VOLATILITY_MAX: Final = Decimal(100)
"""A provider's volatility above this fraction is not one."""
TRADING_DAYS: Final = 252
STRONG_TREND: Final = Decimal("0.5")
"""A provider's trend strength (-1 to 1) from which on it counts as a trend."""
PROVIDER_TICK: Final = Decimal("0.01")

Bounded = Callable[[Awaitable[object]], Awaitable[object]]
"""Awaits a call to a provider within a time limit, and raises when that is exceeded."""


class ExecutionTimingEngine:
    """Judges market conditions, time of day and liquidity (seed).

    ``source`` is a market behind the ``MarketData`` port, or any object that may have the
    coroutines ``get_market_data(symbols, days)`` and ``get_latest_quote(symbol)``.
    """

    def __init__(
        self,
        source: object,
        config: TimingConfig | None = None,
        *,
        clock: Clock,
        calendar: Calendar,
        events: EventsCalendar | None = None,
        bounded: Bounded | None = None,
    ) -> None:
        """Join the ports; ``bounded`` limits how long a provider may take to answer."""
        self._source = source
        self.config = config or DEFAULT_TIMING
        self._clock = clock
        self._calendar = calendar
        self._events = events
        self._bounded = bounded

    async def assess_market_timing(
        self,
        symbol: str,
        action: str | TradeAction | None = None,
        *,
        urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM,
        quantity: Decimal | None = None,
    ) -> dict[str, Any]:
        """The timing of a symbol now, as a mapping (seed).

        Keys: ``timing_score`` (1 to 10), ``assessment``, ``recommended_strategy`` (an
        ``ExecutionStrategy``), ``window``, ``conditions``, ``intraday``, ``liquidity``, ``risks``,
        ``rules``, ``expected_slippage`` (bps), ``release_at`` (ns UTC or None). Never raises for
        what a source does.
        """
        found = await self.assess_now(symbol, action, urgency=urgency, quantity=quantity)
        return as_mapping(found, self.config)

    async def assess_now(
        self,
        symbol: str,
        action: str | TradeAction | None = None,
        *,
        urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM,
        quantity: Decimal | None = None,
    ) -> TimingAssessment:
        """The same as a record."""
        now = self._clock.now()
        risks: list[str] = []
        session, minutes, events = self._calendar_facts(symbol, now, risks)
        state = await self._state(symbol, now, session, risks)
        found = assess(
            state,
            session,
            minutes,
            events,
            self.config,
            urgency=urgency,
            side=_side_of(action),
            quantity=quantity,
        )
        if not risks:
            return found
        return found.model_copy(update={"risks": (*found.risks, *risks)})

    # -- the seed's parts ------------------------------------------------------------------------

    def _analyze_market_conditions(
        self, state: MarketState, action: str | TradeAction | None = None
    ) -> dict[str, Any]:
        """Volatility and trend of a market state, with the rules that fired."""
        return {
            "volatility": volatility_level(state, self.config).value,
            "volatility_bps": state.volatility_bps,
            "trend": trend_of(state, self.config).value,
            "trend_bps": state.trend_bps,
            "rules": condition_rules(state, _side_of(action), self.config),
        }

    def _analyze_intraday_patterns(
        self, symbol: str = "", now: int | None = None
    ) -> dict[str, Any]:
        """The part of the session at ``now`` (ns UTC, default the clock's), and what is ahead."""
        moment = self._clock.now() if now is None else now
        risks: list[str] = []
        session, minutes, events = self._calendar_facts(symbol, moment, risks)
        period = period_of(moment, session, minutes, self.config)
        state = _empty_state(symbol, moment, session)
        return {
            "period": period.value,
            "avoid": period in (Period.CLOSED, Period.OPENING, Period.CLOSING),
            "rules": session_rules(state, session, minutes, events, self.config),
            "risks": risks,
        }

    def _analyze_liquidity(
        self,
        state: MarketState,
        action: str | TradeAction | None = None,
        quantity: Decimal | None = None,
    ) -> dict[str, Any]:
        """Spread and sizes of a market state, with the rules that fired."""
        rules = liquidity_rules(state, _side_of(action), quantity, self.config)
        quote = state.usable_quote
        return {
            "liquidity": liquidity_level(state, rules).value,
            "spread_bps": None if quote is None else quote.half_spread_bps * 2,
            "rules": rules,
        }

    def _recommend_execution_strategy(
        self,
        rules: Sequence[FiredRule],
        urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM,
    ) -> tuple[ExecutionStrategy, TimingRule | None]:
        """The strategy for the rules that fired, and the rule that decided it."""
        return recommend(rules, self.config, urgency)

    # -- asking ----------------------------------------------------------------------------------

    def _calendar_facts(
        self, symbol: str, now: int, risks: list[str]
    ) -> tuple[Session | None, int | None, Sequence[ScheduledEvent]]:
        try:
            session = self._calendar.session_at(now)
            minutes = self._calendar.local_minutes(now)
        except Exception as error:
            risks.append(_risk("the calendar is not available", error))
            return None, None, ()
        if self._events is None:
            return session, minutes, ()
        try:
            horizon = now + self.config.event_ahead_minutes * MINUTE_NS + 1
            return session, minutes, self._events.between(symbol, now, horizon)
        except Exception as error:
            risks.append(_risk("scheduled events are not available", error))
            return session, minutes, ()

    async def _state(
        self, symbol: str, now: int, session: Session | None, risks: list[str]
    ) -> MarketState:
        # Looked up on the type, because a mock has every attribute one asks it for.
        if callable(getattr(type(self._source), "state", None)):
            try:
                # Not every market has its data at hand; the port's refresh fetches it.
                if callable(getattr(type(self._source), "refresh", None)):
                    await self._within_bound(self._source.refresh([symbol]))  # type: ignore[attr-defined]
                state = self._source.state(symbol, now)  # type: ignore[attr-defined]
                if isinstance(state, MarketState):
                    return state
                risks.append("market data is not available: not a market state")
            except Exception as error:
                risks.append(_risk("market data is not available", error))
            return _empty_state(symbol, now, session)
        answer = await self._ask("get_market_data", "market data", risks, [symbol], DAYS_ASKED)
        touch = await self._ask("get_latest_quote", "quote", risks, symbol)
        figures = answer.get(symbol) if isinstance(answer, Mapping) else None
        if answer is not None and not isinstance(figures, Mapping):
            risks.append(f"market data is not available: nothing on {symbol}")
        quote = _quote_of(touch, now, self.config.touch_shares_min)
        if touch is not None and quote is None:
            risks.append("quote is not available: no usable bid and ask")
        return _provider_state(
            _empty_state(symbol, now, session),
            figures if isinstance(figures, Mapping) else {},
            quote,
            self.config,
        )

    async def _within_bound(self, call: Awaitable[object]) -> object:
        return await (self._bounded(call) if self._bounded else call)

    async def _ask(self, name: str, what: str, risks: list[str], *args: object) -> object | None:
        """A provider's answer, None with the risk named when it has none."""
        try:
            method = getattr(self._source, name, None)
            if not callable(method):
                risks.append(f"{what} is not available: the source has no {name}")
                return None
            answer: object = method(*args)
            if inspect.isawaitable(answer):
                answer = await self._within_bound(answer)
        except Exception as error:
            risks.append(_risk(f"{what} is not available", error))
            return None
        if not isinstance(answer, Mapping):
            risks.append(f"{what} is not available: no readable answer")
            return None
        return answer


def as_mapping(found: TimingAssessment, config: TimingConfig) -> dict[str, Any]:
    """An assessment in the seed's shape: plain numbers, words, and the strategy as its enum.

    ``expected_slippage`` is the configured figure for the unknown where there is no quote.
    """
    expected = found.expected_slippage_bps
    if expected is None:
        expected = config.slippage_bps_unknown
    return {
        "timing_score": float(found.timing_score),
        "assessment": found.assessment.value,
        "recommended_strategy": found.recommended_strategy,
        "decided_by": None if found.decided_by is None else found.decided_by.value,
        "window": {"start_ns": found.window_start_at, "end_ns": found.window_end_at},
        "conditions": {"volatility": found.volatility.value, "trend": found.trend.value},
        "intraday": {"period": found.period.value},
        "liquidity": {
            "level": found.liquidity.value,
            "spread_bps": None if found.spread_bps is None else float(found.spread_bps),
        },
        "risks": list(found.risks),
        "rules": [rule.model_dump(mode="json") for rule in found.rules],
        "expected_slippage": float(expected),
        "release_at": found.release_at,
    }


def _side_of(action: str | TradeAction | None) -> Side | None:
    """The side an action trades on; CLOSE is taken as selling, an unknown word as neither."""
    word = str(action).upper() if action is not None else ""
    if word in (TradeAction.BUY, TradeAction.ADD):
        return Side.BUY
    return Side.SELL if word in (TradeAction.SELL, TradeAction.TRIM, TradeAction.CLOSE) else None


def _risk(what: str, error: Exception) -> str:
    return f"{what}: {type(error).__name__}: {error}"[:RISK_CHARACTERS_MAX]


def _empty_state(symbol: str, now: int, session: Session | None) -> MarketState:
    """A state of which only the session is known."""
    return MarketState(
        symbol=symbol,
        now=now,
        status=TradingStatus.CLOSED if session is None else TradingStatus.OPEN,
        quote=None,
        quote_age_ns=None,
        tick=PROVIDER_TICK,
        lot=ONE,
        last_price=None,
        volume=None,
        volatility_bps=None,
        trend_bps=None,
        average_daily_volume=None,
        session_open=0 if session is None else session.open,
        session_close=0 if session is None else session.close,
        source="provider",
    )


def _provider_state(
    empty: MarketState, figures: Mapping[str, object], quote: Quote | None, config: TimingConfig
) -> MarketState:
    """A provider's figures in our units.

    Its ``volatility`` is a standard deviation of returns as a fraction: of a day, or of a year
    when above ``DAILY_VOLATILITY_MAX``. Its ``trend_strength`` runs from -1 to 1.
    """
    volatility = _number(figures.get("volatility"))
    strength = _number(figures.get("trend_strength"))
    price = _number(figures.get("current_price"))
    per_minute = None
    if volatility is not None and 0 <= volatility <= VOLATILITY_MAX:
        daily = volatility
        if volatility > DAILY_VOLATILITY_MAX:
            daily = volatility / Decimal(TRADING_DAYS).sqrt()
        per_minute = daily / Decimal(SESSION_MINUTES).sqrt() * BPS
    trend = None
    if strength is not None and abs(strength) <= 1:
        trend = strength / STRONG_TREND * config.trend_bps
    return empty.model_copy(
        update={
            "quote": quote,
            "quote_age_ns": None if quote is None else empty.now - quote.at,
            "last_price": price if price is not None and ZERO < price <= PRICE_MAX else None,
            "volatility_bps": per_minute,
            "trend_bps": trend,
        }
    )


def _quote_of(answer: object, now: int, unknown_size: Decimal) -> Quote | None:
    """A provider's quote, taken as of now; None when a side is missing or not positive.

    A size that it does not say is ``unknown_size``: what is not known must not count as thin.
    """
    if not isinstance(answer, Mapping):
        return None
    bid, ask = _number(answer.get("bid")), _number(answer.get("ask"))
    if bid is None or ask is None or not (ZERO < bid <= PRICE_MAX and ZERO < ask <= PRICE_MAX):
        return None
    sizes = [_number(answer.get(name)) for name in ("bid_size", "ask_size")]
    bid_size, ask_size = (
        size if size is not None and ZERO <= size <= QUANTITY_MAX else unknown_size
        for size in sizes
    )
    return Quote(bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size, at=now)


def _number(value: object) -> Decimal | None:
    try:
        return to_decimal(value, field="value")
    except ValueError:
        return None
