"""A day reconciled with the broker's statement by the command: final, broken, signed off."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.exchange.custody import Custodian
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.inputs.statements import write_statement
from fillwright.adapters.simulation import VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.fees import FeeSchedule
from fillwright.domain.ops.exceptions import ExceptionKind
from fillwright.projections.raised import RaisedExceptions
from fillwright.projections.runner import follow
from tests.simulation.world import Scene, closes_at, decision, run

D = Decimal
DATE = "2024-01-08"
START = {"KO": D(500)}


@pytest.fixture
def day(tmp_path: Path) -> tuple[str, Path]:
    """A store with a day's trades on both sides, and the broker's statement of it."""
    fees = Fees.of_schedule(FeeSchedule(), DATE)
    venue = VenueTerms(cash=D(1_000_000), positions=START, fees=fees)
    sell = decision("iceberg", symbol="KO", action="SELL", order_size=300, target_weight=None)
    store = tmp_path / "a.db"
    ran = run(Scene([decision("twap"), sell], venue=venue), store)
    custodian = Custodian(D(1_000_000), START)
    statement = custodian.close(ran.exchange, DATE, max(ran.exchange.now, closes_at()))
    assert len(statement.trades or ()) > 5
    write_statement(statement, tmp_path / "s.json")
    return str(store), tmp_path / "s.json"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["reconcile", *arguments, "--json", "--person", "ann"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def changed(path: Path, **fields: Any) -> Path:
    """The statement with other fields, in a file of its own."""
    other = path.with_name("other.json")
    other.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return other


def recorded(store: str, kind: type[Any]) -> list[Any]:
    with Log.open(store, writer=False) as log:
        return [r.event for r in log.events() if isinstance(r.event, kind)]


def test_a_clean_day_is_final_and_its_fees_are_those_booked(
    day: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store, path = day
    code, found = told(capsys, "--store", store, "--statement", str(path))
    assert (code, found["breaks"], found["missing"]) == (0, [], [])
    assert found["standing"] == "final"
    assert {fee["charge"] for fee in found["fees"]} == {"sec", "taf"}
    assert all(D(fee["booked"]) == D(fee["estimated"]) > 0 for fee in found["fees"])
    assert told(capsys, "--store", store, "--statement", str(path))[0] == 0
    assert len(recorded(store, e.StatementReconciled)) == 1, "again records nothing"
    (event,) = recorded(store, e.FeesTruedUp)
    assert event.actor == "person:ann"


def test_every_break_is_named_the_session_stays_preliminary_and_a_person_signs_it_off(
    day: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store, path = day
    read = json.loads(path.read_text())
    lost, cash = read["trades"][0], D(read["closing_cash"]) - 1
    broken = changed(path, trades=read["trades"][1:], positions=[], closing_cash=str(cash))
    code, found = told(capsys, "--store", store, "--statement", str(broken))
    assert (code, found["standing"]) == (4, "preliminary")
    kinds = sorted(each["kind"] for each in found["breaks"])
    assert kinds == ["cash", "position", "position", "trade_not_there"]
    subject = next(b["subject"] for b in found["breaks"] if b["kind"] == "trade_not_there")
    assert subject == lost["execution_id"]
    asked = ["--store", store, "--session", DATE, "--sign-off", "the broker has said it is wrong"]
    code, signed = told(capsys, *asked)
    assert (code, signed["signed_off"], signed["standing"]) == (0, True, "final")
    assert told(capsys, *asked)[1]["signed_off"] is False
    code, found = told(capsys, "--store", store, "--statement", str(path))
    assert (code, found["standing"]) == (0, "final"), "the right statement came after all"
    told_of = RaisedExceptions()
    with Log.open(store, writer=False) as log:
        follow([told_of], log.events())
    broken_lines = [x for x in told_of.raised() if x.kind is ExceptionKind.BREAK]
    assert len(broken_lines) == 4
    assert all(one.is_settled for one in broken_lines), "the right statement settled them"
    (override,) = [x for x in told_of.raised() if x.kind is ExceptionKind.OVERRIDE]
    assert override.originators == ("ann",)
    (event,) = recorded(store, e.SessionSignedOff)
    assert (event.breaks_total, event.actor) == (4, "person:ann")


def test_a_statement_without_a_part_leaves_the_session_preliminary(
    day: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store, path = day
    code, found = told(capsys, "--store", store, "--statement", str(changed(path, positions=None)))
    assert (code, found["missing"], found["standing"]) == (4, ["positions"], "preliminary")


def test_csv_and_alpacas_answers_say_the_same(
    day: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, path = day
    read = json.loads(path.read_text())
    table = tmp_path / "s.csv"
    names = "record session_date execution_id order symbol side quantity price charge amount kind"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, names.split())
        writer.writeheader()
        writer.writerow({"record": "session", "session_date": DATE})
        for record, lines in (("trade", "trades"), ("position", "positions"), ("fee", "fees")):
            writer.writerows({"record": record, **line} for line in read[lines])
        writer.writerow({"record": "cash", "amount": read["closing_cash"]})
    assert told(capsys, "--store", store, "--statement", str(table))[0] == 0
    fills = [
        {
            "activity_type": "FILL",
            "id": f"20240108094000000::{line['execution_id']}",
            "order_id": line["order"],
            "symbol": line["symbol"],
            "side": line["side"],
            "qty": line["quantity"],
            "price": line["price"],
        }
        for line in read["trades"]
    ]
    fees = [
        {
            "activity_type": "FEE",
            "activity_sub_type": line["charge"],
            "net_amount": f"-{line['amount']}",
        }
        for line in read["fees"]
    ]
    positions = [{"symbol": p["symbol"], "qty": p["quantity"]} for p in read["positions"]]
    answers = tmp_path / "alpaca.json"
    account = {"cash": read["closing_cash"]}
    answers.write_text(
        json.dumps({"activities": fills + fees, "positions": positions, "account": account})
    )
    arguments = ("--store", store, "--statement", str(answers))
    assert told(capsys, *arguments)[0] == 2, "the activities do not say of which session they are"
    code, found = told(capsys, *arguments, "--session", DATE)
    assert (code, found["breaks"]) == (0, [])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"session_date": "2024-01-09"}, 2),
        ({"account": "somebody"}, 2),
        ({"trades": [{"symbol": "KO"}]}, 2),
        ({"closing_cash": "much"}, 2),
        ({"cash": "1"}, 2),
    ],
)
def test_a_statement_of_something_else_is_refused(
    day: tuple[str, Path], capsys: pytest.CaptureFixture[str], fields: dict[str, Any], code: int
) -> None:
    store, path = day
    found = told(capsys, "--store", store, "--statement", str(changed(path, **fields)))
    assert found[0] == code
    assert recorded(store, e.StatementReconciled) == []


def test_reports_say_whether_they_are_preliminary_or_final(
    day: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store, path = day
    arguments = ["report", "--kind", "execution", "--store", store, "--json"]
    assert main(arguments) == 0
    assert (
        f"preliminary: 1 of 1 sessions are not reconciled with the broker's statement: {DATE}"
        in (capsys.readouterr().out)
    )
    assert standings(capsys, store) == [["preliminary"]] * 4
    assert told(capsys, "--store", store, "--statement", str(path))[0] == 0
    assert main(arguments) == 0
    assert "final: all 1 sessions agree" in capsys.readouterr().out
    assert standings(capsys, store) == [["final"]] * 4


def standings(capsys: pytest.CaptureFixture[str], store: str) -> list[list[str]]:
    """What each way of asking says of the store's sessions."""
    found = []
    for arguments, field in (
        (["status"], "sessions"),
        (["monitor"], "sessions"),
        (["report"], "standing"),
    ):
        capsys.readouterr()
        assert main([*arguments, "--store", store, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        found.append([each["standing"] for each in told[field]])
    capsys.readouterr()
    assert main(["report", "--kind", "execution", "--store", store, "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    (sessions,) = (each for each in tables if each["name"] == "sessions")
    return [*found, [row[2] for row in sessions["rows"]]]
