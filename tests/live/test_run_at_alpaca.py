"""``run --broker alpaca`` as a user types it, against the real paper server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from tests.paper.servers import KEY, SECRET, PaperServer, running

SPEED = 60
HELD = {"KO": 450, "AAPL": 150}
CLI = [sys.executable, "-W", "ignore", "-m", "fillwright.adapters.entrypoints.cli"]
SLOW_SECONDS = 300
pytestmark = pytest.mark.timeout(SLOW_SECONDS)
AT_ALPACA = ["--broker", "alpaca"]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperServer]:
    """A server of its own for each test: what one buys is in no other's way."""
    account = tmp_path_factory.mktemp("account") / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    with running(speed=SPEED, start="10:00", account=account) as one:
        yield one


class Fillwright:
    """The command line with keys and address in the environment."""

    def __init__(self, server: PaperServer, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "log.db"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FILLWRIGHT_", "APCA_"))}
        self.environment = kept | {
            "APCA_API_KEY_ID": KEY,
            "APCA_API_SECRET_KEY": SECRET,
            "APCA_API_BASE_URL": server.urls["trading_url"],
            "FILLWRIGHT_BROKER__REQUESTS_PER_MINUTE": "100000",
            "COLUMNS": "200",
        }

    def run(
        self,
        decisions: list[dict[str, Any]],
        *options: str,
        until: Callable[[], object] | None = None,
        seconds_max: float = 240,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run decisions at Alpaca; with ``until`` the engine is told to end when that returns.

        What is awaited may then take its time on a busy machine, and ends at once on others.
        """
        file = self.folder / "decisions.json"
        file.write_text(json.dumps(decisions))
        command = [*CLI, "run", str(file), *AT_ALPACA, "--store", str(self.store), *options]
        process = subprocess.Popen(
            command,
            env=self.environment | {"FILLWRIGHT_EXECUTION__ON_STOP": "end"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                if until is not None:
                    until()
                    process.terminate()
                out, told = process.communicate(timeout=seconds_max)
            except BaseException:
                process.kill()
                print(*process.communicate())
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, told)

    def events(self) -> list[e.DomainEvent]:
        """Everything on the record."""
        with Log.open(str(self.store), writer=False) as log:
            return [recorded.event for recorded in log.events()]


@pytest.fixture
def fillwright(server: PaperServer, tmp_path: Path) -> Fillwright:
    return Fillwright(server, tmp_path)


@pytest.fixture(scope="module")
def calm() -> Iterator[PaperServer]:
    """A server that tests share which trade nothing."""
    with running(speed=1, start="10:00") as one:
        yield one


@pytest.fixture
def refused(calm: PaperServer, tmp_path: Path) -> Iterator[Fillwright]:
    """The command line for what nothing is bought by."""
    yield Fillwright(calm, tmp_path)
    assert calm.call("GET", "/v2/orders", params={"status": "all"}).json() == []


def decision(**fields: Any) -> dict[str, Any]:
    return {
        "symbol": "KO",
        "action": "BUY",
        "target_weight": 4.0,
        "confidence": 8,
        "strategy": "market",
        "max_slippage": 100,
    } | fields


def test_decisions_are_traded_recorded_and_found_again(
    fillwright: Fillwright, server: PaperServer
) -> None:
    decisions = [
        decision(decision_id="one"),
        decision(
            decision_id="two", symbol="AAPL", action="TRIM", target_weight=1.0, strategy="twap"
        )
        | {"window": "3m", "must_complete": True},
        decision(decision_id="three", target_weight=40.0),
    ]
    ran = fillwright.run(decisions, "--json")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    rows = {row["decision_id"]: row for row in said["blotter"]}
    assert [rows[name]["state"] for name in ("one", "two", "three")] == [
        "filled",
        "filled",
        "rejected",
    ]
    assert rows["three"]["refusals"]
    held = {
        row["symbol"]: Decimal(row["qty"]) for row in server.call("GET", "/v2/positions").json()
    }
    assert held["KO"] == HELD["KO"] + Decimal(rows["one"]["executed"])
    assert held["AAPL"] == HELD["AAPL"] - Decimal(rows["two"]["executed"])
    events = fillwright.events()
    fills = [event for event in events if isinstance(event, e.OrderFilled)]
    assert all(event.report.raw and event.report.execution_id for event in fills)
    assert any(isinstance(event, e.MarketDataCaptured) for event in events)
    started = next(event for event in events if isinstance(event, e.EngineStarted))
    assert (started.broker, started.mode) == ("alpaca", "paper")
    assert "market clock" in started.clock_source

    again = fillwright.run(decisions, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["log"]["position"] >= said["log"]["position"]
    executed = [event for event in fillwright.events() if isinstance(event, e.OrderFilled)]
    assert len(executed) == len(fills)
    replayed = subprocess.run(
        [*CLI, "replay", "--store", str(fillwright.store)],
        env=fillwright.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_the_keys_are_nowhere(fillwright: Fillwright) -> None:
    ran = fillwright.run([decision(decision_id="secret", target_weight=4.5)], "--debug")
    everything = ran.stdout + ran.stderr
    for path in fillwright.folder.rglob("*"):
        if path.is_file():
            everything += path.read_bytes().decode("latin-1")
    assert KEY not in everything
    assert SECRET not in everything


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        (
            {"APCA_API_SECRET_KEY": "wrong"},
            7,
            "401: unauthorized. Nothing was sent or recorded: check APCA_API_KEY_ID",
        ),
        ({"APCA_API_KEY_ID": ""}, 2, "APCA_API_KEY_ID"),
        (
            {"APCA_API_BASE_URL": "http://127.0.0.1:9"},
            7,
            "http://127.0.0.1:9: GET /clock: ConnectionError: [Errno 111] Connection refused. "
            "Nothing was sent or recorded: check APCA_API_BASE_URL",
        ),
        ({"APCA_API_BASE_URL": "127.0.0.1"}, 2, "trading_url"),
        ({"FILLWRIGHT_MODE": "live"}, 2, "live"),
    ],
    ids=["bad key", "no key", "nobody there", "no address", "live without its flag"],
)
def test_what_is_wrong_is_named_before_anything_is_recorded(
    refused: Fillwright, environment: dict[str, str], code: int, said: str
) -> None:
    ran = refused.run([decision()], **environment)
    assert ran.returncode == code
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) <= 2
    assert SECRET not in ran.stderr
    assert not refused.store.exists()


def test_real_money_needs_the_flag_and_the_line(refused: Fillwright) -> None:
    live = {"APCA_API_BASE_URL": "https://api.alpaca.markets"}
    assert "paper address" in refused.run([decision()], **live).stderr
    assert "mode" in refused.run([decision()], "--live", **live).stderr
    assert not refused.store.exists()


def test_an_asset_that_may_not_be_traded_is_refused_and_on_the_record(
    refused: Fillwright, calm: PaperServer
) -> None:
    """Of AAPL, because what is forbidden stays so on a server that others use after this."""
    calm.fault(fault="forbid", symbol="AAPL", flag="tradable")
    wanted = decision(decision_id="forbidden", symbol="AAPL", target_weight=4.9)
    try:
        ran = refused.run([wanted], "--json")
    finally:
        calm.call("DELETE", "/fillwright/faults")
    row = json.loads(ran.stdout)["blotter"][0]
    assert row["state"] == "rejected"
    assert Decimal(row["executed"]) == 0
    (refusal,) = row["refusals"]
    assert "AAPL, which the broker marks as not tradable" in refusal["observed"]
    assert refusal["would_pass"]


def test_an_unknown_symbol_is_refused_with_its_name(refused: Fillwright) -> None:
    ran = refused.run([decision(symbol="NOPE")], "--json")
    assert ran.returncode == 2
    row = json.loads(ran.stdout)["blotter"][0]
    assert "unknown_symbol" in {refusal["reason"] for refusal in row["refusals"]}


def test_after_the_close_a_decision_is_refused(tmp_path: Path) -> None:
    with running(speed=1, start="09:30") as one:
        one.advance(23_400 + 60)
        closed = Fillwright(one, tmp_path)
        ran = closed.run([decision(decision_id="late")], "--json")
    said = json.loads(ran.stdout)["blotter"][0] if ran.stdout else {}
    reasons = {refusal["reason"] for refusal in said.get("refusals", [])}
    assert "market_closed" in reasons, ran.stderr


def test_a_price_finer_than_the_tick_reaches_the_broker_on_the_tick_and_on_the_safe_side(
    fillwright: Fillwright, server: PaperServer
) -> None:
    _, ask = server.quote("KO")
    asked = ask + Decimal("1.2345")
    held = Decimal(server.call("GET", "/v2/positions/KO").json()["qty"])
    equity = Decimal(server.call("GET", "/v2/account").json()["equity"])
    weight = (held + 20) * ask / equity * 100
    ran = fillwright.run(
        [
            decision(
                decision_id="finer",
                action="ADD",
                strategy="limit",
                limit_price=str(asked),
                target_weight=str(weight.quantize(Decimal("0.001"))),
            )
        ],
        "--json",
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    row = json.loads(ran.stdout)["blotter"][0]
    assert row["state"] == "filled"
    names = [
        event.client_order_id for event in fillwright.events() if isinstance(event, e.OrderIntended)
    ]
    sent = {
        order["client_order_id"]: Decimal(order["limit_price"])
        for order in server.call("GET", "/v2/orders", params={"status": "all"}).json()
        if order["client_order_id"] in names
    }
    assert set(sent) == set(names)
    for price in sent.values():
        assert price == price.quantize(Decimal("0.01"))
        assert price <= asked


def test_what_the_account_cannot_pay_is_refused_with_both_figures(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 100, "positions": {"AAPL": 4_000}}))
    with running(speed=SPEED, start="10:00", account=account) as poor:
        changed = poor.call(
            "PATCH", "/v2/account/configurations", json={"max_margin_multiplier": "1"}
        )
        assert changed.status_code == 200, changed.text
        ran = Fillwright(poor, tmp_path).run([decision(decision_id="dear")], "--json")
        orders = poor.call("GET", "/v2/orders", params={"status": "all"}).json()
    assert ran.returncode == 0, ran.stderr
    row = json.loads(ran.stdout)["blotter"][0]
    assert row["state"] == "rejected"
    refusal = next(each for each in row["refusals"] if each["reason"] == "buying_power")
    assert "USD needed" in refusal["observed"]
    assert "100.00 USD free" in refusal["allowed"]
    assert orders == []


HANDED_OVER = {"strategy": "twap", "style": "broker", "window": "3m", "participation_cap": 0.25}


def test_an_instruction_is_handed_to_the_brokers_algorithm_and_measured_like_ours(
    tmp_path: Path,
) -> None:
    account, journal = tmp_path / "account.json", tmp_path / "paper.db"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    ours = decision(decision_id="ours", symbol="AAPL", strategy="twap", window="3m", action="ADD")
    with running(speed=SPEED, start="10:00", account=account, journal=journal) as one:
        fillwright = Fillwright(one, tmp_path)
        ran = fillwright.run(
            [decision(decision_id="theirs", **HANDED_OVER), ours],
            "--json",
            FILLWRIGHT_BROKER__SERVER_ALGORITHMS="true",
        )
        listed = one.call("GET", "/v2/orders", params={"status": "all"}).json()
        db = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
        rows = db.execute("SELECT content FROM command").fetchall()
        db.close()
    assert ran.returncode == 0, ran.stderr
    shown = {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}
    assert [shown[name]["state"] for name in ("theirs", "ours")] == ["filled", "filled"]
    intended = [x for x in fillwright.events() if isinstance(x, e.OrderIntended)]
    (handed,) = [x for x in intended if x.symbol == "KO"]
    assert (handed.quantity, handed.provenance.rule) == (
        Decimal(shown["theirs"]["requested"]),
        "hand_over",
    )
    bodies = {
        body["client_order_id"]: body
        for (text,) in rows
        if isinstance(body := json.loads(text).get("body"), dict)
    }
    told = bodies.pop(handed.client_order_id)["advanced_instructions"]
    assert (told["algorithm"], told["max_percentage"]) == ("TWAP", "0.25")
    assert told["start_time"] < told["end_time"]
    assert all("advanced_instructions" not in body for body in bodies.values())
    assert len(listed) == len(intended)
    for row in shown.values():
        assert row["slippage_bps"] is not None
        assert row["arrival_mid"] is not None


def test_without_such_an_account_it_is_refused_with_what_would_pass(refused: Fillwright) -> None:
    ran = refused.run(
        [
            decision(decision_id="no-account", **HANDED_OVER),
            decision(decision_id="no-algorithm", **(HANDED_OVER | {"strategy": "iceberg"})),
        ],
        "--json",
    )
    for row in json.loads(ran.stdout)["blotter"]:
        (refusal,) = row["refusals"]
        assert refusal["reason"] == "order_terms"
        assert refusal["field"] == "style"
        assert "smart" in refusal["would_pass"]
