"""The guard cuts any step down to what may be sent, and names each cut."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.guard import Guarded, constrain
from fillwright.domain.market import MarketState, TradingStatus
from fillwright.domain.plan import PlanTerms
from fillwright.domain.ports import NANOS, OrderType, Side, TimeInForce
from fillwright.domain.reasons import EndReason
from fillwright.domain.strategies.contract import Cancel, InstructionView, Place, Step
from fillwright.domain.violations import STEP_ORDERS_MAX, Violation
from tests.domain.strategies.cases import market_of, order_of, plan_of, seconds, told, view_of

CLOSE = 1000
KIND = ExecutionStrategy.TWAP


def rest_of(quantity: str, limit: str | None = "99.99", **changes: Any) -> Place:
    """A day limit order; built unchecked, as a broken strategy might."""
    fields = {
        "quantity": Decimal(quantity),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "limit_price": None if limit is None else Decimal(limit),
        "display_quantity": None,
    }
    return Place.model_construct(**(fields | changes))  # type: ignore[arg-type]


def cross_of(quantity: str, limit: str | None = None) -> Place:
    """An immediate order, at the market without a limit."""
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    return rest_of(quantity, limit, order_type=kind, time_in_force=TimeInForce.IOC)


def guarded(
    *places: Place,
    cancels: Sequence[str] = (),
    plan: PlanTerms | None = None,
    view: InstructionView | None = None,
    market: MarketState | None = None,
    at: float = 5,
    finish: EndReason | None = None,
    **changes: Any,
) -> Guarded:
    """What is left of a step with these orders and cancels."""
    step = Step.model_construct(
        cancels=tuple(Cancel(client_order_id=name) for name in cancels),
        places=places,
        wake_at=seconds(at + 60),
        rule="tested",
        finish=finish,
    )
    surroundings = {
        "session_close": seconds(CLOSE),
        "closing_buffer_ns": seconds(100),
        "messages_left": 200,
    }
    return constrain(
        step,
        plan or plan_of(KIND),
        view or view_of(),
        market or market_of(),
        seconds(at),
        **(surroundings | changes),
    )


def cut(result: Guarded) -> tuple[str, list[str]]:
    """The step that is left, in one line, and the names of the cuts."""
    return told(result.step), [violation.value for violation in result.violations]


def test_a_sound_step_passes_untouched() -> None:
    step = Step(
        cancels=(Cancel(client_order_id="o-0"),), places=(rest_of("800"),), rule="sound", wake_at=9
    )
    result = constrain(
        step,
        plan_of(KIND),
        view_of(100, order_of(100)),
        market_of(),
        5,
        session_close=seconds(CLOSE),
        closing_buffer_ns=0,
        messages_left=22,
    )
    assert result.step is step
    assert result.violations == ()


def test_a_step_that_sends_nothing_is_never_touched() -> None:
    step = Step(rule="waits", finish=EndReason.USER)
    market = market_of(status=TradingStatus.HALTED)
    result = constrain(
        step, plan_of(KIND), view_of(), market, seconds(5000),
        session_close=0, closing_buffer_ns=0, messages_left=0,
    )  # fmt: skip
    assert result == Guarded(step)


@pytest.mark.parametrize(
    ("quantities", "left", "names"),
    [
        (("850",), "850", []),
        (("851",), "850", ["over_free"]),
        (("600", "250"), "600 250", []),
        (("600", "251"), "600 250", ["over_free"]),
        (("900", "1"), "850", ["over_free"]),
    ],
)
def test_orders_fit_into_what_is_free(
    quantities: tuple[str, ...], left: str, names: list[str]
) -> None:
    view = view_of(100, order_of(50, uncertain=True))
    result = guarded(*(rest_of(quantity) for quantity in quantities), view=view)
    assert " ".join(str(place.quantity) for place in result.step.places) == left
    assert [violation.value for violation in result.violations] == names


def test_nothing_is_sent_when_nothing_is_free() -> None:
    result = guarded(cross_of("1"), view=view_of(900, order_of(100, cancelling=True)))
    assert cut(result) == ("tested | @6", ["over_free"])


@pytest.mark.parametrize(
    ("quantity", "left", "names"),
    [
        ("200", "200", []),
        ("250", "200", ["quantity_off_lot"]),
        ("99", None, ["quantity_off_lot"]),
        ("50", "50", []),
        ("1050", "1050", []),
        ("0", None, ["bad_quantity"]),
        ("-100", None, ["bad_quantity"]),
        ("NaN", None, ["bad_quantity"]),
        ("Infinity", None, ["bad_quantity"]),
    ],
)
def test_quantities_are_whole_lots_or_all_of_an_odd_remainder(
    quantity: str, left: str | None, names: list[str]
) -> None:
    plan = plan_of(KIND, quantity=1050, lot=100)
    if quantity == "250":
        plan = plan_of(KIND, quantity=1000, lot=100)
    result = guarded(rest_of(quantity), plan=plan)
    assert [str(place.quantity) for place in result.step.places] == ([left] if left else [])
    assert [violation.value for violation in result.violations] == names


@pytest.mark.parametrize(
    ("side", "bound", "limit", "left", "names"),
    [
        (Side.BUY, "100.10", "100.10", "100.10", []),
        (Side.BUY, "100.10", "100.11", "100.10", ["past_bound"]),
        (Side.SELL, "99.90", "99.90", "99.90", []),
        (Side.SELL, "99.90", "99.89", "99.90", ["past_bound"]),
        (Side.BUY, None, "500.00", "500.00", []),
        (Side.BUY, "100.10", "100.005", "100.00", ["off_tick"]),
        (Side.SELL, "99.90", "100.005", "100.01", ["off_tick"]),
        (Side.BUY, "100.105", "100.20", "100.10", ["past_bound", "off_tick"]),
        (Side.BUY, None, "0.004", None, ["off_tick", "bad_price"]),
        (Side.BUY, None, "0", None, ["bad_price"]),
        (Side.BUY, None, "-1", None, ["bad_price"]),
        (Side.BUY, None, "NaN", None, ["bad_price"]),
        (Side.BUY, None, None, None, ["limit_missing"]),
    ],
)
def test_limits_keep_the_bound_and_the_tick(
    side: Side, bound: str | None, limit: str | None, left: str | None, names: list[str]
) -> None:
    plan = plan_of(KIND, side=side, bound_price=bound)
    result = guarded(rest_of("10", limit), plan=plan)
    prices = [str(place.limit_price) for place in result.step.places]
    assert prices == ([left] if left else [])
    assert [violation.value for violation in result.violations] == names


def test_a_market_order_becomes_a_limit_at_the_bound_and_stays_one_without() -> None:
    assert cut(guarded(cross_of("10"))) == ("tested | 10 market ioc | @65", [])
    plan = plan_of(KIND, bound_price="100.10")
    result = guarded(cross_of("10"), plan=plan)
    assert cut(result) == ("tested | 10 100.10 ioc | @6", ["market_with_bound"])
    assert result.step.places[0].order_type is OrderType.LIMIT


def test_the_plan_limit_price_is_a_bound_too() -> None:
    plan = plan_of(KIND, bound_price="100.10", limit_price="100.05")
    assert cut(guarded(rest_of("10", "100.06"), plan=plan)) == (
        "tested | 10 100.05 day | @6",
        ["past_bound"],
    )


@pytest.mark.parametrize(
    ("kind", "time_in_force", "allowed"),
    [
        (OrderType.LIMIT, TimeInForce.DAY, True),
        (OrderType.LIMIT, TimeInForce.IOC, True),
        (OrderType.MARKET, TimeInForce.IOC, True),
        (OrderType.MARKET, TimeInForce.DAY, False),
        (OrderType.LIMIT, TimeInForce.OPG, False),
        (OrderType.LIMIT, TimeInForce.CLS, False),
        (OrderType.LIMIT, "gtc", False),
        (OrderType.LIMIT, None, False),
    ],
)
def test_rests_are_day_orders_and_crosses_immediate(
    kind: OrderType, time_in_force: Any, allowed: bool
) -> None:
    limit = "99.99" if kind is OrderType.LIMIT else None
    result = guarded(rest_of("10", limit, order_type=kind, time_in_force=time_in_force))
    assert [violation.value for violation in result.violations] == (
        [] if allowed else ["time_in_force"]
    )
    assert len(result.step.places) == int(allowed)


@pytest.mark.parametrize(
    ("at", "place", "names"),
    [
        (899.999, rest_of("10"), []),
        (900, rest_of("10"), ["closing_buffer"]),
        (919, cross_of("10"), ["closing_buffer"]),
        (920, cross_of("10"), []),
        (920, rest_of("10"), ["closing_buffer"]),
        (999.999, cross_of("10"), []),
        (1000, cross_of("10"), ["after_close"]),
        (-0.001, cross_of("10"), ["before_start"]),
        (0, cross_of("10"), []),
    ],
)
def test_the_closing_buffer_is_left_to_the_final_crosses(
    at: float, place: Place, names: list[str]
) -> None:
    # The final phase of a window of 968 s begins at 919.6.
    result = guarded(place, plan=plan_of(KIND, end=968), at=at)
    assert [violation.value for violation in result.violations] == names
    assert len(result.step.places) == (0 if names else 1)


@pytest.mark.parametrize("status", list(TradingStatus))
def test_only_an_open_market_gets_orders_but_any_gets_cancels(status: TradingStatus) -> None:
    view = view_of(0, order_of(10))
    result = guarded(rest_of("10"), cancels=["o-0"], view=view, market=market_of(status=status))
    is_open = status is TradingStatus.OPEN
    assert [violation.value for violation in result.violations] == ([] if is_open else ["not_open"])
    assert len(result.step.places) == int(is_open)
    assert len(result.step.cancels) == 1


def test_a_step_that_ends_the_instruction_places_nothing() -> None:
    result = guarded(rest_of("10"), finish=EndReason.USER)
    assert cut(result) == ("tested | end user | @6", ["places_with_finish"])


def test_only_open_orders_are_cancelled_and_each_once() -> None:
    view = view_of(0, order_of(10), order_of(10, name="o-1", cancelling=True))
    result = guarded(cancels=["o-0", "o-0", "o-1", "o-9"], view=view, finish=EndReason.USER)
    assert cut(result) == ("tested | cancel o-0 | end user | @6", ["unknown_cancel"])


@pytest.mark.parametrize(
    ("side", "limit", "opposite", "crosses"),
    [
        (Side.BUY, "100.00", "100.01", False),
        (Side.BUY, "100.01", "100.01", True),
        (Side.SELL, "100.01", "100.00", False),
        (Side.SELL, "100.00", "100.00", True),
        (Side.BUY, "50.00", None, True),
        (Side.BUY, None, "900.00", True),
    ],
)
def test_no_order_can_meet_an_own_order_of_the_other_side(
    side: Side, limit: str | None, opposite: str | None, crosses: bool
) -> None:
    others = [None if opposite is None else Decimal(opposite)]
    place = cross_of("10", limit)
    result = guarded(place, plan=plan_of(KIND, side=side), opposite_limits=others)
    assert [violation.value for violation in result.violations] == (
        ["self_cross"] if crosses else []
    )
    assert len(result.step.places) == int(not crosses)


@pytest.mark.parametrize(
    ("messages_left", "expected", "names"),
    [
        (23, "tested | cancel o-0 | 10 99.99 day | 20 100.01 ioc | @65", []),
        (22, "tested | cancel o-0 | 20 100.01 ioc | @6", ["message_budget"]),
        (21, "tested | cancel o-0 | @6", ["message_budget"]),
        (1, "tested | cancel o-0 | @6", ["message_budget"]),
        (0, "tested | @6", ["message_budget"]),
        (-3, "tested | @6", ["message_budget"]),
    ],
)
def test_cancels_come_before_crosses_and_crosses_before_rests(
    messages_left: int, expected: str, names: list[str]
) -> None:
    view = view_of(0, order_of(10))
    result = guarded(
        rest_of("10"),
        cross_of("20", "100.01"),
        cancels=["o-0"],
        view=view,
        messages_left=messages_left,
    )
    assert cut(result) == (expected, names)


def test_an_instruction_does_not_end_before_all_its_cancels_are_sent() -> None:
    view = view_of(0, order_of(10), order_of(10, name="o-1"))
    few = guarded(cancels=["o-0", "o-1"], view=view, finish=EndReason.USER, messages_left=1)
    assert cut(few) == ("tested | cancel o-0 | @6", ["message_budget"])
    enough = guarded(cancels=["o-0", "o-1"], view=view, finish=EndReason.USER, messages_left=2)
    assert cut(enough) == ("tested | cancel o-0 | cancel o-1 | end user | @65", [])


@pytest.mark.parametrize(
    ("count", "names"), [(STEP_ORDERS_MAX, []), (STEP_ORDERS_MAX + 1, ["too_many_orders"])]
)
def test_one_step_places_a_bounded_number_of_orders(count: int, names: list[str]) -> None:
    result = guarded(*[rest_of("1")] * count)
    assert len(result.step.places) == STEP_ORDERS_MAX
    assert [violation.value for violation in result.violations] == names


@pytest.mark.parametrize(
    ("display", "left", "names"),
    [("10", "10", []), ("11", None, ["display"]), ("0", None, ["display"]), ("1", "1", [])],
)
def test_no_more_is_displayed_than_there_is(
    display: str, left: str | None, names: list[str]
) -> None:
    result = guarded(rest_of("10", display_quantity=Decimal(display)))
    shown = result.step.places[0].display_quantity
    assert (None if shown is None else str(shown)) == left
    assert [violation.value for violation in result.violations] == names


def test_a_display_that_a_cut_order_cannot_keep_is_dropped_without_blame() -> None:
    place = rest_of("100", display_quantity=Decimal(80))
    result = guarded(place, view=view_of(950))
    assert result.step.places[0].display_quantity is None
    assert result.violations == (Violation.OVER_FREE,)


def test_what_a_strategy_cannot_see_is_no_overreach() -> None:
    seen = {violation for violation in Violation if not violation.is_overreach}
    assert seen == {
        Violation.CLOSING_BUFFER,
        Violation.SELF_CROSS,
        Violation.MESSAGE_BUDGET,
        Violation.OUTSIDE_BAND,
        Violation.HELD_BY_BAND,
        Violation.AWAITS_LONG,
        Violation.PRICE_TEST,
    }


numbers = st.sampled_from(["-5", "0", "0.5", "1", "7", "100", "350", "1000", "99999", "NaN"])
prices = st.sampled_from([None, "-1", "0", "99.905", "99.95", "100", "100.1", "100.105", "250"])
wild_places = st.builds(
    rest_of,
    numbers,
    prices,
    order_type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from([*TimeInForce, "gtc"]),
    display_quantity=st.none() | numbers.map(Decimal),
)


@given(
    places=st.lists(wild_places, max_size=20),
    cancels=st.lists(st.sampled_from(["o-0", "o-1", "o-2"]), max_size=4),
    side=st.sampled_from(Side),
    executed=st.integers(0, 1000),
    at=st.sampled_from([-1, 0, 5, 799, 800, 899, 901, 999, 1000]),
    status=st.sampled_from(TradingStatus),
    messages_left=st.integers(-1, 60),
    finish=st.sampled_from([None, EndReason.USER]),
)
def test_whatever_is_asked_what_is_left_is_allowed_and_every_cut_is_named(
    places: list[Place],
    cancels: list[str],
    side: Side,
    executed: int,
    at: int,
    status: TradingStatus,
    messages_left: int,
    finish: EndReason | None,
) -> None:
    bound = Decimal("100.10") if side is Side.BUY else Decimal("99.90")
    plan = plan_of(KIND, side=side, bound_price=bound)
    leaves = min(100, 1000 - executed)
    view = view_of(executed, *([order_of(leaves)] if leaves else []))
    result = guarded(
        *places,
        cancels=cancels,
        plan=plan,
        view=view,
        market=market_of(status=status),
        at=at,
        finish=finish,
        messages_left=messages_left,
    )
    step = result.step
    assert sum(place.quantity for place in step.places) <= view.free(plan)
    assert len(step.cancels) + len(step.places) <= max(messages_left, 0)
    assert len({cancel.client_order_id for cancel in step.cancels}) == len(step.cancels)
    for place in step.places:
        assert place.limit_price is not None
        assert (place.limit_price - bound) * side.sign <= 0
        assert place.limit_price % plan.tick == 0
        assert place.quantity > 0
        assert place.quantity % plan.lot == 0
        assert place.time_in_force in {TimeInForce.DAY, TimeInForce.IOC}
        assert status is TradingStatus.OPEN
        assert 0 <= at < CLOSE
    if result.violations:
        assert step.wake_at is not None
        assert step.wake_at <= seconds(at) + NANOS
        assert Step.model_validate_json(step.model_dump_json()) == step
    else:
        assert step.places == tuple(places)
    # What passed once passes again.
    again = guarded(
        *step.places,
        cancels=[cancel.client_order_id for cancel in step.cancels],
        plan=plan,
        view=view,
        market=market_of(status=status),
        at=at,
        finish=step.finish,
        messages_left=messages_left,
    )
    assert again.violations == ()


def test_what_waits_leaves_messages_to_the_deadlines_of_others_and_what_crosses_does_not() -> None:
    """24 messages are left: 20 of them are for cancels, and two others cross within the minute."""
    rests = [rest_of("10", f"99.9{place}") for place in range(4)]
    assert len(guarded(*rests, messages_left=24).step.places) == 4
    found = guarded(*rests, messages_left=24, crosses_kept=2)
    assert found.step.places == tuple(rests[:2])
    assert found.violations == (Violation.MESSAGE_BUDGET,)
    crosses = [cross_of("10") for _ in range(4)]
    assert len(guarded(*crosses, messages_left=24, crosses_kept=2).step.places) == 4
    mixed = guarded(*rests[:2], *crosses[:2], messages_left=24, crosses_kept=1)
    assert [one.time_in_force.value for one in mixed.step.places] == ["ioc", "ioc", "day"]
    assert guarded(*rests, messages_left=200, crosses_kept=2).violations == ()
