"""The timing engine: every rule on both sides of its threshold, and any source at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy, ExecutionUrgency, TradeAction
from fillwright.domain.market import MarketState, Quote, TradingStatus
from fillwright.domain.ports import NANOS, ScheduledEvent, Session, Side
from fillwright.domain.timing.engine import (
    ExecutionTimingEngine,
    FiredRule,
    Level,
    Period,
    TimingAssessment,
    TimingConfig,
    TimingRule,
    Trend,
    assess,
    deferral,
)
from fillwright.domain.timing.rules import EFFECTS, RISKS, STRATEGY_BY_RULE, period_of, recommend

MINUTE = 60 * NANOS
OPEN = 1_381_152_600 * NANOS
SESSION = Session(date="2013-10-07", open=OPEN, close=OPEN + 390 * MINUTE)
MORNING = OPEN + 60 * MINUTE
CONFIG = TimingConfig()
NORMAL = {"bid": "99.95", "ask": "100.05", "bid_size": 500, "ask_size": 500}


def state_of(
    now: int = MORNING,
    *,
    quote: Mapping[str, Any] | None = NORMAL,
    age_s: int = 1,
    volatility: str | None = "5",
    trend: str | None = "0",
    adv: int | None = 1_000_000,
    status: TradingStatus = TradingStatus.OPEN,
) -> MarketState:
    made = None if quote is None else Quote(at=now - age_s * NANOS, **quote)
    return MarketState(
        symbol="ABC",
        now=now,
        status=status,
        quote=made,
        quote_age_ns=None if made is None else age_s * NANOS,
        tick=Decimal("0.01"),
        lot=Decimal(1),
        last_price=None,
        volume=None,
        volatility_bps=None if volatility is None else Decimal(volatility),
        trend_bps=None if trend is None else Decimal(trend),
        average_daily_volume=None if adv is None else Decimal(adv),
        session_open=SESSION.open,
        session_close=SESSION.close,
        source="test",
    )


def judged(state: MarketState | None = None, **keywords: Any) -> TimingAssessment:
    state = state or state_of()
    session = SESSION if SESSION.contains(state.now) else None
    minutes = 570 + (state.now - OPEN) // MINUTE
    return assess(state, session, minutes, keywords.pop("events", ()), CONFIG, **keywords)


def names(found: TimingAssessment) -> list[str]:
    return [rule.name.value for rule in found.rules]


def spread_quote(spread_bps: float) -> dict[str, Any]:
    half = Decimal(str(spread_bps)) / 200
    return {"bid": 100 - half, "ask": 100 + half, "bid_size": 500, "ask_size": 500}


def test_a_calm_moment_fires_no_rule() -> None:
    found = judged()
    assert names(found) == []
    assert (found.timing_score, found.assessment) == (8, "favorable")
    assert found.recommended_strategy is ExecutionStrategy.TWAP
    assert found.decided_by is None
    assert (found.release_at, found.window_start_at) == (None, MORNING)
    assert found.window_end_at == MORNING + 120 * MINUTE


@pytest.mark.parametrize(
    ("inside", "outside", "rule", "points"),
    [
        (state_of(OPEN + 5 * MINUTE - 1), state_of(OPEN + 5 * MINUTE), "opening_minutes", -3),
        (
            state_of(SESSION.close - 10 * MINUTE),
            state_of(SESSION.close - 10 * MINUTE - 1),
            "closing_minutes",
            -3,
        ),
        (state_of(OPEN + 150 * MINUTE), state_of(OPEN + 150 * MINUTE - 1), "lunch_hours", -1),
        (state_of(OPEN + 240 * MINUTE - 1), state_of(OPEN + 240 * MINUTE), "lunch_hours", -1),
        (state_of(OPEN - 1), state_of(OPEN + 5 * MINUTE), "market_closed", -4),
        (state_of(SESSION.close), state_of(), "market_closed", -4),
        (state_of(age_s=31), state_of(age_s=30), "stale_quote", -2),
        (state_of(quote=None), state_of(), "no_quote", -2),
        (state_of(quote=spread_quote(20)), state_of(quote=spread_quote(19.9)), "wide_spread", -2),
        (
            state_of(quote=spread_quote(60)),
            state_of(quote=spread_quote(59.9)),
            "very_wide_spread",
            -3,
        ),
        (state_of(quote=spread_quote(5)), state_of(quote=spread_quote(5.1)), "tight_spread", 1),
        (
            state_of(quote={**NORMAL, "ask_size": 99}),
            state_of(quote={**NORMAL, "ask_size": 100}),
            "thin_touch",
            -1,
        ),
        (state_of(volatility="15"), state_of(volatility="14.99"), "high_volatility", -2),
        (state_of(volatility="40"), state_of(volatility="39.99"), "extreme_volatility", -3),
        (state_of(trend="20"), state_of(trend="19.99"), "trend_against", -1),
        (state_of(trend="-20"), state_of(trend="-19.99"), "trend_with", 1),
        (state_of(status=TradingStatus.HALTED), state_of(), "symbol_halted", -4),
        (state_of(status=TradingStatus.UNKNOWN), state_of(), "symbol_halted", -4),
    ],
)
def test_a_rule_fires_at_its_threshold_and_not_before(
    inside: MarketState, outside: MarketState, rule: str, points: int
) -> None:
    found = judged(inside, side=Side.BUY)
    assert names(found) == [rule]
    assert found.timing_score == 8 + points
    assert rule not in names(judged(outside, side=Side.BUY))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (2_499, []),
        (2_500, ["large_for_touch"]),
        (9_999, ["large_for_touch"]),
        (10_000, ["large_for_touch", "large_for_day"]),
    ],
)
def test_the_order_is_held_against_the_touch_and_the_day(
    quantity: int, expected: list[str]
) -> None:
    found = judged(side=Side.BUY, quantity=Decimal(quantity))
    assert names(found) == expected
    assert found.timing_score == 8


@pytest.mark.parametrize(("quantity", "fires"), [(9_000, True), (8_999, False)])
def test_the_order_is_held_against_the_impact_that_it_is_expected_to_have(
    quantity: int, fires: bool
) -> None:
    # 12 bps a minute: 12 * sqrt(390 * 0.009) is 22.48 bps.
    config = TimingConfig(costly_impact_bps=Decimal("22.4819"))
    found = assess(state_of(volatility="12"), SESSION, 660, (), config, quantity=Decimal(quantity))
    fired = [rule for rule in found.rules if rule.name is TimingRule.COSTLY_IMPACT]
    assert bool(fired) is fires
    if fires:
        assert fired[0].observed == Decimal("22.4820")
        assert found.recommended_strategy is ExecutionStrategy.VWAP
        assert found.decided_by is TimingRule.COSTLY_IMPACT


@pytest.mark.parametrize(("minutes", "fires"), [(30, True), (31, False), (0, True), (-1, False)])
def test_an_event_counts_when_it_is_near_and_ahead(minutes: int, fires: bool) -> None:
    event = ScheduledEvent(at=MORNING + minutes * MINUTE, kind="fomc")
    found = judged(events=[event])
    assert names(found) == (["event_ahead"] if fires else [])
    if fires:
        rule = found.rules[0]
        assert (rule.observed, rule.threshold, rule.note) == (minutes, 30, "fomc")


def test_each_rule_says_what_it_saw_against_what_in_order() -> None:
    found = judged(
        state_of(
            OPEN + MINUTE, quote={**spread_quote(25), "ask_size": 50}, volatility="16", trend="30"
        ),
        side=Side.BUY,
    )
    seen = [(r.name.value, r.observed, r.threshold, r.unit) for r in found.rules]
    assert seen == [
        ("opening_minutes", 1, 5, "minutes"),
        ("wide_spread", 25, 20, "bps"),
        ("thin_touch", 50, 100, "shares"),
        ("high_volatility", 16, 15, "bps per minute"),
        ("trend_against", 30, 20, "bps in 5 minutes"),
    ]
    assert found.timing_score == 1
    assert (found.assessment, found.liquidity) == ("unfavorable", Level.LOW)
    assert len(found.risks) == 5


def test_trends_count_by_the_side_that_feels_them() -> None:
    rising = state_of(trend="25")
    assert names(judged(rising, side=Side.BUY)) == ["trend_against"]
    assert names(judged(rising, side=Side.SELL)) == ["trend_with"]
    assert names(judged(rising)) == []
    assert judged(rising).trend is Trend.UP
    assert judged(state_of(trend=None)).trend is Trend.UNKNOWN


@pytest.mark.parametrize(("rule", "strategy"), STRATEGY_BY_RULE)
def test_the_first_rule_of_the_table_decides_the_strategy(
    rule: TimingRule, strategy: ExecutionStrategy
) -> None:
    order = [name for name, _ in STRATEGY_BY_RULE]
    later = order[order.index(rule) :]
    fired = [FiredRule(name=name) for name in reversed(later)]
    assert recommend(fired, CONFIG) == (strategy, rule)


@pytest.mark.parametrize(
    ("urgency", "spread", "trend", "strategy"),
    [
        (ExecutionUrgency.URGENT, 70, "-30", ExecutionStrategy.MARKET),
        (ExecutionUrgency.HIGH, 70, "-30", ExecutionStrategy.TWAP),
        (ExecutionUrgency.MEDIUM, 70, "-30", ExecutionStrategy.LIMIT),
        (ExecutionUrgency.LOW, 10, "-30", ExecutionStrategy.OPPORTUNISTIC),
        (ExecutionUrgency.HIGH, 10, "-30", ExecutionStrategy.TWAP),
    ],
)
def test_urgency_passes_over_strategies_that_may_not_trade(
    urgency: ExecutionUrgency, spread: float, trend: str, strategy: ExecutionStrategy
) -> None:
    state = state_of(quote=spread_quote(spread), trend=trend)
    assert judged(state, side=Side.BUY, urgency=urgency).recommended_strategy is strategy


def test_every_rule_moves_the_score_or_warns_or_steers() -> None:
    steering = {name for name, _ in STRATEGY_BY_RULE}
    assert set(TimingRule) == set(EFFECTS) | set(RISKS) | steering


def test_nothing_known_is_the_neutral_default() -> None:
    found = judged(state_of(quote=None, volatility=None))
    assert names(found) == ["no_market_data", "no_quote"]
    assert (found.timing_score, found.assessment) == (5, "neutral")
    assert found.recommended_strategy is ExecutionStrategy.TWAP
    assert found.expected_slippage_bps is None


def test_expected_slippage_is_half_the_spread_and_the_square_root_law() -> None:
    assert judged().expected_slippage_bps == 5
    # 5 bps a minute, 1 % of a day: 5 * sqrt(390 * 0.01).
    found = judged(quantity=Decimal(10_000))
    assert float(found.expected_slippage_bps or 0) == pytest.approx(5 + 5 * 3.9**0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("now", "release"),
    [
        (OPEN - 1, None),
        (OPEN, OPEN + 5 * MINUTE),
        (OPEN + 5 * MINUTE - 1, OPEN + 5 * MINUTE),
        (OPEN + 5 * MINUTE, None),
        (SESSION.close - 10 * MINUTE - 1, None),
        (SESSION.close - 10 * MINUTE, SESSION.close),
        (SESSION.close - 1, SESSION.close),
        (SESSION.close, None),
    ],
)
def test_the_first_five_and_last_ten_minutes_defer(now: int, release: int | None) -> None:
    assert deferral(SESSION, now, ExecutionUrgency.MEDIUM) == release
    assert deferral(SESSION, now, ExecutionUrgency.HIGH) == release
    assert deferral(SESSION, now, ExecutionUrgency.URGENT) is None
    assert deferral(None, now, ExecutionUrgency.LOW) is None


def test_a_short_session_closes_its_own_last_minutes() -> None:
    half = Session(date="2013-11-29", open=OPEN, close=OPEN + 210 * MINUTE, is_half_day=True)
    assert deferral(half, OPEN + 199 * MINUTE, ExecutionUrgency.LOW) is None
    assert deferral(half, OPEN + 200 * MINUTE, ExecutionUrgency.LOW) == half.close
    assert period_of(OPEN + 205 * MINUTE, half, 13 * 60 - 5, CONFIG) is Period.CLOSING


@given(
    now=st.integers(min_value=OPEN - 60 * MINUTE, max_value=SESSION.close + 60 * MINUTE),
    bid=st.decimals(min_value="0.01", max_value="1000", places=2),
    spread=st.decimals(min_value="-1", max_value="100", places=2),
    sizes=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    volatility=st.none() | st.decimals(min_value=0, max_value=1000, places=2),
    trend=st.none() | st.decimals(min_value=-1000, max_value=1000, places=2),
    quantity=st.none() | st.integers(min_value=0, max_value=10**12),
    side=st.sampled_from([None, Side.BUY, Side.SELL]),
    urgency=st.sampled_from(list(ExecutionUrgency)),
)
def test_any_market_gives_an_assessment_that_can_be_computed_again(
    now: int,
    bid: Decimal,
    spread: Decimal,
    sizes: tuple[int, int],
    volatility: Decimal | None,
    trend: Decimal | None,
    quantity: int | None,
    side: Side | None,
    urgency: ExecutionUrgency,
) -> None:
    ask = max(bid + spread, Decimal("0.01"))
    quote = {"bid": bid, "ask": ask, "bid_size": sizes[0], "ask_size": sizes[1]}
    state = state_of(now, quote=quote, volatility="0", trend="0").model_copy(
        update={"volatility_bps": volatility, "trend_bps": trend}
    )
    shares = None if quantity is None else Decimal(quantity)
    found = judged(state, side=side, quantity=shares, urgency=urgency)
    assert 1 <= found.timing_score <= 10
    assert found == judged(state, side=side, quantity=shares, urgency=urgency)
    assert found == TimingAssessment.model_validate_json(found.model_dump_json())
    if urgency is ExecutionUrgency.URGENT:
        assert found.recommended_strategy is ExecutionStrategy.MARKET


# -- the seed's class ------------------------------------------------------------------------------


class FixedClock:
    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now


class OneSession:
    """A calendar of one session."""

    def session_at(self, now: int) -> Session | None:
        return SESSION if SESSION.contains(now) else None

    def next_session(self, now: int) -> Session:
        return SESSION

    def local_minutes(self, now: int) -> int:
        return 570 + (now - OPEN) // MINUTE


class Market:
    """The market port with one state."""

    def __init__(self, given: object) -> None:
        self.given = given

    def state(self, symbol: str, now: int) -> object:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


class Broken:
    """A calendar and events source that cannot be asked."""

    def session_at(self, now: int) -> Session | None:
        raise OSError("no calendar")

    def next_session(self, now: int) -> Session:
        raise OSError("no calendar")

    def local_minutes(self, now: int) -> int:
        raise OSError("no calendar")

    def between(self, symbol: str, start: int, end: int) -> list[ScheduledEvent]:
        raise OSError("no events")


def engine_of(source: object, now: int = MORNING, **keywords: Any) -> ExecutionTimingEngine:
    calendar = keywords.pop("calendar", OneSession())
    return ExecutionTimingEngine(source, clock=FixedClock(now), calendar=calendar, **keywords)


def timing(source: object, now: int = MORNING, action: str = "BUY", **keywords: Any) -> Any:
    engine = engine_of(source, now, **keywords)
    return asyncio.run(engine.assess_market_timing("AAPL", action))


def provider_of(data: Mapping[str, object], quote: Mapping[str, object]) -> Mock:
    provider = Mock()
    provider.get_market_data = AsyncMock(return_value={"AAPL": data})
    provider.get_latest_quote = AsyncMock(return_value=quote)
    return provider


CALM = {"current_price": 150.0, "volatility": 0.02, "trend_strength": 0.1}
TOUCH = {"bid": 149.95, "ask": 150.05, "bid_size": 500, "ask_size": 400}


def test_a_provider_with_calm_figures_is_favorable() -> None:
    found = timing(provider_of(CALM, TOUCH))
    assert found["timing_score"] == 8
    assert found["assessment"] == "favorable"
    assert found["recommended_strategy"] is ExecutionStrategy.TWAP
    assert found["expected_slippage"] == pytest.approx(3.3333)
    assert found["risks"] == []
    assert set(found) >= {"window", "conditions", "intraday", "liquidity", "rules", "release_at"}


def test_the_market_port_is_asked_before_anything_else() -> None:
    found = timing(Market(state_of(volatility="45")))
    assert found["conditions"]["volatility"] == "extreme"
    assert found["timing_score"] == 5


def test_a_market_that_must_fetch_its_data_is_refreshed_first() -> None:
    class Fetching(Market):
        def __init__(self, fetched: object) -> None:
            super().__init__("nothing yet")
            self.fetched = fetched

        async def refresh(self, symbols: list[str]) -> None:
            if isinstance(self.fetched, Exception):
                raise self.fetched
            assert symbols == ["AAPL"]
            self.given = self.fetched

    assert timing(Fetching(state_of()))["timing_score"] == 8
    found = timing(Fetching(OSError("gone")))
    assert found["timing_score"] == 5
    assert "market data is not available: OSError: gone" in found["risks"]


@pytest.mark.parametrize(
    ("volatility", "level"),
    [(0.02, "normal"), (0.05, "high"), (0.1, "extreme"), (0.25, "normal"), (0.6, "high")],
)
def test_a_providers_volatility_is_of_a_day_or_of_a_year(volatility: float, level: str) -> None:
    found = timing(provider_of({**CALM, "volatility": volatility}, TOUCH))
    assert found["conditions"]["volatility"] == level


@pytest.mark.parametrize(
    ("strength", "trend"), [(0.5, "up"), (0.49, "flat"), (-0.5, "down"), (7, "unknown")]
)
def test_a_providers_trend_strength_counts_from_a_half(strength: float, trend: str) -> None:
    found = timing(provider_of({**CALM, "trend_strength": strength}, TOUCH))
    assert found["conditions"]["trend"] == trend


def test_sizes_a_provider_does_not_say_do_not_count_as_thin() -> None:
    found = timing(provider_of(CALM, {"bid": 149.95, "ask": 150.05}))
    assert found["rules"] == []
    thin = timing(provider_of(CALM, {**TOUCH, "ask_size": 1}))
    assert [rule["name"] for rule in thin["rules"]] == ["thin_touch"]


@pytest.mark.parametrize(
    ("source", "risk"),
    [
        (object(), "market data is not available: the source has no get_market_data"),
        (None, "quote is not available: the source has no get_latest_quote"),
        (Mock(), "market data is not available: no readable answer"),
        (MagicMock(), "quote is not available: no readable answer"),
        (AsyncMock(), "market data is not available: no readable answer"),
        (
            Mock(get_market_data=AsyncMock(side_effect=RuntimeError("down"))),
            "market data is not available: RuntimeError: down",
        ),
        (
            Mock(get_latest_quote=AsyncMock(side_effect=TimeoutError())),
            "quote is not available: TimeoutError: ",
        ),
        (
            Mock(get_market_data=AsyncMock(return_value={"MSFT": CALM})),
            "market data is not available: nothing on AAPL",
        ),
        (
            Mock(get_latest_quote=AsyncMock(return_value={"bid": 0, "ask": float("nan")})),
            "quote is not available: no usable bid and ask",
        ),
        (Market(RuntimeError("down")), "market data is not available: RuntimeError: down"),
        (Market("nothing"), "market data is not available: not a market state"),
    ],
)
def test_a_source_that_fails_gives_the_neutral_default_and_names_the_risk(
    source: object, risk: str
) -> None:
    found = timing(source)
    assert (found["timing_score"], found["assessment"]) == (5.0, "neutral")
    assert found["recommended_strategy"] is ExecutionStrategy.TWAP
    assert found["expected_slippage"] == 10
    assert risk in found["risks"]


def test_what_half_a_source_says_still_counts() -> None:
    provider = provider_of(CALM, TOUCH)
    provider.get_market_data = AsyncMock(side_effect=RuntimeError("down"))
    found = timing(provider)
    assert found["timing_score"] == 8
    assert found["risks"] == ["market data is not available: RuntimeError: down"]
    assert found["conditions"] == {"volatility": "unknown", "trend": "unknown"}


def test_calls_to_a_provider_go_through_the_bound_that_was_given() -> None:
    async def bounded(call: Any) -> object:
        return await asyncio.wait_for(call, 0.01)

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    provider = Mock(get_market_data=hang, get_latest_quote=hang)
    found = timing(provider, bounded=bounded)
    assert found["timing_score"] == 5
    assert any("TimeoutError" in risk for risk in found["risks"])


def test_a_calendar_or_events_source_that_fails_is_a_risk_and_not_an_exception() -> None:
    found = timing(Market(state_of()), calendar=Broken())
    assert "the calendar is not available: OSError: no calendar" in found["risks"]
    assert found["intraday"]["period"] == "closed"
    found = timing(Market(state_of()), events=Broken())
    assert found["risks"] == ["scheduled events are not available: OSError: no events"]


def test_the_order_of_scores_holds_at_any_hour() -> None:
    """Also when the market is closed, a volatile or wide market scores below a calm one."""
    for now in (MORNING, OPEN + MINUTE, SESSION.close - MINUTE, SESSION.close + 60 * MINUTE):
        calm = timing(provider_of(CALM, TOUCH), now)["timing_score"]
        volatile = timing(provider_of({**CALM, "volatility": 0.05}, TOUCH), now)
        wide = timing(provider_of(CALM, {**TOUCH, "ask": 151.0}), now)
        assert 1 <= volatile["timing_score"] < calm
        assert 1 <= wide["timing_score"] < calm
        assert wide["recommended_strategy"] is ExecutionStrategy.LIMIT


@pytest.mark.parametrize("action", ["SELL", "TRIM", "CLOSE", TradeAction.SELL, "sell"])
def test_selling_actions_feel_a_rising_price_as_help(action: str) -> None:
    found = timing(Market(state_of(trend="30")), action=action)
    assert [rule["name"] for rule in found["rules"]] == ["trend_with"]
    assert found["recommended_strategy"] is ExecutionStrategy.OPPORTUNISTIC


def test_the_seeds_parts_answer_on_their_own() -> None:
    engine = engine_of(Market(state_of()))
    state = state_of(quote=spread_quote(25), volatility="16")
    conditions = engine._analyze_market_conditions(state, "BUY")
    liquidity = engine._analyze_liquidity(state, "BUY", Decimal(100))
    assert (conditions["volatility"], conditions["trend"]) == ("high", "flat")
    assert liquidity["liquidity"] == "low"
    rules = [*liquidity["rules"], *conditions["rules"]]
    assert engine._recommend_execution_strategy(rules) == (
        ExecutionStrategy.LIMIT,
        TimingRule.WIDE_SPREAD,
    )
    periods = {
        OPEN + MINUTE: ("opening", True),
        MORNING: ("regular", False),
        OPEN + 160 * MINUTE: ("lunch", False),
        SESSION.close - MINUTE: ("closing", True),
        SESSION.close: ("closed", True),
    }
    for now, (period, avoid) in periods.items():
        found = engine._analyze_intraday_patterns("AAPL", now)
        assert (found["period"], found["avoid"]) == (period, avoid)


def test_scheduled_events_reach_the_assessment() -> None:
    class Events:
        def between(self, symbol: str, start: int, end: int) -> list[ScheduledEvent]:
            event = ScheduledEvent(at=MORNING + 30 * MINUTE, kind="earnings", symbol=symbol)
            return [event] if start <= event.at < end else []

    found = timing(Market(state_of()), events=Events())
    assert [rule["name"] for rule in found["rules"]] == ["event_ahead"]


def test_thresholds_are_configuration() -> None:
    config = TimingConfig(wide_spread_bps=Decimal(5), default_strategy=ExecutionStrategy.VWAP)
    found = timing(Market(state_of()), config=config)
    assert [rule["name"] for rule in found["rules"]] == ["wide_spread"]
    calm = timing(Market(state_of(quote={**NORMAL, "ask": "99.99"})), config=config)
    assert calm["recommended_strategy"] is ExecutionStrategy.VWAP
