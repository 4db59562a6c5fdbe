"""The exceptions book: everything odd has an owner, a due time and an end that others wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fillwright.adapters.exceptions_book import book_of
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain import events as e
from fillwright.domain import ops
from fillwright.domain.account import TradingAccount
from fillwright.domain.ids import account_stream_id
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import Anomalous
from fillwright.domain.supervision.exceptions import DUE_NS, Urgency
from tests.supervision.conftest import House

DENIED = 6
HOUR = 3_600 * NANOS
BREAK = e.Break(kind="position", symbol="KO", ours="88", theirs="90")


def record(house: House, *breaks: e.Break, anomaly: bool = False) -> int:
    """Put a comparison with the broker on the log; gives its time."""
    with Log.open(str(house.store), exclusive=False) as log:
        account = TradingAccount.replay("main", log.stream(account_stream_id("main")))
        last = max(r.event.record_time for r in log.events())
        stamp = e.Stamp(last + NANOS, "engine", "account", "test")
        account.reconciled(stamp, "timer", 1, 1, breaks)
        if anomaly:
            account.note(stamp, Anomalous.POSITION_BREAK, "KO: 88 here, 90 there", "KO")
        log.append(account)
    return last + NANOS


def listed(house: House, *options: object, by: str = "eve") -> list[dict[str, Any]]:
    done = house.by(by, "exceptions", "list", "--json", *options)
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = done.json["exceptions"]
    return found


def close(house: House, by: str, id: str) -> Any:
    text = ("--disposition", "explained", "--text", "looked at with the broker")
    return house.by(by, "exceptions", "close", id, *text, "--json")


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / NANOS, UTC).isoformat()


def test_a_refusal_an_anomaly_and_a_break_are_raised_owned_and_closed_by_another(
    house: House,
) -> None:
    house.set_up()
    at = record(house, BREAK, anomaly=True)
    found = {(one["kind"], one["detail"].split(":")[0]): one for one in listed(house)}
    (refusal,) = [one for one in found.values() if one["kind"] == "refusal"]
    anomaly = found["anomaly", "position_break"]
    broken = found["break", "position"]
    assert refusal["owner"] == "role:risk"
    assert broken["raised_at"] == at
    assert broken["due_at"] == at + HOUR
    assert broken["positions"] == [broken["positions"][0]]

    assert close(house, "eve", anomaly["exception"]).code == DENIED
    assert close(house, "pm-7", anomaly["exception"]).code == DENIED
    assert (
        house.by("ada", "exceptions", "assign", anomaly["exception"][:10], "--owner", "pm-7").code
        == 2
    )  # an agent owns nothing
    given = house.by(
        "ada",
        "exceptions",
        "assign",
        anomaly["exception"][:10],
        "--owner",
        "rob",
        "--due-hours",
        "2",
        "--json",
    ).json
    assert given["owner"] == "rob"
    closed = close(house, "kim", anomaly["exception"])
    assert closed.code == 0, closed.err
    assert closed.json["closed_by"] == "kim"
    assert close(house, "kim", anomaly["exception"]).code == 2  # once
    with OpsLog.open(str(house.store), writer=False) as stream:
        (end,) = [r.record for r in stream.records(topics={"ExceptionClosed"})]
    assert isinstance(end, ops.ExceptionClosed)
    assert end.disposition is ops.Disposition.EXPLAINED
    assert list(end.positions) == anomaly["positions"]
    assert anomaly["exception"] not in {one["exception"] for one in listed(house)}
    assert anomaly["exception"] in {one["exception"] for one in listed(house, "--all")}


def test_a_break_that_still_differs_is_closed_by_hand_by_two(house: House) -> None:
    house.set_up()
    record(house, BREAK)
    (broken,) = listed(house, "--kind", "break")
    refused = close(house, "kim", broken["exception"])
    assert refused.code == DENIED
    assert "it still differs" in refused.err
    change = house.propose("rob", "break", "--scope", broken["exception"])
    assert house.approve("kim", change).code == DENIED  # compliance approves
    assert house.approve("ada", change).code == 0
    done = close(house, "kim", broken["exception"])
    assert done.code == 0, done.err
    assert done.json["closed_by_hand"] is True


def test_a_break_that_agrees_again_takes_one_and_comes_back_as_another(house: House) -> None:
    house.set_up()
    record(house, BREAK)
    record(house, BREAK)
    (broken,) = listed(house, "--kind", "break")  # the same, seen twice
    record(house)
    (settled,) = listed(house, "--kind", "break")
    assert settled["settled"] is True
    assert close(house, "kim", broken["exception"]).json["closed_by_hand"] is False
    record(house, BREAK)
    (again,) = listed(house, "--kind", "break")
    assert again["exception"] != broken["exception"]


def test_whoever_an_exception_came_from_does_not_close_it_under_any_name(house: House) -> None:
    house.set_up()
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("kim", change).code == 0
    (override,) = listed(house, "--kind", "override")
    assert set(override["originators"]) == {"kim", "rob"}
    assert close(house, "kim", override["exception"]).code == DENIED
    assert close(house, "kim2", override["exception"]).code == DENIED  # the same person
    assert close(house, "ada", override["exception"]).code == 0


def test_a_refused_command_is_an_exception(house: House) -> None:
    house.set_up()
    assert house.by("eve", "kill", "--reason", "let me").code == DENIED
    (asked,) = [one for one in listed(house, "--kind", "refusal") if "kill" in one["detail"]]
    assert asked["originators"] == ["eve"]
    assert asked["owner"] == "role:risk"


def test_overdue_exceptions_escalate_by_the_time_alone(house: House) -> None:
    house.set_up()
    at = record(house, BREAK)
    span = DUE_NS[Urgency.CRITICAL]
    seen = []
    for late in (0, 1, span, span + 1, 50 * span):
        (one,) = listed(house, "--kind", "break", "--at", str(at + span + late))
        seen.append((one["escalated"], one["escalated_to"]))
    first, second = (1, "role:compliance"), (2, "role:admin")
    assert seen == [(0, None), first, first, second, second]
    assert listed(house, "--kind", "break", "--at", str(at - 1)) == []
    assert len(listed(house, "--overdue", "--kind", "break", "--at", iso(at + 3 * span))) == 1


def test_the_same_log_tells_the_same_exceptions(house: House) -> None:
    record(house, BREAK, anomaly=True)
    house.by("anybody", "kill", "--reason", "test")
    with Log.open(str(house.store), writer=False) as log, OpsLog.of(log) as stream:
        first, second = book_of(log, stream), book_of(log, stream)
        assert first.held(2**62) == second.held(2**62)
        assert any(one.raised.detail.startswith("trading was blocked") for one in first.held(2**62))
