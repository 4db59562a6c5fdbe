"""``advanced_instructions``: checked as documented, accepted, and without effect on paper."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.paper.servers import APIError, PaperServer, eventually

START, END = "2024-06-12T10:00:00-04:00", "2024-06-12T15:30:00-04:00"
TWAP = {"algorithm": "TWAP", "start_time": START, "end_time": END, "max_percentage": "0.314"}


@pytest.mark.parametrize(
    "given",
    [
        TWAP,
        TWAP | {"algorithm": "VWAP", "max_percentage": 0.314},
        {"algorithm": "TWAP"},
        {"algorithm": "DMA", "destination": "NYSE", "display_qty": 100},
    ],
    ids=["twap", "vwap", "no times", "dma"],
)
def test_what_alpaca_documents_is_accepted_and_not_simulated(
    server: PaperServer, given: dict[str, Any]
) -> None:
    order = server.submit(advanced_instructions=given)
    assert "advanced_instructions" not in order
    assert server.worked(order["id"], 2)["status"] == "filled"


@pytest.mark.parametrize(
    ("given", "order", "said"),
    [
        ("TWAP", {}, "must be an object"),
        ({"algorithm": "POV"}, {}, "algorithm must be one of"),
        (TWAP, {"time_in_force": "gtc"}, "time_in_force day"),
        (TWAP | {"end_time": "2024-06-12T16:30:00-04:00"}, {}, "within market hours"),
        (TWAP | {"start_time": "2024-06-11T10:00:00-04:00"}, {}, "within market hours"),
        (TWAP | {"start_time": END, "end_time": START}, {}, "after start_time"),
        (TWAP | {"start_time": "soon"}, {}, "must be a time"),
        (TWAP | {"max_percentage": "1"}, {}, "max_percentage"),
        (TWAP | {"max_percentage": "0.3141"}, {}, "max_percentage"),
        ({"algorithm": "DMA", "destination": "LSE"}, {}, "destination must be one of"),
        ({"algorithm": "DMA", "destination": "IEX", "display_qty": 50}, {}, "round lots"),
    ],
)
def test_what_is_wrong_with_them_is_said(
    server: PaperServer, given: Any, order: dict[str, Any], said: str
) -> None:
    with pytest.raises(APIError) as refused:
        server.submit(advanced_instructions=given, **order)
    assert refused.value.status_code == 422
    assert said in json.loads(str(refused.value))["message"]


def test_a_change_of_them_is_checked_like_the_ones_of_a_new_order(server: PaperServer) -> None:
    resting = server.submit(type="limit", limit_price="1.00", advanced_instructions=TWAP)
    path = f"/orders/{resting['id']}"
    eventually(lambda: server.order(resting["id"])["status"] == "new")
    for given, said in (
        ({"algorithm": "POV"}, "algorithm must be one of"),
        (TWAP | {"end_time": "2024-06-12T16:30:00-04:00"}, "within market hours"),
    ):
        with pytest.raises(APIError) as refused:
            server.raw.patch(path, {"advanced_instructions": given})
        assert refused.value.status_code == 422
        assert said in json.loads(str(refused.value))["message"]
    assert server.order(resting["id"])["status"] == "new"
    changed: dict[str, Any] = server.raw.patch(path, {"advanced_instructions": TWAP})
    assert changed["replaces"] == resting["id"]
    assert "advanced_instructions" not in changed
