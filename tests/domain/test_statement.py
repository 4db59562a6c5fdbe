"""A statement held against our record: each line that differs is named, from whichever side."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.ports import Side
from fillwright.domain.statement import (
    FeeLine,
    FlowLine,
    OwnDay,
    PositionLine,
    Statement,
    TradeLine,
    compare_statement,
)

D = Decimal
DATE = "2025-11-10"


def trade(id: str = "x1", **changes: Any) -> TradeLine:
    fields: dict[str, Any] = {
        "execution_id": id,
        "order": "fw-1",
        "symbol": "KO",
        "side": Side.BUY,
        "quantity": D(100),
        "price": D("61.41"),
    }
    return TradeLine(**{**fields, **changes})


def own(*trades: TradeLine, **changes: Any) -> OwnDay:
    fields: dict[str, Any] = {"positions": {"KO": D(100)}, "opening_cash": D(10_000)}
    return OwnDay(trades=trades or (trade(),), **{**fields, **changes})


def stated(*trades: TradeLine, **changes: Any) -> Statement:
    fields: dict[str, Any] = {
        "session_date": DATE,
        "trades": trades or (trade(),),
        "positions": (PositionLine(symbol="KO", quantity=D(100)),),
        "fees": (FeeLine(charge="cat", amount=D("0.01")),),
        "closing_cash": D("3858.99"),
    }
    return Statement(**{**fields, **changes})


def kinds(day: OwnDay, statement: Statement) -> list[tuple[str, str, str]]:
    return [(b.kind, b.ours, b.theirs) for b in compare_statement(day, statement)]


def test_a_statement_that_says_the_same_has_no_break() -> None:
    assert compare_statement(own(), stated()) == ()
    assert stated().missing == ()
    assert stated(fees=None, positions=None).missing == ("positions", "fees")


@pytest.mark.parametrize(
    ("day", "statement", "found"),
    [
        (
            own(trade("x1"), trade("x2")),
            stated(closing_cash=None),
            [("trade_not_there", "buy 100 KO at 61.41", "nothing")],
        ),
        (
            own(),
            stated(trade("x1"), trade("x2"), closing_cash=None),
            [("trade_not_here", "nothing", "buy 100 KO at 61.41")],
        ),
        (
            own(),
            stated(trade(price=D("61.42")), closing_cash=None),
            [("trade_differs", "buy 100 KO at 61.41", "buy 100 KO at 61.42")],
        ),
        (own(positions={}), stated(), [("position", "nothing", "100")]),
        (own(positions={"KO": D(100), "T": D(-5)}), stated(), [("position", "-5", "nothing")]),
        (own(), stated(closing_cash=D("3859.00")), [("cash", "3858.99", "3859")]),
        (
            own(expected={("dividend", "KO"): D("51")}),
            stated(
                flows=(FlowLine(kind="dividend", symbol="KO", amount=D("50")),),
                closing_cash=D("3908.99"),
            ),
            [("cash_flow", "51", "50")],
        ),
        (
            own(),
            stated(flows=(FlowLine(kind="deposit", amount=D(7)),), closing_cash=D("3865.99")),
            [("cash_flow", "nothing", "7")],
        ),
    ],
)
def test_each_difference_is_named_with_both_sides(
    day: OwnDay, statement: Statement, found: list[tuple[str, str, str]]
) -> None:
    assert kinds(day, statement) == found


def test_trades_without_a_common_id_are_matched_by_order_and_terms_each_once() -> None:
    day = own(trade("a"), trade("b"), orders={"venue-7": "fw-1"})
    theirs = [trade("p", order="venue-7"), trade("q", order="venue-7")]
    assert kinds(day, stated(*theirs, closing_cash=None)) == []
    other = trade("r", order="venue-8")
    assert [b[0] for b in kinds(day, stated(theirs[0], other, closing_cash=None))] == [
        "trade_not_here",
        "trade_not_there",
    ]


def test_what_a_fraction_is_paid_with_is_the_brokers_to_say_and_never_taken_from_us() -> None:
    day = own(expected={("cash_in_lieu", "KO"): None})
    for amount, broken in (("12.34", False), ("-1", True)):
        flow = FlowLine(kind="cash_in_lieu", symbol="KO", amount=D(amount))
        cash = D("3858.99") + D(amount)
        assert bool(kinds(day, stated(flows=(flow,), closing_cash=cash))) is broken


lines = st.lists(
    st.builds(
        trade,
        st.sampled_from(["a", "b", "c", "d", ""]),
        side=st.sampled_from(list(Side)),
        quantity=st.integers(1, 3).map(D),
        price=st.sampled_from([D(10), D(11)]),
    ),
    max_size=6,
    unique_by=lambda line: line.execution_id or (line.side, line.quantity, line.price),
)


@given(lines, lines)
def test_there_is_no_break_exactly_if_both_sides_have_the_same_lines(
    ours: list[TradeLine], theirs: list[TradeLine]
) -> None:
    statement = Statement(session_date=DATE, trades=tuple(theirs))
    found = compare_statement(OwnDay(tuple(ours), {}, D(0)), statement)
    terms = [sorted((t.side, t.quantity, t.price) for t in side) for side in (ours, theirs)]
    if terms[0] != terms[1]:
        assert found
    if sorted(map(str, ours)) == sorted(map(str, theirs)):
        assert found == ()
    here = sum(b.kind == "trade_not_there" for b in found)
    there = sum(b.kind == "trade_not_here" for b in found)
    assert len(ours) - here == len(theirs) - there, "what is matched is matched once"
