"""Reading a log for its views: the chain is checked, and only what views read is decoded.

A step keeps all that its strategy knew, some two kilobytes, of which views read the rule, the time
and the touch; a plan keeps every check that it passed. The bytes are those that were written,
because their hash is checked; that they are a whole event is what `verify` and the decisions of
`replay` look at. What is not read is not there: who asks for it gets an AttributeError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from operator import attrgetter
from types import UnionType
from typing import Any, Final, Protocol, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Struct
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ...domain import events as e
from ...domain.decision import ExecutionStrategy, ExecutionUrgency, Style, TradeAction
from ...domain.errors import StoreDamaged
from ...domain.market import TradingStatus
from ...domain.ports import Side
from ...projections.all_views import AllViews
from ...projections.instruction_events import INSTRUCTION_EVENTS
from ...projections.runner import Projection
from .chain import GENESIS
from .log import Log
from .records import RawRecorded, Recorded
from .verification import checked

_OPEN: Final = TradingStatus.OPEN

Read = Callable[[bytes], Struct]
Noted = Callable[[Iterable[Recorded]], Iterable[Recorded]]
Decode = Callable[[RawRecorded], e.DomainEvent]
DecodePart = Callable[[int, str, int, str, bytes], e.DomainEvent | None]

LEAN_FROM_EVENTS: Final = 5_000
"""Below this, telling what is held once more costs more than was saved."""
IDS_KNOWN_MAX: Final = 50_000
"""How many ids are kept for the next event that has the same."""

FOR_NOBODY: Final = frozenset({"inputs", "subject", "sealed_text", "submitted_by", "checks"})
"""Fields of events that neither views nor the mirror read."""
FOR_MIRROR: Final = frozenset(
    {"actor", "correlation_id", "causation_id", "market_time", "receive_time"}
)
"""Fields of events that only the mirror reads."""
NO_NUMBER: Final = "a figure is not a finite number"

REPORT_FOR_NOBODY: Final = frozenset({"receive_time", "leaves_qty", "raw"})
REPORT_FOR_MIRROR: Final = frozenset({"liquidity", "venue"})


def _finite(*figures: Decimal | None) -> None:
    """Refuse figures that are no numbers, as the types of the domain do."""
    for one in figures:
        if one is not None and not one.is_finite():
            raise ValueError(NO_NUMBER)


class _Touch(Struct, gc=False):
    """What is read of a quote."""

    bid: Decimal
    ask: Decimal

    def __post_init__(self) -> None:
        if not (self.bid.is_finite() and self.ask.is_finite()):
            raise ValueError(NO_NUMBER)

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


class _Decision(Struct, gc=False):
    """What is read of a decision."""

    symbol: str
    action: TradeAction
    confidence: int = 5
    target_weight: Decimal | None = None
    urgency: ExecutionUrgency = ExecutionUrgency.MEDIUM
    strategy: ExecutionStrategy | None = None
    style: Style | None = None

    def __post_init__(self) -> None:
        _finite(self.target_weight)


class _Market(Struct, gc=False):
    """What is read of the market that a step saw."""

    now: int
    status: TradingStatus
    quote: _Touch | None
    volume: Decimal | None

    def __post_init__(self) -> None:
        if self.volume is not None and not self.volume.is_finite():
            raise ValueError(NO_NUMBER)

    @property
    def usable_quote(self) -> _Touch | None:
        """As ``MarketState.usable_quote``."""
        quote = self.quote
        if self.status is _OPEN and quote is not None and quote.ask > quote.bid:
            return quote
        return None


class _Provenance(Struct, gc=False):
    """What is read of a step's provenance."""

    rule: str
    wake_at: int | None
    market: _Market


class _Plan(Struct, gc=False):
    """What is read of a plan's terms."""

    symbol: str
    side: Side
    quantity: Decimal
    strategy: ExecutionStrategy
    style: Style
    urgency: ExecutionUrgency
    start_at: int
    end_at: int
    bound_price: Decimal | None
    participation_cap: Decimal | None = None
    long_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        _finite(self.quantity, self.bound_price, self.participation_cap, self.long_quantity)


class _Estimate(Struct, gc=False):
    """What is read of a plan's expected cost."""

    volatility_bps: Decimal | None = None

    def __post_init__(self) -> None:
        _finite(self.volatility_bps)


_IN_PART: Final[Mapping[str, type[Struct]]] = {
    "decision": _Decision,
    "arrival": _Touch,
    "provenance": _Provenance,
    "plan": _Plan,
    "estimate": _Estimate,
}
"""What is read of fields that say more than views ask for."""


class ReadableLog(Protocol):
    """What this needs of a log."""

    def raw_events(
        self, after: int = 0, upto: int | None = None, batch: int = 5_000
    ) -> Iterator[RawRecorded]:
        """Stored events in order."""
        ...

    def decode(self, raw: RawRecorded) -> e.DomainEvent:
        """The whole event of a stored one."""
        ...


def _form(kind: Any, part: type[Struct] | None, unread: frozenset[str]) -> Any:
    """What a field of a type is read as: of a plain record, and where ``part`` says so, a part."""
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_form(one, part, unread) for one in get_args(kind))]  # noqa: UP007
    if dataclasses.is_dataclass(kind):
        return _part_of(kind, unread)
    return part if part is not None and kind is not type(None) else kind


def _part_of(kind: Any, unread: frozenset[str]) -> type[Struct]:
    """The fields of a plain record that are read."""
    hints = get_type_hints(kind)
    fields: list[Any] = []
    for one in dataclasses.fields(kind):
        if one.name in unread:
            continue
        form = _form(hints[one.name], None, unread)
        needed = one.default is dataclasses.MISSING
        fields.append((one.name, form) if needed else (one.name, form, one.default))
    return _record(kind.__name__, fields)


def _record(name: str, fields: list[Any], **constants: Any) -> type[Struct]:
    """A record of these fields that refuses figures which are no numbers."""
    names = [name for name, form, *_ in fields if Decimal in (form, *get_args(form))]
    if not names:
        return msgspec.defstruct(f"_{name}", fields, namespace=constants, gc=False, kw_only=True)
    figures = attrgetter(names[0], *names)  # the first twice, so that it always gives a tuple

    def check(record: Struct) -> None:
        for one in figures(record):
            if one is not None and not one.is_finite():
                raise ValueError(NO_NUMBER)

    namespace = {"__post_init__": check, **constants}
    return msgspec.defstruct(f"_{name}", fields, namespace=namespace, gc=False, kw_only=True)


def _fields_of(
    event_class: type[e.DomainEvent], unread: frozenset[str], report_unread: frozenset[str]
) -> type[Struct]:
    """The fields of an event that are read; its id as text, which is compared and not parsed."""
    event_class.model_rebuild()
    hints = get_type_hints(event_class)
    fields: list[Any] = []
    for name, field in event_class.model_fields.items():
        if name in unread:
            continue
        kind = str if name == "originator_id" else hints[name]
        form = _form(kind, _IN_PART.get(name), report_unread)
        needed = field.default is PydanticUndefined
        fields.append((name, form) if needed else (name, form, field.default))
    none = {"checks": ()} if "checks" in unread & event_class.model_fields.keys() else {}
    return _record(event_class.__name__, fields, PART_OF=event_class, UNREAD=none, **none)


def _whole_record(kind: type[Any], value: Any) -> Any:
    """A record of the domain that is read whole, by its own rules."""
    if not issubclass(kind, BaseModel):
        raise NotImplementedError(f"{kind.__name__} cannot be read")
    return kind.model_validate(value)


@cache
def _readers(*, mirror: bool, submitters: bool) -> Mapping[str, Read]:
    """For each topic what reads the fields of its class that are read."""
    unread = FOR_NOBODY if mirror else FOR_NOBODY | FOR_MIRROR
    unread -= {"submitted_by"} if submitters else set()
    report = REPORT_FOR_NOBODY if mirror else REPORT_FOR_NOBODY | REPORT_FOR_MIRROR
    return {
        kind.stored_topic(): msgspec.json.Decoder(
            _fields_of(kind, unread, report), dec_hook=_whole_record
        ).decode
        for kind in INSTRUCTION_EVENTS
    }


@lru_cache(maxsize=IDS_KNOWN_MAX)
def _id_of(originator: str) -> tuple[UUID, str]:
    """An aggregate's id as it is filed, and as its events say it."""
    id = UUID(originator)
    return id, str(id)


def lean_decoder(log: ReadableLog, *, mirror: bool = False, submitters: bool = False) -> Decode:
    """What decodes a stored event as far as views read it, or with ``mirror`` as it does.

    With ``submitters`` who submitted a decision is read too.
    The caller checks the chain. The checks of a plan are left out: who shows them reads the event
    again. The decoder raises StoreNewer and StoreDamaged.
    """
    part_of, whole = part_decoder(mirror=mirror, submitters=submitters), log.decode
    new, put, fields_of = e.DomainEvent.__new__, object.__setattr__, msgspec.structs.asdict

    def decode(raw: RawRecorded) -> e.DomainEvent:
        position, originator, version, topic, state, _ = raw
        part: Any = part_of(position, originator, version, topic, state)
        if part is None:
            return whole(raw)
        event: e.DomainEvent = new(part.PART_OF)
        fields, unread = fields_of(part), part.UNREAD
        put(event, "__dict__", fields | unread if unread else fields)
        return event

    return decode


def part_decoder(*, mirror: bool = False, submitters: bool = False) -> DecodePart:
    """The same of the fields of a stored event, for who folds it and no more.

    What it gives has what is read of the event's fields and is of a class of its own, see
    :class:`~fillwright.domain.events.ByKind`; None of what is read whole.
    """
    readers = _readers(mirror=mirror, submitters=submitters).get

    def decode(
        position: int, originator: str, version: int, topic: str, state: bytes
    ) -> e.DomainEvent | None:
        read = readers(topic)
        if read is None:
            return None
        try:
            id, text = _id_of(originator)
            part: Any = read(state)
        except (msgspec.MsgspecError, TypeError, ValueError, AttributeError) as error:
            raise StoreDamaged(
                f"the event at position {position} is not what was written ({topic}: {error})"
            ) from error
        if part.originator_id != text or part.originator_version != version:
            raise StoreDamaged(
                f"the event at position {position} is filed under another id or version"
            )
        part.originator_id = id
        told: e.DomainEvent = part
        return told

    return decode


def decoder_for(log: ReadableLog, views: Iterable[Projection]) -> Decode:
    """What decodes an event as far as one of ``views`` may read it, which keep none of it.

    Of an event that none of them handles nothing is read but its kind. The decoder raises
    StoreNewer and StoreDamaged.
    """
    decode = lean_decoder(log, mirror=True, submitters=True)
    handled = {kind for view in views for kind in view.HANDLERS}
    kinds = {topic: kind for topic, kind in e.CATALOGUE.items() if kind not in handled}
    hollow = {topic: e.DomainEvent.__new__(kind) for topic, kind in kinds.items()}.get

    def decode_handled(raw: RawRecorded) -> e.DomainEvent:
        return hollow(raw.topic) or decode(raw)

    return decode_handled


def checked_events(log: ReadableLog, upto: int, decode: Decode) -> Iterator[Recorded]:
    """Events up to a position, each with its link of the chain checked.

    Raises:
        StoreDamaged: an event is missing or not what was written; its position is named.
        StoreNewer: an event of a later version.
    """
    previous, expected = GENESIS, 0
    for raw in log.raw_events(0, upto):
        expected += 1
        previous = checked(raw, expected, previous)
        yield Recorded(expected, decode(raw), previous)
    if expected != upto:
        raise StoreDamaged(f"the event at position {expected + 1} is missing")


def bring_up(views: AllViews, log: Log, upto: int, noted: Noted = iter) -> None:
    """Bring views that let go of what is over forward to a position, as ``AllViews.follow`` does.

    Over a long stretch only what views read is decoded, and what they hold in the end is told again
    from whole events. ``noted`` looks on as the events come.

    Raises:
        ProjectionStopped: a view cannot follow.
        StoreError: an event cannot be read.
    """
    after = min(view.position for view in (views.limits, views.blotter, views.reconciliation))
    if upto - after < LEAN_FROM_EVENTS:
        views.follow(noted(log.events(after=after, upto=upto)))
        return
    decode = lean_decoder(log)
    raws = log.raw_events(after, upto)
    try:
        views.follow(noted(Recorded(raw.position, decode(raw), raw.hash) for raw in raws))
    finally:
        views.tell_again(tuple(views.blotter.instructions()))
