"""Fills as account activities: listed by pages, or as events that can be resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from ..alpaca_api.ulid import time_of_ulid, ulid
from .answers import choice_of, time_of, whole_of
from .frames import DAY_NS
from .ledger import CashMove, Fill, Ledger
from .refusals import syntax
from .wire import local_stamp, number, stamp
from .world import World

PAGE_MAX: Final = 100
POLL_SECONDS: Final = 0.02
HEARTBEAT_SECONDS: Final = 10.0
TYPE: Final = "FILL"


def listed_activities(
    ledger: Ledger, query: Mapping[str, str], types: str | None
) -> list[dict[str, Any]]:
    """One page of ``/v2/account/activities``.

    Raises:
        ApiRefusal: a parameter is wrong.
    """
    size = whole_of(query, "page_size", PAGE_MAX, 1, PAGE_MAX)
    descending = choice_of(query, "direction", ("desc", "asc")) == "desc"
    after, until = time_of(query, "after"), time_of(query, "until", end_of_day=True)
    date = time_of(query, "date")
    if date is not None and (after is not None or until is not None):
        raise syntax("date cannot be combined with after and until")
    wanted = None if not types else {each.strip().upper() for each in types.split(",")}
    category, order_id = query.get("category"), query.get("order_id")
    fills = [fill for fill in ledger.fills if order_id is None or fill.order.id == order_id]
    moves = ledger.moves if order_id is None else []
    listed: Sequence[Fill | CashMove] = [
        *(fills if category != "non_trade_activity" else ()),
        *(moves if category != "trade_activity" else ()),
    ]
    found = [
        each
        for each in listed
        if (after is None or each.at > after)
        and (until is None or each.at < until)
        and (date is None or date <= each.at < date + DAY_NS)
        and (wanted is None or each.kind in wanted)
    ]
    # By time to the millisecond and then by uuid, as the ids sort: within one millisecond the
    # order of executions is not kept, here as there.
    found.sort(key=lambda each: each.activity_id, reverse=descending)
    token = query.get("page_token")
    if token:
        found = [
            f for f in found if (f.activity_id < token) is descending and f.activity_id != token
        ]
    return [each.shown() for each in found[:size]]


async def activity_events(
    world: World, since: int | None, until: int | None, since_id: str | None, until_id: str | None
) -> AsyncIterator[dict[str, Any] | None]:
    """Fills as events: those from ``since`` on, then new ones; None now and then to stay alive.

    Ends at ``until``, or behind ``until_id`` once its time has passed. Without a beginning only
    what is new is told.
    """
    fills = world.desk.ledger.fills
    ends = until if until_id is None else time_of_ulid(until_id)
    place = 0 if since is not None or since_id is not None else len(fills)
    quiet = 0.0
    while True:
        now = world.now
        world.desk.working.advance(now)  # what is due by now has happened before it is told
        while place < len(fills):
            fill = fills[place]
            place += 1
            event = _event(fill)
            if (until is not None and fill.at >= until) or (
                until_id and event["event_id"] > until_id
            ):
                return
            is_old = since is not None and fill.at < since
            if not is_old and not (since_id and event["event_id"] <= since_id):
                quiet = 0.0
                yield event
        if ends is not None and now >= ends:
            return
        await asyncio.sleep(POLL_SECONDS)
        quiet += POLL_SECONDS
        if quiet >= HEARTBEAT_SECONDS:
            quiet = 0.0
            yield None


def _event(fill: Fill) -> dict[str, Any]:
    order = fill.order
    return {
        "at": stamp(fill.at),
        "event_id": ulid(fill.at, fill.ordinal),
        "activity_type": TYPE,
        "activity_subtype": "",
        "executed_at": stamp(fill.at),
        "status": "executed",
        "settle_date": local_stamp(fill.at + DAY_NS)[:10],
        "currency": "USD",
        "ref_id": fill.execution_id,
        "qty": number(fill.qty),
        "price": number(fill.price),
        "net_amount": number(fill.cash),
        "details": {
            "order_id": order.id,
            "client_order_id": order.client_order_id,
            "asset_id": order.asset_id,
            "symbol": order.symbol,
            "side": str(order.side),
            "cum_qty": number(fill.cum_qty),
            "leaves_qty": number(fill.leaves_qty),
            "order_status": str(fill.status),
            "execution_type": "fill",
        },
    }
