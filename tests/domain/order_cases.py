"""What the tests of child orders share: a venue that speaks in reports, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fillwright.domain.orders import (
    Anomaly,
    AnomalyKind,
    ChildOrder,
    fold,
    intend,
    mark_sent,
    request_cancel,
    request_replace,
)
from fillwright.domain.ports import (
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    TimeInForce,
)
from fillwright.domain.states import OrderState

D = Decimal
AMOUNTS = ("last_qty", "last_price", "order_qty", "cum_qty", "leaves_qty", "limit_price", "fee")


def request(quantity: Any = 1000, **fields: Any) -> OrderRequest:
    """An order as it goes out: a buy of ABC at 20, for the day."""
    terms: dict[str, Any] = {
        "client_order_id": "one",
        "symbol": "ABC",
        "side": Side.BUY,
        "quantity": D(str(quantity)),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "limit_price": D("20"),
    }
    return OrderRequest(**{**terms, **fields})


def report(kind: ReportKind | str, at: int, name: str = "one", **fields: Any) -> ExecutionReport:
    """A report; amounts may be given as anything that reads as a number."""
    amounts = {
        key: value if isinstance(value, Decimal) else D(str(value))
        for key, value in fields.items()
        if key in AMOUNTS and value is not None
    }
    return ExecutionReport(
        kind=ReportKind(kind),
        client_order_id=name,
        market_time=at,
        receive_time=at,
        **{**fields, **amounts},
    )


@dataclass
class Venue:
    """One order in the hands of a venue: what the venue says is folded as it is said."""

    order: ChildOrder
    at: int = 0
    fills: int = 0
    said: list[ExecutionReport] = field(default_factory=list)
    odd: list[Anomaly] = field(default_factory=list)

    def say(self, kind: ReportKind | str, name: str = "one", **fields: Any) -> Venue:
        """The next report."""
        self.at += 10
        return self.hear(report(kind, fields.pop("at", self.at), name, **fields))

    def hear(self, message: ExecutionReport) -> Venue:
        """A report that may have been said before."""
        self.said.append(message)
        self.order, odd = fold(self.order, message)
        self.odd += odd
        return self

    def trade(self, quantity: Any, price: Any = 20, name: str = "one", **fields: Any) -> Venue:
        """An execution under the next id: fill 1, fill 2 and so on."""
        self.fills += 1
        fields.setdefault("execution_id", f"fill {self.fills}")
        return self.say("trade", name, last_qty=quantity, last_price=price, **fields)

    def cancel(self, name: str | None = None) -> Venue:
        """We ask for a cancel."""
        self.order = request_cancel(self.order, name)
        return self

    def amend(self, name: str, quantity: Any, price: Any = None) -> Venue:
        """We ask for a replace."""
        limit = None if price is None else D(str(price))
        self.order = request_replace(self.order, name, D(str(quantity)), limit)
        return self

    def shows(self, state: str, quantity: Any, cum: Any, leaves: Any) -> Venue:
        """Compare state, OrderQty, CumQty and LeavesQty."""
        order = self.order
        seen = (str(order.state), order.order_qty, order.cum_qty, order.leaves_qty)
        assert seen == (str(OrderState(state)), D(str(quantity)), D(str(cum)), D(str(leaves)))
        return self

    @property
    def kinds(self) -> list[AnomalyKind]:
        """What was odd so far."""
        return [anomaly.kind for anomaly in self.odd]


def sent(quantity: Any = 1000, *, carries_over: bool = False, **fields: Any) -> Venue:
    """An order that was handed over and not answered."""
    return Venue(mark_sent(intend(request(quantity, **fields), carries_over=carries_over)))


def working(quantity: Any = 1000, *, carries_over: bool = False, **fields: Any) -> Venue:
    """An order that the venue works."""
    return sent(quantity, carries_over=carries_over, **fields).say("new")
