"""How long records are kept and what is held is on record: keeping less takes two persons."""

from __future__ import annotations

import json

import pytest

from fillwright.adapters.handover.redaction import redact
from fillwright.adapters.storage.log import Log
from fillwright.adapters.supervision.supervising import retention_of
from fillwright.domain import events as e
from fillwright.domain.errors import InvalidInput
from fillwright.domain.retention import SIX_YEARS_DAYS, RetentionRules, stricter
from fillwright.domain.supervision.retention_changes import retention_change
from tests.adapters.entrypoints.conftest import Cli, Done
from tests.supervision.conftest import House

BAD, DENIED = 2, 6
SHORT = "FILLWRIGHT_RETENTION__DAYS"
HOLDS = "FILLWRIGHT_RETENTION__LEGAL_HOLDS"


def asked(house: House, by: str = "ada") -> Done:
    return house.by(by, "redact", "s-1", "--reason", "asked for", "--by", "Somebody")


def kept(house: House, **configured: object) -> RetentionRules:
    with Log.open(str(house.store), writer=False) as log:
        return retention_of(log, RetentionRules.model_validate(configured))


def test_a_shorter_configuration_does_not_shorten_what_is_on_record(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHORT, "30")
    assert kept(house, days=30).days == 30  # a single owner's configuration is all there is
    house.set_up()
    refused = asked(house)
    assert refused.code == BAD
    assert f"this is kept for {SIX_YEARS_DAYS} days" in refused.err
    with Log.open(str(house.store), exclusive=False) as log:
        (id,) = {
            one.event.originator_id
            for one in log.events()
            if isinstance(one.event, e.DecisionReceived) and one.event.decision_id == "s-1"
        }
        now, why = one_year_after(log), "x"
        rules = RetentionRules(days=0)
        with pytest.raises(InvalidInput, match="out of retention"):
            redact(log, id, configured=rules, reason=why, person="x", now=now, is_active=False)


def one_year_after(log: Log) -> int:
    return max(one.event.record_time for one in log.events()) + 365 * 86_400 * 10**9


@pytest.mark.on_a_server
def test_keeping_less_takes_another_person_of_compliance_and_keeping_more_one(
    house: House,
) -> None:
    house.set_up()
    more = ("retention", "--days", 3_000, "--hold", "symbol:ko", "--hold", "account:main")
    for nobody in ("rob", "kim", "pm-7", "eve"):
        by = house.by(nobody, "changes", "propose", *more, "--reason", "x")
        assert by.code == DENIED, nobody
    house.propose("ada", *more)
    assert kept(house) == RetentionRules(days=3_000, legal_holds=("account:main", "symbol:KO"))

    shorter = house.propose("ada", "retention", "--days", 30)
    lifted = house.propose("rob", "retention", "--lift", "symbol:KO", "--lift", "account:main")
    assert kept(house).days == 3_000
    assert house.approve("ada", shorter).code == DENIED  # who proposed it
    assert house.approve("kim", shorter).code == DENIED  # risk is not compliance
    assert house.approve("kim2", shorter).code == 0
    assert kept(house).days == 30
    held = asked(house)
    assert (held.code, "account:main holds it" in held.err) == (BAD, True)
    assert house.approve("ada", lifted).code == 0
    assert house.approve("ada", lifted).code == DENIED  # once
    done = asked(house)
    assert done.code == 0, done.err
    with Log.open(str(house.store), writer=False) as log:
        (gone,) = [r.event for r in log.events() if isinstance(r.event, e.SubjectRedacted)]
    assert (gone.actor, gone.retention_days) == ("person:ada", 30)  # not whom it claimed to be
    overrides = house.by("eve", "exceptions", "list", "--kind", "override", "--json").json
    assert len(overrides["exceptions"]) == 2


def test_configuration_keeps_more_and_never_less(house: House) -> None:
    house.set_up()
    house.propose("ada", "retention", "--hold", "symbol:KO")
    assert kept(house).legal_holds == ("symbol:KO",)
    assert kept(house, legal_holds=[]).legal_holds == ("symbol:KO",)
    both = kept(house, days=9_999, legal_holds=["decision:s-9"])
    assert both == RetentionRules(days=9_999, legal_holds=("decision:s-9", "symbol:KO"))
    change = house.propose("rob", "retention", "--days", 10)
    assert house.approve("ada", change).code == 0
    assert kept(house).days == 10  # a default is nobody's wish
    assert kept(house, days=9).days == 10


def test_what_is_in_force_is_shown_by_config_and_in_the_records(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.set_up()
    house.propose("ada", "retention", "--days", 3_000, "--hold", "symbol:KO")
    monkeypatch.setenv(HOLDS, json.dumps(["*"]))
    shown = house.by("eve", "config", "--json")
    assert shown.json["retention in force"] == {"days": 3_000, "legal_holds": ["*", "symbol:KO"]}
    table = house.by("eve", "config", "--show").out
    assert b"retention in force" in table
    assert house.by("nobody", "config").code == DENIED


def test_what_a_single_owner_shortened_ends_when_principals_are_set_up(
    house: House, cli: Cli
) -> None:
    one = ("changes", "propose", "retention", "--store", house.store, "--reason", "alone")
    assert cli(*one, "--days", 1, "--hold", "symbol:KO").code == 0
    assert kept(house) == RetentionRules(days=1, legal_holds=("symbol:KO",))
    house.set_up()
    assert kept(house) == RetentionRules(legal_holds=("symbol:KO",))


def test_an_approval_is_of_what_was_in_force_when_it_was_proposed(house: House) -> None:
    house.set_up()
    shorter = house.propose("rob", "retention", "--days", 100)
    house.propose("ada", "retention", "--days", 4_000)
    late = house.approve("ada", shorter)
    assert (late.code, "propose it anew" in late.err) == (BAD, True)
    assert kept(house).days == 4_000
    assert house.by("rob", "changes", "apply", shorter).code == BAD
    house.propose("ada", "retention", "--hold", "symbol:KO")
    house.propose("ada", "retention", "--hold", "symbol:IBM")
    assert kept(house).legal_holds == ("symbol:IBM", "symbol:KO")


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ({"days": 36_526}, "a whole number from 0 to 36525"),
        ({"days": -1}, "a whole number from 0 to 36525"),
        ({"hold": ["KO"]}, "symbol:NAME"),
        ({"lift": ["symbol:KO"]}, "a hold in force on the record: there is none"),
        ({}, "values other than those in force"),
        ({"days": SIX_YEARS_DAYS}, "values other than those in force"),
        ({"hold": [f"decision:{n}" for n in range(201)]}, "at most 200 in force"),
    ],
)
def test_what_is_no_change_of_retention_is_refused(asks: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        retention_change(RetentionRules(), **asks)  # type: ignore[arg-type]


def test_the_stricter_of_two_keeps_what_either_keeps() -> None:
    one = RetentionRules(days=5, legal_holds=("symbol:KO",))
    other = RetentionRules(days=9, legal_holds=("*", "symbol:ko"))
    assert stricter(one, other) == RetentionRules(days=9, legal_holds=("*", "symbol:KO"))
    assert stricter(one, other) == stricter(other, one)
