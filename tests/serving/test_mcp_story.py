"""A model's tools: the SDK's client over standard input and output, a real server behind."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from fillwright.adapters.entrypoints.serving.tools import BY_NAME
from fillwright.domain import events as e
from fillwright.domain.principals import Channel, Submitter
from tests.adapters.entrypoints.conftest import captured, command, environment
from tests.serving.test_serving_story import (
    Server,
    buy,
    ended,
    events_of,
    refused,
    serving,
    set_principals,
)
from tests.supervision.conftest import token


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


def asked(server: Server, who: str, talk: Callable[[Client], Awaitable[None]]) -> None:
    """Let a model's client talk to `fillwright mcp`, which has the token of somebody."""
    program, *arguments = command("mcp", "--url", server.url)
    parameters = StdioServerParameters(
        command=program,
        args=arguments,
        env={**environment(), "FILLWRIGHT_TOKEN": token(who)},
    )

    async def session() -> None:
        async with Client(parameters, read_timeout_seconds=60) as client:
            await talk(client)

    asyncio.run(session())


async def called(client: Client, name: str, **arguments: Any) -> tuple[bool, Any]:
    """Whether a tool failed, and what it told."""
    result = await client.call_tool(name, arguments)
    (content,) = result.content
    text = getattr(content, "text", "")
    assert not any(token(name) in text for name in ("pm-7", "rob"))
    return bool(result.is_error), text if result.is_error else json.loads(text)


def test_a_model_previews_submits_and_reads_what_came_of_it(server: Server) -> None:
    async def talk(client: Client) -> None:
        listed = {one.name: one for one in (await client.list_tools()).tools}
        assert set(listed) == set(BY_NAME)
        hints = {name: one.annotations for name, one in listed.items() if one.annotations}
        assert [name for name, hint in hints.items() if not hint.read_only_hint] == [
            "submit_decision"
        ]
        schema = listed["submit_decision"].input_schema
        assert {"decision_id", "symbol", "action", "wait"} <= set(schema["properties"])

        failed, told = await called(client, "preview_decision", **buy("model"))
        assert not failed, told
        assert not events_of(server, e.DecisionReceived), "a preview records nothing"

        failed, told = await called(client, "submit_decision", **buy("model", reasoning="cheap"))
        assert not failed, told
        id = told["result"]["instruction_id"]
        failed, again = await called(client, "submit_decision", **buy("model", reasoning="cheap"))
        assert (failed, again["repeated"]) == (False, True)
        await asyncio.to_thread(ended, server, f"/v1/instructions/{id}")
        failed, told = await called(client, "get_instruction", id=id)
        assert (failed, told["result"]["status"]) == (False, "FILLED")
        failed, told = await called(client, "get_open_position", symbol="ko")
        assert not failed, told
        assert told["position"]["quantity"] != "0"
        failed, story = await called(client, "get_timeline", id=id)
        assert not failed, story
        assert "DecisionReceived" in json.dumps(story)
        for name in ("get_status", "get_all_positions", "get_limits", "list_exceptions"):
            failed, told = await called(client, name)
            assert not failed, (name, told)

    asked(server, "pm-7", talk)
    received = [one for one in events_of(server, e.DecisionReceived) if one.decision_id == "model"]
    (one,) = received
    assert one.submitted_by == Submitter(principal="pm-7", person="kim", channel=Channel.MCP)


def test_what_is_refused_tells_the_field_and_what_is_allowed(server: Server) -> None:
    async def talk(client: Client) -> None:
        failed, told = await called(client, "submit_decision", **buy("wrong", confidence=11))
        assert failed
        assert "confidence" in told
        assert "1" in told
        assert "10" in told
        failed, told = await called(client, "submit_decision", symbol="KO", action="CLOSE")
        assert (failed, "decision_id" in told) == (True, True)
        failed, told = await called(client, "get_instruction", id="../limits")
        assert failed, "no way to another call"
        failed, told = await called(client, "get_instruction")
        assert (failed, told) == (True, "id: get_instruction needs it, as a text")
        failed, told = await called(client, "get_limits", now=True)
        assert (failed, "no argument" in told) == (True, True)
        failed, told = await called(client, "cancel_instruction", id="x")
        assert (failed, "no such tool" in told) == (True, True)

    before = len(events_of(server, e.DecisionReceived))
    asked(server, "pm-7", talk)
    assert len(events_of(server, e.DecisionReceived)) == before + 2, "refused on the record"


def test_a_model_has_no_more_rights_than_its_token_and_none_once_that_is_withdrawn(
    server: Server,
) -> None:
    async def reader(client: Client) -> None:
        failed, told = await called(client, "submit_decision", **buy("eves"))
        assert (failed, "eve" in told) == (True, True)
        failed, _ = await called(client, "get_status")
        assert not failed

    seen = len(refused(server))
    asked(server, "eve", reader)
    assert refused(server)[seen:] == [("eve", "submit")]

    async def agent(client: Client) -> None:
        failed, _ = await called(client, "get_limits")
        assert not failed
        await asyncio.to_thread(set_principals, server.folder, server.store, pm_7="")
        failed, told = await called(client, "get_limits")
        assert failed, told

    asked(server, "pm-7", agent)


def test_a_server_that_is_not_there_is_told_and_the_tools_stay(tmp_path: Path) -> None:
    gone = Server(tmp_path, str(tmp_path / "log.db"), "http://127.0.0.1:9", None)  # type: ignore[arg-type]

    async def talk(client: Client) -> None:
        assert (await client.list_tools()).tools
        failed, told = await called(client, "get_status")
        assert (failed, "cannot be asked" in told) == (True, True)

    asked(gone, "pm-7", talk)


def test_what_is_missing_at_the_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FILLWRIGHT_TOKEN", raising=False)
    without = captured("mcp", "--url", "http://127.0.0.1:9")
    assert (without.code, "FILLWRIGHT_TOKEN" in without.err) == (2, True)
    nowhere = captured("mcp")
    assert (nowhere.code, "--url" in nowhere.err) == (2, True)
    assert "FILLWRIGHT_SERVE_URL" not in os.environ
