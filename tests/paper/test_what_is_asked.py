"""What the adapter asks Alpaca for, and how often: a budget of requests is soon used up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_provider import AlpacaProvider
from fillwright.domain.ports import NANOS, OtherExecution, ReportKind
from tests.paper.servers import KEY, SECRET, PaperServer, eventually

DAY_NS = 86_400 * NANOS
Asked = list[tuple[str, str]]


@pytest.fixture
def provider(server: PaperServer) -> Iterator[AlpacaProvider]:
    access = AlpacaAccess(SecretStr(KEY), SecretStr(SECRET), trading_url=server.urls["trading_url"])
    provider = AlpacaProvider(access)
    provider.broker.start()
    assert provider.broker.is_connected.wait(10)
    yield provider
    provider.close()


@pytest.fixture
def asked(provider: AlpacaProvider) -> Asked:
    """Paths of the requests from here on, each with the thread that made it."""
    made: Asked = []
    get = provider.rest.get

    def noting(path: str, *said: Any, **more: Any) -> Any:
        made.append((path, threading.current_thread().name))
        return get(path, *said, **more)

    provider.rest.get = noting  # type: ignore[method-assign]
    return made


def paths(asked: Asked) -> list[str]:
    found = sorted(path for path, _ in asked)
    asked.clear()
    return found


def executions(provider: AlpacaProvider) -> tuple[OtherExecution, ...]:
    now = provider.clock.now()
    return asyncio.run(provider.broker.others.executions(now - DAY_NS))


def test_a_symbol_is_read_once_a_day_with_all_its_parts_at_once(
    provider: AlpacaProvider, asked: Asked
) -> None:
    market = provider.market
    asyncio.run(market.refresh(["KO"]))
    assert len({thread for _, thread in asked}) > 1
    assert set(paths(asked)) >= {"/assets/KO", "/stocks/KO/bars", "/stocks/KO/snapshot"}
    state = market.state("KO", provider.clock.now())
    assert state.quote is not None
    assert state.average_daily_volume
    assert market.shortable("KO") is not None
    asyncio.run(market.refresh(["KO"]))
    assert paths(asked) == []


def test_what_is_no_asset_is_known_to_be_none_and_not_asked_for_again(
    provider: AlpacaProvider, asked: Asked
) -> None:
    asyncio.run(provider.market.refresh(["NOSUCH"]))
    assert not provider.market.knows("NOSUCH")
    asked.clear()
    asyncio.run(provider.market.refresh(["NOSUCH"]))
    assert paths(asked) == []


def test_a_part_that_failed_is_read_again_and_no_other(
    server: PaperServer, provider: AlpacaProvider, asked: Asked
) -> None:
    server.fault(fault="error_before", path="/v2/assets", status=403, count=1)
    asyncio.run(provider.market.refresh(["AAPL"]))
    assert "403" in provider.market.state("AAPL", provider.clock.now()).source
    asked.clear()
    asyncio.run(provider.market.refresh(["AAPL"]))
    assert paths(asked) == ["/assets/AAPL"]
    assert provider.market.instrument("AAPL") is not None


def test_orders_of_others_are_asked_about_only_when_one_has_executed(
    server: PaperServer, provider: AlpacaProvider, asked: Asked
) -> None:
    assert executions(provider) == ()  # on the first occasion, as nothing is known yet
    asked.clear()
    resting = server.submit(type="limit", limit_price="1.00", client_order_id="theirs-1")
    server.raw.delete(f"/orders/{resting['id']}")
    told = eventually(provider.broker.drain)
    assert [report.kind for report in told] == [ReportKind.STATUS]
    server.advance(1)
    assert executions(provider) == ()
    assert paths(asked) == []

    bought = server.submit(client_order_id="theirs-2", qty="7")
    server.worked(bought["id"])
    found = eventually(lambda: executions(provider))
    assert {(one.venue_order_id, one.symbol) for one in found} == {(bought["id"], "KO")}
    assert sum(one.quantity for one in found) == 7
    # The stream has said whose order it is, so that no list of orders is needed.
    assert set(paths(asked)) == {"/account/activities/FILL"}
    assert executions(provider) == ()
    assert paths(asked) == []


def test_a_list_of_fills_costs_two_requests_and_no_page_where_there_are_events(
    server: PaperServer, provider: AlpacaProvider, asked: Asked
) -> None:
    began = provider.clock.now() - NANOS
    streamed: list[dict[str, str]] = []
    stream = provider.rest.stream

    def noting(path: str, query: Any, **more: Any) -> Any:
        streamed.append(dict(query))
        return stream(path, query, **more)

    provider.rest.stream = noting  # type: ignore[method-assign]
    bought = server.submit(client_order_id="theirs-3", qty="7")
    server.worked(bought["id"], 5)
    asked.clear()
    told = asyncio.run(provider.broker.fills_told(began))
    mine = [fill for fill in told.fills if fill.client_order_id == "theirs-3"]
    assert max(fill.cum_qty for fill in mine) == 7
    assert (told.source, told.note) == ("activity_events", "")
    assert all(fill.at < (told.complete_until or 0) for fill in mine)
    # What was told goes on from its last event.
    again = asyncio.run(provider.broker.fills_told(told.complete_until or 0))
    assert (again.fills, again.source) == ((), "activity_events")
    assert paths(asked) == ["/clock", "/clock"]
    first, second = streamed
    assert second["since_id"] > first["since_id"]
    assert second["until_id"] >= first["until_id"]
