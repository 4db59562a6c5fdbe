"""The door: what is read, what is refused, and that nothing raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import (
    Decision,
    ExecutionStrategy,
    ExecutionUrgency,
    TradeAction,
    TradeInstruction,
)
from fillwright.domain.intake import (
    KEYS,
    Intake,
    IntakeRules,
    file_decision_ids,
    instruction_to_raw,
    plan_to_raw,
    read_decision,
    unreadable_content,
)
from fillwright.domain.plan import ExecutionPlan
from fillwright.domain.reasons import OnBound, Reason, Refusal

D = Decimal
RULES = IntakeRules()
GOOD: dict[str, object] = {"symbol": "AAPL", "action": "BUY", "target_weight": 3.0}
NS = 1_381_240_800_000_000_000


def read(rules: IntakeRules = RULES, /, **changes: object) -> Intake:
    result = read_decision({**GOOD, **changes}, rules=rules)
    assert isinstance(result, Intake), result
    return result


def refusals(rules: IntakeRules = RULES, /, **changes: object) -> tuple[Refusal, ...]:
    result = read_decision({**GOOD, **changes}, rules=rules)
    assert isinstance(result, tuple), result
    return result


def the_refusal(rules: IntakeRules = RULES, /, **changes: object) -> Refusal:
    (refusal,) = refusals(rules, **changes)
    return refusal


def test_the_usage_example_of_the_seed_is_read() -> None:
    raw = {
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 3.0,
        "confidence": 8,
        "reasoning": "Strong momentum",
    }
    result = read_decision(raw, rules=RULES)
    assert isinstance(result, Intake)
    assert result.decision.target_weight == 3
    assert result.decision.confidence == 8
    assert result.decision.max_slippage_bps == 10
    assert result.reasoning == "Strong momentum"
    assert result.decision_id is None


def test_every_key_is_read() -> None:
    result = read(
        target_unit="percent",
        current_weight="1.5",
        order_size=100,
        confidence="7",
        time_horizon="long",
        reasoning="because",
        risk_factors=["rates", "earnings"],
        urgency="High",
        max_slippage=25,
        window="30m",
        strategy="TWAP",
        style="naive",
        limit_price=150.25,
        on_bound="Cancel",
        must_complete=True,
        participation_cap=0.1,
        slices=4,
        display_fraction=0.2,
        peg="no",
        improvement_bps=5,
        risk_curvature=8,
        complete_at_deadline=False,
        decision_time="2013-10-08T10:00:00-04:00",
        decision_id="pm-1",
    )
    decision = result.decision
    assert decision.current_weight == D("1.5")
    assert decision.order_size == 100
    assert decision.urgency is ExecutionUrgency.HIGH
    assert decision.strategy is ExecutionStrategy.TWAP
    assert decision.window_seconds == 1800
    assert decision.limit_price == D("150.25")
    assert decision.on_bound is OnBound.CANCEL
    assert decision.must_complete
    assert decision.participation_cap == D("0.1")
    assert (decision.slices, decision.display_fraction) == (4, D("0.2"))
    assert (decision.peg, decision.complete_at_deadline) == (False, False)
    assert (decision.improvement_bps, decision.risk_curvature) == (5, 8)
    assert decision.decided_at == NS
    assert (result.decision_id, result.risk_factors) == ("pm-1", ("rates", "earnings"))


@pytest.mark.parametrize("action", ["buy", "Buy", " BUY ", TradeAction.BUY])
def test_the_case_of_an_action_does_not_matter(action: str) -> None:
    assert read(action=action).decision.action is TradeAction.BUY


def test_an_unknown_action_names_the_five() -> None:
    refusal = the_refusal(action="HOLD")
    assert refusal.field == "action"
    assert refusal.allowed == "one of BUY, SELL, TRIM, ADD, CLOSE"


@pytest.mark.parametrize("symbol", ["aapl", " AAPL ", "BRK.B", "BTC/USD", "A"])
def test_a_symbol_is_read_in_capitals(symbol: str) -> None:
    assert read(symbol=symbol).decision.symbol == symbol.strip().upper()


@pytest.mark.parametrize("symbol", ["", "1AB", "A B", "INVALID$", "A" * 16, 5, None, "ß", ["A"]])
def test_a_bad_symbol_is_refused(symbol: object) -> None:
    assert the_refusal(symbol=symbol).field == "symbol"


@pytest.mark.parametrize("missing", ["symbol", "action"])
def test_what_is_required_and_missing_is_named(missing: str) -> None:
    raw = {key: value for key, value in GOOD.items() if key != missing}
    result = read_decision(raw, rules=RULES)
    assert isinstance(result, tuple)
    assert [r.field for r in result] == [missing]


BAD_NUMBERS = [float("nan"), float("inf"), "-inf", -1, "3%", "three", True, [3], "1" * 70, 10**5000]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("field", ["target_weight", "order_size", "limit_price", "max_slippage"])
def test_what_is_not_a_number_in_range_is_refused(field: str, value: object) -> None:
    refusal = the_refusal(**{field: value})
    assert (refusal.field, refusal.reason) == (field, Reason.INVALID_DECISION)
    assert "number" in refusal.allowed


def test_a_number_with_absurdly_many_decimals_is_refused() -> None:
    assert the_refusal(order_size="1e-30").allowed == "at most 20 decimal places"
    assert read(target_weight=10 / 3).decision.target_weight == D("3.3333333333333335")


@pytest.mark.parametrize(("value", "passes"), [(0, True), (1000, True), (1000.01, False)])
def test_a_target_weight_is_at_most_1000_percent(value: float, passes: bool) -> None:
    assert (
        isinstance(read_decision({**GOOD, "target_weight": value}, rules=RULES), Intake) is passes
    )


@pytest.mark.parametrize("value", [1, 10, "10", 8.0, "8.0", D(3)])
def test_a_whole_confidence_from_1_to_10_is_read(value: Any) -> None:
    assert read(confidence=value).decision.confidence == int(float(value))


@pytest.mark.parametrize("value", [0, 11, -3, 7.5, "7.5", True, "high", float("nan")])
def test_any_other_confidence_is_refused_once(value: object) -> None:
    refusal = the_refusal(confidence=value)
    assert (refusal.field, refusal.allowed) == ("confidence", "a whole number from 1 to 10")


def test_all_bad_fields_are_reported_at_once() -> None:
    result = read_decision(
        {"symbol": "?", "action": "HOLD", "target_weight": "nan", "confidence": 12, "colour": 1},
        rules=RULES,
    )
    assert isinstance(result, tuple)
    assert {r.field for r in result} == {
        "colour",
        "symbol",
        "action",
        "target_weight",
        "confidence",
    }


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("target_wieght", "target_weight"), ("Symbol", "symbol"), ("windows", "window")],
)
def test_an_unknown_key_names_the_nearest_known_one(key: str, nearest: str) -> None:
    refusal = the_refusal(**{key: 1})
    assert (refusal.field, refusal.would_pass) == (key, nearest)
    assert nearest in refusal.message


def test_the_value_of_a_personal_field_is_not_echoed() -> None:
    refusal = the_refusal(reasoning="secret" * 20_000)
    assert "secret" not in refusal.model_dump_json()
    assert refusal.observed == "120000 characters"


# -- targets (ruling 10) ---------------------------------------------------------------------


def test_buy_without_a_target_is_refused() -> None:
    assert the_refusal(target_weight=None).reason is Reason.TARGET_REQUIRED


def test_buy_with_an_order_size_needs_no_target() -> None:
    assert read(target_weight=None, order_size=10).decision.order_size == 10


@pytest.mark.parametrize("action", ["SELL", "CLOSE"])
def test_sell_and_close_need_no_target(action: str) -> None:
    assert read(action=action, target_weight=None).decision.target_weight is None


@pytest.mark.parametrize("action", ["ADD", "TRIM"])
def test_add_and_trim_without_target_only_where_half_is_configured(action: str) -> None:
    assert read(action=action, target_weight=None).decision.target_weight is None
    strict = IntakeRules(half_by_default=False)
    refusal = the_refusal(strict, action=action, target_weight=None)
    assert refusal.reason is Reason.TARGET_REQUIRED


def test_close_with_a_target_contradicts_itself() -> None:
    assert the_refusal(action="CLOSE", target_weight=3).field == "target_weight"
    assert read(action="CLOSE", target_weight=0).decision.target_weight == 0


@pytest.mark.parametrize(("value", "passes"), [(0.0999, False), (0.1, True), (0, True)])
def test_a_target_below_a_tenth_is_probably_a_fraction(value: float, passes: bool) -> None:
    result = read_decision({**GOOD, "target_weight": value}, rules=RULES)
    assert isinstance(result, Intake) is passes
    if isinstance(result, tuple):
        assert result[0].reason is Reason.TARGET_TOO_SMALL
        assert "9.99" in str(result[0].would_pass)


def test_a_unit_settles_what_a_small_target_means() -> None:
    assert read(target_weight=0.03, target_unit="fraction").decision.target_weight == 3
    assert read(target_weight=0.03, target_unit="percent").decision.target_weight == D("0.03")
    both = read(target_weight=0.03, current_weight=0.01, target_unit="Fraction").decision
    assert both.current_weight == 1
    assert the_refusal(target_weight=11, target_unit="fraction").field == "target_weight"


# -- slippage, windows, times ----------------------------------------------------------------


def test_an_absent_bound_is_the_default_and_none_is_asked_for() -> None:
    assert read().decision.max_slippage_bps == 10
    assert read(max_slippage="").decision.max_slippage_bps == 10
    assert read(max_slippage=None).decision.max_slippage_bps is None
    assert read(max_slippage="None").decision.max_slippage_bps is None


@pytest.mark.parametrize(
    ("value", "passes"), [(0, False), ("0.1", True), (5000, True), (5001, False)]
)
def test_a_bound_is_above_0_and_at_most_5000_bps(value: object, passes: bool) -> None:
    assert isinstance(read_decision({**GOOD, "max_slippage": value}, rules=RULES), Intake) is passes


@pytest.mark.parametrize(
    ("field", "value", "seconds"),
    [
        ("window", "30m", 1800),
        ("window", "1h30m", 5400),
        ("window", "2 hours", 7200),
        ("window", "PT45M", 2700),
        ("window", "90s", 90),
        ("window_seconds", 86_400, 86_400),
        ("window_seconds", "60", 60),
        ("execution_window", timedelta(hours=2), 7200),
        ("execution_window", 600.0, 600),
    ],
)
def test_a_window_is_read_in_seconds(field: str, value: object, seconds: int) -> None:
    assert read(**{field: value}).decision.window_seconds == seconds


@pytest.mark.parametrize(
    "value",
    ["", 0, -1, 86_401, "soon", 1.5, True, timedelta(days=2), timedelta(milliseconds=1), "1e99999"],
)
def test_a_bad_window_is_refused(value: object) -> None:
    if value == "":
        assert read(window=value).decision.window_seconds is None
    else:
        assert the_refusal(window=value).field == "window"


def test_a_window_is_given_once() -> None:
    assert "together" in the_refusal(window="30m", window_seconds=1800).observed


@pytest.mark.parametrize(
    "value",
    [
        "2013-10-08T10:00:00-04:00",
        "2013-10-08 14:00:00Z",
        "2013-10-08T14:00+00:00",
        "2013-10-08T14:00:00.000000000z",
        NS,
        str(NS),
        datetime(2013, 10, 8, 14, tzinfo=UTC),
        datetime(2013, 10, 8, 10, tzinfo=timezone(timedelta(hours=-4))),
    ],
)
def test_a_decision_time_is_read_in_nanoseconds(value: object) -> None:
    assert read(decision_time=value).decision.decided_at == NS


def test_a_decision_time_keeps_its_nanoseconds() -> None:
    decided = read(decision_time="2013-10-08T14:00:00.123456789Z").decision.decided_at
    assert decided == NS + 123_456_789


@pytest.mark.parametrize(
    "value",
    [
        "2013-10-08T10:00:00",
        "10:00",
        datetime(2013, 10, 8, 10),  # noqa: DTZ001
        1_381_240_800,
        1.38e18,
        2**63,
        True,
        "2013-13-40T10:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "yesterday",
    ],
)
def test_a_time_without_a_zone_or_out_of_range_is_refused(value: object) -> None:
    refusal = the_refusal(decision_time=value)
    assert refusal.field == "decision_time"
    assert "zone" in refusal.allowed


# -- ids -------------------------------------------------------------------------------------


def test_live_requires_an_id() -> None:
    assert the_refusal(IntakeRules(id_required=True)).reason is Reason.DECISION_ID_REQUIRED
    assert read(IntakeRules(id_required=True), decision_id=17).decision_id == "17"


@pytest.mark.parametrize("value", ["x" * 201, "a\nb", True, 1.5, ["id"], "\ud800"])
def test_a_bad_id_is_refused(value: object) -> None:
    assert the_refusal(decision_id=value).field == "decision_id"


def test_rows_without_an_id_count_among_their_equals() -> None:
    rows = [(None, "a"), ("own", "a"), (None, "a"), (None, "b"), (None, "a")]
    assert file_decision_ids(rows) == ("a#0", "own", "a#1", "b#0", "a#2")
    assert file_decision_ids(rows[:3]) == file_decision_ids(rows)[:3]


def test_reasoning_is_not_part_of_the_content() -> None:
    assert (
        read(reasoning="a").decision.content_hash() == read(reasoning="b").decision.content_hash()
    )
    assert read().decision.content_hash() != read(confidence=6).decision.content_hash()
    assert read().decision.content_hash() == read(target_weight="3.00").decision.content_hash()


def test_a_field_that_older_logs_do_not_have_leaves_the_content_as_it_was_until_it_is_set() -> None:
    plain = Decision(symbol="BAC", action=TradeAction.BUY, target_weight=D(3))
    before = "8b5548dc401fa373ea6eb07bbcd0826f81272b559e0b6ce2f1315c733e1eee47"
    assert plain.content_hash() == before
    assert plain.model_copy(update={"risk_curvature": D(0)}).content_hash() != before


def test_what_cannot_be_read_is_kept_escaped_and_short() -> None:
    digest, text = unreadable_content(b"\xff{" + b"x" * 100_000)
    assert text.startswith("\\xff{x")
    assert len(text.encode()) <= 65_536
    assert len(digest) == 64


# -- the seed's dataclasses ------------------------------------------------------------------


def seed_instruction(**changes: Any) -> TradeInstruction:
    fields: dict[str, Any] = {
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 3.0,
        "current_weight": 0.0,
        "confidence": 8,
        "reasoning": "Strong technical setup",
        "risk_factors": ["market_volatility"],
        "urgency": ExecutionUrgency.MEDIUM,
        "max_slippage": 10.0,
        "execution_window": timedelta(hours=2),
    }
    return TradeInstruction(**{**fields, **changes})


def test_the_seeds_instruction_goes_through_the_same_door() -> None:
    result = read_decision(instruction_to_raw(seed_instruction()), rules=RULES)
    assert isinstance(result, Intake)
    assert result.decision.target_weight == 3
    assert result.decision.window_seconds is None
    assert result.risk_factors == ("market_volatility",)


def test_a_window_other_than_the_seeds_default_is_explicit() -> None:
    instruction = seed_instruction(execution_window=timedelta(minutes=20))
    result = read_decision(instruction_to_raw(instruction), rules=RULES)
    assert isinstance(result, Intake)
    assert result.decision.window_seconds == 1200


def test_a_bad_instruction_is_refused_field_by_field() -> None:
    instruction = seed_instruction(symbol="???", confidence=99)
    result = read_decision(instruction_to_raw(instruction), rules=RULES)
    assert isinstance(result, tuple)
    assert [r.field for r in result] == ["symbol", "confidence"]


def test_a_plan_keeps_its_own_size_and_strategy() -> None:
    plan = ExecutionPlan(
        instruction=seed_instruction(), strategy=ExecutionStrategy.LIMIT, order_size=150.0
    )
    result = read_decision(plan_to_raw(plan), rules=RULES)
    assert isinstance(result, Intake)
    assert result.decision.order_size == 150
    assert result.decision.strategy is ExecutionStrategy.LIMIT


# -- anything at all -------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=40)
    | st.binary(max_size=8)
    | st.decimals()
    | st.datetimes()
    | st.timedeltas()
    | st.sampled_from(
        ["3%", "nan", "1e999999", "1e-999999", "BUY", "sNaN", "none", "2013-10-08T99:00Z"]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(
    raw=st.dictionaries(
        st.sampled_from(KEYS) | st.text(st.characters(codec=None), max_size=10), anything
    )
)
def test_intake_never_raises_and_every_refusal_is_complete(raw: dict[str, object]) -> None:
    result = read_decision(raw, rules=RULES)
    if isinstance(result, tuple):
        assert result
        for refusal in result:
            assert refusal.field
            assert refusal.observed
            assert refusal.allowed
            assert refusal.message
            assert refusal.model_dump_json()
    else:
        assert result.decision.content_hash()


@given(field=st.sampled_from(KEYS), value=anything)
def test_one_odd_field_in_a_good_decision_never_raises(field: str, value: object) -> None:
    result = read_decision({**GOOD, field: value}, rules=RULES)
    if isinstance(result, Intake):
        assert result.decision.model_dump_json()
        assert len(result.decision.content_hash()) == 64
    else:
        assert all(r.field and r.observed and r.allowed for r in result)
