"""Child orders by the rules of FIX: our own scenarios, one for each rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillwright.domain.errors import IllegalTransition
from fillwright.domain.orders import (
    AnomalyKind,
    fold,
    intend,
    mark_sent,
    request_replace,
    withdraw,
)
from fillwright.domain.ports import ReportKind
from fillwright.domain.states import OrderState
from tests.domain.order_cases import Venue, report, request, sent, working

D = Decimal


def test_an_intended_order_holds_all_its_shares() -> None:
    order = intend(request(300))
    assert (order.state, order.exposure, order.submissions) == (OrderState.INTENDED, D(300), 0)
    assert order.is_open
    assert not order.is_acknowledged


def test_an_order_fills_in_parts() -> None:
    venue = working(900).trade(250, 10).shows("partially_filled", 900, 250, 650)
    venue.trade(50, 11).shows("partially_filled", 900, 300, 600)
    venue.trade(600, 12).shows("filled", 900, 900, 0)
    assert venue.order.avg_price == D(250 * 10 + 50 * 11 + 600 * 12) / 900
    assert venue.order.is_dead
    assert venue.odd == []


def test_a_refused_order_has_nothing_left() -> None:
    venue = sent(700).say("rejected", text="no such symbol").shows("rejected", 700, 0, 0)
    assert venue.order.exposure == 0
    assert venue.order.evidence == "rejected at 10: no such symbol"


def test_an_acknowledged_order_may_still_be_refused_by_the_exchange() -> None:
    working(700).say("rejected").shows("rejected", 700, 0, 0)


def test_an_acknowledgement_takes_nothing_back() -> None:
    venue = sent(700).say("pending_new").shows("pending_new", 700, 0, 700)
    venue.say("accepted").shows("accepted", 700, 0, 700)
    venue.say("new").shows("new", 700, 0, 700)
    venue.say("pending_new").say("accepted").shows("new", 700, 0, 700)
    venue.trade(100).say("new").shows("partially_filled", 700, 100, 600)


def test_an_accepted_order_may_be_held_or_priced() -> None:
    sent().say("accepted", order_status="accepted_for_bidding").shows(
        "accepted_for_bidding", 1000, 0, 1000
    )
    held = sent().say("accepted", order_status="held").shows("held", 1000, 0, 1000)
    held.say("triggered").shows("new", 1000, 0, 1000)


def test_a_triggered_order_stays_new() -> None:
    working(400).say("triggered").shows("new", 400, 0, 400).trade(400).shows("filled", 400, 400, 0)


def test_a_fill_before_the_acknowledgement_counts() -> None:
    venue = sent(500).trade(200).shows("partially_filled", 500, 200, 300)
    venue.say("new").shows("partially_filled", 500, 200, 300)
    assert venue.odd == []


def test_a_cash_order_learns_its_shares_from_the_acknowledgement() -> None:
    venue = sent(0).say("new", order_qty=80).shows("new", 80, 0, 80)
    venue.trade(30).shows("partially_filled", 80, 30, 50).trade(50).shows("filled", 80, 80, 0)
    assert venue.odd == []


def test_other_terms_than_asked_for_are_taken_and_flagged() -> None:
    venue = sent(500).say("new", order_qty=450).shows("new", 450, 0, 450)
    assert venue.kinds == [AnomalyKind.TERMS_CHANGED]


# Cancels


def test_a_cancel_shows_only_when_the_broker_says_so() -> None:
    venue = working(900).cancel("stop it").shows("new", 900, 0, 900)
    assert venue.order.pending_cancel
    venue.say("pending_cancel", "stop it").shows("pending_cancel", 900, 0, 900)
    venue.say("canceled", "stop it").shows("canceled", 900, 0, 0)
    assert not venue.order.pending_cancel


def test_a_pending_cancel_keeps_its_leaves_in_the_exposure() -> None:
    venue = working(900).trade(100).cancel().say("pending_cancel")
    assert (venue.order.exposure, venue.order.is_dead) == (D(900), False)
    venue.say("canceled")
    assert (venue.order.exposure, venue.order.is_dead) == (D(100), True)


def test_fills_go_on_under_a_pending_cancel() -> None:
    venue = working(900).cancel("c").trade(200).shows("partially_filled", 900, 200, 700)
    venue.say("pending_cancel", "c").trade(300).shows("pending_cancel", 900, 500, 400)
    venue.say("canceled", "c").shows("canceled", 900, 500, 0)


@pytest.mark.parametrize(
    ("filled", "state", "leaves"), [(0, "new", 900), (400, "partially_filled", 500)]
)
def test_an_order_works_on_after_its_cancel_is_refused(
    filled: int, state: str, leaves: int
) -> None:
    venue = working(900).cancel("c").say("pending_cancel", "c")
    venue = venue.trade(filled) if filled else venue
    venue.say("cancel_rejected", "c").shows(state, 900, filled, leaves)
    assert not venue.order.pending_cancel
    venue.trade(900 - filled).shows("filled", 900, 900, 0)


def test_a_cancel_refused_as_too_late_leaves_the_order_filled() -> None:
    venue = working(900).cancel("c").say("pending_cancel", "c")
    venue.trade(900).shows("pending_cancel", 900, 900, 0)
    venue.say("cancel_rejected", "c").shows("filled", 900, 900, 0)


def test_a_cancel_refused_before_it_was_acknowledged_changes_nothing_else() -> None:
    working(900).cancel("c").say("cancel_rejected", "c").shows("new", 900, 0, 900)


def test_a_cancel_of_an_unacknowledged_order_crosses_its_acceptance() -> None:
    venue = sent(900).cancel("c").say("pending_cancel", "c")
    venue.shows("pending_cancel", 900, 0, 900)
    # The answer to the new order is given as New, and the cancel is still to come.
    venue.say("new").shows("new", 900, 0, 900)
    assert venue.order.pending_cancel
    venue.say("canceled", "c").shows("canceled", 900, 0, 0)


def test_an_unacknowledged_order_may_be_cancelled() -> None:
    venue = sent(900).cancel("c").say("pending_cancel", "c").say("canceled", "c")
    venue.shows("canceled", 900, 0, 0).say("new").shows("canceled", 900, 0, 0)


def test_the_venue_may_cancel_unasked() -> None:
    venue = working(900).trade(100).say("canceled", text="not best")
    venue.shows("canceled", 900, 100, 0)
    assert venue.order.evidence == "canceled at 30: not best"


def test_a_broker_without_request_ids_answers_under_the_order_id() -> None:
    venue = working(900).cancel().say("pending_cancel").shows("pending_cancel", 900, 0, 900)
    venue.say("cancel_rejected").shows("new", 900, 0, 900)
    venue.cancel().say("pending_cancel").shows("pending_cancel", 900, 0, 900)
    venue.say("canceled").shows("canceled", 900, 0, 0)


def test_a_repeated_pending_cancel_does_not_undo_its_refusal() -> None:
    venue = working(900).cancel("c").say("pending_cancel", "c")
    pending = venue.said[-1]
    venue.say("cancel_rejected", "c").hear(pending).shows("new", 900, 0, 900)


def test_an_immediate_order_keeps_what_it_hit() -> None:
    working(900).trade(70).say("canceled").shows("canceled", 900, 70, 0)


def test_an_order_that_expires_keeps_what_it_traded() -> None:
    working(900).trade(70).say("expired").shows("expired", 900, 70, 0)


# Replaces


def test_the_old_terms_hold_until_it_is_replaced() -> None:
    venue = working(900).trade(100).amend("r", 1200).shows("partially_filled", 900, 100, 800)
    venue.say("pending_replace", "r").shows("pending_replace", 900, 100, 800)
    venue.trade(50).shows("pending_replace", 900, 150, 750)
    venue.say("replaced", "r").shows("partially_filled", 1200, 150, 1050)
    assert venue.order.client_order_id == "r"
    venue.trade(1050, name="r").shows("filled", 1200, 1200, 0)


@pytest.mark.parametrize(("wanted", "exposure"), [(1200, 1200), (600, 900)])
def test_a_pending_replace_counts_the_larger_quantity(wanted: int, exposure: int) -> None:
    venue = working(900).amend("r", wanted)
    assert venue.order.exposure == exposure
    venue.say("pending_replace", "r")
    assert venue.order.exposure == exposure
    venue.say("replaced", "r")
    assert venue.order.exposure == wanted


def test_a_refused_replace_frees_what_it_asked_for() -> None:
    venue = working(900).amend("r", 1200).say("pending_replace", "r")
    venue.say("replace_rejected", "r").shows("new", 900, 0, 900)
    assert venue.order.exposure == 900


@pytest.mark.parametrize("wanted", [400, 250, 1])
def test_a_replace_below_the_executed_quantity_is_amended_and_fills(wanted: int) -> None:
    venue = working(900).amend("r", wanted).trade(400)
    venue.say("replaced", "r").shows("filled", 400, 400, 0)
    assert venue.odd == []


def test_a_filled_order_can_be_made_larger() -> None:
    venue = working(900).trade(900).amend("r", 1000)
    assert not venue.order.is_dead
    venue.say("pending_replace", "r").shows("pending_replace", 900, 900, 0)
    assert venue.order.exposure == 1000
    venue.say("replaced", "r").shows("partially_filled", 1000, 900, 100)


def test_a_refused_replace_of_a_filled_order_leaves_it_filled() -> None:
    venue = working(900).trade(900).amend("r", 1000).say("pending_replace", "r")
    venue.say("replace_rejected", "r").shows("filled", 900, 900, 0)
    assert venue.order.is_dead


def test_a_replace_crosses_the_fill_that_makes_it_too_late() -> None:
    venue = working(900).amend("r", 900, price=21).trade(900).shows("filled", 900, 900, 0)
    venue.say("replace_rejected", "r").shows("filled", 900, 900, 0)
    assert venue.order.limit_price == 20


def test_a_replace_may_change_the_price_alone() -> None:
    venue = working(900).amend("r", 900, price=21).say("replaced", "r").shows("new", 900, 0, 900)
    assert venue.order.limit_price == 21


def test_replaces_follow_one_another() -> None:
    venue = working(900).amend("r", 800).say("pending_replace", "r").say("replaced", "r")
    venue.trade(300, name="r").amend("s", 500).say("pending_replace", "s")
    venue.shows("pending_replace", 800, 300, 500).trade(50, name="r").say("replaced", "s")
    venue.shows("partially_filled", 500, 350, 150)


def test_a_refused_replace_is_followed_by_one_that_is_done() -> None:
    venue = working(900).amend("r", 800).say("replace_rejected", "r")
    venue.trade(10).amend("s", 700).say("pending_replace", "s").say("replaced", "s")
    venue.shows("partially_filled", 700, 10, 690)


def test_two_replaces_in_hand_are_done_in_turn() -> None:
    venue = working(900).amend("r", 800).amend("s", 600)
    venue.say("pending_replace", "r").shows("pending_replace", 900, 0, 900)
    assert venue.order.reported_order_qty == 900
    venue.say("pending_replace", "s").shows("pending_replace", 900, 0, 900)
    assert venue.order.reported_order_qty == 800
    venue.say("replaced", "r").shows("pending_replace", 800, 0, 800)
    venue.say("replaced", "s").shows("new", 600, 0, 600)


def test_two_replaces_are_both_refused() -> None:
    venue = working(900).amend("r", 800).amend("s", 600).say("pending_replace", "r")
    venue.say("replace_rejected", "r").shows("new", 900, 0, 900)
    venue.say("pending_replace", "s").shows("pending_replace", 900, 0, 900)
    venue.say("replace_rejected", "s").shows("new", 900, 0, 900)


def test_the_second_of_two_replaces_is_refused_while_the_first_is_in_hand() -> None:
    venue = working(900).amend("r", 800).amend("s", 600).say("pending_replace", "r")
    venue.say("replace_rejected", "s").shows("pending_replace", 900, 0, 900)
    venue.say("replaced", "r").shows("new", 800, 0, 800)


def test_a_later_replace_done_answers_those_before_it() -> None:
    venue = working(900).amend("r", 800).amend("s", 600).say("replaced", "s")
    venue.shows("new", 600, 0, 600).say("replaced", "r").shows("new", 600, 0, 600)
    assert not venue.order.pending_replace


def test_a_cancel_outranks_a_replace_and_ends_both() -> None:
    venue = working(900).amend("r", 800).say("pending_replace", "r").cancel("c")
    venue.say("pending_cancel", "c").shows("pending_cancel", 900, 0, 900)
    venue.say("cancel_rejected", "c").shows("pending_replace", 900, 0, 900)
    venue.say("canceled").shows("canceled", 900, 0, 0)
    assert venue.order.pending == ()


def test_a_broker_that_puts_a_new_order_in_its_place_ends_the_old_one() -> None:
    venue = working(900).trade(100).amend("r", 1200)
    venue.say("replaced", order_status="replaced").shows("replaced", 900, 100, 0)
    assert venue.order.exposure == 100


def test_a_replace_nobody_asked_for_is_taken_and_flagged() -> None:
    venue = working(900).say("replaced", order_qty=950).shows("new", 950, 0, 950)
    assert venue.kinds == [AnomalyKind.UNASKED_REPLACE]


def test_an_answer_to_nothing_is_flagged() -> None:
    venue = working(900).say("cancel_rejected").shows("new", 900, 0, 900)
    assert venue.kinds == [AnomalyKind.UNMATCHED_ANSWER]


def test_an_answer_that_fits_two_requests_settles_neither() -> None:
    venue = working(900).amend("r", 1000).amend("s", 1100).say("replace_rejected")
    assert venue.order.exposure == 1100
    assert venue.kinds == [AnomalyKind.UNMATCHED_ANSWER]


# Days


def test_a_day_order_done_for_the_day_has_nothing_left() -> None:
    venue = working(900).trade(300).say("done_for_day").shows("done_for_day", 900, 300, 0)
    assert (venue.order.is_dead, venue.order.exposure) == (True, D(300))


def test_an_order_that_lives_on_keeps_its_leaves_over_night() -> None:
    venue = working(900, carries_over=True).trade(300).say("done_for_day")
    venue.shows("done_for_day", 900, 300, 600)
    assert (venue.order.is_dead, venue.order.exposure) == (False, D(900))
    venue.say("restated", order_qty=900).shows("partially_filled", 900, 300, 600)
    assert venue.odd == []


def test_an_order_that_lives_on_resumes_with_a_trade_of_the_next_day() -> None:
    venue = working(900, carries_over=True).trade(300).say("done_for_day")
    venue.trade(10, at=15).shows("done_for_day", 900, 310, 590)
    venue.trade(10).shows("partially_filled", 900, 320, 580)


def test_a_stock_split_restates_shares_and_prices_and_not_the_money() -> None:
    venue = working(900, carries_over=True).trade(300, 30).say("done_for_day")
    venue.say("restated", order_qty=2700, cum_qty=900).shows("partially_filled", 2700, 900, 1800)
    assert (venue.order.notional, venue.order.avg_price) == (D(9000), D(10))
    venue.trade(1800, 10, cum_qty=2700).shows("filled", 2700, 2700, 0)


def test_the_broker_may_resize_an_order_by_itself() -> None:
    venue = working(900).say("restated", order_qty=950).shows("new", 950, 0, 950)
    venue.trade(50).say("restated", order_qty=850).shows("partially_filled", 850, 50, 800)
    assert venue.kinds == [AnomalyKind.TERMS_CHANGED] * 2


# Conditions


def test_a_stopped_order_shows_stopped_until_it_is_filled() -> None:
    venue = working(900).say("stopped", last_qty=100, last_price=20)
    venue.shows("stopped", 900, 0, 900).trade(100).shows("stopped", 900, 100, 800)
    venue.trade(800).shows("filled", 900, 900, 0)


def test_a_suspended_order_keeps_its_leaves_and_is_reinstated() -> None:
    venue = working(900).say("suspended").shows("suspended", 900, 0, 900)
    venue.say("new").shows("new", 900, 0, 900)


@pytest.mark.parametrize("condition", ["stopped", "suspended"])
def test_a_cancelled_order_is_in_no_passing_condition(condition: str) -> None:
    working(900).say(condition).say("canceled").shows("canceled", 900, 0, 0)


def test_done_for_day_outranks_filled_and_calculated() -> None:
    venue = working(900).trade(900).say("calculated").shows("calculated", 900, 900, 0)
    venue.say("done_for_day").shows("done_for_day", 900, 900, 0)


# Sent twice, unknown outcomes, snapshots


def test_an_unknown_outcome_keeps_everything_until_the_brokers_evidence() -> None:
    venue = sent(900).say("unknown_outcome").shows("indeterminate", 900, 0, 900)
    assert venue.order.is_indeterminate
    assert venue.order.exposure == 900
    assert venue.order.is_open
    venue.say("status").say("cancel_rejected").shows("indeterminate", 900, 0, 900)


@pytest.mark.parametrize(
    ("evidence", "state", "cum"),
    [
        ({"kind": "new"}, "new", 0),
        ({"kind": "pending_new"}, "pending_new", 0),
        ({"kind": "rejected"}, "rejected", 0),
        ({"kind": "canceled"}, "canceled", 0),
        ({"kind": "expired"}, "expired", 0),
        ({"kind": "status", "order_status": "new"}, "new", 0),
        ({"kind": "status", "order_status": "canceled"}, "canceled", 0),
        ({"kind": "pending_cancel"}, "pending_cancel", 0),
        ({"kind": "trade", "last_qty": 5, "last_price": 20, "execution_id": "e"}, "p", 5),
    ],
)
def test_the_brokers_evidence_ends_an_unknown_outcome(
    evidence: dict[str, Any], state: str, cum: int
) -> None:
    fields = dict(evidence)
    venue = sent(900).say("unknown_outcome").say(str(fields.pop("kind")), **fields)
    assert venue.order.state == ("partially_filled" if state == "p" else state)
    assert not venue.order.is_indeterminate
    assert venue.order.cum_qty == cum


def test_an_order_that_is_only_intended_may_have_been_sent() -> None:
    venue = Venue(intend(request(900))).say("unknown_outcome").shows("indeterminate", 900, 0, 900)
    assert venue.order.submissions > 0


def test_a_lost_answer_to_a_cancel_leaves_the_order_known() -> None:
    venue = working(900).trade(100).cancel().say("unknown_outcome")
    venue.shows("partially_filled", 900, 100, 800)
    assert venue.order.pending_cancel


def test_a_refused_second_submission_leaves_the_first_alone() -> None:
    venue = working(900).trade(100)
    venue.order = mark_sent(venue.order)
    venue.say("rejected", text="duplicate id").shows("partially_filled", 900, 100, 800)
    assert venue.odd == []


def test_a_refusal_of_one_of_two_unanswered_submissions_proves_nothing() -> None:
    venue = sent(900).say("unknown_outcome")
    venue.order = mark_sent(venue.order)
    venue.say("rejected", execution_id="a").shows("indeterminate", 900, 0, 900)
    venue.hear(venue.said[-1]).shows("indeterminate", 900, 0, 900)
    venue.say("rejected", execution_id="b").shows("rejected", 900, 0, 0)


def test_a_refusal_that_says_the_order_lives_is_believed() -> None:
    working(900).say("rejected", order_status="new").shows("new", 900, 0, 900)


def test_a_refusal_after_fills_is_flagged_and_ends_nothing() -> None:
    venue = working(900).trade(100).say("rejected").shows("partially_filled", 900, 100, 800)
    assert venue.kinds == [AnomalyKind.REJECTED_AFTER_FILL]


def test_a_snapshot_changes_nothing_of_an_order_we_follow() -> None:
    venue = working(900).trade(100)
    before = venue.order
    venue.say("status", order_status="partially_filled", cum_qty=100)
    assert venue.order is before
    venue.say("status", order_status="new", cum_qty=0)
    assert venue.order is before


def test_a_snapshot_makes_no_fills_and_flags_the_missing_ones() -> None:
    venue = working(900).trade(100, cum_qty=100)
    venue.say("status", order_status="partially_filled", cum_qty=400)
    venue.shows("partially_filled", 900, 100, 800)
    assert (venue.order.missing_qty, venue.kinds) == (D(300), [AnomalyKind.MISSING_FILLS])
    venue.say("status", order_status="partially_filled", cum_qty=400)
    assert len(venue.odd) == 1
    venue.trade(300, cum_qty=400)
    assert venue.order.missing_qty == 0


def test_a_snapshot_of_an_ended_order_keeps_room_for_fills_not_seen() -> None:
    venue = working(900).say("status", order_status="canceled", cum_qty=250)
    venue.shows("canceled", 900, 0, 0)
    assert venue.order.exposure == 250


def test_a_snapshot_of_an_ended_order_does_not_end_it_otherwise() -> None:
    venue = working(900).say("canceled").say("status", order_status="expired", cum_qty=0)
    venue.shows("canceled", 900, 0, 0)
    assert venue.odd == []


def test_a_snapshot_that_refuses_an_order_with_fills_is_flagged() -> None:
    venue = working(900).trade(100).say("status", order_status="rejected")
    venue.shows("partially_filled", 900, 100, 800)
    assert venue.kinds == [AnomalyKind.REJECTED_AFTER_FILL]


def test_a_snapshot_masks_an_order_whose_cancel_is_in_hand() -> None:
    venue = working(900).cancel().say("status", order_status="pending_cancel")
    venue.shows("pending_cancel", 900, 0, 900)


def test_an_anomaly_reads_as_its_kind_and_what_was_seen() -> None:
    venue = working(900).trade(950)
    assert [str(anomaly) for anomaly in venue.odd] == ["overfill: 50 shares more than ordered"]


def test_an_order_gives_the_terms_it_was_asked_for() -> None:
    order = intend(request(900, display_quantity=D(100)))
    asked = order.request
    assert (order.symbol, order.side, order.order_type) == ("ABC", asked.side, asked.order_type)
    assert (order.time_in_force, order.display_quantity) == (asked.time_in_force, D(100))


def test_a_replace_may_be_done_with_other_terms_than_asked_for() -> None:
    venue = working(900).amend("r", 1200).say("replaced", "r", order_qty=1100, limit_price=22)
    venue.shows("new", 1100, 0, 1100)
    assert (venue.order.limit_price, venue.kinds) == (D(22), [AnomalyKind.TERMS_CHANGED])


def test_the_broker_may_deal_with_a_replace_of_its_own() -> None:
    venue = working(900).say("pending_replace").shows("pending_replace", 900, 0, 900)
    venue.say("replace_rejected").shows("new", 900, 0, 900)


def test_a_status_word_we_do_not_know_is_flagged() -> None:
    venue = working(900).say("status", order_status="frozen").shows("new", 900, 0, 900)
    assert venue.kinds == [AnomalyKind.UNKNOWN_STATUS]


# After the end


@pytest.mark.parametrize("ended", ["canceled", "expired"])
def test_a_fill_after_the_end_is_kept_and_flagged(ended: str) -> None:
    venue = working(900).trade(100).say(ended).trade(50).shows(ended, 900, 150, 0)
    assert venue.order.restated
    assert venue.order.exposure == 150
    assert venue.kinds == [AnomalyKind.LATE_FILL]


def test_a_late_fill_of_all_the_rest_shows_filled() -> None:
    venue = working(900).say("canceled").trade(900).shows("filled", 900, 900, 0)
    venue.say("trade_bust", ref_execution_id="fill 1").shows("canceled", 900, 0, 0)


def test_a_refused_order_that_trades_was_not_refused() -> None:
    venue = sent(900).say("rejected").trade(100).shows("partially_filled", 900, 100, 800)
    assert venue.order.exposure == 900
    assert venue.kinds == [AnomalyKind.FILL_AFTER_REJECTION]


def test_the_first_end_stands() -> None:
    venue = working(900).say("canceled").say("expired").shows("canceled", 900, 0, 0)
    venue.say("rejected").shows("canceled", 900, 0, 0)
    assert venue.kinds == [AnomalyKind.CONFLICTING_END] * 2


def test_an_end_that_counts_less_than_we_know_is_flagged() -> None:
    venue = working(900).trade(200).say("canceled", cum_qty=100).shows("canceled", 900, 200, 0)
    assert venue.kinds == [AnomalyKind.CUM_DISAGREES]


def test_an_overfill_is_kept_in_full_and_flagged() -> None:
    venue = working(900).trade(800).trade(300).shows("filled", 900, 1100, 0)
    assert venue.order.exposure == 1100
    assert venue.kinds == [AnomalyKind.OVERFILL]


# Our own steps


def test_an_order_that_was_never_sent_can_be_withdrawn() -> None:
    order = withdraw(intend(request(900)))
    assert (order.state, order.exposure) == (OrderState.CANCELED, D(0))
    with pytest.raises(IllegalTransition):
        withdraw(mark_sent(intend(request(900))))


def test_asking_to_cancel_an_ended_order_changes_nothing() -> None:
    venue = working(900).say("canceled")
    assert venue.cancel("c").order.pending == ()


def test_a_report_of_another_order_is_flagged_and_ignored() -> None:
    venue = working(900)
    before = venue.order
    venue.say("canceled", "another")
    assert venue.order is before
    assert venue.kinds == [AnomalyKind.WRONG_ORDER]


def test_a_report_is_known_by_the_brokers_order_id_too() -> None:
    venue = sent(900).say("new", venue_order_id="v1")
    venue.say("canceled", "by hand", venue_order_id="v1").shows("canceled", 900, 0, 0)


@pytest.mark.parametrize("kind", list(ReportKind))
def test_no_kind_of_report_raises_and_saying_it_twice_changes_nothing(kind: ReportKind) -> None:
    starts = [Venue(intend(request())), sent(), working(), working().trade(10)]
    starts += [working().trade(1000), working().say("canceled"), sent().say("rejected")]
    starts += [working().cancel().say("pending_cancel"), sent().say("unknown_outcome")]
    for bad in (None, D("NaN"), D("Infinity"), D("-1"), D(0)):
        for start in starts:
            message = report(kind, 99, last_qty=bad, last_price=bad, order_qty=bad, cum_qty=bad)
            once, _ = fold(start.order, message)
            assert fold(once, message)[0] == once
            assert once.exposure >= once.cum_qty


def test_an_answer_to_a_replace_that_comes_twice_does_not_end_the_order() -> None:
    """Its status says ``replaced`` under the new id, which the first time meant: in place."""
    asked = request_replace(working(1000).order, "ask 1", D(500))
    answer = report(ReportKind.REPLACED, 20, "ask 1", order_status="replaced")
    once, _ = fold(asked, answer)
    assert (once.state, once.order_qty) == (OrderState.NEW, D(500))
    again, _ = fold(once, answer)
    assert again == once
    assert again.exposure == D(500)
