"""Quantities, terms, deferral and batches: what a decision becomes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import Decision, ExecutionStrategy, ExecutionUrgency, Style
from fillwright.domain.fees import FeeSchedule
from fillwright.domain.limits import Limits, SymbolUsage
from fillwright.domain.market import TradingStatus
from fillwright.domain.plan import StrategyParameters
from fillwright.domain.planning.batch import order_batch
from fillwright.domain.planning.facts import (
    Deferred,
    Facts,
    Nothing,
    Planned,
    PlanningRules,
    Refused,
    Timing,
)
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.ports import NANOS, Session, Side
from fillwright.domain.reasons import Anomalous, NothingReason, OnBound, Reason
from tests.domain.planning_cases import (
    CLOSE,
    INSTRUCTION,
    NEXT_SESSION,
    NOON,
    OPEN,
    a_decision,
    a_market,
    a_quote,
    a_usage,
    an_account,
    some_facts,
)

D = Decimal
WIDE = Limits(position_pct_max=D(1000), turnover_pct_max=D(1000))


def planned(decision: Decision, **facts: Any) -> Planned:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Planned), outcome
    return outcome


def nothing(decision: Decision, **facts: Any) -> NothingReason:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Nothing), outcome
    return outcome.reason


def reasons(decision: Decision, **facts: Any) -> set[Reason]:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Refused), outcome
    return {refusal.reason for refusal in outcome.refusals}


def deferred(decision: Decision, **facts: Any) -> Deferred:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Deferred), outcome
    return outcome


def order(decision: Decision, **facts: Any) -> tuple[Side, Decimal]:
    terms = planned(decision, **{"limits": WIDE, **facts}).terms
    return terms.side, terms.quantity


# -- quantities (design §6, ruling 10) -------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "weight", "position", "expected"),
    [
        ("BUY", "3", 0, (Side.BUY, 300)),
        ("BUY", "3", 100, (Side.BUY, 200)),
        ("BUY", "3", -100, (Side.BUY, 400)),
        ("ADD", "3", 100, (Side.BUY, 200)),
        ("SELL", "1", 300, (Side.SELL, 200)),
        ("SELL", "0", 300, (Side.SELL, 300)),
        ("SELL", None, 300, (Side.SELL, 300)),
        ("TRIM", "1", 300, (Side.SELL, 200)),
        ("TRIM", None, 300, (Side.SELL, 150)),
        ("TRIM", None, 301, (Side.SELL, 150)),
        ("TRIM", None, -300, (Side.BUY, 150)),
        ("ADD", None, 100, (Side.BUY, 50)),
        ("ADD", None, 101, (Side.BUY, 50)),
        ("CLOSE", None, 300, (Side.SELL, 300)),
        ("CLOSE", None, -300, (Side.BUY, 300)),
        ("CLOSE", "0", 300, (Side.SELL, 300)),
    ],
)
def test_an_action_moves_the_position_to_its_target(
    action: str, weight: str | None, position: int, expected: tuple[Side, int]
) -> None:
    assert order(a_decision(action, weight), position=D(position)) == expected


@pytest.mark.parametrize(
    ("action", "weight", "position", "reason"),
    [
        ("BUY", "3", 300, NothingReason.ALREADY_AT_TARGET),
        ("SELL", "3", 300, NothingReason.ALREADY_AT_TARGET),
        ("BUY", "3", 301, NothingReason.OPPOSITE_OF_ACTION),
        ("ADD", "3", 400, NothingReason.OPPOSITE_OF_ACTION),
        ("SELL", "3", 299, NothingReason.OPPOSITE_OF_ACTION),
        ("TRIM", "3", 100, NothingReason.OPPOSITE_OF_ACTION),
        ("SELL", None, -10, NothingReason.OPPOSITE_OF_ACTION),
        ("SELL", None, 0, NothingReason.NO_POSITION),
        ("SELL", "3", 0, NothingReason.NO_POSITION),
        ("SELL", "0", 0, NothingReason.NO_POSITION),
        ("CLOSE", None, 0, NothingReason.NO_POSITION),
        ("ADD", None, 0, NothingReason.NO_POSITION),
        ("TRIM", None, 1, NothingReason.ROUNDS_TO_ZERO),
        ("BUY", "0", 0, NothingReason.ALREADY_AT_TARGET),
    ],
)
def test_what_asks_for_no_trade_is_no_change(
    action: str, weight: str | None, position: int, reason: NothingReason
) -> None:
    assert nothing(a_decision(action, weight), position=D(position)) is reason


def test_rounding_is_toward_the_current_position() -> None:
    market = a_market(quote=a_quote("69.99", "70.01"))
    facts: dict[str, Any] = {"market": market, "arrival_mid": D(70)}
    assert order(a_decision("BUY", "3"), **facts) == (Side.BUY, 428)  # 428.57
    assert order(a_decision("SELL", "3"), position=D(500), **facts) == (Side.SELL, 71)  # 71.43
    assert nothing(a_decision("BUY", "3"), position=D(428), **facts) is (
        NothingReason.ALREADY_AT_TARGET
    )


def test_a_target_below_one_share_rounds_to_nothing() -> None:
    account = an_account(equity="1000")
    assert nothing(a_decision("BUY", "9"), account=account) is NothingReason.ROUNDS_TO_ZERO


def test_open_orders_and_reservations_count() -> None:
    usage = a_usage(SymbolUsage(buy_leaves=D(100)))
    assert order(a_decision("BUY", "3"), usage=usage) == (Side.BUY, 200)
    usage = a_usage(SymbolUsage(buy_leaves=D(300)))
    assert nothing(a_decision("BUY", "3"), usage=usage) is NothingReason.ALREADY_AT_TARGET
    usage = a_usage(SymbolUsage(sell_leaves=D(40)))
    assert order(a_decision("CLOSE", None), usage=usage, position=D(100)) == (Side.SELL, 60)


def test_own_fills_that_the_broker_does_not_show_yet_count() -> None:
    usage = a_usage(SymbolUsage(unreflected=D(100), bought=D(100)))
    assert order(a_decision("BUY", "3"), usage=usage) == (Side.BUY, 200)
    assert order(a_decision("CLOSE", None), usage=usage) == (Side.SELL, 100)


def test_an_explicit_size_is_kept() -> None:
    assert order(a_decision(order_size=D(123))) == (Side.BUY, 123)
    assert order(a_decision("SELL", None, order_size=D(10)), position=D(50)) == (Side.SELL, 10)
    assert order(a_decision("CLOSE", None, order_size=D(10)), position=D(-50)) == (Side.BUY, 10)
    assert nothing(a_decision(order_size=D(0))) is NothingReason.ZERO_SIZE_PLAN
    assert reasons(a_decision(order_size=D("10.5"))) == {Reason.ORDER_QUANTITY}


def test_a_zero_size_is_no_change_even_when_the_market_is_closed() -> None:
    closed = {"session": None, "market": a_market(status=TradingStatus.CLOSED, quote=None)}
    assert nothing(a_decision(order_size=D(0)), **closed) is NothingReason.ZERO_SIZE_PLAN


def test_a_target_is_required_where_half_is_not_configured() -> None:
    off = Limits(half_by_default=False)
    assert reasons(a_decision("ADD", None), position=D(10), limits=off) == {Reason.TARGET_REQUIRED}
    assert reasons(a_decision("BUY", None)) == {Reason.TARGET_REQUIRED}


def test_close_names_the_fraction_that_stays() -> None:
    outcome = planned(a_decision("CLOSE", None), position=D("10.4"))
    assert outcome.terms.quantity == 10
    assert outcome.notes == ("0.4 shares stay: the smallest quantity is 1",)
    assert nothing(a_decision("CLOSE", None), position=D("0.4")) is NothingReason.ROUNDS_TO_ZERO


def test_fractions_trade_where_limits_and_market_allow_them() -> None:
    limits = Limits(allow_fractional=True)
    market = a_market(lot=D("0.01"))
    outcome = planned(a_decision("CLOSE", None), position=D("10.4"), limits=limits, market=market)
    assert (outcome.terms.quantity, outcome.notes) == (D("10.4"), ())
    whole = planned(a_decision("CLOSE", None), position=D("10.4"), limits=limits)
    assert whole.terms.quantity == 10


@pytest.mark.parametrize(("stated", "noted"), [("3.5", False), ("3.51", True), ("2.4", True)])
def test_a_current_weight_that_disagrees_is_an_anomaly(stated: str, noted: bool) -> None:
    decision = a_decision("BUY", "4", current_weight=D(stated))
    outcome = planned(decision, position=D(300))
    assert [a.kind for a in outcome.anomalies] == (
        [Anomalous.CURRENT_WEIGHT_DISAGREES] if noted else []
    )


@given(
    equity=st.decimals(1_000, 10_000_000, places=2),
    cents=st.integers(10, 500_000),
    weight=st.decimals(0, 100, places=3),
    position=st.integers(-100_000, 100_000),
    action=st.sampled_from(["BUY", "ADD", "SELL", "TRIM"]),
)
def test_a_quantity_never_passes_its_target(
    equity: Decimal, cents: int, weight: Decimal, position: int, action: str
) -> None:
    quote = a_quote(str(D(cents) / 100), str(D(cents + 2) / 100))
    facts = some_facts(
        account=an_account(equity=str(equity)),
        market=a_market(quote=quote),
        arrival_mid=quote.mid,
        position=D(position),
        limits=Limits(
            position_pct_max=D(1000),
            turnover_pct_max=D(100_000),
            order_value_usd_max=D("1e12"),
            order_quantity_max=D("1e12"),
            allow_short=True,
        ),
    )
    outcome = plan_decision(
        a_decision(action, str(weight), max_slippage_bps=D(5000)), facts, INSTRUCTION
    )
    if not isinstance(outcome, Planned):
        return
    target = equity * weight / 100 / quote.mid
    after = position + outcome.terms.side.sign * outcome.terms.quantity
    assert abs(after - target) < abs(position - target)
    assert (after - target) * (position - target) >= 0
    assert abs(after - target) < 1


# -- terms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "position", "bound"), [("BUY", 0, "100.10"), ("CLOSE", 100, "99.90")]
)
def test_the_bound_is_measured_from_the_arrival_mid(action: str, position: int, bound: str) -> None:
    weight = "3" if action == "BUY" else None
    terms = planned(a_decision(action, weight), position=D(position)).terms
    assert terms.bound_price == D(bound)
    assert terms.arrival_mid == 100


@pytest.mark.parametrize(("mid", "bound"), [("100.004", "100.10"), ("100.016", "100.11")])
def test_the_bound_of_a_buy_is_rounded_down_to_the_tick(mid: str, bound: str) -> None:
    assert planned(a_decision(), arrival_mid=D(mid)).terms.bound_price == D(bound)


def test_without_an_arrival_mid_the_mid_at_planning_bounds() -> None:
    outcome = planned(a_decision(), arrival_mid=None)
    assert outcome.terms.arrival_mid is None
    assert outcome.terms.bound_price == D("100.10")
    assert "no valid quote at arrival" in outcome.notes[0]


def test_no_bound_is_planned_without_one() -> None:
    terms = planned(a_decision(max_slippage_bps=None)).terms
    assert (terms.bound_bps, terms.bound_price) == (None, None)


def test_a_spread_beyond_the_bound_is_refused_with_the_bound_that_would_pass() -> None:
    wide = a_market(quote=a_quote("99.80", "100.20"))
    outcome = plan_decision(a_decision(), some_facts(market=wide), INSTRUCTION)
    assert isinstance(outcome, Refused)
    (refusal,) = outcome.refusals
    assert refusal.reason is Reason.SPREAD_EXCEEDS_BOUND
    assert refusal.would_pass == "max_slippage 20"
    planned(a_decision(max_slippage_bps=D(20)), market=wide)
    planned(a_decision(max_slippage_bps=None), market=wide)


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [
        ({}, ExecutionStrategy.VWAP),
        ({"strategy": ExecutionStrategy.ICEBERG}, ExecutionStrategy.ICEBERG),
        ({"urgency": ExecutionUrgency.URGENT}, ExecutionStrategy.MARKET),
        ({"limit_price": D(100)}, ExecutionStrategy.LIMIT),
        (
            {"urgency": ExecutionUrgency.URGENT, "strategy": ExecutionStrategy.TWAP},
            ExecutionStrategy.TWAP,
        ),
    ],
)
def test_the_strategy_is_the_decisions_own_or_by_urgency_or_the_timing_engines(
    changes: dict[str, Any], strategy: ExecutionStrategy
) -> None:
    timing = Timing(strategy=ExecutionStrategy.VWAP)
    assert planned(a_decision(**changes), timing=timing).terms.strategy is strategy


def test_without_the_timing_engine_the_configured_strategy_is_used() -> None:
    rules = PlanningRules(strategy=ExecutionStrategy.ICEBERG, style=Style.NAIVE)
    terms = planned(a_decision(), rules=rules).terms
    assert (terms.strategy, terms.style) == (ExecutionStrategy.ICEBERG, Style.NAIVE)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 7200),
        ({"urgency": ExecutionUrgency.LOW}, 10_800),
        ({"urgency": ExecutionUrgency.HIGH}, 3600),
        ({"urgency": ExecutionUrgency.URGENT}, 75),
        ({"strategy": ExecutionStrategy.LIMIT}, 1800),
        ({"window_seconds": 60}, 60),
        ({"window_seconds": 60, "urgency": ExecutionUrgency.LOW}, 60),
    ],
)
def test_the_window_follows_strategy_and_urgency_unless_given(
    changes: dict[str, Any], seconds: int
) -> None:
    terms = planned(a_decision(**changes)).terms
    assert terms.end_at - terms.start_at == seconds * NANOS
    assert terms.parameters.limit_timeout_seconds == seconds


def test_the_window_is_cut_at_the_close() -> None:
    now = CLOSE - 1_800 * NANOS
    market = a_market(quote=a_quote(at=now))
    terms = planned(a_decision(), now=now, market=market).terms
    assert (terms.start_at, terms.end_at) == (now, CLOSE)
    assert terms.final_phase_at == CLOSE - 90 * NANOS


@pytest.mark.parametrize(
    ("changes", "on_bound"),
    [
        ({}, OnBound.REST),
        ({"urgency": ExecutionUrgency.URGENT}, OnBound.ESCALATE),
        ({"urgency": ExecutionUrgency.URGENT, "on_bound": OnBound.CANCEL}, OnBound.CANCEL),
    ],
)
def test_what_to_do_at_the_bound(changes: dict[str, Any], on_bound: OnBound) -> None:
    assert planned(a_decision(**changes)).terms.on_bound is on_bound


def test_close_escalates_at_the_bound() -> None:
    assert planned(a_decision("CLOSE", None), position=D(10)).terms.on_bound is OnBound.ESCALATE


@pytest.mark.parametrize(
    ("action", "position", "limit"), [("BUY", 0, "99.90"), ("CLOSE", 100, "100.10")]
)
def test_a_limit_is_a_tenth_of_a_percent_inside_as_in_the_seed(
    action: str, position: int, limit: str
) -> None:
    weight = "3" if action == "BUY" else None
    decision = a_decision(action, weight, strategy=ExecutionStrategy.LIMIT)
    terms = planned(decision, position=D(position)).terms
    assert terms.limit_price == D(limit)


def test_an_explicit_limit_is_rounded_safely_and_kept_within_the_bound() -> None:
    assert planned(a_decision(limit_price=D("99.957"))).terms.limit_price == D("99.95")
    assert planned(a_decision(limit_price=D(101))).terms.limit_price == D("100.10")
    sell = a_decision("CLOSE", None, limit_price=D("100.031"))
    assert planned(sell, position=D(10)).terms.limit_price == D("100.04")


def test_a_limit_given_to_another_strategy_tightens_its_bound() -> None:
    decision = a_decision(strategy=ExecutionStrategy.TWAP, limit_price=D("100.05"))
    terms = planned(decision).terms
    assert (terms.bound_price, terms.limit_price) == (D("100.05"), D("100.05"))


@pytest.mark.parametrize(
    ("size", "window", "slices"), [(300, 7200, 8), (5, 7200, 5), (1, 7200, 1), (300, 3, 3)]
)
def test_a_schedule_has_no_more_slices_than_shares_or_seconds(
    size: int, window: int, slices: int
) -> None:
    decision = a_decision(order_size=D(size), window_seconds=window)
    assert planned(decision).terms.parameters.slices == slices


def test_a_decision_may_set_a_strategys_numbers() -> None:
    decision = a_decision(
        slices=4,
        display_fraction=D("0.2"),
        peg=False,
        improvement_bps=D(5),
        risk_curvature=D(8),
        complete_at_deadline=False,
    )
    parameters = planned(decision).terms.parameters
    assert (parameters.slices, parameters.display_fraction) == (4, D("0.2"))
    assert (parameters.peg, parameters.complete_at_deadline) == (False, False)
    assert (parameters.improvement_bps, parameters.risk_curvature) == (5, 8)


def test_configuration_sets_what_the_decision_leaves_open() -> None:
    rules = PlanningRules(parameters=StrategyParameters(slices=20, randomise=D("0.1")))
    parameters = planned(a_decision(), rules=rules).terms.parameters
    assert (parameters.slices, parameters.randomise) == (20, D("0.1"))
    assert planned(a_decision(slices=4), rules=rules).terms.parameters.slices == 4


def test_vwap_gets_the_volume_curve_and_a_participation_cap() -> None:
    vwap = a_decision(strategy=ExecutionStrategy.VWAP)
    terms = planned(vwap, volume_curve=(3, 1, 3)).terms
    assert terms.parameters.volume_curve == (3, 1, 3)
    assert terms.participation_cap == D("0.2")
    own = a_decision(strategy=ExecutionStrategy.VWAP, participation_cap=D("0.05"))
    assert planned(own).terms.participation_cap == D("0.05")
    assert planned(a_decision(), volume_curve=(3, 1)).terms.parameters.volume_curve == ()


def test_a_volume_curve_has_a_bounded_number_of_buckets() -> None:
    with pytest.raises(ValueError, match="32 buckets"):
        some_facts(volume_curve=(1,) * 33)


def test_an_iceberg_shows_at_least_the_round_lot_of_the_date_unless_another_is_configured() -> None:
    shown = a_decision(strategy=ExecutionStrategy.ICEBERG)

    def lot(rules: PlanningRules, round_lot: str | None) -> Decimal:
        told = None if round_lot is None else D(round_lot)
        return planned(shown, rules=rules, round_lot=told).terms.parameters.board_lot

    usual = PlanningRules()
    assert lot(usual, "40") == 40
    assert lot(usual, None) == 100, "as plans of before, which were not told"
    assert lot(PlanningRules(parameters=StrategyParameters(board_lot=D(200))), "40") == 200


def test_urgency_narrows_the_band_in_which_slices_rest() -> None:
    bands = [
        planned(a_decision(urgency=urgency)).terms.parameters.band_fraction
        for urgency in ExecutionUrgency
    ]
    assert bands == [D("0.75"), D("0.5"), D("0.25"), D(0)]


def test_the_expected_cost_is_half_the_spread_plus_the_square_root_law() -> None:
    assert planned(a_decision()).terms.expected_slippage_bps == 1
    # One-minute volatility of 10 bps is 10 * sqrt(390) = 197.48 bps a day; 300 of 30,000 shares
    # are 1 % of a day's volume, so the impact is 197.48 * 0.1.
    market = a_market(volatility_bps=D(10), average_daily_volume=D(30_000))
    assert planned(a_decision(), market=market).terms.expected_slippage_bps == D("20.75")
    timing = Timing(expected_slippage_bps=D("3.5"))
    cost = planned(a_decision(), market=market, timing=timing).terms.expected_slippage_bps
    assert cost == D("3.5")


def test_the_seed_follows_from_the_instruction_id() -> None:
    assert planned(a_decision()).terms.seed == INSTRUCTION.int & (2**63 - 1)


def test_the_same_arguments_give_the_same_outcome() -> None:
    assert planned(a_decision()) == planned(a_decision())


def test_a_bound_below_one_tick_is_refused() -> None:
    penny = a_market(quote=a_quote("0.001", "0.002"))
    decision = a_decision(order_size=D(10), max_slippage_bps=D(5000))
    assert Reason.PRICE_COLLAR in reasons(decision, market=penny, arrival_mid=D("0.0015"))


# -- deferral --------------------------------------------------------------------------------


def at(now: int, **changes: Any) -> dict[str, Any]:
    return {"now": now, "market": a_market(quote=a_quote(at=now)), **changes}


def test_the_first_five_minutes_wait() -> None:
    outcome = deferred(a_decision(), **at(OPEN + 299 * NANOS))
    assert outcome.release_at == OPEN + 300 * NANOS
    assert outcome.planned is not None
    assert outcome.planned.terms.start_at == outcome.release_at
    assert outcome.planned.reservation.turnover_usd > 0
    planned(a_decision(), **at(OPEN + 300 * NANOS))


def test_the_last_ten_minutes_wait_for_the_next_session() -> None:
    outcome = deferred(a_decision(), **at(CLOSE - 600 * NANOS))
    assert outcome.release_at == NEXT_SESSION.open + 300 * NANOS
    assert outcome.planned is not None
    assert outcome.planned.terms.end_at <= NEXT_SESSION.close
    planned(a_decision(), **at(CLOSE - 601 * NANOS))


def test_the_last_ten_minutes_refuse_where_no_next_session_is_known() -> None:
    facts = at(CLOSE - 600 * NANOS, next_session=None)
    assert reasons(a_decision(), **facts) == {Reason.CLOSING_BUFFER}


@pytest.mark.parametrize("now", [OPEN, CLOSE - 31 * NANOS])
def test_urgent_avoids_nothing(now: int) -> None:
    assert planned(a_decision(urgency=ExecutionUrgency.URGENT), **at(now)).terms.start_at == now


def test_nothing_starts_in_the_closing_buffer() -> None:
    urgent = a_decision(urgency=ExecutionUrgency.URGENT)
    assert reasons(urgent, **at(CLOSE - 30 * NANOS)) == {Reason.CLOSING_BUFFER}


def test_the_timing_engine_may_defer() -> None:
    later = NOON + 600 * NANOS
    timing = Timing(release_at=later, rule="rate decision")
    outcome = deferred(a_decision(), timing=timing)
    assert (outcome.release_at, outcome.rule) == (later, "rate decision")
    planned(a_decision(urgency=ExecutionUrgency.URGENT), timing=timing)
    for ignored in (NOON, CLOSE - 30 * NANOS):
        planned(a_decision(), timing=Timing(release_at=ignored))


def test_a_wait_does_not_need_a_price_yet_but_does_need_the_rest() -> None:
    now = OPEN + NANOS
    no_quote = {"now": now, "market": a_market(quote=None), "arrival_mid": None}
    assert deferred(a_decision(), **no_quote).planned is None
    killed = a_usage(killed=frozenset({"account"}))
    assert Reason.KILLED in reasons(a_decision(), usage=killed, **no_quote)
    over = Limits(trades_max_per_day=0, reducing_trades_extra=0)
    assert reasons(a_decision(), **at(now), limits=over) == {Reason.DAILY_TRADES}


def test_a_closed_market_refuses_unless_waiting_is_configured() -> None:
    closed = {"session": None, "market": a_market(status=TradingStatus.CLOSED, quote=None)}
    assert reasons(a_decision(), **closed) == {Reason.MARKET_CLOSED}
    outcome = deferred(a_decision(), rules=PlanningRules(defer_when_closed=True), **closed)
    assert outcome.release_at == NEXT_SESSION.open + 300 * NANOS
    assert outcome.planned is None
    urgent = a_decision(urgency=ExecutionUrgency.URGENT)
    outcome = deferred(urgent, rules=PlanningRules(defer_when_closed=True), **closed)
    assert outcome.release_at == NEXT_SESSION.open


def test_a_closed_market_says_when_it_opens() -> None:
    outcome = plan_decision(a_decision(), some_facts(session=None), INSTRUCTION)
    assert isinstance(outcome, Refused)
    assert outcome.refusals[0].would_pass == "from 2013-10-09T13:30:00Z"


def test_a_wait_for_the_open_is_still_refused_what_can_never_pass() -> None:
    facts = {
        "session": None,
        "rules": PlanningRules(defer_when_closed=True),
        "limits": Limits(restricted=("IBM",)),
    }
    assert reasons(a_decision(), **facts) == {Reason.RESTRICTED}
    del facts["limits"]
    assert reasons(a_decision("BUY", None), **facts) == {Reason.TARGET_REQUIRED}


def test_the_close_of_a_half_day_is_the_sessions() -> None:
    half = Session("2013-11-29", OPEN, OPEN + 12_600 * NANOS, is_half_day=True)
    terms = planned(a_decision(), session=half).terms
    assert terms.end_at == half.close


# -- batches ---------------------------------------------------------------------------------


def batch(decisions: list[Decision], **facts: Any) -> list[tuple[int, Decimal | None]]:
    return [
        (step.index, step.order_size)
        for step in order_batch(decisions, {"IBM": some_facts(**facts)})
    ]


def other(symbol: str, action: str = "BUY", weight: str | None = "3", **changes: Any) -> Decision:
    return a_decision(action, weight, symbol=symbol, **changes)


def test_a_batch_is_admitted_by_confidence_and_otherwise_as_given() -> None:
    decisions = [a_decision(confidence=c) for c in (5, 9, 5, 10)]
    assert [index for index, _ in batch(decisions)] == [3, 1, 0, 2]


def facts_of(symbol: str, **changes: Any) -> Facts:
    return some_facts(market=a_market(symbol=symbol), **changes)


def test_what_reduces_goes_first_when_cash_is_short() -> None:
    decisions = [other("IBM", confidence=9), other("BAC", "CLOSE", None, confidence=1)]
    for power, expected in (("30003", [0, 1]), ("30002", [1, 0])):
        account = an_account(buying_power=power)
        facts = {
            "IBM": facts_of("IBM", account=account),
            "BAC": facts_of("BAC", account=account, position=D(100)),
        }
        assert [step.index for step in order_batch(decisions, facts)] == expected


def test_opposite_decisions_are_netted_into_the_larger() -> None:
    decisions = [a_decision("BUY", "5"), a_decision("SELL", "1")]
    steps = order_batch(decisions, {"IBM": some_facts(position=D(400))})
    assert steps[0].nothing is NothingReason.NETTED
    assert steps[1].order_size == 200
    assert "netted in the batch: buy 100 against sell 300" in steps[1].note


def test_equal_opposites_leave_nothing() -> None:
    decisions = [a_decision("BUY", "5"), a_decision("SELL", "3")]
    steps = order_batch(decisions, {"IBM": some_facts(position=D(400))})
    assert [step.nothing for step in steps] == [NothingReason.NETTED] * 2


def test_several_on_one_side_are_left_to_the_self_cross_check() -> None:
    decisions = [a_decision("BUY", "5"), a_decision("BUY", "4.5"), a_decision("SELL", "3")]
    steps = order_batch(decisions, {"IBM": some_facts(position=D(400))})
    assert [(step.order_size, step.nothing) for step in steps] == [(None, None)] * 3


def test_a_symbol_without_facts_keeps_its_place() -> None:
    steps = order_batch([other("XYZ", confidence=3), other("IBM", confidence=2)], {})
    assert [step.index for step in steps] == [0, 1]


def test_fees_are_expected_by_the_rates_in_force_and_of_the_side() -> None:
    rates = FeeSchedule().rates
    rules = PlanningRules(fee_rates=rates)
    sale = planned(a_decision("SELL", "0", order_size=300), position=D(500), rules=rules)
    assert (sale.terms.side, sale.price) == (Side.SELL, D(100))
    charged = FeeSchedule().charges(
        date="2013-10-08", is_sell=True, quantity=sale.terms.quantity, price=D(100)
    )
    assert charged.sec is not None
    assert charged.taf is not None
    assert sale.estimate is not None
    assert sale.estimate.fees == charged.sec + charged.taf
    buy = planned(a_decision(), rules=rules).estimate
    assert buy is not None
    assert buy.fees == 0
    unknown = planned(a_decision()).estimate
    assert unknown is not None
    assert unknown.fees is None, "without rates nothing is expected"
