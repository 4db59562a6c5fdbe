"""A decision names the principal that submitted it, by whichever way; the rest is refused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.clients import Client
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.supervision.supervising import Caller, caller_here, token_hash
from fillwright.domain import events as e
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ops.control import AccessRefused
from fillwright.domain.principals import COMMANDS, AccessDenied, Channel, Submitter
from tests.adapters.application_cases import buy, steady_provider
from tests.adapters.entrypoints.conftest import GENERATED, Cli
from tests.supervision.conftest import House, principals_file, token

pytestmark = pytest.mark.on_a_server
Story = Callable[[Application], Awaitable[Any]]


@pytest.fixture
def house(place: Path | str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty store with its people."""
    house = House(tmp_path, cli, monkeypatch.setenv, place)
    house.set_up()
    return house


@contextlib.contextmanager
def served(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Story], Any]]:
    """A server's application, run by rob, who may trade."""
    monkeypatch.setenv("FILLWRIGHT_TOKEN", token("rob"))

    def play(story: Story) -> Any:
        async def whole() -> Any:
            async with Application.open(steady_provider(), store=str(house.store)) as application:
                return await story(application)

        return asyncio.run(whole())

    yield play


def submitters(house: House) -> dict[str, Submitter | None]:
    with Log.open(str(house.store), writer=False) as log:
        received = [r.event for r in log.events() if isinstance(r.event, e.DecisionReceived)]
    return {one.decision_id: one.submitted_by for one in received}


def refused(house: House) -> list[tuple[str, str]]:
    with OpsLog.open(str(house.store), writer=False) as ops:
        records = [one.record for one in ops.records(topics={"AccessRefused"})]
    return [(one.actor, one.command) for one in records if isinstance(one, AccessRefused)]


def test_a_decision_names_who_submitted_it_at_the_command_line_by_the_library_api_and_mcp(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(application: Application) -> None:
        await application.execute(buy(decision_id="by-library"))
        with Client(application, Channel.API, token("rob")) as api:
            await api.execute(buy("BBB", decision_id="by-api"))
        with Client(application, Channel.MCP, token("pm-7")) as mcp:
            first, *_ = await mcp.execute_batch([buy("CCC", decision_id="by-mcp")])
            assert first.result is not None
            assert mcp.outcome(first.result.instruction_id) is not None
            assert await mcp.preview(buy("AAA"))
            again = await mcp.admit(buy("BBB", decision_id="by-api"))
            assert again.repeated, "who asks is no part of a decision"
            await mcp.admit({"symbol": "?", "action": "HOLD"})

    with served(house, monkeypatch) as play:
        play(story)
    found = submitters(house)
    unread = next(name for name in found if name.startswith("raw:"))
    assert found == {
        "by-library": Submitter(principal="rob", person="rob", channel=Channel.LIBRARY),
        "by-api": Submitter(principal="rob", person="rob", channel=Channel.API),
        "by-mcp": Submitter(principal="pm-7", person="kim", channel=Channel.MCP),
        unread: Submitter(principal="pm-7", person="kim", channel=Channel.MCP),
    }


def test_a_run_at_the_command_line_names_its_caller(house: House, tmp_path: Path) -> None:
    row = tmp_path / "one.jsonl"
    row.write_text('{"decision_id": "a", "symbol": "KO", "action": "BUY", "target_weight": 1}')
    assert house.by("pm-7", "run", row, *GENERATED).code == 0
    by = Submitter(principal="pm-7", person="kim", channel=Channel.COMMAND_LINE)
    assert submitters(house) == {"a": by}


def test_where_no_principals_are_set_up_nobody_is_named_and_no_client_is_let_in(
    tmp_path: Path,
) -> None:
    store = str(tmp_path / "log.db")

    async def story() -> None:
        async with Application.open(steady_provider(), store=store) as application:
            await application.execute(buy(decision_id="mine"))
            for channel in (Channel.API, Channel.MCP):
                with pytest.raises(AccessDenied, match="no principals are set up"):
                    Client(application, channel, token("rob"))

    asyncio.run(story())
    with Log.open(store, writer=False) as log:
        first = next(r.event for r in log.events() if isinstance(r.event, e.DecisionReceived))
    assert first.submitted_by is None


@pytest.mark.parametrize("channel", [Channel.API, Channel.MCP])
@pytest.mark.parametrize("given", ["", "a-guess-that-is-quite-long"])
def test_a_client_without_a_token_that_is_somebodys_is_refused_though_the_user_is_known(
    channel: Channel, given: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user of the process is the server's, and opens no door to its clients."""
    people = principals_file(house.folder)
    text = people.read_text().replace(
        'name = "rob"', f'name = "rob"\nuser = "{caller_here().user}"'
    )
    people.write_text(text)
    change = house.by("kim", "principals", "set", people, "--json").json["change"]
    assert house.approve("ada", change).code == 0

    async def story(application: Application) -> None:
        with pytest.raises(AccessDenied):
            Client(application, channel, given)

    before = refused(house)
    with served(house, monkeypatch) as play:
        play(story)
    who = "an unknown token" if given else f"a client by {channel.value}"
    assert refused(house)[len(before) :] == [(who, "recognise")]


def test_each_command_that_a_client_may_not_run_is_refused_on_the_record_and_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(application: Application) -> None:
        working = await application.admit(buy(strategy="twap", decision_id="w"))
        assert working.result is not None
        id = working.result.instruction_id
        with (
            Client(application, Channel.API, token("eve")) as reader,
            Client(application, Channel.API, token("pm-7")) as agent,
            Client(application, Channel.MCP, token("rob")) as model,
        ):
            for client in (agent, model):
                with pytest.raises(AccessDenied):
                    await client.cancel(id)
                with pytest.raises(AccessDenied):
                    await client.kill("let me")
            for submit in (reader.admit, reader.execute):
                with pytest.raises(AccessDenied):
                    await submit(buy("BBB"))
            with pytest.raises(AccessDenied):
                await reader.execute_batch([buy("BBB")])
            assert reader.outcome(id) is not None
        with Client(application, Channel.API, token("rob")) as desk:
            assert (await desk.cancel(id)).result is not None

    with served(house, monkeypatch) as play:
        play(story)
    assert refused(house) == [
        ("pm-7", "cancel"),
        ("pm-7", "kill"),
        ("rob", "cancel"),
        ("rob", "kill"),
        *[("eve", "submit")] * 3,
    ]
    with Log.open(str(house.store), writer=False) as log:
        kinds = [type(recorded.event) for recorded in log.events()]
        asked = [
            r.event.actor for r in log.events() if isinstance(r.event, e.InstructionEndRequested)
        ]
    assert kinds.count(e.DecisionReceived) == 1
    assert e.KillSwitchEngaged not in kinds
    assert asked == ["person:rob"]


def test_a_client_whose_role_is_taken_away_is_refused_from_its_next_call_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(application: Application) -> None:
        with Client(application, Channel.API, token("pm-7")) as agent:
            await agent.admit(buy(decision_id="before"))
            narrower = principals_file(house.folder, pm_7='"read"')
            assert house.by("kim", "principals", "set", narrower).code == 0
            with pytest.raises(AccessDenied, match="submit"):
                await agent.admit(buy("BBB", decision_id="after"))

    with served(house, monkeypatch) as play:
        play(story)
    assert set(submitters(house)) == {"before"}


def test_a_token_is_nowhere_in_the_store_in_a_log_or_in_an_error(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guess = "a-guess-that-is-quite-long"

    async def story(application: Application) -> list[str]:
        told = []
        for given in (guess, token("eve")):
            try:
                with Client(application, Channel.API, given) as client:
                    told.append(repr(vars(client)))
                    await client.kill("let me")
            except AccessDenied as denied:
                told.append(f"{denied!r} {denied}")
        return told

    with caplog.at_level(logging.DEBUG), served(house, monkeypatch) as play:
        told = play(story)
    assert len(told) == 3
    secrets = [guess, token("eve"), token("rob")]
    assert not any(secret in text for secret in secrets for text in (*told, caplog.text))
    for path in house.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(secret.encode() in data for secret in secrets), path
    assert repr(Caller.with_token(guess)).count(token_hash(guess)) == 1


def test_a_client_needs_a_log_that_others_can_read_and_a_way_that_is_a_servers() -> None:
    async def story() -> None:
        async with Application.open(steady_provider(), store="memory:") as application:
            with pytest.raises(InvalidInput, match="in memory"):
                Client(application, Channel.API, token("rob"))
            with pytest.raises(InvalidInput, match="channel"):
                Client(application, Channel.LIBRARY, token("rob"))

    asyncio.run(story())


def test_all_that_a_client_can_call_asks_for_a_command_that_a_role_allows() -> None:
    asked = {
        **dict.fromkeys(("admit", "execute", "execute_batch"), "submit"),
        "positions": "status",
        "exceptions": "exceptions list",
        "refuse": None,  # of the command that it is given
        "close": None,
    }
    offered = {name for name in vars(Client) if not name.startswith("_")}
    assert {asked.get(name, name) for name in offered} - {None} <= set(COMMANDS)
