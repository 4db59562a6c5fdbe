"""Bars of days before an ex-date, as ``adjustment`` asks, through alpaca-py's data client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment
from alpaca.data.models import Bar
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame

from fillwright.adapters.paper.adjusting import Adjusted, Booked
from fillwright.domain.corporate import ActionKind, CorporateAction
from tests.paper.servers import PaperServer, running

OPEN = datetime(2024, 6, 12, 13, 30, tzinfo=UTC)
SPLIT_ON, EX_DIVIDEND = "2024-06-11", "2024-06-10"
ACTIONS = {
    "forward_splits": [
        {
            "id": "a1",
            "symbol": "KO",
            "cusip": "191216100",
            "new_rate": 2,
            "old_rate": 1,
            "process_date": SPLIT_ON,
            "ex_date": SPLIT_ON,
        }
    ],
    "cash_dividends": [
        {
            "id": "a2",
            "symbol": "KO",
            "cusip": "191216100",
            "rate": 3.5,
            "special": False,
            "foreign": False,
            "process_date": EX_DIVIDEND,
            "ex_date": EX_DIVIDEND,
        }
    ],
}


@pytest.fixture(scope="module")
def adjusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperServer]:
    file: Path = tmp_path_factory.mktemp("actions") / "actions.json"
    file.write_text(json.dumps({"corporate_actions": ACTIONS}))
    with running(session="20240612", actions=file, start="10:00") as server:
        yield server


def days(server: PaperServer, adjustment: Adjustment | None) -> dict[str, Bar]:
    request = StockBarsRequest(
        symbol_or_symbols="KO",
        timeframe=TimeFrame.Day,
        start=OPEN - timedelta(days=9),
        adjustment=adjustment,
    )
    bars = server.data.get_stock_bars(request).data["KO"]
    return {bar.timestamp.date().isoformat(): bar for bar in bars}


def test_bars_are_raw_unless_another_adjustment_is_asked_for(adjusting: PaperServer) -> None:
    raw, split = days(adjusting, None), days(adjusting, Adjustment.SPLIT)
    assert raw == days(adjusting, Adjustment.RAW)
    assert {date for date in raw if date < SPLIT_ON} >= {"2024-06-07", EX_DIVIDEND}
    for date, bar in raw.items():
        ratio = 2 if date < SPLIT_ON else 1
        assert bar.close == pytest.approx(split[date].close * ratio)
        assert bar.vwap == pytest.approx(split[date].vwap * ratio)
        assert bar.volume == pytest.approx(split[date].volume / ratio, abs=1)


def test_a_dividend_takes_its_share_of_the_close_before_off_prices_alone(
    adjusting: PaperServer,
) -> None:
    raw, split = days(adjusting, Adjustment.RAW), days(adjusting, Adjustment.SPLIT)
    dividend, both = days(adjusting, Adjustment.DIVIDEND), days(adjusting, Adjustment.ALL)
    close = raw["2024-06-07"].close
    for date in raw:
        factor = 1 - 3.5 / close if date < EX_DIVIDEND else 1
        assert dividend[date].close == pytest.approx(raw[date].close * factor)
        assert both[date].high == pytest.approx(split[date].high * factor)
        assert dividend[date].volume == raw[date].volume
        assert both[date].volume == split[date].volume


def test_what_is_unknown_is_refused_and_names_can_be_combined(adjusting: PaperServer) -> None:
    def asked(adjustment: str) -> Any:
        query = {"timeframe": "1Day", "start": "2024-06-05", "adjustment": adjustment}
        return adjusting.call("GET", "/v2/stocks/KO/bars", params=query)

    assert asked("split,dividend").json() == asked("all").json()
    assert asked("spin-off").json() == asked("raw").json()
    assert asked("splits").status_code == 400
    with pytest.raises(APIError, match="invalid adjustment"):
        adjusting.data.get("/stocks/KO/bars", {"timeframe": "1Day", "adjustment": "splits"})


def test_recorded_bars_are_as_traded_so_that_asking_for_splits_adjusts_them() -> None:
    split = CorporateAction(
        action_id="s",
        kind=ActionKind.SPLIT,
        symbol="OLD",
        ex_date=SPLIT_ON,
        new_rate=4,  # type: ignore[arg-type]
        old_rate=1,  # type: ignore[arg-type]
    )
    paid = CorporateAction(
        action_id="d",
        kind=ActionKind.CASH_DIVIDEND,
        symbol="OLD",
        ex_date=SPLIT_ON,
        cash_per_share=5,  # type: ignore[arg-type]
    )
    renamed = CorporateAction(
        action_id="n",
        kind=ActionKind.SYMBOL_CHANGE,
        symbol="OLD",
        ex_date="2024-06-12",
        new_symbol="NEW",
    )
    eve = int(datetime(2024, 6, 10, 19, 59, tzinfo=UTC).timestamp()) * 10**9
    ts = np.array([eve, eve + 86_400 * 10**9], dtype=np.int64)
    booked = Booked((split, paid, renamed), "2024-06-12")
    close = np.array([100.0, 24.0])
    prices, shares = booked.factors("NEW", ts, close, Adjusted(splits=True))
    assert (prices.tolist(), shares.tolist()) == ([0.25, 1.0], [4.0, 1.0])
    prices, shares = booked.factors("NEW", ts, close, Adjusted(dividends=True))
    assert prices.tolist() == [0.8, 1.0], "5 of 25 a share after the split of that day"
    assert shares.tolist() == [1.0, 1.0]
    prices, _ = booked.factors("NEW", ts, close, Adjusted())
    assert prices.tolist() == [1.0, 1.0]
