"""No credential is in anything that a full run at a real server leaves or says."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from fillwright.adapters.entrypoints.cli import main
from tests.ops.engines import at_work, command, engine, environment, resting
from tests.ops.hooks import hooked
from tests.ops.test_kill_story import decisions
from tests.paper.servers import KEY, SECRET, PaperServer, running

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


def said(
    server: PaperServer,
    folder: Path,
    hook: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> dict[str, bytes]:
    """What every command says of the store, on stdout and stderr."""
    env = environment(server, FILLWRIGHT_ALERTS__WEBHOOK_URL=hook)
    for name in [name for name in os.environ if name.startswith(("FILLWRIGHT_", "APCA_"))]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    found = {}

    def tell(*arguments: str, code: int | None = None) -> None:
        capfd.readouterr()
        ended = main(arguments)
        out, err = capfd.readouterr()
        assert code in (None, ended), err
        assert out + err, arguments
        assert "Traceback" not in out + err or "--debug" in arguments, err[-2000:]
        found[" ".join(arguments)] = (out + err).encode()

    for arguments in COMMANDS:
        place = () if arguments[0] in ("config", "run") else ("--store", str(folder / "log.db"))
        tell(*arguments, *place)
    tell("doctor", "--trading-url", "http://127.0.0.1:9", code=4)
    monkeypatch.setenv("APCA_API_SECRET_KEY", f"{SECRET}-wrong")
    tell("doctor", code=4)
    return found


@pytest.mark.timeout(400)
def test_no_key_is_in_any_output_log_event_or_report_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
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
        process = engine(server, tmp_path, [*decisions(), resting(server)], env=env)
        at_work(server, tmp_path, process)
        killed = command(
            server, "kill", "--store", str(tmp_path / "log.db"), "--reason", "x", "--scope",
            "symbol:AAPL", env=env,
        )  # fmt: skip
        (tmp_path / "killed.txt").write_text(killed.stdout + killed.stderr)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        texts = {**said(server, tmp_path, url, monkeypatch, capfd), **everything(tmp_path)}
        texts["notices"] = json.dumps(hook.got).encode()
    assert "engine.err" in texts
    for secret in SECRETS:
        for form in forms(secret):
            where = [name for name, text in texts.items() if form in text]
            assert where == [], f"{form!r} is in {where}"


def test_the_search_would_find_a_key_in_any_form() -> None:
    for text in (SECRET, base64.b64encode(f"a{SECRET}:b".encode()).decode()):
        assert any(form in text.encode() for form in forms(SECRET))
