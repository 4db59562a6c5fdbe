"""The server's own paths, which no broker has: faults on request, market time, disconnects."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...domain.errors import InvalidInput
from ...domain.ports import NANOS
from .answers import answer, body_of, service_of
from .faults import read_rules
from .refusals import ApiRefusal
from .wire import parse_time, stamp
from .world import World

CASH_MAX: Final = 1_000_000_000
ADVANCE_SECONDS_MAX: Final = 86_400 * 5
router = APIRouter(prefix="/fillwright")


@router.get("/faults")
async def faults(request: Request) -> Response:
    """The rules in force and how often each has struck."""
    return answer([rule.shown() for rule in service_of(request).world.faults.rules])


@router.post("/faults")
async def add_faults(request: Request) -> Response:
    """Add rules."""
    world, body = service_of(request).world, await body_of(request)
    try:
        world.add_faults(read_rules(body))
    except InvalidInput as error:
        raise ApiRefusal(400, str(error)) from error
    return answer([rule.shown() for rule in world.faults.rules])


@router.delete("/faults")
async def clear_faults(request: Request) -> Response:
    """Remove all rules; halts that have begun go on."""
    service_of(request).world.faults.clear()
    return Response(status_code=204)


@router.post("/cash")
async def move_cash(request: Request) -> Response:
    """Deposit cash, or withdraw it: ``{"amount": "-25000"}``."""
    body = await body_of(request)
    try:
        amount = Decimal(str(body["amount"])) if isinstance(body, dict) else Decimal(0)
    except (KeyError, InvalidOperation):
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < abs(amount) <= CASH_MAX:
        raise ApiRefusal(400, f"amount must be a number of dollars up to {CASH_MAX}, not 0")
    return answer(service_of(request).world.move_cash(amount))


@router.post("/disconnect")
async def disconnect(request: Request) -> Response:
    """Close the sockets of one stream, ``{"stream": "trading"}`` or ``"data"``, or of both."""
    body = await body_of(request)
    stream = body.get("stream") if isinstance(body, dict) else None
    if stream not in (None, "trading", "data"):
        raise ApiRefusal(400, "stream must be trading or data")
    service_of(request).disconnect(stream or "")
    return Response(status_code=204)


@router.get("/clock")
async def clock(request: Request) -> Response:
    """Market time, speed and session."""
    return answer(_clock(service_of(request).world))


@router.post("/clock")
async def move_clock(request: Request) -> Response:
    """Move market time forward: ``{"advance_seconds": 60}`` or ``{"to": "2024-06-12T…Z"}``."""
    world, body = service_of(request).world, await body_of(request)
    given = body if isinstance(body, dict) else {}
    try:
        if "to" in given:
            to = parse_time(str(given["to"]))
        else:
            to = world.now + int(float(given["advance_seconds"]) * NANOS)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ApiRefusal(400, "advance_seconds or to is required") from error
    if to > world.now + ADVANCE_SECONDS_MAX * NANOS:
        raise ApiRefusal(400, f"at most {ADVANCE_SECONDS_MAX} seconds at once")
    world.jump(to)
    return answer(_clock(world))


def _clock(world: World) -> dict[str, Any]:
    now = world.now
    return {
        "now": stamp(now),
        "now_ns": now,
        "speed": world.options.speed,
        "session": world.session.date,
        "open": stamp(world.session.open),
        "close": stamp(world.session.close),
    }
