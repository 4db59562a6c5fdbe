"""Halts and price bands as the adapter at the paper server hears of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
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


def halt_once_it_trades(server: PaperServer) -> None:
    """Halt the market for three minutes as soon as an order is there."""
    if eventually(lambda: server.call("GET", "/v2/orders?status=all").json(), seconds=120):
        server.fault(fault="halt", symbol="*", seconds=180, cause="market_wide")


def test_an_engine_at_the_paper_server_sits_a_market_wide_halt_out(
    server: PaperServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fillwright = Fillwright(server, tmp_path_factory.mktemp("log"))
    wanted = decision(decision_id="long", strategy="twap", window="20m", max_slippage=None)
    halting = Thread(target=halt_once_it_trades, args=(server,))
    halting.start()
    ran = fillwright.run([wanted], "--json")
    halting.join()
    assert ran.returncode == 0, ran.stderr
    events = fillwright.events()
    suspended = [event for event in events if isinstance(event, e.InstructionSuspended)]
    resumed = [event for event in events if isinstance(event, e.InstructionResumed)]
    assert [event.cause for event in suspended] == ["market_wide"]
    assert len(resumed) == 1
    began, ended = suspended[0].record_time, resumed[0].record_time
    sent = [event.record_time for event in events if isinstance(event, e.OrderIntended)]
    assert [at for at in sent if began < at < ended] == []
    assert ended - (suspended[0].since or 0) >= (180 + 30 - 20) * NANOS
    (row,) = halts_of(events)
    assert row.cost is not None


def band_once_it_trades(server: PaperServer, told: list[Decimal]) -> None:
    """Put a band with its top below the bid in force as soon as an order is there."""
    if eventually(lambda: server.call("GET", "/v2/orders?status=all").json(), seconds=120):
        upper = server.quote("KO")[0] - Decimal("0.05")
        lower = upper * Decimal("0.9")
        server.fault(
            fault="luld", symbol="KO", seconds=1_800, lower=float(lower), upper=float(upper)
        )
        told.append(upper)


def test_an_engine_at_the_paper_server_stays_inside_a_price_band(
    server: PaperServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fillwright = Fillwright(server, tmp_path_factory.mktemp("log"))
    wanted = decision(decision_id="band", strategy="twap", window="15m", max_slippage=None)
    told: list[Decimal] = []
    banding = Thread(target=band_once_it_trades, args=(server, told))
    banding.start()
    ran = fillwright.run([wanted], "--json")
    banding.join()
    assert ran.returncode == 0, ran.stderr
    sent = [event for event in fillwright.events() if isinstance(event, e.OrderIntended)]
    banded = [order for order in sent if order.provenance.market.band is not None]
    assert banded, "orders are sent while the band is in force"
    assert all(order.limit_price is not None for order in banded)
    assert {order.limit_price for order in banded if (order.limit_price or 0) > told[0]} == set()
