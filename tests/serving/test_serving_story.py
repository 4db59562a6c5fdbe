"""Clients over HTTP: a real server in a process of its own, asked by a real HTTP client."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from fillwright.adapters.clients import STRANGERS_MAX
from fillwright.adapters.entrypoints.serving.decision_schema import decision_schema
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain import events as e
from fillwright.domain.intake import KEYS
from fillwright.domain.ops import EngineStopped
from fillwright.domain.ops.control import AccessGranted, AccessRefused
from fillwright.domain.principals import Channel, Submitter
from tests.adapters.entrypoints.conftest import GENERATED, captured, command, environment
from tests.supervision.conftest import principals_file, token

PROBLEM = "application/problem+json"


class Server(NamedTuple):
    """A running `fillwright serve`."""

    folder: Path
    store: str
    url: str
    process: subprocess.Popen[bytes]

    def ask(
        self, who: str | None, method: str, path: str, body: object = None, **headers: str
    ) -> requests.Response:
        """What a call comes to, with the token of somebody."""
        if who is not None:
            headers["Authorization"] = f"Bearer {token(who)}"
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return requests.request(
            method, self.url + path, data=sent, headers=headers, timeout=30, allow_redirects=False
        )

    def stop(self) -> tuple[int, str]:
        """The exit code after SIGTERM, and what was said."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said.decode()


def set_principals(folder: Path, store: str, **other: str) -> None:
    file = principals_file(folder, **other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILLWRIGHT_TOKEN", token("kim"))
        done = captured("principals", "set", file, "--store", store)
    assert done.code == 0, done.err


@contextlib.contextmanager
def serving(folder: Path, *arguments: object, store: str | None = None) -> Iterator[Server]:
    """A server that rob runs over a store with people: a file, or one that is given."""
    if store is None:
        store = str(folder / "log.db")
        Log.open(store).close()
        set_principals(folder, store)
    line = command("serve", "--store", store, *GENERATED, *arguments)
    process = subprocess.Popen(
        line,
        env={**environment(), "FILLWRIGHT_TOKEN": token("rob")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, process.communicate()[1].decode()
        yield Server(folder, store, json.loads(ready)["url"], process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


def buy(id: str, symbol: str = "KO", **more: object) -> dict[str, object]:
    return {
        "decision_id": id,
        "symbol": symbol,
        "action": "BUY",
        "target_weight": 1,
        "confidence": 8,
        "strategy": "market",
        "max_slippage": 60,
        **more,
    }


def events_of(server: Server, kind: type[e.DomainEvent]) -> list[Any]:
    with Log.open(server.store, writer=False) as log:
        return [one.event for one in log.events() if isinstance(one.event, kind)]


def refused(server: Server) -> list[tuple[str, str]]:
    with OpsLog.open(server.store, writer=False) as ops:
        records = [one.record for one in ops.records(topics={"AccessRefused"})]
    return [(one.actor, one.command) for one in records if isinstance(one, AccessRefused)]


def ended(server: Server, place: str) -> Any:
    """The outcome once the instruction has ended."""
    for _ in range(600):
        told = server.ask("pm-7", "GET", place).json()
        if told["result"]["status"] in ("FILLED", "CANCELLED"):
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_an_agent_submits_a_decision_and_reads_what_came_of_it(server: Server) -> None:
    planned = server.ask("pm-7", "POST", "/v1/decisions/preview", buy("story"))
    assert planned.status_code == 200, planned.text
    assert not events_of(server, e.DecisionReceived), "a preview records nothing"

    given = server.ask("pm-7", "POST", "/v1/decisions", buy("story"))
    assert given.status_code == 202, given.text
    place = given.headers["Location"]
    told = ended(server, place)
    assert (told["status"], told["result"]["status"]) == ("success", "FILLED")
    assert told["result"]["execution_time_ns"] >= 0
    too_late = server.ask("rob", "POST", f"{place}/cancel")
    assert (too_late.status_code, too_late.json()["result"]) == (200, told["result"])

    with OpsLog.open(server.store, writer=False) as ops:
        granted = [one.record for one in ops.records(topics={"AccessGranted"})]
    told_of = [(one.actor, one.command) for one in granted if isinstance(one, AccessGranted)]
    assert told_of == [("rob", "run")], "who runs the engine is on record"
    by = events_of(server, e.DecisionReceived)[0].submitted_by
    assert by == Submitter(principal="pm-7", person="kim", channel=Channel.API)
    assert "DecisionReceived" in server.ask("pm-7", "GET", f"{place}/timeline").text
    for view in ("status", "limits", "positions", "exceptions"):
        answer = server.ask("eve", "GET", f"/v1/{view}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"


def test_the_same_decision_id_twice_is_one_instruction_and_other_content_a_conflict(
    server: Server,
) -> None:
    first = server.ask("pm-7", "POST", "/v1/decisions", buy("twice", "AAPL"))
    again = server.ask("pm-7", "POST", "/v1/decisions", buy("twice", "AAPL"))
    assert (first.status_code, again.status_code) == (202, 200), (first.text, again.text)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json()["repeated"] is True
    received = [d for d in events_of(server, e.DecisionReceived) if d.decision_id == "twice"]
    assert len(received) == 1

    other = server.ask("pm-7", "POST", "/v1/decisions", buy("twice", "AAPL", target_weight=2))
    assert other.status_code == 409
    assert other.json()["field"] == "decision_id"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"no json", "decision"),
        (b"[1]", "decision"),
        (buy("wrong-1", action="HOLD"), "action"),
        (buy("wrong-2", confidence=11), "confidence"),
        ({"symbol": "KO", "action": "CLOSE"}, "decision_id"),
    ],
)
def test_a_decision_that_is_none_is_refused_by_field_and_range_and_on_the_record(
    server: Server, body: object, field: str
) -> None:
    before = len(events_of(server, e.DecisionReceived))
    answer = server.ask("pm-7", "POST", "/v1/decisions", body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json()["field"] == field
    assert answer.json()["allowed"]
    assert len(events_of(server, e.DecisionReceived)) == before + 1


def test_who_may_not_is_refused_on_the_record_and_a_channel_only_takes_rights_away(
    server: Server,
) -> None:
    seen = len(refused(server))
    kill: dict[str, object] = {"reason": "let me"}
    asked = [
        (server.ask(None, "GET", "/v1/status"), 401),
        (server.ask("nobody", "GET", "/v1/status"), 401),
        (server.ask("eve", "POST", "/v1/decisions", buy("eves")), 403),
        (server.ask("pm-7", "POST", "/v1/kill", kill), 403),
        (server.ask("rob", "POST", "/v1/kill", kill, **{"Fillwright-Channel": "mcp"}), 403),
    ]
    assert [answer.status_code for answer, _ in asked] == [status for _, status in asked]
    assert refused(server)[seen:] == [
        ("a client by api", "recognise"),
        ("an unknown token", "recognise"),
        ("eve", "submit"),
        ("pm-7", "kill"),
        ("rob", "kill"),
    ]
    assert not any(token(name) in a.text for a, _ in asked for name in ("nobody", "eve", "rob"))
    unknown = server.ask("rob", "GET", "/v1/status", **{"Fillwright-Channel": "library"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "Fillwright-Channel")
    assert not events_of(server, e.KillSwitchEngaged)


def test_a_kill_or_a_batch_that_is_none_is_refused_by_field_and_on_the_record(
    server: Server,
) -> None:
    seen = len(refused(server))
    asked = [
        ("/v1/kill", {"scope": "account"}, "reason"),
        ("/v1/kill", {"reason": "why", "scope": 3}, "scope"),
        ("/v1/kill", {"reason": "why", "when": "now"}, "when"),
        ("/v1/kill", b"stop", "body"),
        ("/v1/decisions/batch", [], "body"),
        ("/v1/decisions/batch", [1], "body"),
        ("/v1/decisions/batch", {"decision_id": "alone"}, "body"),
    ]
    for path, body, field in asked:
        answer = server.ask("rob", "POST", path, body)
        assert (answer.status_code, answer.json()["field"]) == (422, field), (path, body)
    assert refused(server)[seen:] == [("rob", "kill")] * 4 + [("rob", "submit")] * 3
    assert server.ask("pm-7", "POST", "/v1/kill", {}).status_code == 403
    assert not events_of(server, e.KillSwitchEngaged)


def test_callers_whom_nobody_knows_cannot_fill_the_record_nor_hold_others_up(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as server:
        answers = [server.ask("nobody", "GET", "/v1/status") for _ in range(STRANGERS_MAX + 3)]
        known = server.ask("eve", "GET", "/v1/status")
        records = refused(server)
    assert known.status_code == 200
    codes = [answer.status_code for answer in answers]
    assert codes == [401] * STRANGERS_MAX + [429] * 3
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert records == [("an unknown token", "recognise")] * (STRANGERS_MAX - 1) + [
        ("unknown callers", "recognise")
    ]


def test_what_is_not_there_is_404_and_what_is_too_long_is_413(server: Server) -> None:
    for path in ("/v1/instructions/none", "/v1/instructions/none/timeline", "/v2/account"):
        assert server.ask("eve", "GET", path).status_code == 404
    assert server.ask("rob", "POST", "/v1/instructions/none/cancel").status_code == 404
    long = b"[" + b"1," * (1 << 20) + b"1]"
    assert server.ask("pm-7", "POST", "/v1/decisions", long).status_code == 413


def test_the_description_has_every_key_of_a_decision(server: Server) -> None:
    described = server.ask(None, "GET", "/openapi.json").json()
    post = described["paths"]["/v1/decisions"]["post"]["requestBody"]["content"]
    schema = post["application/json"]["schema"]
    assert schema == json.loads(json.dumps(decision_schema()))
    assert set(schema["properties"]) == set(KEYS)
    assert schema["properties"]["strategy"]["anyOf"][0]["enum"][0] == "market"


def test_no_request_within_the_description_is_answered_with_5xx(server: Server) -> None:
    read = schemathesis.openapi.from_dict(server.ask(None, "GET", "/openapi.json").json())
    found = [one.ok() for one in read.get_all_operations()]
    assert len(found) >= 10
    answered: set[int] = set()
    for operation in found:
        if operation.path.endswith(("/kill", "/batch")):
            continue

        @settings(
            max_examples=4,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            headers = {"Authorization": f"Bearer {token('pm-7')}"}
            answer = case.call(base_url=server.url, headers=headers)
            answered.add(answer.status_code)
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)

        ask()
    assert 200 in answered


def test_a_token_that_is_withdrawn_is_refused_from_the_next_call_on(server: Server) -> None:
    assert server.ask("pm-7", "GET", "/v1/limits").status_code == 200
    set_principals(server.folder, server.store, pm_7="")
    assert server.ask("pm-7", "GET", "/v1/limits").status_code == 401
    assert server.ask("rob", "GET", "/v1/limits").status_code == 200


def test_a_batch_is_answered_in_its_order_and_a_kill_stops_what_comes_after(
    server: Server,
) -> None:
    sent = server.ask("rob", "POST", "/v1/decisions/batch", [buy("b-1"), buy("b-2", action="HOLD")])
    assert sent.status_code == 200, sent.text
    first, second = sent.json()
    assert first["result"]["status"] in ("FILLED", "PLANNED", "NO_CHANGE"), first
    assert second["status"] == "rejected"
    for wrong in ([], [1], {"decisions": []}):
        assert server.ask("rob", "POST", "/v1/decisions/batch", wrong).status_code == 422
    assert server.ask("rob", "POST", "/v1/kill", {"scope": "account"}).status_code == 422
    killed = server.ask("rob", "POST", "/v1/kill", {"reason": "enough"})
    assert (killed.status_code, killed.json()) == (200, {"killed": "account"})
    (engaged,) = events_of(server, e.KillSwitchEngaged)
    assert engaged.reason == "enough"
    after = server.ask("rob", "POST", "/v1/decisions", buy("after", target_weight=3))
    assert after.json()["status"] == "rejected", after.text
    assert "kill" in json.dumps(after.json()["result"]["refusals"])


def test_a_server_over_postgresql_serves_the_same_and_goes_on_after_a_restart(
    tmp_path: Path, postgres_url: str
) -> None:
    set_principals(tmp_path, postgres_url)
    with serving(tmp_path, store=postgres_url) as server:
        given = server.ask("pm-7", "POST", "/v1/decisions", buy("story"))
        assert given.status_code == 202, given.text
        place = given.headers["Location"]
        told = ended(server, place)
        assert told["result"]["status"] == "FILLED"
        strangers = [server.ask(who, "GET", "/v1/status") for who in ("nobody", None)]
        assert [answer.status_code for answer in strangers] == [401, 401]
        assert server.ask("eve", "POST", "/v1/decisions", buy("eves")).status_code == 403
        assert server.ask("eve", "GET", f"{place}/timeline").status_code == 200
        set_principals(tmp_path, postgres_url, eve="")
        assert server.ask("eve", "GET", "/v1/status").status_code == 401, "withdrawn beside it"
        code, said = server.stop()
        assert code == 0, said
    with serving(tmp_path, store=postgres_url) as server:
        again = server.ask("pm-7", "POST", "/v1/decisions", buy("story"))
        assert (again.status_code, again.json()["repeated"]) == (200, True), again.text
        assert again.headers["Location"] == place
        code, said = server.stop()
        assert code == 0, said
        (received,) = events_of(server, e.DecisionReceived)
        assert received.submitted_by == Submitter(
            principal="pm-7", person="kim", channel=Channel.API
        )
        assert [actor for actor, _ in refused(server)] == [
            "an unknown token",
            "a client by api",
            "eve",
            "an unknown token",
        ]
        with Log.open(postgres_url, writer=False) as log, OpsLog.of(log) as ops:
            assert log.verify().ok
            assert ops.verify().ok
            stops = [r for r in ops.records() if isinstance(r.record, EngineStopped)]
    assert len(stops) == 2


def test_two_callers_at_once_do_not_pass_a_limit_and_sigterm_leaves_the_log_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "one.toml"
    config.write_text("[limits]\ntrades_max_per_day = 1\n")
    with serving(tmp_path, "--config", config) as server, ThreadPoolExecutor(2) as callers:
        orders = [buy("one", "KO"), buy("two", "AAPL")]
        answers = list(
            callers.map(lambda order: server.ask("rob", "POST", "/v1/decisions", order), orders)
        )
        told = [answer.json() for answer in answers]
        passed = [one for one in told if one["status"] != "rejected"]
        refusals = [r["reason"] for one in told for r in one["result"]["refusals"]]
        assert (len(passed), refusals) == (1, ["daily_trades"]), told
        assert server.ask(None, "GET", "/healthz").json()["status"] == "ok"
        code, said = server.stop()
        assert code == 0, said
        assert not any(token(name) in said for name in ("rob", "kim"))
    with pytest.raises(requests.ConnectionError):
        server.ask(None, "GET", "/healthz")
    with OpsLog.open(server.store, writer=False) as ops:
        stopped = [one.record for one in ops.records(topics={"EngineStopped"})]
    assert [isinstance(one, EngineStopped) and one.in_time for one in stopped] == [True]
    monkeypatch.setenv("FILLWRIGHT_TOKEN", token("eve"))
    checked = captured("verify", "--store", server.store)
    assert checked.code == 0, checked.err


def test_a_host_that_others_reach_and_a_port_that_is_taken_are_refused(tmp_path: Path) -> None:
    there = ("serve", "--store", tmp_path / "log.db", *GENERATED)
    open_to_all = captured(*there, "--host", "0.0.0.0")
    assert (open_to_all.code, "--remote" in open_to_all.err) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = captured(*there, "--port", port)
    assert (busy.code, "free port" in busy.err) == (2, True)
    assert captured(*there, "--host", "example.org").code == 2
    alpaca = ("serve", "--broker", "alpaca", "--store", tmp_path / "log.db", "--symbols", "KO")
    unused = captured(*alpaca)
    assert (unused.code, "symbols" in unused.err) == (2, True), unused.err
