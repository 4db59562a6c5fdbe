"""The same controls over a store on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from tests.adapters.entrypoints.conftest import Cli
from tests.supervision.conftest import House

DENIED = 6


def test_two_persons_loosen_a_limit_on_a_server(
    postgres_url: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, cli, monkeypatch.setenv, postgres_url)
    house.set_up()
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("rob", change).code == DENIED
    assert house.approve("kim", change).code == 0
    assert house.by("nobody", "status").code == DENIED
    assert house.by("eve", "exceptions", "list", "--kind", "override", "--json").json["exceptions"]
    with Log.open(postgres_url, writer=False) as log:
        changed = [r.event for r in log.events() if isinstance(r.event, e.LimitChanged)]
    assert [one.limits.trades_max_per_day for one in changed] == [80]
