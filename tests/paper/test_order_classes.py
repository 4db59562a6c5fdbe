"""Brackets, OCO and OTO orders, and replacements."""

from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import (
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from tests.paper.servers import APIError, PaperServer

HOUR = 3_600


def bracket(server: PaperServer, profit: str, loss: str, **more: Any) -> dict[str, Any]:
    bid, ask = server.quote("NVDA")
    answer = server.submit(
        symbol="NVDA",
        order_class="bracket",
        take_profit={"limit_price": str(ask + Decimal(profit))},
        stop_loss={"stop_price": str(bid - Decimal(loss))},
        **more,
    )
    return answer


def test_a_bracket_of_the_client_library_is_accepted_with_two_held_legs(
    server: PaperServer,
) -> None:
    bid, ask = server.quote("NVDA")
    answer = server.trading.submit_order(
        MarketOrderRequest(
            symbol="NVDA",
            qty=10,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=round(float(ask) + 5, 2)),
            stop_loss=StopLossRequest(stop_price=round(float(bid) - 5, 2)),
        )
    )
    assert [leg.status.value for leg in answer.legs or []] == ["held", "held"]
    assert len({answer.id, *(leg.id for leg in answer.legs or [])}) == 3


def test_the_legs_of_a_bracket_begin_when_the_entry_fills(server: PaperServer) -> None:
    order = server.worked(bracket(server, "5", "5")["id"])
    assert order["status"] == "filled"
    states = {leg["type"]: (leg["status"], leg["side"]) for leg in order["legs"]}
    assert states == {"limit": ("new", "sell"), "stop": ("held", "sell")}


@pytest.mark.parametrize(
    ("profit", "loss", "filled"), [("0.05", "9", "limit"), ("9", "0.05", "stop")]
)
def test_one_exit_of_a_bracket_cancels_the_other(
    server: PaperServer, profit: str, loss: str, filled: str
) -> None:
    order = server.worked(bracket(server, profit, loss)["id"], HOUR / 2)
    states = {leg["type"]: leg["status"] for leg in order["legs"]}
    assert states.pop(filled) == "filled"
    assert list(states.values()) == ["canceled"]
    assert server.raw.get_all_positions() == []


def test_cancelling_an_entry_cancels_its_legs(server: PaperServer) -> None:
    answer = bracket(server, "5", "70", type="limit", limit_price="60")
    server.advance(1)
    server.trading.cancel_order_by_id(answer["id"])
    order = server.order(answer["id"])
    assert [order["status"], *(leg["status"] for leg in order["legs"])] == ["canceled"] * 3


def test_an_oco_order_exits_a_position_once(server: PaperServer) -> None:
    server.worked(server.submit(symbol="NVDA")["id"])
    bid, ask = server.quote("NVDA")
    answer = server.submit(
        symbol="NVDA",
        side="sell",
        type="limit",
        order_class="oco",
        take_profit={"limit_price": str(ask + 9)},
        stop_loss={"stop_price": str(bid - Decimal("0.05"))},
    )
    assert server.worked(answer["id"], 0.5)["status"] == "new"
    order = server.worked(answer["id"], HOUR / 2)
    assert (order["status"], order["legs"][0]["status"]) == ("canceled", "filled")
    assert server.raw.get_all_positions() == []


def test_an_oto_order_has_one_leg(server: PaperServer) -> None:
    _, ask = server.quote("NVDA")
    limit = {"limit_price": str(ask + 9)}
    answer = server.submit(symbol="NVDA", order_class="oto", take_profit=limit)
    order = server.worked(answer["id"])
    assert [leg["status"] for leg in order["legs"]] == ["new"]


def test_lists_show_legs_nested_or_flat(server: PaperServer) -> None:
    answer = bracket(server, "5", "70", type="limit", limit_price="60")
    nested = server.raw.get("/orders", {"nested": True, "symbols": "NVDA"})
    assert [(row["id"], len(row["legs"])) for row in nested] == [(answer["id"], 2)]
    flat = server.raw.get("/orders", {"nested": False, "symbols": "NVDA"})
    assert len(flat) == 3
    assert {row["legs"] is None for row in flat} == {True}


def test_a_replacement_is_a_new_order(server: PaperServer) -> None:
    old = server.submit(type="limit", limit_price="30", client_order_id="replace-me")
    server.advance(1)
    new = server.trading.replace_order_by_id(old["id"], ReplaceOrderRequest(limit_price=31))
    assert (str(new.replaces), new.limit_price) == (old["id"], "31")
    assert str(new.id) != old["id"]
    before = server.order(old["id"])
    assert (before["status"], before["replaced_by"]) == ("replaced", str(new.id))
    assert before["replaced_at"] is not None
    # The old client id still names the old order.
    assert str(server.trading.get_order_by_client_id("replace-me").id) == old["id"]
    assert server.worked(str(new.id))["status"] == "new"


def test_a_replacement_of_a_partly_filled_order_is_for_the_whole_quantity(
    server: PaperServer,
) -> None:
    """As reported of Alpaca (Alpaca-API#165): without a quantity the original one is used."""
    server.fault(fault="partial", fraction=0.4, seconds=600, count=1)
    _, ask = server.quote("AAPL")
    old = server.worked(server.submit(symbol="AAPL", type="limit", limit_price=str(ask + 1))["id"])
    assert (old["status"], old["filled_qty"]) == ("partially_filled", "4")
    with pytest.raises(APIError) as refused:
        server.trading.replace_order_by_id(old["id"], ReplaceOrderRequest(qty=4))
    assert refused.value.message == "qty must be > filled_qty"
    new = server.raw.patch(f"/orders/{old['id']}", {"limit_price": str(ask + 2)})
    assert (new["qty"], new["filled_qty"]) == ("10", "0")
    assert server.worked(new["id"])["filled_qty"] == "10"
    assert server.trading.get_open_position("AAPL").qty == "14"


def test_a_stop_is_moved_by_replacing_it(server: PaperServer) -> None:
    bid, ask = server.quote("NVDA")
    old = server.submit(symbol="NVDA", type="stop", stop_price=str(ask + 50))
    server.advance(1)
    price = str(ask + Decimal("0.02"))
    new = server.raw.patch(f"/orders/{old['id']}", {"stop_price": price})
    assert Decimal(new["stop_price"]) == Decimal(price)
    assert server.worked(new["id"], HOUR / 4)["status"] == "filled"
    assert bid < ask
