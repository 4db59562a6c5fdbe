"""Halts and price bands as the adapter at the paper server hears of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from threading import Thread

import pytest

from fillwright.domain import events as e
from fillwright.domain.ports import NANOS
from fillwright.projections.halts import halts_of
from tests.live.test_run_at_alpaca import HELD, SLOW_SECONDS, SPEED, Fillwright, decision
from tests.paper.servers import PaperServer, eventually, running

pytestmark = pytest.mark.timeout(SLOW_SECONDS)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperServer]:
    folder = tmp_path_factory.mktemp("halts")
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    with running(speed=SPEED, start="10:00", account=account) as one:
        yield one


def halt_once_they_trade(server: PaperServer) -> None:
    """Halt each symbol for a reason of its own, then the whole market; each time they go on."""
    eventually(lambda: traded(server) >= {"KO", "AAPL"}, seconds=120)
    server.fault(fault="halt", symbol="KO", seconds=180, cause="news")
    server.fault(fault="halt", symbol="AAPL", seconds=180, cause="luld_pause")
    both_go_on(server, now(server) + 180)
    server.fault(fault="halt", symbol="*", seconds=180, cause="market_wide")
    both_go_on(server, now(server) + 180)


def both_go_on(server: PaperServer, since: float) -> None:
    """Return when there are orders that were sent after a time."""
    eventually(lambda: traded(server, since) >= {"KO", "AAPL"}, seconds=120)


def traded(server: PaperServer, since: float = 0) -> set[str]:
    """The symbols of all orders so far, or of those since a time."""
    rows = server.call("GET", "/v2/orders?status=all&limit=500").json()
    return {row["symbol"] for row in rows if moment(row["submitted_at"]) > since}


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def now(server: PaperServer) -> float:
    """Market time in seconds."""
    return float(server.call("GET", "/fillwright/clock").json()["now_ns"]) / NANOS


def test_an_engine_at_the_paper_server_sits_out_a_news_halt_a_pause_and_a_market_wide_halt(
    server: PaperServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fillwright = Fillwright(server, tmp_path_factory.mktemp("log"))
    fields = {"strategy": "twap", "window": "60m", "max_slippage": None}
    decisions = [
        decision(decision_id="long", **fields),
        decision(decision_id="other", symbol="AAPL", **fields),
    ]
    ran = fillwright.run(decisions, "--json", until=partial(halt_once_they_trade, server))
    assert ran.returncode == 0, ran.stderr
    events = fillwright.events()
    rows = halts_of(events)
    causes = {name: [x.cause for x in rows if x.symbol == name] for name in ("KO", "AAPL")}
    assert causes == {"KO": ["news", "market_wide"], "AAPL": ["luld_pause", "market_wide"]}
    for row in rows:
        mine = [x for x in events if x.originator_id == row.instruction_id]
        suspended = [x for x in mine if isinstance(x, e.InstructionSuspended)]
        (began,) = [x for x in suspended if x.cause == row.cause]
        (ended,) = [
            x for x in mine if isinstance(x, e.InstructionResumed) and x.record_time == row.until
        ]
        sent = [x.record_time for x in mine if isinstance(x, e.OrderIntended)]
        assert [at for at in sent if began.record_time < at < ended.record_time] == []
        assert ended.record_time - (began.since or 0) >= (180 + 30 - 20) * NANOS
        assert row.cost is not None


def test_who_connects_in_the_middle_of_a_halt_sends_nothing_until_it_sees_trading(
    server: PaperServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server.fault(fault="halt", symbol="KO", seconds=3 * 3_600, cause="news")
    server.advance(90)
    fillwright = Fillwright(server, tmp_path_factory.mktemp("log"))
    ran = fillwright.run(
        [decision(decision_id="halted"), decision(decision_id="trading", symbol="AAPL")], "--json"
    )
    assert ran.returncode == 0, ran.stderr
    rows = {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}
    assert rows["trading"]["state"] == "filled"
    assert rows["halted"]["state"] == "rejected"
    said = [refusal["observed"] for refusal in rows["halted"]["refusals"]]
    assert "unknown" in said, "nothing tells it of the halt, and nothing shows that it trades"
    assert traded(server) == {"AAPL"}


def band_once_it_trades(server: PaperServer, told: list[Decimal]) -> None:
    """Put a band with its top below the bid in force as soon as an order is there."""
    if eventually(lambda: server.call("GET", "/v2/orders?status=all").json(), seconds=120):
        upper = server.quote("KO")[0] - Decimal("0.05")
        lower = upper * Decimal("0.9")
        server.fault(
            fault="luld", symbol="KO", seconds=1_800, lower=float(lower), upper=float(upper)
        )
        told.append(upper)
        below = server.quote("AAPL")[1] + Decimal("0.50")
        server.fault(
            fault="luld",
            symbol="AAPL",
            seconds=150,
            lower=float(below),
            upper=float(below + 50),
        )
        told.append(below)


def test_an_engine_at_the_paper_server_stays_inside_a_price_band(
    server: PaperServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fillwright = Fillwright(server, tmp_path_factory.mktemp("log"))
    fields = {"strategy": "twap", "window": "9m", "max_slippage": None}
    wanted = [
        decision(decision_id="band", **fields),
        decision(decision_id="held", symbol="AAPL", **fields),
    ]
    told: list[Decimal] = []
    banding = Thread(target=band_once_it_trades, args=(server, told))
    banding.start()
    ran = fillwright.run(wanted, "--json")
    banding.join()
    assert ran.returncode == 0, ran.stderr
    sent = [event for event in fillwright.events() if isinstance(event, e.OrderIntended)]
    upper, below = told
    held = [order for order in sent if order.symbol == "AAPL"]
    inside = [order for order in held if order.provenance.market.band is not None]
    assert [order for order in inside if (order.limit_price or below) < below] == []
    rows = {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}
    assert rows["held"]["state"] == "filled", "it went on when the band was over"
    sent = [order for order in sent if order.symbol == "KO"]
    banded = [order for order in sent if order.provenance.market.band is not None]
    assert banded, "orders are sent while the band is in force"
    assert all(order.limit_price is not None for order in banded)
    assert {order.limit_price for order in banded if (order.limit_price or 0) > upper} == set()
