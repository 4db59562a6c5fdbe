"""Pre-trade checks: both sides of every bound, what would pass, and that they fail closed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import Decision, ExecutionStrategy
from fillwright.domain.limits import Limits, SymbolUsage
from fillwright.domain.market import TradingStatus
from fillwright.domain.planning.facts import Deferred, Facts, Planned, Refused, ShortFacts
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.planning.pretrade import GENERAL_CHECKS
from fillwright.domain.planning.pretrade_size import SIZED_CHECKS
from fillwright.domain.ports import NANOS, Account, SellMark
from fillwright.domain.reasons import Check, Reason, Refusal
from tests.domain.planning_cases import (
    INSTRUCTION,
    NOON,
    a_decision,
    a_market,
    a_quote,
    a_usage,
    an_account,
    some_facts,
)

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
NAMES = [spec.name for spec in (*GENERAL_CHECKS, *SIZED_CHECKS)]


def passes(decision: Decision, **facts: Any) -> Planned:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Planned), outcome
    return outcome


def refused(decision: Decision, reason: Reason, **facts: Any) -> Refusal:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Refused), outcome
    assert [r.reason for r in outcome.refusals] == [reason]
    return outcome.refusals[0]


def all_reasons(decision: Decision, **facts: Any) -> set[Reason]:
    outcome = plan_decision(decision, some_facts(**facts), INSTRUCTION)
    assert isinstance(outcome, Refused), outcome
    return {r.reason for r in outcome.refusals}


def check(outcome: Planned, name: str) -> Check:
    (found,) = [c for c in outcome.checks if c.name == name]
    return found


# -- every result is recorded ----------------------------------------------------------------


def test_a_plan_carries_every_check_with_the_version_of_the_limits() -> None:
    outcome = passes(a_decision(), limits=Limits(version=7))
    assert [c.name for c in outcome.checks] == NAMES
    assert all(c.passed and c.limit_version == 7 for c in outcome.checks)


def test_a_refusal_carries_every_check_too() -> None:
    outcome = plan_decision(
        a_decision(), some_facts(limits=Limits(restricted=("IBM",))), INSTRUCTION
    )
    assert isinstance(outcome, Refused)
    assert [c.name for c in outcome.checks] == NAMES
    assert [c.name for c in outcome.checks if not c.passed] == ["restricted_list"]


def test_checks_that_could_not_be_made_are_not_passed() -> None:
    outcome = plan_decision(a_decision(), some_facts(market=a_market(quote=None)), INSTRUCTION)
    assert isinstance(outcome, Refused)
    assert [c.name for c in outcome.checks] == NAMES
    unmade = [c for c in outcome.checks if c.name in {spec.name for spec in SIZED_CHECKS}]
    assert all(not c.passed and c.note.startswith("not evaluated") for c in unmade)


def test_all_failures_are_reported_at_once() -> None:
    limits = Limits(restricted=("IBM",), order_quantity_max=D(1), trades_max_per_day=0)
    found = all_reasons(a_decision(), limits=limits, usage=a_usage(killed=frozenset({"account"})))
    assert found == {Reason.KILLED, Reason.RESTRICTED, Reason.ORDER_QUANTITY, Reason.DAILY_TRADES}


# -- who, what, when -------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["account", "symbol:IBM", "strategy:twap", "strategy:TWAP"])
def test_a_kill_switch_blocks_its_scope(scope: str) -> None:
    decision = a_decision(strategy=ExecutionStrategy.TWAP)
    refusal = refused(decision, Reason.KILLED, usage=a_usage(killed=frozenset({scope})))
    assert refusal.observed == scope


@pytest.mark.parametrize("scope", ["symbol:BAC", "strategy:vwap"])
def test_a_kill_switch_of_another_scope_does_not_block(scope: str) -> None:
    decision = a_decision(strategy=ExecutionStrategy.TWAP)
    passes(decision, usage=a_usage(killed=frozenset({scope})))


def test_an_unknown_symbol_is_refused() -> None:
    refused(a_decision(), Reason.UNKNOWN_SYMBOL, symbol_known=False)


def test_market_data_of_another_symbol_is_refused() -> None:
    refused(a_decision(symbol="BAC"), Reason.UNKNOWN_SYMBOL)


@pytest.mark.parametrize("field", ["tick", "lot"])
def test_an_instrument_without_a_tick_or_lot_is_refused(field: str) -> None:
    refused(a_decision(), Reason.UNKNOWN_SYMBOL, market=a_market(**{field: D(0)}))


def test_a_restricted_symbol_is_refused() -> None:
    refused(a_decision(), Reason.RESTRICTED, limits=Limits(restricted=("BAC", "IBM")))
    passes(a_decision(), limits=Limits(restricted=("BAC",)))


@pytest.mark.parametrize("status", [TradingStatus.HALTED, TradingStatus.UNKNOWN])
def test_a_halt_and_an_unknown_status_refuse(status: TradingStatus) -> None:
    refused(a_decision(), Reason.SYMBOL_HALTED, market=a_market(status=status))


def test_a_closed_symbol_in_an_open_session_is_a_closed_market() -> None:
    refused(a_decision(), Reason.MARKET_CLOSED, market=a_market(status=TradingStatus.CLOSED))


# -- figures: missing, stale or not a number refuses -----------------------------------------


@pytest.mark.parametrize(("bid", "ask"), [("100", "100"), ("100.01", "100")])
def test_a_locked_or_crossed_quote_is_no_price(bid: str, ask: str) -> None:
    refused(a_decision(), Reason.NO_PRICE, market=a_market(quote=a_quote(bid, ask)))


def test_no_quote_is_no_price() -> None:
    reasons = all_reasons(a_decision(), market=a_market(quote=None))
    assert reasons == {Reason.NO_PRICE, Reason.STALE_MARKET_DATA}


@pytest.mark.parametrize(("age_ns", "fresh"), [(60 * NANOS, True), (60 * NANOS + 1, False)])
def test_a_quote_older_than_the_limit_is_stale(age_ns: int, fresh: bool) -> None:
    market = a_market(quote_age_ns=age_ns)
    if fresh:
        passes(a_decision(), market=market)
    else:
        refused(a_decision(), Reason.STALE_MARKET_DATA, market=market)


def test_a_quote_without_an_age_is_as_old_as_its_time() -> None:
    market = a_market(quote=a_quote(at=NOON - 61 * NANOS), quote_age_ns=None)
    refused(a_decision(), Reason.STALE_MARKET_DATA, market=market)


@pytest.mark.parametrize(
    "changes",
    [
        {"account": an_account(equity="0")},
        {"account": an_account(equity="-5")},
        {"account": Account(D("NaN"), D(0), D(0), NOON)},
        {"account": an_account(buying_power="NaN")},
        {"account": an_account(equity="Infinity")},
        {"usage": a_usage(session_equity_usd=D(0))},
        {"usage": a_usage(session_equity_usd=D("NaN"))},
        {"position": D("NaN")},
    ],
)
@pytest.mark.parametrize("action", ["BUY", "CLOSE"])
def test_account_figures_that_are_no_numbers_refuse(action: str, changes: dict[str, Any]) -> None:
    decision = a_decision(action, "3" if action == "BUY" else None)
    refused(decision, Reason.ACCOUNT_FIGURES, **{"position": D(100), **changes})


def test_an_order_of_unknown_outcome_blocks_its_symbol() -> None:
    usage = a_usage(SymbolUsage(unsettled=True))
    refused(a_decision(), Reason.UNSETTLED_ORDER, usage=usage)
    refused(a_decision("CLOSE", None), Reason.UNSETTLED_ORDER, usage=usage, position=D(10))


# -- duplicates and rate ---------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "fresh"), [(59, False), (60, True)])
def test_an_equal_decision_within_the_window_is_a_duplicate(seconds: int, fresh: bool) -> None:
    decision = a_decision()
    usage = a_usage(recent={decision.content_hash(): NOON - seconds * NANOS})
    facts: dict[str, Any] = {"usage": usage, "identified": False}
    if fresh:
        passes(decision, **facts)
    else:
        assert "59 s ago" in refused(decision, Reason.DUPLICATE, **facts).observed
    passes(decision, usage=usage)
    passes(decision, usage=usage, identified=False, admitted=True)
    passes(a_decision(weight="2.9"), **facts)


@pytest.mark.parametrize(("earlier", "fits"), [(9, True), (10, False)])
def test_decisions_are_throttled_by_the_minute(earlier: int, fits: bool) -> None:
    times = (NOON - 61 * NANOS, *(NOON - NANOS for _ in range(earlier)))
    facts: dict[str, Any] = {
        "usage": a_usage(admitted_at=times),
        "limits": Limits(decisions_per_minute_max=10),
    }
    if fits:
        passes(a_decision(), **facts)
    else:
        refused(a_decision(), Reason.THROTTLED, **facts)
        passes(a_decision(), admitted=True, **facts)


# -- prices and sizes ------------------------------------------------------------------------


@pytest.mark.parametrize(("bound", "fits"), [("500", True), ("500.1", False)])
def test_a_bound_wider_than_the_limit_is_refused(bound: str, fits: bool) -> None:
    decision = a_decision(max_slippage_bps=D(bound))
    if fits:
        passes(decision)
    else:
        assert refused(decision, Reason.MAX_SLIPPAGE).would_pass == "500"


def test_no_bound_may_be_forbidden() -> None:
    decision = a_decision(max_slippage_bps=None)
    refused(decision, Reason.MAX_SLIPPAGE, limits=Limits(allow_no_bound=False))
    passes(decision)


@pytest.mark.parametrize(("limit", "fits"), [("90", True), ("89.99", False)])
def test_a_limit_price_far_from_the_market_is_refused(limit: str, fits: bool) -> None:
    decision = a_decision(limit_price=D(limit))
    if fits:
        passes(decision)
    else:
        refusal = refused(decision, Reason.PRICE_COLLAR)
        assert (refusal.field, refusal.allowed) == ("limit_price", "at most 1000 bps from the mid")


def test_an_arrival_mid_far_from_the_market_meets_the_collar() -> None:
    refused(a_decision(), Reason.PRICE_COLLAR, arrival_mid=D(120))


@pytest.mark.parametrize(("most", "fits"), [("30030", True), ("30029.99", False)])
def test_an_order_value_is_limited_at_its_bound(most: str, fits: bool) -> None:
    limits = Limits(order_value_usd_max=D(most))
    if fits:
        assert check(passes(a_decision(), limits=limits), "order_value").value == 30_030
    else:
        refusal = refused(a_decision(), Reason.ORDER_VALUE, limits=limits)
        assert refusal.would_pass == "target_weight 2.99 (299 shares)"
        passes(a_decision(weight="2.99"), limits=limits)


@pytest.mark.parametrize(("most", "fits"), [(300, True), (299, False)])
def test_an_order_quantity_is_limited(most: int, fits: bool) -> None:
    limits = Limits(order_quantity_max=D(most))
    if fits:
        passes(a_decision(), limits=limits)
    else:
        refused(a_decision(), Reason.ORDER_QUANTITY, limits=limits)


@pytest.mark.parametrize(("volume", "fits"), [(3000, True), (2999, False)])
def test_an_order_is_limited_to_a_share_of_daily_volume(volume: int, fits: bool) -> None:
    market = a_market(average_daily_volume=D(volume))
    if fits:
        passes(a_decision(), market=market)
    else:
        refused(a_decision(), Reason.ADV_FRACTION, market=market)


def test_an_unknown_daily_volume_refuses_only_where_it_is_required() -> None:
    assert check(passes(a_decision()), "adv_fraction").note == "average daily volume unknown"
    refused(a_decision(), Reason.ADV_FRACTION, limits=Limits(adv_required=True))


# -- own orders, shorts ----------------------------------------------------------------------


def test_an_own_open_order_on_the_other_side_refuses() -> None:
    usage = a_usage(SymbolUsage(sell_leaves=D(50)))
    refusal = refused(a_decision(), Reason.SELF_CROSS, usage=usage, position=D(100))
    assert refusal.would_pass == "after that sell has ended"
    passes(a_decision(), usage=a_usage(SymbolUsage(buy_leaves=D(50))), position=D(100))


@pytest.mark.parametrize(("size", "fits"), [(100, True), (101, False)])
def test_no_more_is_sold_than_is_held_and_not_on_sale(size: int, fits: bool) -> None:
    usage = a_usage(SymbolUsage(sell_leaves=D(40), unreflected=D(20)))
    facts: dict[str, Any] = {"usage": usage, "position": D(120)}
    decision = a_decision("SELL", None, order_size=D(size))
    if fits:
        assert passes(decision, **facts).sell_mark is SellMark.LONG
    else:
        assert refused(decision, Reason.SHORT_SALE, **facts).would_pass == "order_size 100"


SHORTABLE = ShortFacts(shortable=True, price_test=False)


@pytest.mark.parametrize(
    ("short", "passing"),
    [
        (SHORTABLE, True),
        (ShortFacts(locate="L-1", price_test=False), True),
        (ShortFacts(shortable=True, price_test=None), False),
        (ShortFacts(shortable=True, price_test=True), True),
        (ShortFacts(shortable=False, price_test=False), False),
        (ShortFacts(), False),
    ],
)
def test_a_short_sale_needs_every_fact_known(short: ShortFacts, passing: bool) -> None:
    decision = a_decision("SELL", None, order_size=D(10))
    facts: dict[str, Any] = {"short": short, "limits": Limits(allow_short=True)}
    if passing:
        outcome = passes(decision, **facts)
        assert outcome.sell_mark is SellMark.SHORT
        assert outcome.reservation.buying_power_usd > 0
    else:
        refused(decision, Reason.SHORT_SALE, **facts)
    assert all_reasons(decision, short=short) >= {Reason.SHORT_SALE}


def test_a_sell_through_zero_has_a_long_and_a_short_part() -> None:
    decision = a_decision("SELL", None, order_size=D(10))
    facts: dict[str, Any] = {"short": SHORTABLE, "limits": Limits(allow_short=True)}
    terms = passes(decision, position=D(4), **facts).terms
    assert (terms.long_quantity, terms.short_mark) == (D(4), SellMark.SHORT)
    whole = passes(a_decision("SELL", None, order_size=D(4)), position=D(4), **facts)
    assert (whole.terms.long_quantity, whole.sell_mark) == (None, SellMark.LONG)


def test_short_exempt_is_only_what_a_decision_says() -> None:
    facts: dict[str, Any] = {"short": SHORTABLE, "limits": Limits(allow_short=True)}
    said = a_decision("SELL", None, order_size=D(10), sell_mark=SellMark.SHORT_EXEMPT)
    assert passes(said, **facts).sell_mark is SellMark.SHORT_EXEMPT
    long = a_decision("SELL", None, order_size=D(10), sell_mark=SellMark.LONG)
    refused(long, Reason.SHORT_SALE, **facts)


def test_a_buy_is_not_marked() -> None:
    assert passes(a_decision()).sell_mark is None


# -- position --------------------------------------------------------------------------------


@pytest.mark.parametrize(("weight", "fits"), [("5", True), ("5.01", False)])
def test_a_position_is_at_most_its_share_of_equity(weight: str, fits: bool) -> None:
    if fits:
        passes(a_decision(weight=weight))
    else:
        refusal = refused(a_decision(weight=weight), Reason.POSITION_SIZE)
        assert refusal.would_pass == "target_weight 5 (500 shares)"
        assert refusal.allowed == "at most 5 % of equity"


def test_what_would_pass_counts_the_position_and_open_buys() -> None:
    usage = a_usage(SymbolUsage(buy_leaves=D(100)))
    refusal = refused(a_decision(weight="8"), Reason.POSITION_SIZE, usage=usage, position=D(150))
    assert refusal.would_pass == "target_weight 5 (250 shares)"


def test_an_explicit_size_is_told_the_size_that_would_pass() -> None:
    refusal = refused(a_decision(order_size=D(600)), Reason.POSITION_SIZE)
    assert refusal.would_pass == "order_size 500"


def test_no_headroom_says_so() -> None:
    refusal = refused(a_decision(order_size=D(1)), Reason.POSITION_SIZE, position=D(500))
    assert refusal.would_pass == "no quantity now"


def test_reducing_always_passes_the_position_limit() -> None:
    outcome = passes(a_decision("TRIM", None), position=D(2000))
    assert check(outcome, "position").note == "only reduces the position"
    passes(a_decision("CLOSE", None), position=D(-2000))


def test_buying_through_zero_is_not_reducing() -> None:
    refused(a_decision(order_size=D(1501)), Reason.POSITION_SIZE, position=D(-1000))
    passes(a_decision(order_size=D(1500)), position=D(-1000))


def test_headroom_that_a_bust_freed_is_not_used_again() -> None:
    usage = a_usage(SymbolUsage(bought=D(400), busted_bought=D(400)))
    refusal = refused(a_decision(order_size=D(101)), Reason.POSITION_SIZE, usage=usage)
    assert refusal.would_pass == "order_size 100"
    passes(a_decision(order_size=D(100)), usage=usage)


def test_a_position_that_a_bust_brought_back_may_be_closed() -> None:
    usage = a_usage(SymbolUsage(sold=D(300), busted_sold=D(300)))
    passes(a_decision("CLOSE", None), usage=usage, position=D(300))


# -- money and daily limits ------------------------------------------------------------------


@pytest.mark.parametrize(("power", "fits"), [("30030", True), ("30029.99", False)])
def test_a_buy_needs_buying_power_at_its_bound(power: str, fits: bool) -> None:
    account = an_account(buying_power=power)
    if fits:
        passes(a_decision(), account=account)
    else:
        refusal = refused(a_decision(), Reason.BUYING_POWER, account=account)
        assert refusal.would_pass == "target_weight 2.99 (299 shares)"


@pytest.mark.parametrize(
    ("power", "passing"),
    [
        ("30029.99", "target_weight 2.99 (299 shares)"),
        ("1101.10", "target_weight 0.11 (11 shares)"),
        ("1001", "target_weight 0.1 (10 shares)"),
        ("1000.99", "order_size 9"),
        ("100.10", "order_size 1"),
        ("100.09", "no quantity now"),
        ("-5", "no quantity now"),
    ],
)
def test_what_would_pass_is_a_quantity_that_is_above_zero_and_that_the_weight_gives(
    power: str, passing: str
) -> None:
    account = an_account(buying_power=power)
    assert refused(a_decision(), Reason.BUYING_POWER, account=account).would_pass == passing


def test_one_share_of_a_large_account_is_told_as_a_size_and_not_as_weight_zero() -> None:
    account = an_account(equity="10000000", buying_power="150")
    refusal = refused(a_decision(weight="1"), Reason.BUYING_POWER, account=account)
    assert refusal.would_pass == "order_size 1"
    passes(a_decision(weight=None, order_size=D(1)), account=account)


def test_reserved_buying_power_is_not_free() -> None:
    account = an_account(buying_power="40000")
    usage = a_usage(buying_power_used_usd=D(9_971), buying_power_reserved_usd=D(9_971))
    refused(a_decision(), Reason.BUYING_POWER, account=account, usage=usage)


@pytest.mark.parametrize(("action", "position"), [("CLOSE", 100), ("CLOSE", -100)])
def test_what_reduces_a_position_needs_no_buying_power(action: str, position: int) -> None:
    outcome = passes(
        a_decision(action, None), position=D(position), account=an_account(buying_power="0")
    )
    assert outcome.reservation.buying_power_usd == 0


@pytest.mark.parametrize(("used", "fits"), [(49, True), (50, False)])
def test_fifty_trades_a_day(used: int, fits: bool) -> None:
    usage = a_usage(trades=used)
    if fits:
        passes(a_decision(), usage=usage)
    else:
        refusal = refused(a_decision(), Reason.DAILY_TRADES, usage=usage)
        assert (refusal.observed, refusal.allowed) == ("trade 51 of the session", "at most 50")


@pytest.mark.parametrize(("used", "fits"), [("219970", True), ("219970.01", False)])
def test_a_quarter_of_equity_is_the_days_turnover(used: str, fits: bool) -> None:
    usage = a_usage(turnover_usd=D(used))
    if fits:
        passes(a_decision(), usage=usage)
    else:
        refusal = refused(a_decision(), Reason.DAILY_TURNOVER, usage=usage)
        assert refusal.would_pass == "target_weight 2.99 (299 shares)"


def test_turnover_is_measured_against_the_equity_at_the_sessions_start() -> None:
    usage = a_usage(turnover_usd=D(219_970))
    passes(
        a_decision(order_size=D(300)),
        usage=usage,
        account=an_account(equity="700000"),
        loss_basis_usd=None,
    )
    smaller = a_usage(turnover_usd=D(219_970), session_equity_usd=D(999_000))
    refused(a_decision(), Reason.DAILY_TURNOVER, usage=smaller)


@pytest.mark.parametrize("used", [{"trades": 50}, {"turnover_usd": D(250_000)}])
def test_reducing_uses_the_reserve_when_the_day_is_used_up(used: dict[str, Any]) -> None:
    close = a_decision("CLOSE", None)
    outcome = passes(close, usage=a_usage(**used), position=D(100))
    assert outcome.reservation.exempt
    assert "reducing reserve" in " ".join(outcome.notes)
    assert "exempt" in check(outcome, "trades").note
    assert not passes(close, position=D(100)).reservation.exempt


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        ({"reducing_trades": 50}, Reason.DAILY_TRADES),
        ({"reducing_turnover_usd": D(999_000)}, Reason.DAILY_TURNOVER),
    ],
)
def test_the_reserve_has_an_end_too(used: dict[str, Any], reason: Reason) -> None:
    usage = a_usage(trades=50, **used)
    refused(a_decision("CLOSE", None), reason, usage=usage, position=D(100))


def test_a_sell_is_reserved_at_the_ask_and_a_buy_at_its_bound() -> None:
    assert passes(a_decision()).reservation.price == D("100.10")
    close = a_decision("CLOSE", None)
    assert passes(close, position=D(10)).reservation.price == D("100.01")
    limit = a_decision("CLOSE", None, limit_price=D("100.50"))
    assert passes(limit, position=D(10)).reservation.price == D("100.50")
    unbound = a_decision(max_slippage_bps=None)
    assert passes(unbound).reservation.price == D("105.0105")
    low = a_decision(strategy=ExecutionStrategy.LIMIT)
    assert passes(low).reservation.price == D("99.90")


# -- properties ------------------------------------------------------------------------------

TIGHTENED = {
    "trades_max_per_day": st.integers(0, 60),
    "turnover_pct_max": st.decimals(0, 50, places=2),
    "position_pct_max": st.decimals(0, 20, places=2),
    "slippage_bps_max": st.decimals(1, 600, places=1),
    "collar_bps_max": st.decimals(1, 1500, places=1),
    "order_value_usd_max": st.decimals(1, 200_000, places=2),
    "order_quantity_max": st.decimals(1, 2_000, places=0),
    "adv_fraction_max": st.decimals("0.001", 1, places=3),
    "decisions_per_minute_max": st.integers(0, 5),
    "quote_age_seconds_max": st.decimals(1, 100, places=1),
    "reducing_trades_extra": st.integers(0, 3),
    "reducing_turnover_pct_extra": st.decimals(0, 20, places=2),
}

usages = st.builds(
    lambda trades, turnover, buy, bought: a_usage(
        SymbolUsage(buy_leaves=D(buy), bought=D(bought)),
        trades=trades,
        turnover_usd=D(turnover),
        admitted_at=(NOON - NANOS, NOON - 1),
    ),
    st.integers(0, 55),
    st.integers(0, 260_000),
    st.integers(0, 200),
    st.integers(0, 200),
)

decisions = st.builds(
    a_decision,
    st.sampled_from(["BUY", "ADD", "SELL", "TRIM"]),
    st.decimals("0", "10", places=2).map(str),
    max_slippage_bps=st.none() | st.decimals(1, 600, places=1),
)

situations = st.builds(
    lambda position, usage: some_facts(
        position=D(position),
        usage=usage,
        market=a_market(quote_age_ns=30 * NANOS, average_daily_volume=D(5_000)),
    ),
    st.integers(-50, 1_000),
    usages,
)


@given(
    field=st.sampled_from(sorted(TIGHTENED)), data=st.data(), decision=decisions, facts=situations
)
def test_a_tighter_limit_never_admits_what_a_looser_one_refused(
    field: str, data: st.DataObject, decision: Decision, facts: Facts
) -> None:
    low, high = sorted(data.draw(st.tuples(TIGHTENED[field], TIGHTENED[field])))
    tight = plan_decision(
        decision, replace(facts, limits=Limits.model_validate({field: low})), INSTRUCTION
    )
    loose = plan_decision(
        decision, replace(facts, limits=Limits.model_validate({field: high})), INSTRUCTION
    )
    if isinstance(loose, Refused):
        assert isinstance(tight, Refused)


@given(data=st.data(), decision=decisions, facts=situations)
def test_every_refusal_says_what_was_seen_and_what_is_allowed(
    data: st.DataObject, decision: Decision, facts: Facts
) -> None:
    limits = Limits.model_validate(
        {field: data.draw(values, label=field) for field, values in TIGHTENED.items()}
    )
    outcome = plan_decision(decision, replace(facts, limits=limits), INSTRUCTION)
    if isinstance(outcome, Refused):
        assert outcome.refusals
        for refusal in outcome.refusals:
            assert refusal.field
            assert refusal.observed
            assert refusal.allowed
            assert refusal.message
        failed = [c.name for c in outcome.checks if not c.passed]
        assert failed


@given(decision=decisions, facts=situations)
def test_the_weight_that_would_pass_does_pass(decision: Decision, facts: Facts) -> None:
    outcome = plan_decision(decision, facts, INSTRUCTION)
    if not isinstance(outcome, Refused) or len(outcome.refusals) != 1:
        return
    told = outcome.refusals[0].would_pass or ""
    weight = re.fullmatch(r"target_weight (-?[0-9.]+) \(([0-9.]+) shares?\)", told)
    size = re.fullmatch(r"order_size ([0-9.]+)", told)
    if weight:
        fields: dict[str, Decimal | None] = {"target_weight": D(weight[1])}
        quantity = D(weight[2])
    elif size:
        fields = {"target_weight": None, "order_size": D(size[1])}
        quantity = D(size[1])
    else:
        return
    retry = plan_decision(decision.model_copy(update=fields), facts, INSTRUCTION)
    assert isinstance(retry, Planned | Deferred), told
    planned = retry.planned if isinstance(retry, Deferred) else retry
    assert planned is None or planned.terms.quantity == quantity


# -- the published controls ------------------------------------------------------------------

COVERED = {
    "MAX_ORDER_QTY": "order_quantity",
    "MAX_ORDER_NOTIONAL": "order_value",
    "PRICE_COLLAR": "price_collar",
    "REFERENCE_SANE": "reference_price",
    "MESSAGE_RATE": "throttle",
    "DUPLICATE_ORDER": "duplicate",
    "CREDIT_CAPITAL": "buying_power",
    "MAX_POSITION": "position",
    "RESTRICTED_LIST": "restricted_list",
    "SHORT_SALE": "short_sale",
    "SESSION_STATE": "market_open",
    "INSTRUMENT_STATIC": "instrument",
    "SELF_MATCH": "self_cross",
    "KILL_SWITCH": "kill_switch",
}

ELSEWHERE = {
    "REPEATED_EXECUTION",
    "DAILY_LOSS",
    "ENTITLEMENT",
    "PARTICIPATION",
    "PARENT_BOUND",
    "MAX_OPEN_ORDERS",
    "CANCEL_ON_DISCONNECT",
    "POST_TRADE_RECON",
    "MONITOR_ALERT",
}


def test_the_controls_that_admission_covers_are_checks() -> None:
    assert set(COVERED.values()) <= set(NAMES)


def test_every_published_control_is_covered_or_named_as_another_parts(shared_dir: Path) -> None:
    text = (shared_dir / "vectors" / "pretrade_controls.json").read_text(encoding="utf-8")
    controls = {control["id"] for control in json.loads(text)["controls"]}
    assert controls == set(COVERED) | ELSEWHERE


def test_the_page_lists_every_check_and_every_limit() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert listed == [*NAMES, *(name for name in Limits.model_fields if name != "version")]
