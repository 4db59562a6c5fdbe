"""Executions: each share counted once, by whatever channel and in whatever order it is told."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.orders import AnomalyKind, ChildOrder, fold, intend, mark_sent
from fillwright.domain.ports import ExecutionReport
from tests.domain.order_cases import report, request, working

D = Decimal


def test_a_fill_told_twice_counts_once() -> None:
    venue = working(900).trade(100, cum_qty=100)
    before = venue.order
    venue.hear(venue.said[-1])
    assert venue.order is before
    assert venue.odd == []


@pytest.mark.parametrize("what", [{"last_qty": 90}, {"last_price": 19}])
def test_a_repeated_fill_that_says_otherwise_is_flagged_and_not_counted(
    what: dict[str, Any],
) -> None:
    venue = working(900).trade(100, 20)
    fields = {"last_qty": 100, "last_price": 20, **what}
    venue.say("trade", execution_id="fill 1", **fields).shows("partially_filled", 900, 100, 800)
    assert venue.kinds == [AnomalyKind.FILL_DISAGREES]


def test_the_same_fill_on_another_channel_is_known_by_its_cumulative_quantity() -> None:
    venue = working(900).trade(100, cum_qty=100).trade(50, cum_qty=150)
    venue.trade(50, cum_qty=150, execution_id="activity 7")
    venue.shows("partially_filled", 900, 150, 750)
    assert venue.odd == []
    # And by its other id from then on, for a bust as well.
    venue.say("trade_bust", ref_execution_id="activity 7").shows("partially_filled", 900, 100, 800)


@pytest.mark.parametrize(("quantity", "price"), [(40, 20), (50, 21)])
def test_the_same_fill_on_another_channel_that_disagrees_is_never_dropped_silently(
    quantity: int, price: int
) -> None:
    venue = working(900).trade(100, cum_qty=100).trade(50, 20, cum_qty=150)
    venue.trade(quantity, price, cum_qty=150, execution_id="activity 7")
    venue.shows("partially_filled", 900, 150, 750)
    assert venue.kinds == [AnomalyKind.FILL_DISAGREES]


def test_fills_that_overlap_under_two_ids_are_both_kept_and_flagged() -> None:
    venue = working(900).trade(100, cum_qty=100).trade(100, cum_qty=150)
    venue.shows("partially_filled", 900, 200, 700)
    assert AnomalyKind.FILLS_OVERLAP in venue.kinds


def test_a_late_report_of_an_earlier_fill_finds_its_place() -> None:
    venue = working(900).trade(100, cum_qty=100).trade(100, cum_qty=300)
    assert (venue.order.missing_qty, venue.kinds) == (D(100), [AnomalyKind.MISSING_FILLS])
    assert venue.order.exposure == 900
    venue.trade(100, cum_qty=200).shows("partially_filled", 900, 300, 600)
    assert venue.order.missing_qty == 0


def test_a_fill_without_any_identity_is_counted_once_and_flagged() -> None:
    venue = working(900).trade(100, execution_id=None)
    venue.hear(venue.said[-1]).shows("partially_filled", 900, 100, 800)
    assert venue.kinds == [AnomalyKind.UNIDENTIFIED_FILL]


def test_a_fill_without_an_id_is_known_by_its_cumulative_quantity() -> None:
    venue = working(900).trade(100, execution_id=None, cum_qty=100)
    venue.hear(venue.said[-1]).shows("partially_filled", 900, 100, 800)
    assert list(venue.order.executions) == ["one:0:100"]
    assert venue.odd == []


def test_a_fill_without_a_price_counts_its_shares() -> None:
    venue = working(900).trade(100, None).trade(100, 22)
    venue.shows("partially_filled", 900, 200, 700)
    assert venue.order.avg_price == 22
    assert venue.kinds == [AnomalyKind.FILL_WITHOUT_PRICE]


@pytest.mark.parametrize("quantity", [None, 0, -5, "NaN", "Infinity"])
def test_a_fill_without_a_quantity_is_flagged(quantity: Any) -> None:
    venue = working(900).trade(quantity, cum_qty=40).shows("new", 900, 0, 900)
    assert venue.kinds == [AnomalyKind.MALFORMED_FILL, AnomalyKind.MISSING_FILLS]
    assert venue.order.missing_qty == 40


def test_fees_add_up() -> None:
    venue = working(900).trade(100, fee="0.35").trade(100, fee="0.40")
    venue.hear(venue.said[-1])
    assert venue.order.fees == D("0.75")


# Busts and corrections


def test_a_bust_takes_an_execution_out_and_reopens_a_filled_order() -> None:
    venue = working(900).trade(300, 10).trade(600, 11)
    venue.say("trade_bust", ref_execution_id="fill 1", execution_id="b1")
    venue.shows("partially_filled", 900, 600, 300)
    assert (venue.order.notional, venue.order.book.epoch) == (D(6600), 1)
    assert (venue.order.exposure, venue.order.restated) == (D(900), True)
    venue.say("trade_bust", ref_execution_id="fill 2").shows("new", 900, 0, 900)


def test_a_bust_told_twice_counts_once() -> None:
    venue = working(900).trade(300).say("trade_bust", ref_execution_id="fill 1", execution_id="b")
    before = venue.order
    venue.hear(venue.said[-1])
    assert venue.order is before
    venue.say("trade_bust", ref_execution_id="fill 1").shows("new", 900, 0, 900)
    assert venue.order.book.epoch == 1


def test_a_correction_changes_price_and_quantity() -> None:
    venue = working(900).trade(300, 10).trade(600, 11)
    venue.say("trade_correct", ref_execution_id="fill 2", execution_id="c1", last_price=12)
    venue.shows("filled", 900, 900, 0)
    assert venue.order.notional == 300 * 10 + 600 * 12
    # The next names the correction before it, as FIX does, or the original.
    venue.say("trade_correct", ref_execution_id="c1", execution_id="c2", last_qty=500)
    venue.shows("partially_filled", 900, 800, 100)
    venue.say("trade_correct", ref_execution_id="fill 2", last_qty=650)
    venue.shows("filled", 900, 950, 0)
    assert venue.kinds == [AnomalyKind.OVERFILL]


def test_a_bust_before_its_trade_keeps_the_trade_out() -> None:
    venue = working(900).say("trade_bust", ref_execution_id="fill 1")
    venue.trade(300).shows("new", 900, 0, 900)
    assert venue.kinds == [AnomalyKind.UNKNOWN_EXECUTION]


def test_a_correction_before_its_trade_stands_for_it() -> None:
    venue = working(900)
    venue.say("trade_correct", ref_execution_id="fill 1", last_qty=250, last_price=10)
    venue.trade(300).shows("partially_filled", 900, 250, 650)
    assert venue.kinds == [AnomalyKind.UNKNOWN_EXECUTION]


def test_an_older_restatement_does_not_undo_a_newer_one() -> None:
    venue = working(900).trade(300, at=10)
    venue.say("trade_bust", ref_execution_id="fill 1", at=30)
    venue.say("trade_correct", ref_execution_id="fill 1", last_qty=200, at=20)
    venue.shows("new", 900, 0, 900)
    assert venue.kinds == [AnomalyKind.STALE_RESTATEMENT]


@pytest.mark.parametrize("ended", ["canceled", "expired", "done_for_day"])
def test_a_restated_execution_does_not_reopen_an_ended_order(ended: str) -> None:
    venue = working(900).trade(500).say(ended)
    venue.say("trade_correct", ref_execution_id="fill 1", last_qty=400).shows(ended, 900, 400, 0)
    venue.say("trade_bust", ref_execution_id="fill 1").shows(ended, 900, 0, 0)
    assert (venue.order.exposure, venue.order.restated) == (D(0), True)


def test_a_restatement_without_any_id_is_flagged() -> None:
    venue = working(900).trade(100).say("trade_bust").shows("partially_filled", 900, 100, 800)
    assert venue.kinds == [AnomalyKind.UNKNOWN_EXECUTION]


def test_a_correction_that_tells_of_a_trade_disproves_a_refusal() -> None:
    venue = working(900).say("rejected")
    venue.say("trade_correct", ref_execution_id="fill 1", last_qty=100, last_price=20)
    venue.shows("partially_filled", 900, 100, 800)
    assert AnomalyKind.FILL_AFTER_REJECTION in venue.kinds


def test_a_new_epoch_counts_the_same_cumulative_quantity_again() -> None:
    venue = working(900).trade(100, cum_qty=100)
    venue.say("trade_bust", ref_execution_id="fill 1", cum_qty=0)
    venue.trade(100, cum_qty=100).shows("partially_filled", 900, 100, 800)
    assert venue.odd == []


def test_a_fill_from_before_a_bust_is_known_after_it() -> None:
    venue = working(900).trade(100, cum_qty=100, at=10).trade(100, cum_qty=200, at=20)
    venue.say("trade_bust", ref_execution_id="fill 2", at=30)
    venue.trade(100, cum_qty=100, execution_id="activity 1", at=10)
    venue.trade(100, cum_qty=200, execution_id="activity 2", at=20)
    venue.shows("partially_filled", 900, 100, 800)
    assert venue.odd == []


def test_a_bust_after_which_the_broker_counts_otherwise_is_flagged() -> None:
    venue = working(900).trade(300).say("trade_bust", ref_execution_id="fill 1", cum_qty=50)
    venue.shows("new", 900, 0, 900)
    assert (venue.kinds, venue.order.missing_qty) == ([AnomalyKind.CUM_DISAGREES], D(50))


def test_missing_fills_stay_missing_over_a_bust() -> None:
    venue = working(900).trade(100, cum_qty=100).say("status", order_status="new", cum_qty=250)
    venue.say("trade_bust", ref_execution_id="fill 1")
    assert (venue.order.cum_qty, venue.order.missing_qty) == (D(0), D(150))


# Fills computed from snapshots


def test_a_real_fill_takes_the_place_of_one_computed_from_snapshots() -> None:
    venue = working(900).trade(300, "10.5", cum_qty=300, derived=True)
    venue.shows("partially_filled", 900, 300, 600)
    venue.trade(100, 10, cum_qty=100).shows("partially_filled", 900, 300, 600)
    assert venue.order.notional == D(3150)
    venue.trade(200, "10.75", cum_qty=300).shows("partially_filled", 900, 300, 600)
    assert venue.order.notional == D(3150)
    assert venue.odd == []


def test_of_a_computed_fill_only_the_shares_not_seen_count() -> None:
    venue = working(900).trade(100, 10, cum_qty=100).trade(300, "10.5", cum_qty=300, derived=True)
    venue.shows("partially_filled", 900, 300, 600)
    assert venue.order.notional == D(3150)
    venue.trade(200, "10.75", cum_qty=300).shows("partially_filled", 900, 300, 600)
    assert venue.odd == []


def test_a_computed_fill_of_known_shares_counts_nothing() -> None:
    venue = working(900).trade(100, 10, cum_qty=100).trade(200, 11, cum_qty=300)
    venue.trade(300, "10.66667", cum_qty=300, derived=True, execution_id="d")
    venue.shows("partially_filled", 900, 300, 600)
    assert (venue.order.notional, venue.odd) == (D(3200), [])


@pytest.mark.parametrize("first", ["real", "computed"])
def test_a_computed_fill_that_disagrees_on_price_is_flagged(first: str) -> None:
    venue = working(900)
    if first == "real":
        venue.trade(100, 10, cum_qty=100).trade(100, 11, cum_qty=100, derived=True)
    else:
        venue.trade(100, 11, cum_qty=100, derived=True).trade(100, 10, cum_qty=100)
    assert (venue.order.cum_qty, venue.order.notional) == (D(100), D(1000))
    assert venue.kinds == [AnomalyKind.FILL_DISAGREES]


# Any order, any repetition

SIZES = st.lists(st.tuples(st.integers(1, 400), st.integers(900, 1100)), min_size=1, max_size=8)


def history(sizes: list[tuple[int, int]]) -> list[ExecutionReport]:
    """Consecutive fills with their ids, prices in cents and cumulative quantities."""
    told, cum = [], 0
    for ordinal, (quantity, cents) in enumerate(sizes):
        cum += quantity
        price = D(cents) / 100
        told.append(
            report(
                "trade",
                ordinal,
                execution_id=f"fill {ordinal}",
                last_qty=quantity,
                last_price=price,
                cum_qty=cum,
            )
        )
    return told


def all_of(reports: list[ExecutionReport]) -> ChildOrder:
    order = mark_sent(intend(request(4000)))
    for message in reports:
        order, _ = fold(order, message)
    return order


@given(SIZES, st.data())
def test_totals_do_not_depend_on_order_or_repetition(
    sizes: list[tuple[int, int]], data: st.DataObject
) -> None:
    told = history(sizes)
    again = [
        report(
            "trade",
            message.market_time,
            execution_id=f"activity {message.execution_id}",
            last_qty=message.last_qty,
            last_price=message.last_price,
            cum_qty=message.cum_qty,
        )
        for message in told
    ]
    repeated = told + data.draw(st.lists(st.sampled_from(told + again), max_size=8))
    order = all_of(data.draw(st.permutations(repeated)))
    straight = all_of(told)
    assert (order.cum_qty, order.notional, order.fees, order.state) == (
        straight.cum_qty,
        straight.notional,
        straight.fees,
        straight.state,
    )
    assert order.missing_qty == 0


@given(SIZES, st.data())
def test_snapshots_between_real_fills_add_nothing_in_any_order(
    sizes: list[tuple[int, int]], data: st.DataObject
) -> None:
    told = history(sizes)
    cums = [0] + [int(message.cum_qty or 0) for message in told]
    cuts = sorted(data.draw(st.sets(st.sampled_from(cums), min_size=2, max_size=5)))
    paid = {0: D(0)}
    for message in told:
        assert message.cum_qty is not None
        assert message.last_qty is not None
        assert message.last_price is not None
        before = message.cum_qty - message.last_qty
        paid[int(message.cum_qty)] = paid[int(before)] + message.last_qty * message.last_price
    computed = [
        report(
            "trade",
            50,
            execution_id=f"snapshot {end}",
            last_qty=end - start,
            last_price=(paid[end] - paid[start]) / (end - start),
            cum_qty=end,
            derived=True,
        )
        for start, end in itertools.pairwise(cuts)
    ]
    order = all_of(data.draw(st.permutations(told + computed)))
    straight = all_of(told)
    assert order.cum_qty == straight.cum_qty
    assert abs(order.notional - straight.notional) < D("0.000001")
    assert order.missing_qty == 0
