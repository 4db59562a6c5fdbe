"""Rows of a file become arrivals: when, under which id, and in which batch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fillwright.adapters.engine import EngineRules
from fillwright.adapters.engine.batching import AdvisedArrival
from fillwright.adapters.inputs.decisions import Row
from fillwright.adapters.running import file_decisions, load_market, parse_day, recorded_seed
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.errors import InvalidInput, StoreDamaged
from fillwright.domain.ports import NANOS, Session

BUY = {"symbol": "KO", "action": "BUY", "target_weight": 1}
RULES = EngineRules()


@pytest.fixture(scope="module")
def session() -> Session:
    found = ExchangeCalendar().session_on("2024-06-12")
    assert found is not None
    return found


def test_both_ways_of_writing_a_date_are_the_same_day() -> None:
    assert parse_day("2013-10-08") == parse_day(" 20131008 ") == "20131008"
    with pytest.raises(InvalidInput, match="session"):
        parse_day("8 Oct")


def test_a_row_without_a_time_arrives_when_the_opening_avoidance_ends(session: Session) -> None:
    (decision,) = file_decisions([Row(1, BUY)], session, RULES)
    assert decision.at == session.open + 300 * NANOS


def test_a_row_that_was_decided_before_the_open_arrives_at_the_open(session: Session) -> None:
    early = {**BUY, "decision_time": "2024-06-12T08:00:00-04:00"}
    assert file_decisions([Row(1, early)], session, RULES)[0].at == session.open


def test_rows_come_in_the_order_of_their_times(session: Session) -> None:
    late = {**BUY, "decision_time": "2024-06-12T15:00:00-04:00"}
    lines = [each.line for each in file_decisions([Row(1, late), Row(2, BUY)], session, RULES)]
    assert lines == [2, 1]


def test_rows_that_arrive_together_are_one_batch(session: Session) -> None:
    late = {**BUY, "decision_time": "2024-06-12T15:00:00-04:00"}
    rows = [Row(1, BUY), Row(2, {**BUY, "symbol": "AAPL"}), Row(3, late)]
    arrivals = [each.arrival for each in file_decisions(rows, session, RULES)]
    groups = [each.group for each in arrivals if isinstance(each, AdvisedArrival)]
    assert groups[0] == groups[1] != groups[2]


def test_ids_are_a_rows_own_or_follow_from_content_and_ordinal(session: Session) -> None:
    rows = [
        Row(1, {**BUY, "decision_id": "mine"}),
        Row(2, BUY),
        Row(3, {**BUY, "reasoning": "is no part of the content"}),
        Row(4, b"no JSON"),
        Row(5, b"no JSON"),
        Row(6, {**BUY, "target_weight": -1, "decision_id": "refused"}),
    ]
    ids = {each.line: each.arrival.file_id for each in file_decisions(rows, session, RULES)}
    assert (ids[1], ids[6]) == ("mine", "refused")
    assert str(ids[2]).removesuffix("#0") == str(ids[3]).removesuffix("#1")
    assert ids[4] != ids[5]
    assert {each.line: each.arrival.file_id for each in file_decisions(rows, session, RULES)} == ids


@pytest.mark.parametrize("at", ["2024-06-11T15:00:00-04:00", "2024-06-12T16:00:00-04:00"])
def test_a_time_that_the_session_does_not_have_is_refused(at: str, session: Session) -> None:
    with pytest.raises(InvalidInput, match=r"decision_time \(row 7\)"):
        file_decisions([Row(7, {**BUY, "decision_time": at})], session, RULES)


def test_leniently_such_a_row_is_refused_by_itself_and_not_under_its_own_id(
    session: Session,
) -> None:
    other = {**BUY, "decision_id": "mine", "decision_time": "2024-06-11T15:00:00-04:00"}
    rows = [Row(7, other), Row(8, BUY)]
    wrong, right = file_decisions(rows, session, RULES, lenient=True)
    assert (wrong.line, wrong.arrival.file_id) == (7, "mine@2024-06-12")
    (refusal,) = wrong.arrival.refusals
    assert refusal.field == "decision_time (row 7)"
    assert right.arrival.refusals == ()


def test_a_market_folder_without_the_day_says_what_it_has(tmp_path: Path) -> None:
    entries = [{"symbol": name, "date": "20240611"} for name in ("KO", "AAPL")]
    (tmp_path / "instruments.json").write_text(json.dumps(entries))
    with pytest.raises(InvalidInput, match=r"20240611 \(AAPL, KO\)"):
        load_market(str(tmp_path), "20240612")
    with pytest.raises(InvalidInput, match="symbols"):
        load_market(str(tmp_path), "20240611", symbols=["IBM"])


def test_a_generated_market_has_only_the_symbols_that_are_named() -> None:
    assert load_market("generated", "20240612", symbols=["NPK"]).symbols == ("NPK",)
    with pytest.raises(InvalidInput, match=r"symbols: 'FOO'.*AAPL"):
        load_market("generated", "20240612", symbols=["NPK", "FOO"])


def test_a_store_without_a_record_has_no_seed(tmp_path: Path) -> None:
    assert recorded_seed("memory:") is None
    assert recorded_seed(str(tmp_path / "none.db")) is None
    (tmp_path / "empty.db").touch()
    assert recorded_seed(str(tmp_path / "empty.db")) is None
    (tmp_path / "other.db").write_text("no database, whatever its name says" * 100)
    with pytest.raises(StoreDamaged):
        recorded_seed(str(tmp_path / "other.db"))
