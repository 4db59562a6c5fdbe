"""Ways round the controls that an auditor tried by hand, each of them closed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain import events as e
from fillwright.domain import ops
from tests.adapters.entrypoints.conftest import EXAMPLES, GENERATED
from tests.adapters.entrypoints.test_surveillance import CROSSING
from tests.supervision.conftest import House

DIFFERS, DENIED = 4, 6


def log_of(house: House, *kinds: type[e.DomainEvent]) -> list[Any]:
    with Log.open(str(house.store), writer=False) as log:
        return [r.event for r in log.events() if isinstance(r.event, kinds)]


def own_statement(house: House, folder: Path, **other: object) -> Path:
    """What somebody writes who has our record and no word of the broker's."""
    traded: list[dict[str, object]] = []
    held: dict[str, Decimal] = {}
    for event in log_of(house, e.OrderIntended, e.OrderFilled):
        if isinstance(event, e.OrderIntended):
            symbol, side = event.symbol, event.side
            continue
        report = event.report
        shares = report.last_qty or Decimal(0)
        held[symbol] = held.get(symbol, Decimal(0)) + shares * side.sign
        line = {"execution_id": report.execution_id, "symbol": symbol, "side": side.value}
        traded.append({**line, "quantity": str(shares), "price": str(report.last_price)})
    (opened,) = log_of(house, e.SessionOpened)
    whole = {
        "session_date": opened.session_date,
        "trades": traded,
        "positions": [{"symbol": s, "quantity": str(n)} for s, n in held.items() if n],
        **other,
    }
    file = folder / f"statement-{len(list(folder.glob('statement-*')))}.json"
    file.write_text(json.dumps(whole))
    return file


def test_a_reader_or_an_agent_makes_no_session_final_with_a_statement_of_its_own(
    house: House,
) -> None:
    house.set_up()
    file = own_statement(house, house.folder)
    for who in ("eve", "pm-7"):
        assert house.by(who, "reconcile", "--statement", file).code == DENIED
        assert house.by(who, "reconcile", "--sign-off", "fine", "--session", "x").code == DENIED
    assert log_of(house, e.StatementReconciled, e.FeesTruedUp) == []


def test_a_difference_is_not_answered_by_who_trades_with_another_statement(house: House) -> None:
    house.set_up()
    short = own_statement(house, house.folder, trades=[])
    asked = ("reconcile", "--statement")
    assert house.by("rob", *asked, short, "--person", "the broker").code == DIFFERS
    first, *_ = log_of(house, e.StatementReconciled)
    assert first.actor == "person:rob", "not whom it claims to be"
    assert house.by("rob", *asked, short).code == DIFFERS, "the same one again"
    edited = own_statement(house, house.folder, closing_cash="1")
    refused = house.by("rob", *asked, edited)
    assert refused.code == DENIED
    assert "it takes the role risk or compliance" in refused.err
    assert len(log_of(house, e.StatementReconciled)) == 1
    assert house.by("ada", *asked, edited).code == DIFFERS
    assert [one.actor for one in log_of(house, e.StatementReconciled)] == [
        "person:rob",
        "person:ada",
    ]


def test_who_trades_explains_no_position_by_a_file_of_its_own_and_names_nobody_else(
    house: House,
) -> None:
    house.set_up()
    file = house.folder / "actions.json"
    split = {"id": "1", "symbol": "KO", "new_rate": 2, "old_rate": 1, "ex_date": "2030-01-02"}
    file.write_text(json.dumps({"corporate_actions": {"forward_splits": [split]}}))
    assert house.by("rob", "actions", file).code == DENIED
    assert log_of(house, e.CorporateActionRecorded) == []
    done = house.by("ada", "actions", file, "--person", "Somebody")
    assert done.code == 0, done.err
    assert [one.actor for one in log_of(house, e.CorporateActionRecorded)] == ["person:ada"]


def test_whoever_an_exception_came_from_does_not_put_it_off(house: House) -> None:
    house.set_up()
    change = house.propose("kim", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("ada", change).code == 0
    listed = house.by("eve", "exceptions", "list", "--kind", "override", "--json").json
    (override,) = [one["exception"] for one in listed["exceptions"]]
    assign = ("exceptions", "assign", override, "--owner", "kim", "--reason", "x", "--due-hours")
    for own in ("kim", "kim2", "ada"):
        late = house.by(own, *assign, 700)
        assert late.code == DENIED, own
        assert "own doing; another puts it off" in late.err
    assert house.by("kim", *assign, 1).code == 0, "sooner is allowed"


def test_a_review_is_in_the_name_of_who_makes_it(house: House) -> None:
    house.set_up()
    issued = house.by("kim", "report", "--kind", "finra5310", "--format", "json")
    assert issued.code == 0, issued.err
    with OpsLog.open(house.store, writer=False) as records:
        (report,) = (r.record for r in records.records(topics={"ReportIssued"}))
    assert isinstance(report, ops.ReportIssued)
    asked = ("--decision", "keep", "--reason", "x", "--factor", "price=fine", "--reviewer", "Ann")
    done = house.by("kim", "review", report.report, *asked, "--json")
    assert done.code == 0, done.err
    with OpsLog.open(house.store, writer=False) as records:
        (review,) = (r.record for r in records.records(topics={"ReviewRecorded"}))
    assert (review.actor, done.json["report"]) == ("kim", report.report)


@pytest.mark.on_a_server
def test_an_own_approval_an_expired_one_and_a_borrowed_token_are_refused(house: House) -> None:
    house.set_up()
    loosen = ("limits", "--limit", "trades_max_per_day=80")
    change = house.propose("ada", *loosen)
    assert house.approve("ada", change).code == DENIED
    far = ("changes", "propose", *loosen, "--reason", "x", "--valid-hours", 2_000)
    assert house.by("rob", *far).code == 2, "a year ahead is no expiry"
    assert house.by("pm-7", "changes", "propose", *loosen, "--reason", "x").code == DENIED
    file = house.folder / "twice.toml"
    text = (house.folder / "principals-0.toml").read_text()
    ada = next(line for line in text.splitlines() if line.startswith("token_sha256"))
    file.write_text(f'{text}\n[[principals]]\nname = "x"\nperson = "x"\nroles = ["risk"]\n{ada}\n')
    twice = house.by("kim", "principals", "set", file, "--reason", "x")
    assert (twice.code, "each of one principal only" in twice.err) == (2, True)
    with OpsLog.open(house.store, writer=False) as records:
        approved = [r for r in records.records() if isinstance(r.record, ops.ChangeApproved)]
    assert approved == []


@pytest.mark.parametrize("reason", ["", "  ", "y" * 501])
def test_nothing_is_approved_or_refused_without_a_reason(house: House, reason: str) -> None:
    house.set_up()
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    for does in ("approve", "reject"):
        done = house.by("kim", "changes", does, change, "--reason", reason)
        assert (done.code, "allowed: 1 to 500 characters" in done.err) == (2, True)
    with OpsLog.open(house.store, writer=False) as records:
        kinds = {type(r.record) for r in records.records()}
    assert not kinds & {ops.ChangeApproved, ops.ChangeRejected}


def test_a_scope_or_an_account_that_is_too_long_is_told_with_its_range(house: House) -> None:
    house.set_up()
    asked = ("changes", "propose", "break", "--reason", "x", "--scope")
    done = house.by("rob", *asked, "y" * 201)
    assert done.code == 2
    assert "scope: 'yyy" in done.err
    assert "allowed: text of at most 200 characters" in done.err


@pytest.mark.on_a_server
def test_who_is_behind_what_was_refused_does_not_close_it(empty_house: House) -> None:
    """The person who answers for an agent closes none of its refused decisions, by any name."""
    house = empty_house
    house.set_up()
    row = house.folder / "crossing.json"
    row.write_text(json.dumps(CROSSING))
    account = EXAMPLES / "account_generated.json"
    assert house.by("pm-7", "run", row, *GENERATED, "--account", account).code == 0
    for kind in ("refusal", "surveillance"):
        listed = house.by("eve", "exceptions", "list", "--kind", kind, "--json").json
        (found,) = listed["exceptions"]
        assert found["originators"] == ["pm-7"], kind
        close = ("exceptions", "close", found["exception"], "--disposition", "explained")
        for own in ("kim", "kim2"):
            done = house.by(own, *close, "--text", "as it should be")
            assert (done.code, "pm-7's own doing" in done.err) == (DENIED, True)
        assert house.by("ada", *close, "--text", "as it should be").code == 0
