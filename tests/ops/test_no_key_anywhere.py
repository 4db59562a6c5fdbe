"""No credential is in anything that a full run at a real server leaves or says."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.ops.engines import command, engine
from tests.ops.hooks import hooked
from tests.ops.test_kill_story import accepted, decisions
from tests.paper.servers import KEY, SECRET, PaperServer, eventually, running

HOOK_TOKEN = "hook-token-of-mine"
SECRETS = (KEY, SECRET, HOOK_TOKEN)
COMMANDS = (
    ("status",),
    ("limits",),
    ("events", "--json"),
    ("report", "--kind", "execution", "--format", "json"),
    ("report", "--kind", "execution", "--format", "html"),
    ("report", "--kind", "best-execution", "--format", "csv"),
    ("report", "--kind", "exceptions", "--format", "json"),
    ("monitor", "--json"),
    ("alerts", "--json"),
    ("doctor",),
    ("reconcile", "--json"),
    ("config",),
    ("config", "--json"),
    ("verify",),
    ("replay",),
    ("store", "info", "--json"),
    ("run", "nothing-there.json", "--broker", "alpaca", "--debug"),
)


def forms(secret: str) -> set[bytes]:
    """A credential as it may be written: plain, in a URL, and in base64 at any offset."""
    plain = secret.encode()
    encoded = {base64.b64encode(b"x" * pad + plain)[4 if pad else 0 : -4] for pad in range(3)}
    return {plain, quote(secret, safe="").encode(), *encoded}


def everything(folder: Path) -> dict[str, bytes]:
    """Every file that was left, and every value of its databases, decoded from its pages."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("paper.db"):
            found[str(path.relative_to(folder))] = path.read_bytes()
    with sqlite3.connect(f"file:{folder / 'log.db'}?mode=ro", uri=True) as db:
        found["log.db as text"] = "\n".join(db.iterdump()).encode()
        for table in ("stored_events", "ops_records"):
            rows = db.execute(f"SELECT state FROM {table}").fetchall()
            assert rows
            found[f"states of {table}"] = b"\n".join(state for (state,) in rows)
    return found


def said(server: PaperServer, folder: Path, hook: str) -> dict[str, bytes]:
    """What every command says of the store, on stdout and stderr, and the files it writes."""
    env = {"FILLWRIGHT_ALERTS__WEBHOOK_URL": hook}
    found = {}
    for number, arguments in enumerate(COMMANDS):
        given = list(arguments)
        if given[0] not in ("config", "run"):
            given += ["--store", str(folder / "log.db")]
        done = command(server, *given, env=env)
        told = done.stdout + done.stderr
        assert told, arguments
        assert "Traceback" not in told or "--debug" in arguments, told[-2000:]
        (folder / f"said-{number}.txt").write_text(told)
        found[" ".join(arguments)] = told.encode()
    wrong = command(server, "doctor", env={"APCA_API_SECRET_KEY": f"{SECRET}-wrong"})
    assert wrong.returncode == 4
    found["doctor with a wrong key"] = (wrong.stdout + wrong.stderr).encode()
    silent = command(None, "doctor", "--trading-url", "http://127.0.0.1:9", env=_keys())
    assert silent.returncode == 4
    found["doctor without a server"] = (silent.stdout + silent.stderr).encode()
    return found


def _keys() -> dict[str, str]:
    return {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET}


@pytest.mark.timeout(400)
def test_no_key_is_in_any_output_log_event_or_report_of_a_run(tmp_path: Path) -> None:
    with (
        running(speed=10, start="10:00", journal=tmp_path / "paper.db") as server,
        hooked() as hook,
    ):
        url = f"{hook.url}/{HOOK_TOKEN}"
        env = {
            "FILLWRIGHT_ALERTS__WEBHOOK_URL": url,
            "FILLWRIGHT_ALERTS__LOOK_SECONDS": "0.2",
            "FILLWRIGHT_EXECUTION__ON_STOP": "end",
        }
        hook.answer = 500
        process = engine(server, tmp_path, decisions(), env=env)
        eventually(lambda: any(o["status"] == "new" for o in accepted(server)), 120)
        killed = command(
            server, "kill", "--store", str(tmp_path / "log.db"), "--reason", "x", "--scope",
            "symbol:AAPL", env=env,
        )  # fmt: skip
        (tmp_path / "killed.txt").write_text(killed.stdout + killed.stderr)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        texts = {**said(server, tmp_path, url), **everything(tmp_path)}
        texts["notices"] = json.dumps(hook.got).encode()
    assert "engine.err" in texts
    for secret in SECRETS:
        for form in forms(secret):
            where = [name for name, text in texts.items() if form in text]
            assert where == [], f"{form!r} is in {where}"


def test_the_search_would_find_a_key_in_any_form() -> None:
    for text in (SECRET, base64.b64encode(f"a{SECRET}:b".encode()).decode()):
        assert any(form in text.encode() for form in forms(SECRET))
