"""Orders and positions: ``/v2/orders``, ``/v2/positions``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from .answers import answer, body_of, choice_of, listed, service_of, time_of, whole_of
from .orders import PaperOrder
from .refusals import ApiRefusal, missing, syntax
from .service import Service
from .wire import truth

LIST_DEFAULT = 50
LIST_MAX = 500
router = APIRouter()


@router.post("/v2/orders")
async def submit_order(request: Request) -> Response:
    """Take a new order over; no other request comes between its checks and its acceptance."""
    service, body = service_of(request), await body_of(request)
    desk, faults = service.world.desk, service.world.faults
    context = {"symbol": str(body.get("symbol"))} if isinstance(body, dict) else {}
    fault: dict[str, Any] = {}
    if faults.strike("reject", **context):
        fault["reject"] = True
    rule = faults.strike("partial", **context)
    if rule is not None:
        fault["partial"] = {
            "fraction": str(rule.number("fraction", 0.5)),
            "seconds": str(rule.number("seconds", 1)),
        }
    now = service.world.now
    return answer(desk.shown(desk.submit(body, now, fault), now))


@router.get("/v2/orders")
async def list_orders(request: Request) -> Response:
    """Orders by status, time, symbols and side."""
    service, query = service_of(request), request.query_params
    service.world.desk.working.advance(service.world.now)
    limit = whole_of(query, "limit", LIST_DEFAULT, 1, LIST_MAX)
    descending = choice_of(query, "direction", ("desc", "asc")) == "desc"
    nested = truth(query.get("nested"))
    found = [o for o in _wanted(request, service) if not (nested and o.is_leg)]
    found.sort(key=lambda order: (order.created_at, order.number), reverse=descending)
    now = service.world.now
    shown = [service.world.desk.shown(order, now, nested=nested) for order in found[:limit]]
    return answer(shown)


def _wanted(request: Request, service: Service) -> list[PaperOrder]:
    query, desk = request.query_params, service.world.desk
    status = choice_of(query, "status", ("open", "closed", "all"))
    after, until = time_of(query, "after"), time_of(query, "until", end_of_day=True)
    symbols = {symbol.upper() for symbol in listed(request, "symbols")}
    side, classes = query.get("side"), listed(request, "asset_class")
    first, last = query.get("after_order_id"), query.get("before_order_id")
    if (first or last) and (after is not None or until is not None):
        raise syntax("before_order_id and after_order_id cannot be combined with after and until")
    low = desk.find(first).number if first else 0
    high = desk.find(last).number if last else len(desk.book) + 1
    if classes and "us_equity" not in classes and "all" not in classes:
        return []
    orders = desk.book.open() if status == "open" else list(desk.book)
    return [
        order
        for order in orders
        if (status != "closed" or not order.is_open)
        and (after is None or order.created_at > after)
        and (until is None or order.created_at < until)
        and (not symbols or order.symbol in symbols)
        and (not side or order.side == side)
        and low < order.number < high
    ]


@router.delete("/v2/orders")
async def cancel_orders(request: Request) -> Response:
    """Cancel all open orders."""
    service = service_of(request)
    canceled = service.world.desk.cancel_all(service.world.now)
    return answer([{"id": order.id, "status": 200} for order in canceled], 207)


@router.get("/v2/orders:by_client_order_id")
async def order_by_client_id(request: Request) -> Response:
    """One order by the client's id; a replaced one stays under its own."""
    service = service_of(request)
    now = service.world.now
    service.world.desk.working.advance(now)
    name = request.query_params.get("client_order_id")
    if not name:
        raise syntax("client_order_id is required")
    desk = service.world.desk
    return answer(desk.shown(desk.by_client_id(name), now))


@router.get("/v2/orders/{order_id}")
async def one_order(request: Request, order_id: str) -> Response:
    """One order."""
    service = service_of(request)
    now, desk = service.world.now, service.world.desk
    desk.working.advance(now)
    nested = truth(request.query_params.get("nested"))
    return answer(desk.shown(desk.find(order_id), now, nested=nested))


@router.patch("/v2/orders/{order_id}")
async def replace_order(request: Request, order_id: str) -> Response:
    """Replace an order by one with a new id."""
    service, body = service_of(request), await body_of(request)
    now, desk = service.world.now, service.world.desk
    return answer(desk.shown(desk.replace(order_id, body or {}, now), now))


@router.delete("/v2/orders/{order_id}")
async def cancel_order(request: Request, order_id: str) -> Response:
    """Cancel one order."""
    service = service_of(request)
    service.world.desk.cancel(order_id, service.world.now)
    return Response(status_code=204)


@router.get("/v2/positions")
async def positions(request: Request) -> Response:
    """All open positions."""
    service = service_of(request)
    now, desk = service.world.now, service.world.desk
    desk.working.advance(now)
    return answer(desk.means.positions(now))


@router.get("/v2/positions/{name}")
async def one_position(request: Request, name: str) -> Response:
    """One open position, by symbol or asset id."""
    service = service_of(request)
    now, desk = service.world.now, service.world.desk
    desk.working.advance(now)
    shown = desk.means.position(desk.held_symbol(name), now)
    if shown is None:
        raise missing("position does not exist")
    return answer(shown)


@router.delete("/v2/positions/{name}")
async def close_position(request: Request, name: str) -> Response:
    """Close a position, or a part of it."""
    service = service_of(request)
    now, desk = service.world.now, service.world.desk
    return answer(desk.shown(desk.close_position(name, now, request.query_params), now))


@router.delete("/v2/positions")
async def close_positions(request: Request) -> Response:
    """Close all positions, on request after cancelling all orders."""
    service = service_of(request)
    now, desk = service.world.now, service.world.desk
    cancel = truth(request.query_params.get("cancel_orders"))
    rows = []
    for symbol, result in desk.close_all(now, cancel_orders=cancel):
        if isinstance(result, ApiRefusal):
            rows.append({"symbol": symbol, "status": result.status, "body": result.body})
        else:
            shown = desk.shown(result, service.world.now)
            rows.append({"symbol": symbol, "status": 200, "body": shown})
    return answer(rows, 207)
