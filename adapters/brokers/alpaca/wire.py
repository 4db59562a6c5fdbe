"""Between Alpaca's JSON and our words; tolerant: a lost message is worse than an odd one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType
from typing import Any, Final

from ....domain.moments import utc_text
from ....domain.money import PRICE_MAX, QUANTITY_MAX, ZERO, plain
from ....domain.ports import (
    Account,
    AccountKind,
    Algorithm,
    BrokerOrder,
    ExecutionReport,
    OrderRequest,
    Position,
    ReportKind,
    Side,
)
from ...alpaca_api.reading import Json, nanos, number_of, raw, text_of

KINDS: Final = {
    "pending_new": ReportKind.PENDING_NEW,
    "new": ReportKind.NEW,
    "accepted": ReportKind.ACCEPTED,
    "accepted_for_bidding": ReportKind.ACCEPTED,
    "held": ReportKind.ACCEPTED,
    "fill": ReportKind.TRADE,
    "partial_fill": ReportKind.TRADE,
    "canceled": ReportKind.CANCELED,
    "expired": ReportKind.EXPIRED,
    "rejected": ReportKind.REJECTED,
    "replaced": ReportKind.REPLACED,
    "done_for_day": ReportKind.DONE_FOR_DAY,
    "pending_cancel": ReportKind.PENDING_CANCEL,
    "pending_replace": ReportKind.PENDING_REPLACE,
    "stopped": ReportKind.STOPPED,
    "suspended": ReportKind.SUSPENDED,
    "calculated": ReportKind.CALCULATED,
    "order_cancel_rejected": ReportKind.CANCEL_REJECTED,
    "order_replace_rejected": ReportKind.REPLACE_REJECTED,
    "restated": ReportKind.RESTATED,
    "trade_bust": ReportKind.TRADE_BUST,
    "trade_correct": ReportKind.TRADE_CORRECT,
}
"""Events of trade_updates and statuses of orders; any other word is reported as STATUS."""

CAP_STEP: Final = Decimal("0.001")
ENDED: Final = frozenset(
    {ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED, ReportKind.REPLACED}
)
CLOSED_STATUSES: Final = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
NOTHING_TOLD: Final[Mapping[tuple[str, Decimal], str]] = MappingProxyType({})
_TRADES: Final = frozenset({ReportKind.TRADE, ReportKind.TRADE_CORRECT, ReportKind.TRADE_BUST})
RESTATING: Final = {
    "trade_bust": ReportKind.TRADE_BUST,
    "trade_correct": ReportKind.TRADE_CORRECT,
}
"""Kinds of executions in events of activities that change an earlier one."""
_EVENT_TIMES: Final = ("canceled_at", "expired_at", "failed_at", "replaced_at", "updated_at")
CURRENCY: Final = re.compile("[A-Z]{3}")


def order_body(request: OrderRequest) -> dict[str, object]:
    """The body of ``POST /orders``: numbers as text, so that no float touches them."""
    body: dict[str, object] = {
        "symbol": request.symbol,
        "qty": plain(request.quantity),
        "side": request.side.value,
        "type": request.order_type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    if request.sell_mark is not None and request.sell_mark.is_short:
        body["position_intent"] = "sell_to_open"
    if request.limit_price is not None:
        body["limit_price"] = plain(request.limit_price)
    if request.algorithm is not None:
        body["advanced_instructions"] = _instructions(request.algorithm)
    return body


def _instructions(algorithm: Algorithm) -> dict[str, object]:
    """Alpaca's ``advanced_instructions``: whole seconds, and the cap to three decimals."""
    told: dict[str, object] = {
        "algorithm": algorithm.name,
        "start_time": utc_text(algorithm.start_at),
        "end_time": utc_text(algorithm.end_at),
    }
    cap = algorithm.participation_max
    if cap is not None:
        # Rounded down, so that the market is never taken a larger part of.
        told["max_percentage"] = plain(cap.quantize(CAP_STEP, ROUND_DOWN))
    return told


def is_same_order(order: Json, request: OrderRequest) -> bool:
    """Whether an order of the broker's is the one that we asked for."""
    return (
        text_of(order, "client_order_id") == request.client_order_id
        and text_of(order, "symbol") == request.symbol
        and (text_of(order, "side") or "").lower() == request.side.value
        and number_of(order, "qty") == request.quantity
    )


def report_of_update(data: Json, receive_time: int) -> ExecutionReport | None:
    """What a message of trade_updates says; None when it names no order of anybody."""
    order = data.get("order")
    if not isinstance(order, Mapping):
        return None
    client_order_id = text_of(order, "client_order_id")
    if client_order_id is None:
        return None
    event = (text_of(data, "event") or "").lower()
    kind = KINDS.get(event, ReportKind.STATUS)
    is_trade = kind in _TRADES
    return ExecutionReport(
        kind=kind,
        client_order_id=client_order_id,
        market_time=nanos(data.get("timestamp")) or event_time(order) or receive_time,
        receive_time=receive_time,
        venue_order_id=text_of(order, "id"),
        execution_id=text_of(data, "execution_id") if is_trade else None,
        ref_execution_id=text_of(data, "previous_execution_id", "ref_execution_id"),
        last_qty=amount(data, "qty", QUANTITY_MAX) if is_trade else None,
        last_price=amount(data, "price", PRICE_MAX) if is_trade else None,
        order_qty=amount(order, "qty", QUANTITY_MAX),
        cum_qty=amount(order, "filled_qty", QUANTITY_MAX),
        leaves_qty=_leaves(order, kind),
        order_status=text_of(order, "status") or event or None,
        limit_price=amount(order, "limit_price", PRICE_MAX),
        venue=text_of(data, "venue"),
        text=text_of(data, "reason", "reject_reason") or _odd(kind, event),
        raw=raw(data),
    )


def restatement_of_event(event: Json) -> ExecutionReport | None:
    """The bust or correction that an event of activities tells of; None of any other event.

    Its client order id is empty where it does not say it. A correction without quantity or price,
    and one that does not name the execution that it changes, cannot be read.
    """
    details = event.get("details")
    if not isinstance(details, Mapping):
        return None
    kind = RESTATING.get(text_of(details, "execution_type") or "")
    order_id, changed = text_of(details, "order_id"), text_of(event, "previous_id")
    at = nanos(event.get("at")) or nanos(event.get("executed_at"))
    if kind is None or order_id is None or changed is None or at is None:
        return None
    quantity, price = amount(event, "qty", QUANTITY_MAX), amount(event, "price", PRICE_MAX)
    if kind is ReportKind.TRADE_CORRECT and (not quantity or not price):
        return None
    return ExecutionReport(
        kind=kind,
        client_order_id=text_of(details, "client_order_id") or "",
        market_time=at,
        receive_time=at,
        venue_order_id=order_id,
        execution_id=text_of(event, "ref_id"),
        ref_execution_id=changed,
        last_qty=quantity,
        last_price=price,
        cum_qty=amount(details, "cum_qty", QUANTITY_MAX),
        leaves_qty=amount(details, "leaves_qty", QUANTITY_MAX),
        order_status=text_of(details, "order_status"),
        text="from the account's activity events",
        raw=raw(event),
    )


def reports_of_order(
    order: Json,
    fills: list[Json],
    receive_time: int,
    told: Mapping[tuple[str, Decimal], str] = NOTHING_TOLD,
) -> list[ExecutionReport]:
    """An order's life as REST tells it: taken, each fill, what of them is missing, its end.

    ``fills`` are its FILL activities. What ``filled_qty`` has and they do not becomes one trade
    priced ``(avg₂·q₂ - avg₁·q₁) / (q₂ - q₁)`` and marked derived (ruling 30). ``told`` has the
    execution id under which the socket told of a fill, by the broker's order id and CumQty: that
    the two channels use the same id is documented nowhere.
    """
    client_order_id = text_of(order, "client_order_id")
    if client_order_id is None:
        return []
    status = (text_of(order, "status") or "").lower()
    kind = KINDS.get(status, ReportKind.STATUS)
    trades = [made for row in fills if (made := _trade(order, row, receive_time, told)) is not None]
    trades.sort(key=lambda report: report.cum_qty or ZERO)
    missing = _derived(order, trades, receive_time)
    taken = _plain(order, ReportKind.ACCEPTED, receive_time, nanos(order.get("submitted_at")))
    life = [*([] if kind is ReportKind.REJECTED else [taken]), *trades, *missing]
    ended = kind in ENDED or kind in (ReportKind.DONE_FOR_DAY, ReportKind.STATUS)
    if ended and status not in ("filled", "partially_filled"):
        life.append(_plain(order, kind, receive_time, event_time(order)))
    return life


def broker_order(order: Json) -> BrokerOrder | None:
    """An order as the broker has it; None when it does not say which order it is."""
    client_order_id, venue_order_id = text_of(order, "client_order_id"), text_of(order, "id")
    side = (text_of(order, "side") or "").lower()
    symbol = text_of(order, "symbol")
    if not client_order_id or not venue_order_id or not symbol or side not in ("buy", "sell"):
        return None
    filled = amount(order, "filled_qty", QUANTITY_MAX) or ZERO
    status = (text_of(order, "status") or "unknown").lower()
    return BrokerOrder(
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        symbol=symbol,
        side=Side(side),
        quantity=amount(order, "qty", QUANTITY_MAX) or filled,
        filled_qty=filled,
        status=status,
        is_open=status not in CLOSED_STATUSES,
        submitted_at=nanos(order.get("submitted_at")) or nanos(order.get("created_at")) or 0,
    )


def account_of(answer: Json, at: int) -> Account | None:
    """The account's figures, None without a readable equity."""
    equity = number_of(answer, "equity", "portfolio_value")
    cash = number_of(answer, "cash")
    power = number_of(answer, "effective_buying_power", "buying_power")
    if equity is None or cash is None or power is None:
        return None
    blocked = [
        name
        for name in ("account_blocked", "trading_blocked", "trade_suspended_by_user")
        if answer.get(name) is True
    ]
    note = f"the broker says {', '.join(blocked)}" if blocked else ""
    multiplier = number_of(answer, "multiplier")
    kind = AccountKind.UNKNOWN
    if multiplier is not None and multiplier >= 1:
        kind = AccountKind.CASH if multiplier == 1 else AccountKind.MARGIN
    currency = text_of(answer, "currency") or ""
    named = currency if CURRENCY.fullmatch(currency) else None  # else configuration stands in
    return Account(equity, cash, power, at, note, kind, multiplier, named)


def position_of(row: Json) -> Position | None:
    """One position, None when it cannot be read."""
    symbol, quantity = text_of(row, "symbol"), number_of(row, "qty")
    value = number_of(row, "market_value")
    if symbol is None or quantity is None:
        return None
    if (text_of(row, "side") or "").lower() == "short" and quantity > 0:
        quantity = -quantity
    return Position(symbol=symbol, quantity=quantity, market_value=value or ZERO)


def amount(row: Mapping[str, Any], name: str, most: Decimal) -> Decimal | None:
    """A number from 0 to ``most``, None where it is none."""
    value = number_of(row, name)
    return value if value is not None and 0 <= value <= most else None


def event_time(order: Json) -> int | None:
    """When what an order now shows happened, the latest of its own times."""
    times = [at for name in _EVENT_TIMES if (at := nanos(order.get(name))) is not None]
    return max(times, default=None)


def activity_execution_id(row: Json) -> str | None:
    """The execution that a FILL activity is of: the part of its id behind the time."""
    id = text_of(row, "id")
    return None if id is None else id.rpartition("::")[2]


def _trade(
    order: Json, row: Json, receive_time: int, told: Mapping[tuple[str, Decimal], str]
) -> ExecutionReport | None:
    quantity, price = amount(row, "qty", QUANTITY_MAX), amount(row, "price", PRICE_MAX)
    if not quantity or not price:
        return None
    identity = (text_of(order, "id") or "", amount(row, "cum_qty", QUANTITY_MAX) or ZERO)
    return ExecutionReport(
        kind=ReportKind.TRADE,
        client_order_id=text_of(order, "client_order_id") or "",
        market_time=nanos(row.get("transaction_time")) or receive_time,
        receive_time=receive_time,
        venue_order_id=text_of(order, "id"),
        execution_id=told.get(identity) or activity_execution_id(row),
        last_qty=quantity,
        last_price=price,
        order_qty=amount(order, "qty", QUANTITY_MAX),
        cum_qty=amount(row, "cum_qty", QUANTITY_MAX),
        leaves_qty=amount(row, "leaves_qty", QUANTITY_MAX),
        order_status=text_of(row, "order_status"),
        limit_price=amount(order, "limit_price", PRICE_MAX),
        text="from the account's FILL activities",
        raw=raw(row),
    )


def _derived(
    order: Json, trades: list[ExecutionReport], receive_time: int
) -> list[ExecutionReport]:
    filled = amount(order, "filled_qty", QUANTITY_MAX) or ZERO
    known = sum((trade.last_qty or ZERO for trade in trades), ZERO)
    if filled <= known:
        return []
    average = amount(order, "filled_avg_price", PRICE_MAX)
    price = amount(order, "limit_price", PRICE_MAX)
    if average:
        spent = sum(((t.last_qty or ZERO) * (t.last_price or ZERO) for t in trades), ZERO)
        found = (average * filled - spent) / (filled - known)
        price = found if found > 0 else average
    if not price:
        return []
    at = nanos(order.get("filled_at")) or event_time(order) or receive_time
    return [
        ExecutionReport(
            kind=ReportKind.TRADE,
            client_order_id=text_of(order, "client_order_id") or "",
            market_time=at,
            receive_time=receive_time,
            venue_order_id=text_of(order, "id"),
            last_qty=filled - known,
            last_price=price,
            order_qty=amount(order, "qty", QUANTITY_MAX),
            cum_qty=filled,
            order_status=text_of(order, "status"),
            limit_price=amount(order, "limit_price", PRICE_MAX),
            text="price and quantity derived from the order's totals",
            derived=True,
            raw=raw(order),
        )
    ]


def _plain(order: Json, kind: ReportKind, receive_time: int, at: int | None) -> ExecutionReport:
    return ExecutionReport(
        kind=kind,
        client_order_id=text_of(order, "client_order_id") or "",
        market_time=at or receive_time,
        receive_time=receive_time,
        venue_order_id=text_of(order, "id"),
        order_qty=amount(order, "qty", QUANTITY_MAX),
        cum_qty=None if kind is ReportKind.ACCEPTED else amount(order, "filled_qty", QUANTITY_MAX),
        leaves_qty=ZERO if kind in ENDED else None,
        order_status=text_of(order, "status"),
        limit_price=amount(order, "limit_price", PRICE_MAX),
        text=text_of(order, "reject_reason"),
        raw=raw(order),
    )


def _leaves(order: Json, kind: ReportKind) -> Decimal | None:
    if kind in ENDED:
        return ZERO
    whole, filled = (
        amount(order, "qty", QUANTITY_MAX),
        amount(order, "filled_qty", QUANTITY_MAX),
    )
    return None if whole is None or filled is None else max(whole - filled, ZERO)


def _odd(kind: ReportKind, event: str) -> str | None:
    return f"unknown event {event!r}"[:100] if kind is ReportKind.STATUS else None
