"""``doctor`` beside a real server: what is well, what is not, what to do, and no key anywhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ops.engines import command, command_here
from tests.paper.servers import KEY, SECRET, PaperServer, running
from tests.postgres import SYNCS
from tests.simulation.world import Scene, decision, run

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("doctor") / "log.db"
    run(Scene([decision("market")]), path)
    return path


def checks(
    server: PaperServer | None, *options: str, command: Command = command_here, **env: str
) -> tuple[int, dict[str, Any]]:
    done = command(server, "doctor", "--json", *options, env=env)
    assert SECRET not in done.stdout + done.stderr
    found = {one["check"]: one for one in json.loads(done.stdout)["checks"]}
    return done.returncode, found


def test_everything_is_well_and_then_one_thing_after_the_other_is_not(store: Path) -> None:
    with running(speed=1, start="10:00") as server:
        code, found = checks(server, "--store", str(store), command=command)
        assert code == 0
        names = {"versions", "configuration", "mode", "store", "chain head", "writer"}
        names |= {"kill switch", "keys", "connectivity", "clock", "market", "account"}
        assert set(found) == names
        assert {one["health"] for one in found.values()} == {"ok"}

        killed = command_here(
            None, "kill", "--store", str(store), "--reason", "x", "--scope", "symbol:KO"
        )
        assert killed.returncode == 4  # blocked, and nobody was there to ask
        code, found = checks(server, "--store", str(store))
        assert code == 0
        assert found["kill switch"]["health"] == "warn"
        assert "symbol:KO" in found["kill switch"]["seen"]

        code, found = checks(server, APCA_API_SECRET_KEY="wrong-secret-of-mine")
        assert code == 4
        assert found["keys"]["health"] == "fail"
        assert "wrong-secret" not in json.dumps(found)
        assert "key" in found["keys"]["next"]


def test_no_server_no_keys_no_store(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    code, found = checks(
        None, "--trading-url", url, APCA_API_KEY_ID=KEY, APCA_API_SECRET_KEY=SECRET
    )
    assert code == 4
    assert found["connectivity"]["health"] == "fail"
    assert found["store"]["health"] == "warn"
    code, found = checks(None, "--store", str(tmp_path / "none" / "log.db"))
    assert code == 4
    assert found["keys"]["health"] == "fail"
    assert found["store"]["health"] == "fail"
    assert all(one["next"] for one in found.values() if one["health"] == "fail")
    code, found = checks(None, "--no-broker", FILLWRIGHT_LIMITS__TRADES_MAX_PER_DAY="many")
    assert code == 4
    assert "trades_max_per_day" in found["configuration"]["seen"]
    code, found = checks(None, "--no-broker", "--store", str(tmp_path / "new.db"))
    assert code == 0
    assert found["broker"]["health"] == "skipped"


def test_a_store_on_a_server_is_asked_and_one_that_does_not_answer_is_named(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fillwright.adapters.storage.postgres.opening.CONNECT_SECONDS", 0)
    code, found = checks(None, "--no-broker", "--store", postgres_url)
    assert code == 0
    assert "answers" in found["store"]["seen"]
    assert found["writer"]["seen"] == "owned: no account"
    assert found["kill switch"]["health"] == "ok"
    told = {name: found["durability"][name] for name in ("health", "next")}
    advice = "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf()"
    assert told == ({"health": "ok", "next": ""} if SYNCS else {"health": "warn", "next": advice})
    gone = "postgresql://trader:pass-of-mine@127.0.0.1:9/trading"
    code, found = checks(None, "--no-broker", "--store", gone)
    assert code == 4
    assert found["store"]["health"] == "fail"
    assert "fillwright store migrate" in found["store"]["next"]
    assert "pass-of-mine" not in json.dumps(found)
