"""The same controls over a store on PostgreSQL: each kind of change once, and a pack of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fillwright.adapters.permits.control_tail import ControlTail
from fillwright.adapters.permits.live_strategies import LiveStrategies
from fillwright.adapters.storage.log import Log
from fillwright.adapters.supervision.permissions import admit_engine
from fillwright.adapters.supervision.supervising import Caller, retention_of
from fillwright.domain import events as e
from fillwright.domain.plan import StrategyParameters
from fillwright.domain.principals import AccessDenied
from fillwright.domain.retention import RetentionRules
from tests.adapters.entrypoints.conftest import Cli
from tests.supervision.conftest import House, token

DENIED = 6


@pytest.fixture
def house(postgres_url: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(tmp_path, cli, monkeypatch.setenv, postgres_url)
    house.set_up()
    return house


def test_two_persons_loosen_a_limit_on_a_server(house: House) -> None:
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("rob", change).code == DENIED
    assert house.approve("kim", change).code == 0
    assert house.by("nobody", "status").code == DENIED
    assert house.by("eve", "exceptions", "list", "--kind", "override", "--json").json["exceptions"]
    house.propose("ada", "limits", "--limit", "restricted=KO,IBM")
    freed = house.propose("rob", "limits", "--limit", "restricted=KO")
    assert house.approve("kim", freed).code == DENIED, "risk is not compliance"
    assert house.approve("kim2", freed).code == 0
    with Log.open(str(house.store), writer=False) as log:
        changed = [r.event.limits for r in log.events() if isinstance(r.event, e.LimitChanged)]
    assert [(one.trades_max_per_day, one.restricted) for one in changed] == [
        (80, ()),
        (80, ("IBM", "KO")),
        (80, ("KO",)),
    ]


def test_a_release_and_live_take_two_and_a_withdrawal_one_on_a_server(house: House) -> None:
    assert house.by("pm-7", "kill", "--reason", "no").code == DENIED
    assert house.by("rob", "kill", "--reason", "odd", "--scope", "symbol:KO").code in (0, 4)
    released = ("release", "--reason", "over", "--scope", "symbol:KO")
    change = house.propose("rob", "release", "--scope", "symbol:KO")
    assert house.by("rob", *released).code == DENIED, "proposed only"
    assert house.approve("ada", change).code == 0
    done = house.by("rob", *released)
    assert done.code == 0, done.err
    assert house.by("rob", *released).code == DENIED, "used once"

    store, rob = str(house.store), Caller.with_token(token("rob"))
    live = house.propose("rob", "live", "--valid-hours", "2")
    with pytest.raises(AccessDenied, match="no approved change of kind live"):
        admit_engine(store, "main", is_live=True, caller=rob)
    assert house.approve("kim", live).code == 0
    admit_engine(store, "main", is_live=True, caller=rob)
    assert house.by("ada", "changes", "reject", live, "--reason", "enough").code == 0
    with pytest.raises(AccessDenied, match="no approved change of kind live"):
        admit_engine(store, "main", is_live=True, caller=rob)


def test_a_strategy_and_shorter_retention_take_two_on_a_server(house: House) -> None:
    evidence = house.folder / "evaluation.json"
    evidence.write_text("{}")
    asked = ("strategies", "propose", "twap", "--evidence", evidence, "--reason", "x", "--json")
    assert house.by("pm-7", *asked).code == DENIED
    change = house.by("rob", *asked).json["change"]

    def is_refused() -> bool:
        with Log.open(str(house.store), writer=False) as log, ControlTail(log) as tail:
            permit = LiveStrategies(tail, StrategyParameters(), lambda: 2**61)
            return permit.why_not("twap") is not None

    assert is_refused()
    assert house.approve("ada", change).code == 0
    assert not is_refused()

    house.propose("ada", "retention", "--days", 3_000, "--hold", "symbol:KO")
    lifted = house.propose("ada", "retention", "--lift", "symbol:KO")
    assert house.approve("ada", lifted).code == DENIED
    with Log.open(str(house.store), writer=False) as log:
        kept = retention_of(log, RetentionRules(days=1))
    assert kept == RetentionRules(days=3_000, legal_holds=("symbol:KO",))


def test_a_pack_of_a_server_binds_every_record_and_is_checked_without_it(
    house: House, cli: Cli
) -> None:
    assert cli("keys", house.folder / "keys", "--name", "fund/one").code == 0
    signing = ("--signing-key", house.folder / "keys" / "signing.key")
    anchor = ("--anchor", house.folder / "outside" / "anchor")
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("kim", change).code == 0
    assert house.by("eve", "kill", "--reason", "let me").code == DENIED
    pack = ("audit-pack", *signing, *anchor, "--json", "--out")
    none = house.by("eve", *pack, house.folder / "none")
    assert none.code == 2
    assert re.search(r"\d+ events and \d+ records are not bound to the newest", none.err)
    done = house.by("ada", *pack, house.folder / "pack")
    assert done.code == 0, done.err
    told = cli(
        "check", house.folder / "pack", "--key", house.folder / "keys" / "verifier.pub", "--json"
    )
    assert (told.code, told.json["records"]) == (0, told.json["records_bound"])
    permissions = json.loads((house.folder / "pack" / "permissions.json").read_text())
    assert [one["actor"] for one in permissions["refused"]] == ["eve"]
