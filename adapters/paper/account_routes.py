"""The account and the exchange's calendar: ``/v2/account…``, ``/v2/assets``, ``/v2/clock`` …"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...domain.settlement import settlement_of
from ..alpaca_api.ulid import time_of_ulid
from .activities import activity_events, listed_activities
from .answers import answer, body_of, choice_of, service_of, time_of
from .portfolio import portfolio_history
from .refusals import missing, syntax
from .wire import dumps, local_stamp, stamp

CALENDAR_DAYS_MAX: Final = 366 * 10
router = APIRouter()


@router.get("/v2/account")
async def account(request: Request) -> Response:
    """The account's figures."""
    world = service_of(request).world
    now, desk = world.now, world.desk
    desk.working.advance(now)
    begun = str(stamp(world.session.open))
    return answer(desk.means.account(now, world.account_id, begun, world.day_before))


@router.get("/v2/account/configurations")
async def configurations(request: Request) -> Response:
    """Account configurations."""
    return answer(service_of(request).world.desk.configurations)


@router.patch("/v2/account/configurations")
async def configure(request: Request) -> Response:
    """Change account configurations."""
    world, body = service_of(request).world, await body_of(request)
    return answer(world.desk.configure(body, world.now))


@router.get("/v2/account/portfolio/history")
async def history(request: Request) -> Response:
    """Equity over the session."""
    world = service_of(request).world
    now = world.now
    world.desk.working.advance(now)
    return answer(portfolio_history(world, request.query_params, now))


@router.get("/v2/account/activities")
async def activities(request: Request) -> Response:
    """Activities of any type; this account has fills, and cash that came or went."""
    return answer(_activities(request, request.query_params.get("activity_types")))


@router.get("/v2/account/activities/{activity_type}")
async def activities_of_type(request: Request, activity_type: str) -> Response:
    """Activities of one type."""
    return answer(_activities(request, activity_type))


def _activities(request: Request, types: str | None) -> list[dict[str, Any]]:
    world = service_of(request).world
    world.desk.working.advance(world.now)
    return listed_activities(world.desk.ledger, request.query_params, types)


@router.get("/v2beta1/events/activities")
async def events(request: Request) -> Response:
    """Activities as server-sent events, from a time or id on."""
    service, query = service_of(request), request.query_params
    if query.get("until") and not query.get("since"):
        raise syntax("until requires since")
    if query.get("until_id") and not query.get("since_id"):
        raise syntax("until_id requires since_id")
    if query.get("since") and query.get("since_id"):
        raise syntax("since and since_id cannot be combined")
    for name in ("since_id", "until_id"):
        if query.get(name) and time_of_ulid(query[name]) is None:
            raise syntax(f"invalid {name}: {query[name][:40]}")
    since, until = time_of(query, "since"), time_of(query, "until", end_of_day=True)
    source = activity_events(
        service.world, since, until, query.get("since_id"), query.get("until_id") or None
    )

    async def lines() -> AsyncIterator[bytes]:
        yield b": connected\n\n"
        async for event in source:
            yield b": heartbeat\n\n" if event is None else b"data: " + dumps(event) + b"\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@router.get("/v2/assets")
async def assets(request: Request) -> Response:
    """All assets."""
    query = request.query_params
    is_empty = query.get("status") == "inactive" or query.get("asset_class") not in (
        None,
        "",
        "us_equity",
    )
    found = [] if is_empty else list(service_of(request).world.desk.assets)
    exchange = query.get("exchange")
    shown = [asset.shown() for asset in found]
    return answer([each for each in shown if exchange in (None, "", each["exchange"])])


@router.get("/v2/assets/{name}")
async def one_asset(request: Request, name: str) -> Response:
    """One asset, by symbol or id."""
    asset = service_of(request).world.desk.assets.find(name)
    if asset is None:
        raise missing(f"asset not found for {name}")
    return answer(asset.shown())


@router.get("/v2/clock")
async def clock(request: Request) -> Response:
    """Market time, and when the market next opens and closes."""
    world = service_of(request).world
    now = world.now
    session = world.calendar.session_at(now)
    following = world.session_after(now)
    return answer(
        {
            "timestamp": local_stamp(now),
            "is_open": session is not None,
            "next_open": local_stamp(following.open),
            "next_close": local_stamp((session or following).close),
        }
    )


@router.get("/v2/calendar")
async def calendar(request: Request) -> Response:
    """Sessions of a range of days."""
    world, query = service_of(request).world, request.query_params
    choice_of(query, "date_type", ("trading", "settlement"))
    today = date.fromisoformat(world.session.date)
    start = _day(query.get("start"), today - timedelta(days=365))
    end = _day(query.get("end"), max(start, today) + timedelta(days=365))
    if (end - start).days > CALENDAR_DAYS_MAX:
        raise syntax("the range is too long")
    rows = []
    for offset in range((end - start).days + 1):
        session = world.calendar.session_on((start + timedelta(days=offset)).isoformat())
        if session is not None:
            rows.append(
                {
                    "date": session.date,
                    "open": local_stamp(session.open)[11:16],
                    "close": local_stamp(session.close)[11:16],
                    "session_open": "0400",
                    "session_close": "1700" if session.is_half_day else "2000",
                    "settlement_date": settlement_of(world.calendar, session).on,
                }
            )
    return answer(rows)


def _day(text: str | None, default: date) -> date:
    if not text:
        return default
    try:
        return min(max(date.fromisoformat(text[:10]), date(2000, 1, 3)), date(2035, 12, 1))
    except ValueError as error:
        raise syntax(f"invalid date: {text[:40]}") from error
