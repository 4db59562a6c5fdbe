"""An audit pack of a store on PostgreSQL."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.adapters.entrypoints.conftest import Cli
from tests.supervision.conftest import House

DENIED = 6


@pytest.fixture
def house(postgres_url: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(tmp_path, cli, monkeypatch.setenv, postgres_url)
    house.set_up()
    return house


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
