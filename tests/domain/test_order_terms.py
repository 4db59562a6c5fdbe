"""The orders that each broker takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.order_terms import TERMS, Holding, Phase, not_offered
from fillwright.domain.ports import OrderRequest, OrderType, SellMark, Side, TimeInForce

D = Decimal


def request_of(**changes: Any) -> OrderRequest:
    given: dict[str, Any] = {
        "client_order_id": "o",
        "symbol": "ABC",
        "side": Side.BUY,
        "quantity": D(10),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "limit_price": D("10.00"),
    }
    return OrderRequest(**given | changes)


MARKET = {"order_type": OrderType.MARKET, "limit_price": None}
SHORT = {"side": Side.SELL, "sell_mark": SellMark.SHORT}


@pytest.mark.parametrize(
    ("changes", "phase", "field"),
    [
        ({}, Phase.REGULAR, None),
        ({}, Phase.BEFORE_OPEN, "session"),
        ({"time_in_force": TimeInForce.OPG}, Phase.REGULAR, "session"),
        ({"time_in_force": TimeInForce.OPG}, Phase.BEFORE_OPEN, None),
        ({"time_in_force": TimeInForce.CLS}, Phase.REGULAR, None),
        ({"quantity": D("1.5")}, Phase.REGULAR, None),
        ({"quantity": D("1.5"), "time_in_force": TimeInForce.IOC}, Phase.REGULAR, "quantity"),
        ({"quantity": D("1.5"), **SHORT}, Phase.REGULAR, "side"),
        (SHORT, Phase.REGULAR, None),
        ({"display_quantity": D(5)}, Phase.REGULAR, "display_quantity"),
        ({"display_quantity": D(10)}, Phase.REGULAR, None),
        ({"limit_price": None}, Phase.REGULAR, "limit_price"),
        (MARKET, Phase.REGULAR, None),
    ],
)
def test_alpaca_takes_what_its_table_has_and_the_wrong_field_is_named(
    changes: dict[str, Any], phase: Phase, field: str | None
) -> None:
    found = not_offered("alpaca", request_of(**changes), phase)
    assert (found.field if found else None) == field
    if found is not None:
        assert found.field in str(found)
        assert found.allowed


@given(
    kind=st.sampled_from(OrderType),
    tif=st.sampled_from(TimeInForce),
    phase=st.sampled_from(Phase),
    quantity=st.sampled_from([D(1), D("0.5"), D("7.25"), D(100)]),
    side=st.sampled_from(
        [(Side.BUY, None), (Side.SELL, SellMark.LONG), (Side.SELL, SellMark.SHORT)]
    ),
    broker=st.sampled_from(sorted(TERMS)),
)
def test_an_order_passes_exactly_when_a_row_has_it(
    kind: OrderType,
    tif: TimeInForce,
    phase: Phase,
    quantity: Decimal,
    side: tuple[Side, SellMark | None],
    broker: str,
) -> None:
    limit = D("10.00") if kind is OrderType.LIMIT else None
    request = request_of(
        side=side[0],
        sell_mark=side[1],
        order_type=kind,
        time_in_force=tif,
        quantity=quantity,
        limit_price=limit,
    )
    whole = quantity == quantity.to_integral_value()
    rows = [
        row
        for row in TERMS[broker].rows
        if (row.order_type, row.time_in_force, row.phase) == (kind, tif, phase)
        and Holding.of(request) in (row.whole if whole else row.fractional)
    ]
    assert (not_offered(broker, request, phase) is None) is bool(rows)


def test_a_broker_without_a_table_answers_for_itself() -> None:
    assert not_offered("somebody", request_of(quantity=D("0.1")), Phase.BEFORE_OPEN) is None
