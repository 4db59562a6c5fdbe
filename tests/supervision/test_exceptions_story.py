"""The exceptions book: everything odd has an owner, a due time and an end that others wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.supervision.exceptions_book import Exceptions, book_of
from fillwright.adapters.supervision.supervising import Caller, Supervisor
from fillwright.domain import events as e
from fillwright.domain import ops
from fillwright.domain.account import TradingAccount
from fillwright.domain.ids import account_stream_id
from fillwright.domain.instruction import Instruction
from fillwright.domain.ports import NANOS
from fillwright.domain.principals import AccessDenied
from fillwright.domain.reasons import Anomalous
from fillwright.domain.supervision.exceptions import DUE_NS, Urgency
from tests.supervision.conftest import House, token

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


def overfill(house: House) -> list[int]:
    """The venue executes five shares beyond an order of ours, which the strategy had overreached.

    Gives the places of both anomalies.
    """
    with Log.open(str(house.store), exclusive=False) as log:
        first = next(r.event for r in log.events() if isinstance(r.event, e.OrderFilled))
        instruction = Instruction.replay(log.stream(first.originator_id))
        order = instruction.orders[first.report.client_order_id]
        last = max(r.event.record_time for r in log.events())
        stamp = e.Stamp(last + NANOS, "engine", str(instruction.id), "test")
        instruction.note(stamp, Anomalous.STRATEGY_OVERREACH, "more than was left")
        more = replace(
            first.report,
            execution_id=f"beyond-{order.cum_qty}",
            last_qty=Decimal(5),
            cum_qty=order.cum_qty + 5,
            market_time=last,
        )
        instruction.report(stamp, more)
        log.append(instruction)
        kinds = (Anomalous.STRATEGY_OVERREACH, Anomalous.OVERFILL)
        return [
            r.position
            for r in log.events()
            if isinstance(r.event, e.InstructionAnomaly) and r.event.kind in kinds
        ]


def alerts(house: House) -> list[str]:
    found = house.by("eve", "status", "--json").json["alerts"]
    told = [(one["kind"], one["detail"]) for one in found]
    odd = [text for kind, text in told if kind == "anomaly" and "strategy_overreach" in text]
    return [kind for kind, _ in told if kind != "anomaly"] + ["strategy_overreach"] * len(odd)


@pytest.mark.on_a_server
def test_an_overfill_and_an_overreach_are_settled_by_a_person_and_their_alerts_are_over(
    house: House,
) -> None:
    house.set_up()
    before = alerts(house)
    places = overfill(house)
    assert len(places) == 2
    raised = set(alerts(house)) - set(before)
    assert raised == {"overfill", "strategy_overreach"}
    found = listed(house, "--kind", "anomaly")
    ids = [one["exception"] for one in found if set(one["positions"]) & set(places)]
    assert [close(house, "rob", id).code for id in ids] == [DENIED, DENIED]
    assert set(alerts(house)) >= raised
    assert [close(house, "kim", id).code for id in ids] == [0, 0]
    assert close(house, "kim", ids[0]).code == 2, "it is closed"
    assert alerts(house) == before
    with Log.open(str(house.store), writer=False) as log:
        settled = [r.event for r in log.events() if isinstance(r.event, e.AnomalySettled)]
    assert sorted(one.place for one in settled) == places
    assert {(one.actor, one.disposition.value, one.reason) for one in settled} == {
        ("person:kim", "explained", "looked at with the broker")
    }
    assert house.by("eve", "verify").code in (0, 5)
    assert overfill(house)[2:], "the venue does it again"
    assert set(alerts(house)) >= {"overfill"}


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


@pytest.mark.on_a_server
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


@dataclass
class At:
    """A clock on the wall that stands where a test puts it."""

    time: int

    def now(self) -> int:
        return self.time


@pytest.mark.on_a_server
def test_each_step_of_an_escalation_is_on_record_once_and_anew_when_it_is_due_again(
    house: House,
) -> None:
    house.set_up()
    at = record(house, BREAK)
    (one,) = listed(house, "--kind", "break", "--at", str(at))
    span, clock = DUE_NS[Urgency.CRITICAL], At(at)

    def escalated(name: str = "rob") -> list[tuple[int, str, int]]:
        with Supervisor(str(house.store), Caller.with_token(token(name)), clock) as supervisor:
            made = Exceptions(supervisor).escalate()
        own = [r for r in made if isinstance(r, ops.ExceptionEscalated)]
        return [(r.level, r.to, r.due_at) for r in own if r.exception == one["exception"]]

    first, second = (1, "role:compliance", at + span), (2, "role:admin", at + span)
    clock.time = max(at + span, now_of(house))
    late = clock.time > at + 2 * span
    assert escalated() == ([first, second] if late else [])
    clock.time += 50 * span
    assert escalated() == ([] if late else [first, second])
    assert escalated() == [], "once each"
    with pytest.raises(AccessDenied):
        escalated("eve")
    with Supervisor(str(house.store), Caller.with_token(token("kim")), clock) as supervisor:
        due = Exceptions(supervisor).assign(one["exception"], "ada", 1, "knows it").due_at
    assert escalated() == []
    clock.time = due + 1
    assert escalated() == [(1, "role:compliance", due)], "as it was due anew"
    assert house.by("rob", "exceptions", "escalate", "--json").json["escalated"] == []


def now_of(house: House) -> int:
    """The time of the last record of control, behind which no decision goes back."""
    with Supervisor(str(house.store), Caller.with_token(token("kim"))) as supervisor:
        return supervisor.now


def test_the_same_log_tells_the_same_exceptions(house: House) -> None:
    record(house, BREAK, anomaly=True)
    house.by("anybody", "kill", "--reason", "test")
    with Log.open(str(house.store), writer=False) as log, OpsLog.of(log) as stream:
        first, second = book_of(log, stream), book_of(log, stream)
        assert first.held(2**62) == second.held(2**62)
        assert any(one.raised.detail.startswith("trading was blocked") for one in first.held(2**62))
