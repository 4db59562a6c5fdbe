"""Which fills Alpaca tells of, and up to when: its events of activities, else its FILL pages.

The events can be resumed from the last id and say when they are not whole. They and the activities
are the same executions under other ids, so they are never mixed: what is told here is only held
against the record, and what the record lacks is read as reports of the order. Busts and corrections
are told by events alone: pages and orders only ever show what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ....domain.errors import BrokerUnavailable
from ....domain.fills_told import FillsTold, FillTold
from ....domain.money import QUANTITY_MAX
from ....domain.ports import NANOS, ExecutionReport
from ...alpaca_api.event_stream import read_events
from ...alpaca_api.reading import Json, nanos, text_of
from ...alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence
from ...alpaca_api.ulid import time_of_ulid, ulid
from .listing import Listing
from .others import Others
from .wire import RESTATING, activity_execution_id, amount, restatement_of_event

EVENTS: Final = "activity_events"
PAGES: Final = "fill_activities"
EVENTS_SECONDS_MAX: Final = 4.0
"""So long a reading of events may take; it goes on beside everything else."""
LATE_NS: Final = NANOS
"""An execution may be told of so long after it happened: what is newer is not vouched for."""
EVENT_STREAM: Final = "text/event-stream"
NOT_THERE: Final = frozenset({403, 404, 405})
Ask = Callable[[Callable[[], Any], str], Awaitable[Any]]


class _Read(NamedTuple):
    """Events as they came: ``flaw`` says why there may be more, ``last_id`` where to go on."""

    fills: tuple[FillTold, ...]
    flaw: str
    last_id: str
    restated: tuple[ExecutionReport, ...] = ()


class Fills:
    """Lists the account's fills for whoever holds them against a record."""

    def __init__(self, rest: AlpacaRest, listing: Listing, others: Others, ask: Ask) -> None:
        """Ask nothing yet; ``ask`` runs a question in the thread that the listing belongs to."""
        self._rest, self._listing, self._others, self._ask = rest, listing, others, ask
        self._pool = ThreadPoolExecutor(1, "alpaca-events")
        self._last_id = ""
        self._goes_on_at: int | None = None

    async def told(self, since: int) -> FillsTold:
        """Fills from ``since`` (ns UTC) on that were not told of yet; see ``TellsFills``.

        Only a list in which every fill has its order's client id is whole.
        """
        source = EVENTS
        try:
            loop = asyncio.get_running_loop()
            now = await loop.run_in_executor(self._pool, self._broker_now)
            read = await loop.run_in_executor(self._pool, self._events, since, now)
            if read is None:
                source = PAGES
                read = await self._ask(lambda: self._pages(since, now), "fills")
            read = await self._named(read, since)
        except (ApiRefusal, ApiSilence, BrokerUnavailable, RuntimeError) as error:
            return FillsTold((), None, source, f"not read: {error}"[:300])
        if read.flaw:
            note = f"not whole: {read.flaw}"[:300]
            return FillsTold(read.fills, None, source, note, read.restated)
        until = now - LATE_NS
        self._last_id, self._goes_on_at = read.last_id, until
        return FillsTold(read.fills, until, source, restated=read.restated)

    def close(self) -> None:
        """Ask nothing any more; what is being read ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _broker_now(self) -> int:
        """The broker's time: what happens after it may be missing from what is read next."""
        answer = self._rest.get("/clock")
        now = nanos(answer.get("timestamp")) if isinstance(answer, dict) else None
        if now is None:
            raise ApiSilence("GET /clock: an answer without a readable timestamp")
        return now

    def _events(self, since: int, now: int) -> _Read | None:
        """The events from the last one on, or from ``since``; None where there are none."""
        resumes = self._goes_on_at is not None and since >= self._goes_on_at and self._last_id
        first = self._last_id if resumes else ulid(since)
        asked = {"since_id": first, "until_id": ulid(now)}
        try:
            body = self._rest.stream(
                "/events/activities", asked, seconds=EVENTS_SECONDS_MAX, version="v2beta1"
            )
        except ApiRefusal as refusal:
            if refusal.status in NOT_THERE:
                return None  # keys that are refused are so by the pages, too
            raise
        if not body.content_type.startswith(EVENT_STREAM):
            return None
        stream = read_events(body)
        fills, restated, flaw, last = [], [], stream.flaw, first
        for event in stream.events:
            id = text_of(event, "event_id") if isinstance(event, Mapping) else None
            if id is None or time_of_ulid(id) is None:
                flaw = flaw or "an event cannot be read"
                continue
            if id <= last:
                flaw = flaw or "its events are out of order"
            last = max(last, id)
            told, report = _of_event(event), restatement_of_event(event)
            if told is not None:
                fills.append(told)
            elif report is not None:
                restated.append(report)
            elif _is_of_order(event):
                flaw = flaw or f"the fill of event {id} cannot be read"
        return _Read(tuple(fills), flaw, last, tuple(restated))

    def _pages(self, since: int, now: int) -> _Read:
        rows = self._listing.fills_between(since - LATE_NS, now)
        told = [(row, _of_activity(row)) for row in rows]
        odd = next((text_of(row, "id") or "?" for row, fill in told if fill is None), "")
        flaw = f"the fill of activity {odd} cannot be read" if odd else ""
        return _Read(tuple(fill for _, fill in told if fill is not None), flaw, "")

    async def _named(self, read: _Read, since: int) -> _Read:
        """The same with the client id of every order, as far as that can be found."""
        nameless = [fill.venue_order_id for fill in read.fills if not fill.client_order_id]
        nameless += [one.venue_order_id or "" for one in read.restated if not one.client_order_id]
        if not nameless:
            return read
        names = await self._ask(lambda: self._others.names_of(nameless, since), "orders")
        lost = next((id for id in nameless if id not in names), "")
        return read._replace(
            fills=tuple(
                fill._replace(
                    client_order_id=fill.client_order_id or names.get(fill.venue_order_id, "")
                )
                for fill in read.fills
            ),
            restated=tuple(
                replace(
                    one,
                    client_order_id=one.client_order_id or names.get(one.venue_order_id or "", ""),
                )
                for one in read.restated
            ),
            flaw=read.flaw or (f"order {lost} is in no list" if lost else ""),
        )


def _of_event(event: Json) -> FillTold | None:
    """The fill that an event tells of; None of another event, or one that cannot be read."""
    details = event.get("details")
    if not isinstance(details, Mapping) or _is_restatement(details):
        return None
    return _told(details, text_of(event, "ref_id"), event.get("executed_at") or event.get("at"))


def _is_of_order(event: Json) -> bool:
    """Whether it tells of an execution, of its end or of its correction."""
    details = event.get("details")
    if not isinstance(details, Mapping) or "order_id" not in details:
        return False
    return not _is_restatement(details) or text_of(details, "execution_type") in RESTATING


def _is_restatement(details: Json) -> bool:
    return (text_of(details, "execution_type") or "fill") not in ("fill", "partial_fill")


def _of_activity(row: Json) -> FillTold | None:
    return _told(row, activity_execution_id(row), row.get("transaction_time"))


def _told(row: Json, execution_id: str | None, at: object) -> FillTold | None:
    order_id, cum_qty, time = (
        text_of(row, "order_id"),
        amount(row, "cum_qty", QUANTITY_MAX),
        nanos(at),
    )
    if order_id is None or not cum_qty or time is None:
        return None
    name = text_of(row, "client_order_id") or ""
    return FillTold(name, order_id, execution_id or "", cum_qty, time)
