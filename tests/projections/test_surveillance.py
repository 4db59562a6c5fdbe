"""Surveillance asks about patterns in own trading, each with the events behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.domain.decision import TradeAction as Action
from fillwright.domain.instruction import Instruction
from fillwright.domain.ports import NANOS, OrderType, Side, TimeInForce
from fillwright.domain.reasons import Reason
from fillwright.domain.strategies.contract import Place
from fillwright.projections import raised
from fillwright.projections.canonical import to_json
from fillwright.projections.runner import Recorded
from fillwright.projections.surveillance import Surveillance
from fillwright.projections.surveillance_terms import (
    Finding,
    Pattern,
    SurveillanceThresholds,
)
from tests.projections.story import ACCOUNT, D, Story
from tests.projections.test_rebuilt_equals_live import Teller


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    return told


def findings(story: Story, **thresholds: Any) -> dict[Pattern, Finding]:
    told = story.told_to(Surveillance(SurveillanceThresholds(**thresholds)))
    return {finding.pattern: finding for finding in told.findings()}


def topics(story: Story, positions: tuple[int, ...]) -> list[str]:
    return [story.log[position - 1].event.TOPIC for position in positions]


def buy_and_sell(story: Story) -> tuple[Instruction, Instruction]:
    return story.start(1000), story.start(1000, action=Action.SELL)


def cancel_at(story: Story, made: Instruction, order: str, at: int) -> None:
    story.now = at - NANOS  # the request's stamp is a second later
    story.cancel(made, order)


def test_a_plain_day_raises_no_question(story: Story) -> None:
    made = story.start(300)
    for price in ("10.01", "10.02", "10.03"):
        story.fill(made, story.place(made, 100, price), 100, price)
    assert findings(story) == {}


def test_a_refused_self_cross_is_shown_with_its_refusal(story: Story) -> None:
    story.refuse(story.receive(), Reason.SELF_CROSS)
    found = findings(story)[Pattern.SELF_CROSS_ATTEMPT]
    assert (found.account, found.symbol, found.session_date) == (ACCOUNT, "BAC", "2013-10-08")
    assert topics(story, found.occurrences[0].positions) == ["InstructionRejected"]


def test_other_refusals_are_no_attempt(story: Story) -> None:
    story.refuse(story.receive(), Reason.DAILY_TRADES)
    assert findings(story) == {}


@pytest.mark.parametrize(("apart", "shown"), [(NANOS, True), (NANOS + 1, False)])
def test_opposite_fills_within_a_second_are_shown(story: Story, apart: int, shown: bool) -> None:
    buyer, seller = buy_and_sell(story)
    bought, sold = story.place(buyer, 100), story.place(seller, 100)
    at = story.now
    story.fill(buyer, bought, 100, venue_time=at)
    story.fill(seller, sold, 100, venue_time=at + apart)
    found = findings(story)
    assert (Pattern.OPPOSITE_FILLS in found) is shown
    if shown:
        (occurrence,) = found[Pattern.OPPOSITE_FILLS].occurrences
        assert topics(story, occurrence.positions) == ["OrderFilled", "OrderFilled"]


def test_opposite_fills_are_found_whichever_is_reported_first(story: Story) -> None:
    buyer, seller = buy_and_sell(story)
    bought, sold = story.place(buyer, 100), story.place(seller, 100)
    at = story.now
    story.fill(seller, sold, 100, venue_time=at + NANOS // 2)
    story.fill(buyer, bought, 100, venue_time=at)
    assert findings(story)[Pattern.OPPOSITE_FILLS].count == 1


def test_fills_on_the_same_side_or_in_another_symbol_are_no_pair(story: Story) -> None:
    buyer, other = story.start(1000), story.start(1000, "IBM", action=Action.SELL)
    again = story.start(1000)
    at = story.now
    for made in (buyer, other, again):
        story.fill(made, story.place(made, 100), 100, venue_time=at)
    assert findings(story) == {}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("apart", "shown"), [(NANOS, True), (NANOS + 1, False)])
def test_a_rest_taken_off_close_to_an_opposite_fill_is_shown(
    story: Story, before: bool, apart: int, shown: bool
) -> None:
    buyer, seller = buy_and_sell(story)
    rest, cross = story.place(buyer, 100, "9.99"), story.place(seller, 100)
    cancelled = story.now + 10 * NANOS
    filled = cancelled + (apart if before else -apart)
    if not before:
        story.fill(seller, cross, 100, venue_time=filled)
    cancel_at(story, buyer, rest, cancelled)
    if before:
        story.fill(seller, cross, 100, venue_time=filled)
    found = findings(story)
    assert (Pattern.FLEETING_REST in found) is shown
    if shown:
        (occurrence,) = found[Pattern.FLEETING_REST].occurrences
        told = topics(story, occurrence.positions)
        assert told == ["OrderIntended", "OrderCanceled", "OrderFilled"]


def test_the_unfilled_part_of_a_cross_is_no_rest(story: Story) -> None:
    buyer, seller = buy_and_sell(story)
    cross = story.place(seller, 100)
    step = Place(
        quantity=D(100),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        limit_price=D("10.01"),
    )
    taken = buyer.intend(story.stamp(), step, story.provenance(buyer)).client_order_id
    story.take(buyer)
    at = story.now + 10 * NANOS
    story.fill(seller, cross, 100, venue_time=at)
    cancel_at(story, buyer, taken, at)
    assert findings(story, cancels_min=1, cancel_to_fill_max=D(0)) == {}


def test_many_cancels_for_each_execution_are_shown(story: Story) -> None:
    made = story.start(1000)
    story.fill(made, story.place(made, 100), 100)
    for _ in range(6):
        story.cancel(made, story.place(made, 100, "9.99"))
    assert findings(story, cancels_min=7, cancel_to_fill_max=D(5)) == {}
    assert findings(story, cancels_min=6, cancel_to_fill_max=D(6)) == {}
    found = findings(story, cancels_min=6, cancel_to_fill_max=D(5))[Pattern.CANCEL_TO_FILL]
    assert (found.observed, found.threshold, found.count) == (6, 5, 6)
    for occurrence in found.occurrences:
        assert topics(story, occurrence.positions) == ["OrderIntended", "OrderCanceled"]


def test_the_busiest_second_is_shown_when_it_is_too_busy(story: Story) -> None:
    made = story.start(1000)
    at = story.now
    for _ in range(4):
        story.now = at  # all within one second
        story.place(made, 100)
    assert findings(story, messages_per_second_max=4) == {}
    found = findings(story, messages_per_second_max=3)[Pattern.MESSAGE_RATE]
    assert found.observed == 4
    assert topics(story, found.occurrences[0].positions) == ["OrderIntended"] * 4


def layered(story: Story, prices: tuple[str, ...], seconds: int, *, execute: int = 0) -> None:
    """Rests on the bid at ``prices``, a sale of ours, then the rests are taken off in turn."""
    buyer, seller = buy_and_sell(story)
    rests = [story.place(buyer, 100, price) for price in prices]
    cross = story.place(seller, 100)
    filled = story.now + 10 * NANOS
    for rest in rests[:execute]:
        story.fill(buyer, rest, 50, venue_time=filled - 5 * NANOS)
    story.fill(seller, cross, 100, venue_time=filled)
    for rest in rests:
        cancel_at(story, buyer, rest, filled + seconds * NANOS)


@pytest.mark.parametrize(
    ("prices", "seconds", "execute", "shown"),
    [
        (("9.97", "9.98", "9.99"), 10, 0, True),
        (("9.97", "9.98", "9.99"), 11, 0, False),
        (("9.98", "9.99", "9.99"), 10, 0, False),
        (("9.97", "9.98", "9.99"), 10, 1, False),
    ],
    ids=["layers", "too late", "two levels", "one executed"],
)
def test_layers_taken_off_after_an_opposite_fill_are_shown(
    story: Story, prices: tuple[str, ...], seconds: int, execute: int, shown: bool
) -> None:
    layered(story, prices, seconds, execute=execute)
    found = findings(story)
    assert (Pattern.LAYERING in found) is shown
    if shown:
        (occurrence,) = found[Pattern.LAYERING].occurrences
        told = sorted(topics(story, occurrence.positions))
        assert told == ["OrderCanceled"] * 3 + ["OrderFilled"] + ["OrderIntended"] * 3


def test_each_symbol_and_session_is_looked_at_alone(story: Story) -> None:
    for days in (0, 1):
        story.open_session(f"2013-10-{8 + days:02}", days=days)
        for symbol in ("BAC", "IBM"):
            story.refuse(story.receive(symbol), Reason.SELF_CROSS)
    told = story.told_to(Surveillance())
    assert [(f.session_date, f.symbol) for f in told.findings()] == [
        ("2013-10-08", "BAC"),
        ("2013-10-08", "IBM"),
        ("2013-10-09", "BAC"),
        ("2013-10-09", "IBM"),
    ]
    assert [f.symbol for f in told.findings("2013-10-09")] == ["BAC", "IBM"]


class Asked:
    """A log's history of each instruction, which notes who was asked for."""

    def __init__(self, log: Sequence[Recorded]) -> None:
        self.log = log
        self.ids: list[UUID] = []

    def __call__(self, id: UUID, below: int) -> Iterator[Recorded]:
        self.ids.append(id)
        for one in self.log:
            if one.event.originator_id == id and one.event.originator_version < below:
                yield one


def test_a_late_fill_on_a_day_that_was_let_go_of_is_seen_beside_that_days_fills(
    story: Story,
) -> None:
    buyer, seller = buy_and_sell(story)
    bought, sold = story.place(buyer, 100), story.place(seller, 100)
    at = story.now
    story.fill(buyer, bought, 100, venue_time=at)
    for days in (1, 2, 3):
        story.open_session(f"2013-10-{8 + days:02}", days=days)
        story.start(100)
    story.fill(seller, sold, 100, venue_time=at + NANOS)
    story.bust(seller, sold, "no such")
    asked = Asked(story.log)
    told = story.told_to(Surveillance(history=asked))
    assert {buyer.id, seller.id} == set(asked.ids)
    (finding,) = told.findings("2013-10-08")
    assert finding.pattern is Pattern.OPPOSITE_FILLS
    assert told.findings() == story.told_to(Surveillance()).findings()


FIRST = date(2013, 10, 8)
DECIDE, PLACE, FILL, CANCEL, LATE_FILL, NEXT_DAY = 0, 2, 4, 8, 20, 21
OFTEN = (DECIDE, PLACE, PLACE, FILL, CANCEL, LATE_FILL, LATE_FILL, NEXT_DAY)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((*OFTEN, *OFTEN, *range(21))), st.integers(0, 40), st.integers(0, 120)
        ),
        min_size=30,
        max_size=100,
    )
)
def test_what_lets_go_of_days_and_instructions_tells_the_same(
    moves: list[tuple[int, int, int]],
) -> None:
    teller, days = Teller(), 0
    for move, pick, size in [(DECIDE, 1, 50), (PLACE, 0, 50), (DECIDE, 3, 51), *moves]:
        if move == NEXT_DAY:
            days += 1
            teller.story.open_session((FIRST + timedelta(days)).isoformat(), days=days)
        teller.act(DECIDE if move == NEXT_DAY else move, pick, size)
    story = teller.story
    tight = SurveillanceThresholds(cancels_min=1, opposite_fills_seconds=D(60))
    history = Asked(story.log)
    lean, whole = (story.told_to(Surveillance(tight, how)) for how in (history, None))
    assert to_json(lean.state()) == to_json(whole.state())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raised, "ORIGINS_MAX", 2)
        few = story.told_to(raised.RaisedExceptions(history))
    assert few.raised() == story.told_to(raised.RaisedExceptions()).raised()


MOVES = st.lists(
    st.tuples(
        st.sampled_from(("rest", "fill", "cancel")),
        st.sampled_from((Side.BUY, Side.SELL)),
        st.integers(0, 3_000),
        st.integers(0, 4),
    ),
    max_size=30,
)


@given(MOVES)
def test_pairs_are_those_that_a_comparison_of_all_with_all_finds(moves: list[Any]) -> None:
    """Opposite fills and fleeting rests, against the definition computed without windows."""
    story = Story()
    story.open_session()
    makers = {Side.BUY: story.start(10_000), Side.SELL: story.start(10_000, action=Action.SELL)}
    open_orders: dict[Side, list[str]] = {Side.BUY: [], Side.SELL: []}
    start = story.now + 1_000 * NANOS
    fills: list[tuple[Side, int]] = []
    cancels: list[tuple[Side, int]] = []
    for move, side, milliseconds, level in moves:
        at = start + milliseconds * NANOS // 1_000
        if move == "rest" or not open_orders[side]:
            price = str(D("10.00") - side.sign * D(level) / 100)
            open_orders[side].append(story.place(makers[side], 10, price))
        elif move == "fill":
            story.fill(makers[side], open_orders[side].pop(), 10, venue_time=at)
            fills.append((side, at))
        else:
            cancel_at(story, makers[side], open_orders[side].pop(), at)
            cancels.append((side, at))
    found = findings(story)
    pairs = sum(
        one[0] is not two[0] and abs(one[1] - two[1]) <= NANOS
        for i, one in enumerate(fills)
        for two in fills[:i]
    )
    fleeting = sum(c[0] is not f[0] and abs(c[1] - f[1]) <= NANOS for c in cancels for f in fills)
    counts = {pattern: finding.count for pattern, finding in found.items()}
    assert counts.get(Pattern.OPPOSITE_FILLS, 0) == pairs
    assert counts.get(Pattern.FLEETING_REST, 0) == fleeting
