"""Bad input gives one line that names the field and what is allowed, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import GENERATED, Cli, Run

BUY = {"symbol": "KO", "action": "BUY", "target_weight": 1.0}


def written(folder: Path, name: str, content: object) -> Path:
    """A file with text, bytes or JSON."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def check_line(err: str, *said: str) -> None:
    """Exactly one line, from us, that says all of this."""
    assert err.count("\n") == 1, err
    assert err.startswith("fillwright: ")
    for words in said:
        assert words in err


FILES: dict[str, tuple[str, object, tuple[str, ...]]] = {
    "a missing column": ("d.csv", "symbol,target_weight\nKO,1\n", ("action", "symbol, action")),
    "no JSON": ("d.json", "{nope", ("decisions file", "valid JSON")),
    "not a list": ("d.json", "3", ("decisions file", "list")),
    "no rows": ("d.json", "[]", ("decisions file", "at least one decision")),
    "another ending": ("d.txt", "KO", ("decisions file", ".json, .jsonl or .csv")),
    "no text": ("d.csv", b"\xff\xfe\x00symbol", ("decisions file", "UTF-8")),
    "another day": (
        "d.json",
        [{**BUY, "decision_time": "2024-06-13T10:00:00-04:00"}],
        ("decision_time (row 1)", "2024-06-12 before the close"),
    ),
    "after the close": (
        "d.json",
        [BUY, {**BUY, "decision_time": "2024-06-12T16:00:00-04:00"}],
        ("decision_time (row 2)", "before the close"),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_decisions_file_that_cannot_be_used(case: str, cli: Cli, tmp_path: Path) -> None:
    name, content, said = FILES[case]
    store = tmp_path / "log.db"
    done = cli("run", written(tmp_path, name, content), *GENERATED, "--store", store)
    assert done.code == 2
    check_line(done.err, *said)
    assert done.out == b""
    assert not store.exists()


def folder_without_the_day(tmp_path: Path) -> list[str]:
    entry = {"symbol": "KO", "date": "20240611"}
    written(tmp_path, "instruments.json", [entry, {**entry, "symbol": "AAPL"}])
    return ["--market", str(tmp_path), "--session", "2024-06-12"]


def no_market_folder(tmp_path: Path) -> list[str]:
    return ["--market", str(tmp_path), "--session", "2024-06-12"]


def not_a_folder(tmp_path: Path) -> list[str]:
    return ["--market", str(tmp_path / "nowhere"), "--session", "2024-06-12"]


def holiday(tmp_path: Path) -> list[str]:
    return ["--market", "generated", "--session", "2024-07-04"]


def no_date(tmp_path: Path) -> list[str]:
    return ["--market", "generated", "--session", "tomorrow"]


def bad_cash(tmp_path: Path) -> list[str]:
    return [*GENERATED, "--account", str(written(tmp_path, "a.json", {"cash": -1}))]


def bad_position(tmp_path: Path) -> list[str]:
    return [*GENERATED, "--account", str(written(tmp_path, "a.json", {"positions": {"X": 1}}))]


def bad_seed(tmp_path: Path) -> list[str]:
    return [*GENERATED, "--seed", "-1"]


def bad_key(tmp_path: Path) -> list[str]:
    file = written(tmp_path, "c.toml", "[limits]\ntrades_per_day = 3\n")
    return [*GENERATED, "--config", str(file)]


MARKETS: dict[Callable[[Path], list[str]], tuple[str, ...]] = {
    folder_without_the_day: ("session", "20240611 (AAPL, KO)"),
    no_market_folder: ("no instruments.json here",),
    not_a_folder: ("market", "an existing market folder"),
    holiday: ("session", "has a session"),
    no_date: ("session", "YYYY-MM-DD or YYYYMMDD"),
    bad_cash: ("cash", "0 to 1000000000000 USD"),
    bad_position: ("positions", "AAPL, KO"),
    bad_seed: ("--seed", "greater than or equal to 0"),
    bad_key: ("trades_per_day", "trades_max_per_day"),
}


@pytest.mark.parametrize("options", MARKETS, ids=lambda option: option.__name__)
def test_an_option_that_cannot_be_used(
    options: Callable[[Path], list[str]], cli: Cli, tmp_path: Path
) -> None:
    store = tmp_path / "log.db"
    file = written(tmp_path, "d.json", [BUY])
    done = cli("run", file, *options(tmp_path), "--store", store)
    assert done.code == 2
    check_line(done.err, *MARKETS[options])
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], ("frobnicate", "`fillwright --help`")),
        (["show", "--store", "x.db"], ("Missing argument 'ID'", "`fillwright show --help`")),
        (["status"], ("store", "FILLWRIGHT_STORE")),
        (["report", "--store", "x.db", "--period-days", "0"], ("--period-days",)),
        (["config", "--config", "/nowhere/c.toml"], ("config file", "/nowhere/c.toml")),
        (["store", "backup"], ("Missing argument 'FILE'", "`fillwright store backup --help`")),
        (["store", "frobnicate"], ("frobnicate", "`fillwright store --help`")),
        (["surveillance", "--session", "2024-99-99"], ("session", "YYYY-MM-DD")),
        (["query", "select 1", "--json", "--format", "csv"], ("format", "no --json")),
        (["report", "--kind", "all"], ("--kind': 'all' is not one of 'execution'",)),
    ],
)
def test_a_command_line_that_says_too_little_or_something_unknown(
    arguments: list[str], said: tuple[str, ...], cli: Cli
) -> None:
    done = cli(*arguments)
    assert done.code == 2
    check_line(done.err, *said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "--from", "2024-06-12"], ("from", "--kind with it")),
        (["report", "--format", "html"], ("format", "--kind with it")),
        (["report", "--format", "html", "--out", "page.html"], ("format", "--kind with it")),
        (["report", "--no-record"], ("--no-record", "--kind with it")),
        (["report", "--out", "page.html"], ("out", "--format with it")),
        (["report", "--json", "--format", "csv"], ("format", "no --json")),
        (["report", "--kind", "limits", "--period-days", "5"], ("period_days", "--from and --to")),
        (["report", "--kind", "limits", "--json", "--table", "x"], ("table", "csv or parquet")),
        (["replay", "--latency-ms", "10"], ("latency_ms", "--what-if with it")),
        (["mirror", "--verify", "--rebuild"], ("rebuild", "no --verify with it")),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(
    arguments: list[str], said: tuple[str, ...], cli: Cli, tmp_path: Path
) -> None:
    done = cli(*arguments, "--store", tmp_path / "log.db")
    assert done.code == 2
    check_line(done.err, *said)


def test_an_address_of_a_broker_needs_the_broker(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, "d.json", [BUY])
    url = ("--data-url", "http://localhost:1")
    done = cli("run", file, *GENERATED, "--store", tmp_path / "log.db", *url)
    assert done.code == 2
    check_line(done.err, "data_url", "--broker alpaca with it")


def test_a_broker_that_cannot_be_asked_is_no_difference(
    cli: Cli, portfolio_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "key")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "secret")
    nobody = ("--broker", "alpaca", "--trading-url", "http://127.0.0.1:9")
    done = cli("reconcile", "--store", portfolio_run.store, *nobody)
    assert done.code == 7
    check_line(done.err, "the broker cannot be asked", "network")


def test_at_a_broker_each_option_of_the_simulation_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APCA_API_KEY_ID", raising=False)
    file = written(tmp_path, "d.json", [BUY])
    given = ("--symbols", "KO", "--fees", "none", "--latency-ms", "1")
    done = cli("run", file, "--broker", "alpaca", "--store", tmp_path / "log.db", *given)
    assert done.code == 2
    said = done.err.splitlines()[0]
    assert said.endswith("not used here: --symbols, --latency-ms, --fees")


def test_a_traceback_is_shown_only_when_asked_for(cli: Cli) -> None:
    assert "Traceback" not in cli("status").err
    assert "Traceback" in cli("status", "--debug").err
