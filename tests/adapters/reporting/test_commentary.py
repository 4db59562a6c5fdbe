"""An agent's report: the analysis in it, and a language model's commentary held to its numbers."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

from fillwright import TradeExecutionAgent
from fillwright.adapters.reporting import records
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain.ops import CommentaryWritten
from tests.adapters.application_cases import buy
from tests.adapters.entrypoints.conftest import Cli
from tests.domain.test_agent import agented


def told(words: Callable[[str], str], store: Path) -> dict[str, Any]:
    """The report of a traded decision, with a model that answers by the prompt."""
    llm = Mock(spec=["complete", "model"])
    llm.model = "small-1"
    llm.complete = AsyncMock(side_effect=lambda prompt: words(prompt))

    async def story(agent: TradeExecutionAgent) -> Any:
        await agent.execute_single_trade(buy(reasoning="a private thought"))
        return await agent.generate_execution_report()

    report: dict[str, Any] = agented(story, llm=llm, store=str(store))
    return report


def written(store: Path) -> CommentaryWritten:
    with OpsLog.open(store, writer=False) as ops:
        (recorded,) = ops.records()
    assert isinstance(recorded.record, CommentaryWritten)
    return recorded.record


def test_an_accepted_text_is_on_record_with_prompt_model_and_input(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    report = told(lambda _: "1 instruction was filled.", store)
    assert report["commentary"]["text"] == "1 instruction was filled."
    assert report["commentary_refused"] is None
    record = written(store)
    assert (record.model, record.refused) == ("small-1", None)
    assert record.report == report["analysis"]["id"]
    assert record.log_hash == report["log"]["head_hash"]
    stored = record.model_dump_json()
    assert "was filled" not in stored
    assert "Write a short" not in stored
    with OpsLog.open(store, writer=False) as ops:
        found = records.commentary_of(ops, record.report, records.keystore_beside(str(store)))
    assert found == ("small-1", "1 instruction was filled.")


def test_a_text_with_a_number_of_its_own_is_refused_and_on_record(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    report = told(lambda _: "It saved 123456.78 USD.", store)
    assert report["commentary"] is None
    assert report["commentary_refused"] == "123456.78 is not in the report"
    assert written(store).refused == report["commentary_refused"]
    with OpsLog.open(store, writer=False) as ops:
        keys = records.keystore_beside(str(store))
        assert records.commentary_of(ops, written(store).report, keys) is None


def test_an_agents_analysis_is_the_report_of_the_command_line(tmp_path: Path, cli: Cli) -> None:
    store = tmp_path / "log.db"
    report = told(lambda _: "Calm.", store)
    (session,) = report["sessions"]
    done = cli(
        *("report", "--store", store, "--kind", "execution", "--format", "json"),
        *("--from", session, "--to", session, "--as-of", report["log"]["last_position"]),
    )
    analysis = dict(report["analysis"])
    assert analysis.pop("id") in done.err
    assert analysis == done.json
    page = cli(
        *("report", "--store", store, "--kind", "execution", "--format", "html"),
        *("--from", session, "--to", session, "--as-of", report["log"]["last_position"]),
    )
    assert "Calm." in page.out.decode()


def test_an_application_gives_every_kind_of_report_as_typed_data() -> None:
    async def story(agent: TradeExecutionAgent) -> Awaitable[Any]:
        await agent.execute_single_trade(buy())
        application = agent.application
        made: Any = {
            kind: application.full_report(kind)
            for kind in ("execution", "rule606", "limits", "exceptions")
        }
        return made

    made: Any = agented(story)
    table = made["execution"].table("totals")
    assert table.rows[0][table.place("instructions")] == 1
    assert made["limits"].table("limits").rows
