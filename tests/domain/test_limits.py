"""Limits, usage and counters: what is held, that it adds up, and that no cap is ever passed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fillwright.domain.limits import (
    MICRO,
    Limits,
    PositionFacts,
    SymbolUsage,
    Usage,
    grid_down,
    grid_up,
)
from fillwright.domain.planning.facts import Planned
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.ports import NANOS, Side
from fillwright.domain.reservations import (
    CounterUpdate,
    Progress,
    Reservation,
    admit,
    advance,
    counter_keys,
    held,
    micro,
    release,
    replacing_counters,
    reservation_counters,
    true_up,
)
from tests.domain.planning_cases import (
    INSTRUCTION,
    NOON,
    a_decision,
    a_usage,
    an_account,
    some_facts,
)

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits()
NONE = Progress()


def a_reservation(**changes: Any) -> Reservation:
    fields: dict[str, Any] = {
        "account": "test",
        "session_date": "2013-10-08",
        "symbol": "IBM",
        "side": Side.BUY,
        "quantity": D(300),
        "price": D("100.10"),
        "turnover_usd": D(30_030),
        "buying_power_usd": D(30_030),
    }
    return Reservation(**{**fields, **changes})


# -- the record ------------------------------------------------------------------------------


def test_the_defaults_are_the_seeds() -> None:
    assert (LIMITS.trades_max_per_day, LIMITS.turnover_pct_max, LIMITS.position_pct_max) == (
        50,
        25,
        5,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"trades_max_per_day": -1},
        {"turnover_pct_max": D("NaN")},
        {"position_pct_max": D(1001)},
        {"slippage_bps_max": D(0)},
        {"collar_bps_max": D(10_000)},
        {"restricted": ("not a symbol",)},
        {"version": 0},
        {"unknown": 1},
    ],
)
def test_a_limit_out_of_range_is_no_limit(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(changes)


def test_limits_survive_being_stored() -> None:
    limits = Limits(version=3, restricted=("IBM",), turnover_pct_max=D("12.5"))
    assert Limits.model_validate_json(limits.model_dump_json()) == limits


def test_the_page_shows_the_defaults() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    for name, field in Limits.model_fields.items():
        if name != "version":
            assert f"| `{name}` | {field.default} |" in page


def test_the_grid_rounds_reservations_up_and_caps_down() -> None:
    assert (grid_up(D("0.0000001")), grid_down(D("0.0000019"))) == (D("0.000001"), D("0.000001"))
    assert micro(D("1.5")) == 1_500_000


# -- what is held ----------------------------------------------------------------------------


def test_a_new_instruction_holds_what_it_reserved() -> None:
    now = held(a_reservation(), NONE)
    assert (now.trades, now.turnover_usd, now.shares, now.buying_power_usd) == (
        1,
        30_030,
        300,
        30_030,
    )


def test_a_fill_is_held_at_what_it_cost() -> None:
    now = held(a_reservation(), Progress(D(100), D(10_000)))
    assert (now.turnover_usd, now.shares) == (D(30_020), 300)


def test_an_end_gives_the_rest_back_and_keeps_the_slot_of_what_traded() -> None:
    now = held(a_reservation(), Progress(D(100), D(10_000), ended=True))
    assert (now.trades, now.turnover_usd, now.shares, now.buying_power_usd) == (
        1,
        10_000,
        100,
        10_000,
    )


def test_a_slot_comes_back_only_when_nothing_executed() -> None:
    assert held(a_reservation(), Progress(ended=True)).trades == 0


def test_an_unknown_outcome_keeps_everything() -> None:
    uncertain = Progress(D(100), D(10_000), ended=True, uncertain=True)
    assert held(a_reservation(), uncertain) == held(a_reservation(), Progress(D(100), D(10_000)))
    assert held(a_reservation(), Progress(ended=True, uncertain=True)).trades == 1


def test_an_overfill_is_held_in_full() -> None:
    now = held(a_reservation(), Progress(D(310), D(31_000)))
    assert (now.shares, now.turnover_usd) == (310, 31_000)


def test_a_reduction_never_holds_buying_power() -> None:
    close = a_reservation(side=Side.SELL, buying_power_usd=D(0))
    assert held(close, Progress(D(100), D(10_000))).buying_power_usd == 0


fills = st.lists(st.tuples(st.integers(1, 150), st.integers(9_000, 11_000)), max_size=5)


@given(fills=fills, uncertain=st.booleans())
def test_changes_add_up_to_what_is_held_at_the_end(
    fills: list[tuple[int, int]], uncertain: bool
) -> None:
    reservation = a_reservation(price=D("100.0333333"), turnover_usd=D("30009.999990"))
    progress, sums = NONE, dict.fromkeys(counter_keys(reservation), 0)
    for update in reservation_counters(
        reservation, LIMITS, a_usage(), an_account(), PositionFacts(D(0), D(100), D(1_000_000))
    ):
        sums[update.key] += update.amount_micro
    steps = [*fills, None]
    for step in steps:
        if step is None:
            after = progress._replace(ended=True, uncertain=uncertain)
        else:
            shares, cents = step
            after = progress._replace(
                executed=progress.executed + shares,
                notional_usd=progress.notional_usd + D(shares * cents) / 100,
            )
        for update in true_up(reservation, progress, after):
            assert update.cap_micro is None
            sums[update.key] += update.amount_micro
        progress = after
    now = held(reservation, progress)
    assert list(sums.values()) == [
        micro(now.trades),
        micro(now.turnover_usd),
        micro(now.shares),
        micro(now.buying_power_usd),
    ]


# -- counters --------------------------------------------------------------------------------


def counters(reservation: Reservation, **changes: Any) -> dict[str, CounterUpdate]:
    fields: dict[str, Any] = {
        "limits": LIMITS,
        "usage": a_usage(),
        "account": an_account(),
        "facts": PositionFacts(D(0), D(100), D(1_000_000)),
    }
    updates = reservation_counters(reservation, **{**fields, **changes})
    return {update.key: update for update in updates}


def test_the_counters_of_a_buy() -> None:
    found = counters(a_reservation())
    assert {key: (u.amount_micro, u.cap_micro) for key, u in found.items()} == {
        "trades:test:2013-10-08": (1_000_000, 50_000_000),
        "turnover:test:2013-10-08": (30_030_000_000, 250_000_000_000),
        "position:test:2013-10-08:IBM:buy": (300_000_000, 500_000_000),
        "buying_power:test:2013-10-08": (30_030_000_000, 1_000_000_000_000),
    }


def test_an_exempt_reduction_counts_in_the_reserve() -> None:
    close = a_reservation(side=Side.SELL, buying_power_usd=D(0), exempt=True)
    found = counters(close, facts=PositionFacts(D(300), D(100), D(1_000_000)))
    assert list(found) == [
        "reducing_trades:test:2013-10-08",
        "reducing_turnover:test:2013-10-08",
        "position:test:2013-10-08:IBM:sell",
    ]
    assert found["reducing_turnover:test:2013-10-08"].cap_micro == 1_000_000_000_000
    assert found["position:test:2013-10-08:IBM:sell"].cap_micro == 300_000_000


def test_a_short_position_may_grow_to_the_limit_where_shorts_are_allowed() -> None:
    sell = a_reservation(side=Side.SELL)
    found = counters(sell, limits=Limits(allow_short=True))
    assert found["position:test:2013-10-08:IBM:sell"].cap_micro == 500_000_000
    assert counters(sell)["position:test:2013-10-08:IBM:sell"].cap_micro == 0


def test_a_cap_does_not_move_when_a_fill_is_recorded() -> None:
    key = "position:test:2013-10-08:IBM:buy"
    before = counters(a_reservation(), usage=a_usage(SymbolUsage(buy_leaves=D(200))))
    unreflected = SymbolUsage(buy_leaves=D(100), bought=D(100), unreflected=D(100))
    after = counters(a_reservation(), usage=a_usage(unreflected))
    reflected = SymbolUsage(buy_leaves=D(100), bought=D(100))
    shown = counters(
        a_reservation(),
        usage=a_usage(reflected),
        facts=PositionFacts(D(100), D(100), D(1_000_000)),
    )
    assert before[key].cap_micro == after[key].cap_micro == shown[key].cap_micro


def test_buying_power_is_free_plus_used() -> None:
    usage = a_usage(buying_power_used_usd=D(500), buying_power_reserved_usd=D(200))
    found = counters(a_reservation(), usage=usage, account=an_account(buying_power="1000"))
    assert found["buying_power:test:2013-10-08"].cap_micro == 1_300_000_000


def test_a_cap_beyond_what_a_counter_holds_is_the_most_it_holds() -> None:
    usage = a_usage(session_equity_usd=D("1e15"))
    found = counters(a_reservation(), usage=usage)
    assert found["turnover:test:2013-10-08"].cap_micro == 2**63 - 1


def test_a_late_fill_counts_where_it_executed() -> None:
    filled = Progress(D(100), D(10_000))
    updates = true_up(a_reservation(), NONE, filled, session_date="2013-10-09")
    assert all(":2013-10-09" in update.key for update in updates)


# -- usage -----------------------------------------------------------------------------------


def test_admitting_and_releasing_leave_no_trace_in_the_amounts() -> None:
    usage = a_usage(trades=3, turnover_usd=D(5))
    taken = admit(usage, a_reservation(), LIMITS, "hash", NOON)
    assert (taken.trades, taken.of("IBM").buy_leaves) == (4, 300)
    assert taken.recent == {"hash": NOON}
    back = release(taken, a_reservation())
    assert (back.trades, back.turnover_usd, back.buying_power_used_usd) == (3, 5, 0)
    assert back.of("IBM") == SymbolUsage()


def test_a_release_in_another_session_frees_nothing_of_that_sessions_limits() -> None:
    """Else each one that waited overnight made room for one trade more than a day may have."""
    yesterday = a_reservation(session_date="2013-10-07")
    today = a_usage(trades=3, turnover_usd=D(5), buying_power_used_usd=D(7))
    overnight = replace(
        admit(a_usage(), yesterday, LIMITS, "hash", NOON), session_date="2013-10-07"
    )
    usage = replace(
        today,
        symbols=overnight.symbols,
        buying_power_reserved_usd=overnight.buying_power_reserved_usd,
    )
    freed = release(usage, yesterday)
    assert (freed.trades, freed.turnover_usd, freed.buying_power_used_usd) == (3, 5, 7)
    assert freed.of("IBM") == SymbolUsage()
    assert freed.buying_power_reserved_usd == 0


def test_what_replaces_a_reservation_is_tested_on_what_it_adds() -> None:
    before = a_reservation()
    more = a_reservation(quantity=before.quantity * 2, turnover_usd=before.turnover_usd * 2)
    updates = {u.key: u for u in replacing_counters(before, counters(more).values())}
    assert updates["turnover:test:2013-10-08"].amount_micro == int(before.turnover_usd * MICRO)
    assert updates["turnover:test:2013-10-08"].cap_micro is not None
    assert "trades:test:2013-10-08" not in updates, "the slot is the same"
    turned = a_reservation(side=Side.SELL, session_date="2013-10-09")
    updates = {u.key: u for u in replacing_counters(before, counters(turned).values())}
    assert updates["trades:test:2013-10-08"] == CounterUpdate(
        "trades:test:2013-10-08", -1_000_000, None
    )
    assert updates["trades:test:2013-10-09"].amount_micro == 1_000_000
    assert updates["trades:test:2013-10-09"].cap_micro is not None
    for side, date in (("buy", "2013-10-08"), ("sell", "2013-10-09")):
        sign = -1 if side == "buy" else 1
        update = updates[f"position:test:{date}:IBM:{side}"]
        assert update.amount_micro == sign * int(before.quantity * MICRO)
    assert replacing_counters(before, counters(before).values()) == ()


def test_windows_forget_what_is_past() -> None:
    usage = a_usage(recent={"old": NOON - 60 * NANOS, "new": NOON - 1}, admitted_at=(0, NOON - 1))
    taken = admit(usage, a_reservation(), LIMITS, "hash", NOON)
    assert set(taken.recent) == {"new", "hash"}
    assert taken.admitted_at == (NOON - 1, NOON)


def test_a_fill_moves_leaves_into_executions() -> None:
    usage = admit(a_usage(), a_reservation(), LIMITS, "hash", NOON)
    filled = Progress(D(100), D(10_000))
    usage = advance(usage, a_reservation(), NONE, filled)
    assert usage.of("IBM") == SymbolUsage(buy_leaves=D(200), bought=D(100), unreflected=D(100))
    assert usage.turnover_usd == 30_020
    usage = advance(usage, a_reservation(), filled, filled._replace(ended=True))
    assert usage.of("IBM") == SymbolUsage(bought=D(100), unreflected=D(100))
    assert (usage.turnover_usd, usage.trades) == (10_000, 1)


def test_a_sell_that_fills_lowers_the_position() -> None:
    sell = a_reservation(side=Side.SELL, buying_power_usd=D(0), exempt=True)
    usage = admit(a_usage(), sell, LIMITS, "hash", NOON)
    usage = advance(usage, sell, NONE, Progress(D(100), D(10_000)))
    assert usage.of("IBM") == SymbolUsage(sell_leaves=D(200), sold=D(100), unreflected=D(-100))
    assert (usage.reducing_trades, usage.trades) == (1, 0)


# -- the promise -----------------------------------------------------------------------------


class Counters:
    """The store's counters: every update of a reservation applies, or none."""

    def __init__(self) -> None:
        self.used: dict[str, int] = {}

    def apply(self, updates: tuple[CounterUpdate, ...]) -> bool:
        after = {u.key: self.used.get(u.key, 0) + u.amount_micro for u in updates}
        if any(u.cap_micro is not None and after[u.key] > u.cap_micro for u in updates):
            return False
        self.used.update(after)
        return True


wishes = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "ADD", "SELL", "TRIM", "CLOSE"]),
        st.decimals("0", "9", places=1),
        st.integers(0, 3),
        st.sampled_from([0, 50, 100]),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(wishes=wishes, trades=st.integers(0, 12), turnover=st.integers(1, 40))
def test_no_sequence_of_decisions_passes_a_cap(
    wishes: list[tuple[str, Decimal, int, int, bool]], trades: int, turnover: int
) -> None:
    """Decisions are planned on facts up to three admissions old, as callers that race would."""
    limits = Limits(
        trades_max_per_day=trades,
        turnover_pct_max=D(turnover),
        reducing_trades_extra=3,
        reducing_turnover_pct_extra=D(10),
    )
    store, usage = Counters(), a_usage()
    history: list[Usage] = [usage]
    for action, weight, stale, filled_pct, ends in wishes:
        seen = history[max(len(history) - 1 - stale, 0)]
        facts = some_facts(usage=seen, limits=limits)
        decision = a_decision(action, None if action == "CLOSE" else str(weight))
        outcome = plan_decision(decision, facts, INSTRUCTION)
        if not isinstance(outcome, Planned):
            continue
        reservation = outcome.reservation
        measured = PositionFacts(facts.position, outcome.price, facts.account.equity)
        updates = reservation_counters(reservation, limits, seen, facts.account, measured)
        if not store.apply(updates):
            assert seen is not usage, "on fresh facts the counters admit what the checks admit"
            continue
        usage = admit(usage, reservation, limits, decision.content_hash(), NOON)
        shares = (reservation.quantity * filled_pct / 100).to_integral_value()
        after = Progress(shares, shares * 100, ended=ends)
        store.apply(true_up(reservation, NONE, after))
        usage = advance(usage, reservation, NONE, after)
        history.append(usage)
        _stays_within(usage, limits)
        assert store.used["turnover:test:2013-10-08"] == micro(usage.turnover_usd) or (
            reservation.exempt
        )


def _stays_within(usage: Usage, limits: Limits) -> None:
    own = usage.of("IBM")
    assert usage.trades <= limits.trades_max_per_day
    assert usage.turnover_usd <= usage.session_equity_usd * limits.turnover_pct_max / 100
    assert usage.reducing_trades <= limits.reducing_trades_extra
    assert usage.reducing_turnover_usd <= 100_000
    assert 0 <= own.unreflected <= 500
    assert own.unreflected + own.buy_leaves <= 500
    assert own.unreflected - own.sell_leaves >= 0
    assert usage.buying_power_reserved_usd <= 1_000_000


def test_exactly_as_many_race_in_as_the_limit_allows() -> None:
    store, facts = Counters(), some_facts(limits=Limits(trades_max_per_day=7))
    admitted = 0
    for _ in range(40):
        outcome = plan_decision(a_decision(order_size=D(1)), facts, INSTRUCTION)
        assert isinstance(outcome, Planned)
        measured = PositionFacts(facts.position, outcome.price, facts.account.equity)
        admitted += store.apply(
            reservation_counters(
                outcome.reservation, facts.limits, facts.usage, facts.account, measured
            )
        )
    assert admitted == 7
