"""The order machine against the published FIX order state matrices.

The file holds sequences of messages with OrdStatus and quantities after each. Only what a message
says of itself is fed in: its type, its ids, the size and price of a trade, and the new terms of a
broker's own restatement. Status and quantities are computed by our machine and then compared.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

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
from fillwright.domain.states import PRECEDENCE, OrderState

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / "shared" / "vectors" / "fix_state_matrices.json"
VECTORS = Path(os.environ.get("FILLWRIGHT_FIX_VECTORS") or DEFAULT)

KINDS = {
    "New": ReportKind.NEW,
    "DoneForDay": ReportKind.DONE_FOR_DAY,
    "Canceled": ReportKind.CANCELED,
    "Replaced": ReportKind.REPLACED,
    "PendingCancel": ReportKind.PENDING_CANCEL,
    "Stopped": ReportKind.STOPPED,
    "Rejected": ReportKind.REJECTED,
    "Suspended": ReportKind.SUSPENDED,
    "PendingNew": ReportKind.PENDING_NEW,
    "Calculated": ReportKind.CALCULATED,
    "Expired": ReportKind.EXPIRED,
    "Restated": ReportKind.RESTATED,
    "PendingReplace": ReportKind.PENDING_REPLACE,
    "Trade": ReportKind.TRADE,
    "PartialFill": ReportKind.TRADE,
    "Fill": ReportKind.TRADE,
    "TradeCorrect": ReportKind.TRADE_CORRECT,
    "TradeCancel": ReportKind.TRADE_BUST,
    "OrderStatus": ReportKind.STATUS,
    "Triggered": ReportKind.TRIGGERED,
}
STATUSES = {
    "New": OrderState.NEW,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "Filled": OrderState.FILLED,
    "DoneForDay": OrderState.DONE_FOR_DAY,
    "Canceled": OrderState.CANCELED,
    "Replaced": OrderState.REPLACED,
    "PendingCancel": OrderState.PENDING_CANCEL,
    "Stopped": OrderState.STOPPED,
    "Rejected": OrderState.REJECTED,
    "Suspended": OrderState.SUSPENDED,
    "PendingNew": OrderState.PENDING_NEW,
    "Calculated": OrderState.CALCULATED,
    "Expired": OrderState.EXPIRED,
    "AcceptedForBidding": OrderState.ACCEPTED_FOR_BIDDING,
    "PendingReplace": OrderState.PENDING_REPLACE,
}
NAMES = {state: name for name, state in STATUSES.items()}
TIMES_IN_FORCE = {"FOK": TimeInForce.IOC, "IOC": TimeInForce.IOC}
CARRIES_OVER = ("GTC", "GTD", "GT")
QUANTITIES = ("order_qty", "cum_qty", "leaves_qty")

Step = dict[str, Any]


ABSENT = f"shared data not present: {VECTORS}"


def scenarios() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["scenarios"]
    return loaded


def number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def extra(step: Step) -> dict[str, Any]:
    return step.get("extra") or {}


@dataclass
class Desk:
    """The buy side of one scenario: our requests go out, the broker's reports are folded in."""

    time_in_force: str
    in_cash: bool
    orders: dict[str, ChildOrder] = field(default_factory=dict)
    root_by_id: dict[str, str] = field(default_factory=dict)
    submitted: set[str] = field(default_factory=set)
    anomalies: list[Anomaly] = field(default_factory=list)
    last: str | None = None
    clock: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, step: Step) -> None:
        name = step["cl_ord_id"]
        message = step["msg"]
        if message == "NewOrderSingle":
            if name not in self.orders:
                self.place(name, step)
            self.submitted.add(name)
            self.orders[name] = mark_sent(self.orders[name])
        elif message == "OrderCancelRequest":
            root = self.root_of(step, quantity=Decimal(0))
            self.orders[root] = request_cancel(self.orders[root], name)
            self.root_by_id[name] = root
        elif message == "OrderCancelReplaceRequest":
            root = self.root_of(step, quantity=Decimal(0))
            quantity = number(step.get("order_qty")) or self.orders[root].order_qty
            price = number(extra(step).get("price"))
            self.orders[root] = request_replace(self.orders[root], name, quantity, price)
            self.root_by_id[name] = root
        elif message == "OrderStatusRequest":
            self.root_of(step, quantity=Decimal(0))

    def place(self, name: str, step: Step, *, quantity: Decimal | None = None) -> str:
        if quantity is None:
            quantity = Decimal(0) if self.in_cash else number(step.get("order_qty")) or Decimal(0)
        force = extra(step).get("time_in_force", self.time_in_force)
        request = OrderRequest(
            client_order_id=name,
            symbol="XYZ",
            side=Side.BUY,
            quantity=quantity,
            order_type=OrderType.LIMIT,
            time_in_force=TIMES_IN_FORCE.get(force, TimeInForce.DAY),
            limit_price=number(extra(step).get("price")),
        )
        self.orders[name] = intend(request, carries_over=force in CARRIES_OVER)
        self.root_by_id[name] = name
        return name

    def root_of(self, step: Step, *, quantity: Decimal | None = None) -> str:
        """The order a message is about; one that was never placed is met here for the first time.

        That is an order told by telephone, or one that the broker has no record of.
        """
        for name in (step.get("cl_ord_id"), step.get("orig_cl_ord_id")):
            if name is not None and name in self.root_by_id:
                return self.root_by_id[name]
        name = step.get("orig_cl_ord_id") or step.get("cl_ord_id")
        if name is None and self.orders:
            return self.last or next(iter(self.orders))
        return self.place(name or "by telephone", step, quantity=quantity)

    def receive(self, step: Step) -> ChildOrder:
        root = self.root_of(step)
        report = self.report_of(step, root)
        self.orders[root], odd = fold(self.orders[root], report)
        self.anomalies += odd
        self.last = root
        return self.orders[root]

    def report_of(self, step: Step, root: str) -> ExecutionReport:
        now = next(self.clock)
        order = self.orders[root]
        kind = self.kind_of(step, root)
        said = extra(step)
        tells_terms = kind is ReportKind.RESTATED or (kind is ReportKind.NEW and self.in_cash)
        trades = kind in (ReportKind.TRADE, ReportKind.TRADE_CORRECT)
        price = number(said.get("last_px"))
        if kind is ReportKind.TRADE and price is None:
            price = Decimal(10)
        return ExecutionReport(
            kind=kind,
            client_order_id=step.get("cl_ord_id") or order.client_order_id,
            market_time=now,
            receive_time=now,
            venue_order_id=f"venue {root}",
            execution_id=said.get("exec_id", f"report {now}"),
            ref_execution_id=said.get("exec_ref_id"),
            last_qty=number(step.get("last_qty")) if trades else None,
            last_price=price if trades else None,
            order_qty=number(step.get("order_qty")) if tells_terms else None,
            cum_qty=number(step.get("cum_qty")) if kind is ReportKind.RESTATED else None,
        )

    def kind_of(self, step: Step, root: str) -> ReportKind:
        if step["msg"] == "OrderCancelReject":
            if root not in self.submitted and not self.orders[root].is_acknowledged:
                return ReportKind.REJECTED  # the broker has no such order
            asked = self.orders[root].pending
            cancels = {request.request_id for request in asked if request.is_cancel}
            cancel = step["cl_ord_id"] in cancels
            return ReportKind.CANCEL_REJECTED if cancel else ReportKind.REPLACE_REJECTED
        kind = KINDS[step["exec_type"]]
        if kind is ReportKind.STATUS and root not in self.submitted:
            return ReportKind.REJECTED  # the broker has no such order
        if kind is ReportKind.TRADE and "exec_ref_id" in extra(step):
            busts = not step.get("last_qty")
            return ReportKind.TRADE_BUST if busts else ReportKind.TRADE_CORRECT
        return kind


def paths(steps: list[Step]) -> Iterator[list[Step]]:
    """The main path, then each path that ends with a refusal of two rows sharing a time."""
    yield [step for step in steps if step.get("branch") != "alternate"]
    for at, step in enumerate(steps):
        if step.get("branch") == "alternate":
            before = [earlier for earlier in steps[:at] if earlier.get("branch") != "alternate"]
            yield [*before, step]


def computed(order: ChildOrder, step: Step) -> dict[str, Any]:
    quantity = order.order_qty
    leaves = order.leaves_qty
    if step.get("exec_type") == "PendingReplace":
        quantity = order.reported_order_qty
        leaves = max(Decimal(0), quantity - order.cum_qty) if leaves else leaves
    return {
        "ord_status": NAMES[order.state],
        "order_qty": quantity,
        "cum_qty": order.cum_qty,
        "leaves_qty": leaves,
    }


def accepted(step: Step, name: str, value: Any, oddities: list[dict[str, Any]]) -> list[Any]:
    """The printed value, or what the rule gives where the print is listed as odd."""
    odd = [o for o in oddities if o.get("time") == step.get("time") and o.get("field") == name]
    values = [value, *(o[key] for o in odd for key in ("stored", "by_rule") if key in o)]
    if name == "ord_status":
        return values
    return [number(value) for value in values]


def check(order: ChildOrder, row: Step, step: Step, oddities: list[dict[str, Any]]) -> None:
    ours = computed(order, step)
    for name in ("ord_status", *QUANTITIES):
        if row.get(name) is None:
            continue
        if name == "order_qty" and not order.order_qty and order.state is OrderState.REJECTED:
            continue  # refused, and its shares never known: an unknown order, an amount of cash
        assert ours[name] in accepted(row, name, row[name], oddities), (
            f"{name} after {step.get('time')} {step.get('exec_type') or step['msg']}"
        )


def desk_of(scenario: dict[str, Any]) -> Desk:
    return Desk(
        time_in_force=scenario.get("time_in_force") or "Day",
        in_cash="cash" in json.dumps(scenario).lower(),
    )


def cases() -> list[Any]:
    if not VECTORS.is_file():
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=ABSENT))]
    return [pytest.param(scenario, id=scenario["ref"]) for scenario in scenarios()]


@pytest.mark.parametrize("scenario", cases())
def test_the_machine_follows_the_fix_matrix(scenario: dict[str, Any]) -> None:
    oddities = scenario.get("known_anomalies") or []
    main, *alternates = paths(scenario["steps"])
    for path in (main, *alternates):
        desk = desk_of(scenario)
        step: Step = {}
        for step in path:
            if step["dir"] == "in":
                desk.send(step)
            elif step["dir"] == "out":
                check(desk.receive(step), step, step, oddities)
                order = desk.orders[str(desk.last)]
                average = extra(step).get("avg_px")
                if average and order.avg_price is not None:
                    assert order.avg_price == number(average)
        odd = {anomaly.kind for anomaly in desk.anomalies}
        assert not odd & {AnomalyKind.UNLISTED_TRANSITION, AnomalyKind.WRONG_ORDER}
        if path is main:
            check_final(desk, scenario["final"], step, oddities)


def check_final(
    desk: Desk, final: dict[str, Any] | list[dict[str, Any]], step: Step, odd: list[dict[str, Any]]
) -> None:
    for row in final if isinstance(final, list) else [final]:
        order = desk.orders[desk.root_by_id.get(row.get("cl_ord_id") or "", str(desk.last))]
        check(order, row, step, odd)


@pytest.mark.skipif(not VECTORS.is_file(), reason=ABSENT)
def test_our_precedence_of_states_is_that_of_fix() -> None:
    published = json.loads(VECTORS.read_text(encoding="utf-8"))["ord_status_precedence"]["values"]
    assert {name: PRECEDENCE[STATUSES[name]] for name in published} == published
