"""Who may do what, and what takes two persons: told at the command line."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from fillwright.adapters.entrypoints.cli import app
from fillwright.adapters.entrypoints.guarding import WITH_OPTIONS, group_name
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.supervision.changing import Changes
from fillwright.domain import events as e
from fillwright.domain import ops
from fillwright.domain.errors import StoreError
from fillwright.domain.principals import CLIENT_COMMANDS, COMMANDS
from tests.supervision.conftest import House, principals_file

DENIED = 6


def limits(house: House) -> Any:
    with Log.open(str(house.store), writer=False) as log:
        changed = [r.event for r in log.events() if isinstance(r.event, e.LimitChanged)]
    return changed[-1]


def records(house: House, kind: type[ops.OpsRecord]) -> list[Any]:
    with OpsLog.open(str(house.store), writer=False) as stream:
        return [r.record for r in stream.records() if isinstance(r.record, kind)]


@pytest.mark.on_a_server
def test_a_limit_is_loosened_by_two_persons_and_tightened_by_one(house: House) -> None:
    house.set_up()
    before = limits(house).limits

    # One proposes; the same person cannot approve, under whatever name, nor can who lacks the role.
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("rob", change).code == DENIED
    assert house.approve("eve", change).code == DENIED
    assert house.approve("pm-7", change).code == DENIED
    assert limits(house).limits == before

    done = house.approve("ada", change)
    assert done.code == 0, done.err
    assert done.json["state"] == "applied"
    now = limits(house)
    assert now.limits.trades_max_per_day == 80
    assert now.limits.version == before.version + 1
    assert now.actor == "person:rob"
    assert "approved by ada" in now.reason
    assert house.approve("ada", change).code == DENIED  # it is used up

    # Tightening takes one, at once.
    tighter = house.propose("ada", "limits", "--limit", "position_pct_max=2")
    assert limits(house).limits.position_pct_max == 2
    listed = house.by("eve", "changes", "list", "--json").json["changes"]
    assert {c["change"]: c["state"] for c in listed} == {change: "applied", tighter: "applied"}
    assert (
        house.by(
            "rob", "changes", "propose", "limits", "--limit", "position_pct_max=1", "--reason", "x"
        ).code
        == DENIED
    )


@pytest.mark.on_a_server
def test_a_change_whose_process_ended_before_the_limits_were_on_record_is_put_in_force_by_apply(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.set_up()
    before = limits(house).limits
    with monkeypatch.context() as ended:
        ended.setattr(Changes, "_record_limits", lambda *_: (_ for _ in ()).throw(StoreError("x")))
        narrowed = ("limits", "--limit", "position_pct_max=2", "--reason", "x")
        assert house.by("ada", "changes", "propose", *narrowed).code == 3
    assert limits(house).limits == before
    (listed,) = house.by("eve", "changes", "list", "--json").json["changes"]
    done = house.by("ada", "changes", "apply", listed["change"], "--json")
    assert done.code == 0, done.err
    assert limits(house).limits.position_pct_max == 2
    assert house.by("ada", "changes", "apply", listed["change"]).code in (2, DENIED)
    assert limits(house).limits.version == before.version + 1


def test_one_person_with_two_names_is_one_person(house: House) -> None:
    house.set_up()
    change = house.propose("kim", "limits", "--limit", "trades_max_per_day=80")
    refused = house.approve("kim2", change)
    assert refused.code == DENIED
    assert "another person approves" in refused.err
    assert house.approve("ada", change).code == 0


def test_shorting_and_restricted_names_have_their_own_approvers(house: House) -> None:
    house.set_up()
    house.propose("ada", "limits", "--limit", "restricted=KO,IBM")
    assert limits(house).limits.restricted == ("IBM", "KO")
    freed = house.propose("rob", "limits", "--limit", "restricted=KO")
    assert house.approve("kim", freed).code == DENIED  # risk is not compliance
    assert house.approve("ada", freed).code == 0
    assert limits(house).limits.restricted == ("KO",)
    short = house.propose("rob", "limits", "--limit", "allow_short=true")
    assert house.approve("kim", short).json["kind"] == "short"
    both = ("--limit", "restricted=", "--limit", "allow_fractional=true")
    mixed = house.by("rob", "changes", "propose", "limits", *both, "--reason", "x")
    assert mixed.code == 2
    assert "apart" in mixed.err


@pytest.mark.on_a_server
def test_a_kill_takes_one_and_its_release_two_for_its_scope_only(house: House) -> None:
    house.set_up()
    assert house.by("pm-7", "kill", "--reason", "no").code == DENIED
    killed = house.by("rob", "kill", "--reason", "odd prices", "--scope", "symbol:KO", "--json")
    assert killed.json["latched_in"] == ["log", "file"]
    asked = ("release", "--reason", "it is over", "--scope", "symbol:KO", "--person", "Somebody")
    assert house.by("ada", *asked).code == DENIED
    assert house.by("pm-7", *asked).code == DENIED

    other = house.propose("rob", "release", "--scope", "account")
    assert house.approve("kim", other).code == 0
    assert house.by("rob", *asked).code == DENIED  # approved for another scope

    change = house.propose("rob", "release", "--scope", "symbol:KO")
    assert house.by("rob", *asked).code == DENIED  # proposed only
    assert house.approve("kim", change).code == 0
    done = house.by("rob", *asked)
    assert done.code == 0, done.err
    with Log.open(str(house.store), writer=False) as log:
        found = [r.event for r in log.events() if isinstance(r.event, e.KillSwitchReleased)]
    assert [one.actor for one in found] == ["person:rob"]  # the principal, not what was claimed

    assert house.by("rob", "kill", "--reason", "again", "--scope", "symbol:KO", "--json").json
    assert house.by("rob", *asked).code == DENIED  # an approval is used once


def test_every_refusal_is_on_the_record(house: House) -> None:
    house.set_up()
    assert house.by("eve", "redact", "s-1", "--reason", "x", "--by", "eve").code == DENIED
    assert house.by("nobody", "status").code == DENIED
    assert house.by("pm-7", "principals", "set", principals_file(house.folder)).code == DENIED
    refused = records(house, ops.AccessRefused)
    assert [(one.actor, one.command) for one in refused] == [
        ("eve", "redact"),
        ("an unknown token", "status"),
        ("pm-7", "principals set"),
    ]


def test_principals_are_widened_by_two_admins_and_narrowed_by_one(house: House) -> None:
    alone = principals_file(house.folder, ada='"risk"')
    refused = house.by("kim", "principals", "set", alone)
    assert refused.code == 2
    assert "at least 2" in refused.err
    house.set_up()

    wider = house.by(
        "kim", "principals", "set", principals_file(house.folder, eve='"risk"'), "--json"
    )
    assert wider.json["in_force"] is False
    change = wider.json["change"]
    assert house.approve("kim", change).code == DENIED
    assert house.approve("ada", change).code == 0
    assert (
        house.by(
            "eve",
            "changes",
            "propose",
            "limits",
            "--limit",
            "trades_max_per_day=1",
            "--reason",
            "risk now",
        ).code
        == 0
    )

    # What ada approved still stands on her role: without it, it cannot be used.
    release = house.propose("rob", "release", "--scope", "account")
    assert house.by("rob", "kill", "--reason", "test", "--json").json["latched_in"]
    assert house.approve("ada", release).code == 0
    narrower = principals_file(house.folder, eve='"risk"', ada='"admin"')
    assert house.by("kim", "principals", "set", narrower, "--json").json["in_force"] is True
    lost = house.by("rob", "release", "--reason", "over")
    assert lost.code == DENIED


def test_a_store_without_principals_has_a_single_owner(house: House) -> None:
    assert house.by("anybody", "status").code == 0
    change = house.propose("anybody", "limits", "--limit", "trades_max_per_day=80")
    assert limits(house).limits.trades_max_per_day == 80
    (proposed,) = records(house, ops.ChangeProposed)
    assert (proposed.change, proposed.actor) == (change, "owner")
    house.by("anybody", "kill", "--reason", "test")
    assert house.by("anybody", "release", "--reason", "over").code == 2  # a person is named
    assert house.by("anybody", "release", "--reason", "over", "--person", "Kim").code == 0


def test_an_approval_of_the_single_owner_ends_when_principals_are_set_up(house: House) -> None:
    house.propose("anybody", "release", "--scope", "account")
    house.set_up()
    house.by("rob", "kill", "--reason", "test")
    assert house.by("rob", "release", "--reason", "over").code == DENIED


def test_every_command_over_a_store_says_who_may_run_it() -> None:
    def walk(group: Any, prefix: str = "") -> typing.Iterator[tuple[str, Any]]:
        for one in group.registered_commands:
            yield f"{prefix}{one.name or one.callback.__name__.replace('_', '-')}", one.callback
        for part in group.registered_groups:
            yield from walk(part.typer_instance, f"{prefix}{group_name(part)} ")

    named = dict(walk(app))
    over_a_store = {n for n, f in named.items() if "store" in typing.get_type_hints(f)}
    assert over_a_store == (set(COMMANDS) & over_a_store)
    with_options = {to for each in WITH_OPTIONS.values() for to in each.values()}
    again = "reconcile --statement again"  # asked for where the first one is known
    assert set(COMMANDS) - {*with_options, again, *CLIENT_COMMANDS} <= set(named)
    assert with_options <= set(COMMANDS)
    assert all(hasattr(named[name], "__wrapped__") for name in over_a_store)


@pytest.mark.parametrize("given", ["no_such_limit=1", "trades_max_per_day=-1", "nonsense"])
def test_a_limit_that_is_none_is_refused_with_what_is_allowed(house: House, given: str) -> None:
    done = house.by("anybody", "changes", "propose", "limits", "--limit", given, "--reason", "x")
    assert done.code == 2
    assert "allowed" in done.err
