"""Reading a log for its views: the chain is checked, and only what views read is decoded.

A step keeps all that its strategy knew, some two kilobytes, of which views read the rule, the time
and the touch; a plan keeps every check that it passed. The bytes are those that were written,
because their hash is checked; that they are a whole event is what `verify` and the decisions of
`replay` look at. What is not read is not there: who asks for it gets an AttributeError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, ValidationError, core_schema

from ...domain import events as e
from ...domain.decision import ExecutionStrategy, ExecutionUrgency, Style
from ...domain.errors import StoreDamaged
from ...domain.market import TradingStatus
from ...domain.ports import Side
from ...projections.instruction_events import INSTRUCTION_EVENTS
from .chain import GENESIS, link
from .records import RawRecorded, Recorded

Validate = Callable[[bytes], e.DomainEvent]
Decode = Callable[[RawRecorded], e.DomainEvent]
T = TypeVar("T")

KNOWN_MAX: Final = 50_000
"""How many ids and figures are kept for the next event that has the same."""

FOR_NOBODY: Final = frozenset({"inputs", "subject", "sealed_text", "submitted_by"})
"""Fields of events that neither views nor the mirror read."""
FOR_MIRROR: Final = frozenset(
    {"actor", "correlation_id", "causation_id", "market_time", "receive_time"}
)
"""Fields of events that only the mirror reads."""
REPORT_FOR_NOBODY: Final = frozenset({"receive_time", "leaves_qty", "raw"})
REPORT_FOR_MIRROR: Final = frozenset({"liquidity", "venue"})


@dataclass(frozen=True)
class _Touch:
    """What is read of a quote."""

    bid: Decimal
    ask: Decimal

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True)
class _Market:
    """What is read of the market that a step saw."""

    now: int
    status: TradingStatus
    quote: _Touch | None
    volume: Decimal | None

    @property
    def usable_quote(self) -> _Touch | None:
        """As ``MarketState.usable_quote``."""
        quote = self.quote
        if self.status is TradingStatus.OPEN and quote is not None and quote.ask > quote.bid:
            return quote
        return None


@dataclass(frozen=True)
class _Provenance:
    """What is read of a step's provenance."""

    rule: str
    wake_at: int | None
    market: _Market


@dataclass(frozen=True)
class _Plan:
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


@dataclass(frozen=True)
class _Estimate:
    """What is read of a plan's expected cost."""

    volatility_bps: Decimal | None = None


_IN_PART: Final = {"provenance": _Provenance, "plan": _Plan, "estimate": _Estimate}
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


class _Known(dict[str, T]):
    """Values by their text, made once for all events that follow each other and have the same."""

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> T:
        if len(self) >= KNOWN_MAX:
            self.clear()
        value = self[text] = self._make(text)
        return value


def _figure(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text} is not a finite number")
    return value


_IDS: Final = _Known(UUID)
_FIGURES: Final = _Known(_figure)
_LEAN: Final[Mapping[str, Any]] = {
    "uuid": core_schema.no_info_plain_validator_function(_IDS.__getitem__),
    "decimal": core_schema.no_info_plain_validator_function(_FIGURES.__getitem__),
}
_NO_CHECKS: Final = core_schema.no_info_plain_validator_function(lambda value: ())


def _lean_schema(schema: Any, unread: frozenset[str]) -> Any:
    """A schema that makes ids and figures once, and of a plain record only what is read."""
    kind = schema["type"]
    if kind in _LEAN:
        return _LEAN[kind]
    if kind in ("default", "nullable"):
        return {**schema, "schema": _lean_schema(schema["schema"], unread)}
    if kind != "dataclass":
        return schema
    arguments = [
        {**field, "schema": _lean_schema(field["schema"], unread)}
        for field in schema["schema"]["fields"]
        if field["name"] not in unread
    ]
    lean = {**schema["schema"], "fields": arguments, "extra_behavior": "ignore"}
    return {**schema, "schema": lean, "ref": None}


def _validator(
    event_class: type[e.DomainEvent], unread: frozenset[str], report_unread: frozenset[str]
) -> Validate:
    """What makes an event of the class with the fields that are read.

    They are validated apart and the event is put together from them by hand: a validator of the
    whole class would be the one that the class has already, with all fields.
    """
    event_class.model_rebuild()
    schema: Any = event_class.__pydantic_core_schema__
    definitions = None
    if schema["type"] == "definitions":
        definitions, schema = schema["definitions"], schema["schema"]
    fields = {}
    for name, field in schema["schema"]["fields"].items():
        if name not in unread:
            lean = _in_part(name, field["schema"]) or _lean_schema(field["schema"], report_unread)
            fields[name] = core_schema.typed_dict_field(lean)
    whole: Any = core_schema.typed_dict_schema(fields, extra_behavior="ignore")
    if definitions is not None:
        whole = core_schema.definitions_schema(whole, definitions)
    validate = SchemaValidator(whole).validate_json
    new, put = event_class.__new__, object.__setattr__

    def make(state: bytes) -> e.DomainEvent:
        event = new(event_class)
        put(event, "__dict__", validate(state))
        return event

    return make


def _in_part(name: str, schema: Any) -> Any:
    """How a field of which a part is read is read; None for the others."""
    if name == "checks":
        return _NO_CHECKS
    if name not in _IN_PART:
        return None
    part = _lean_schema(TypeAdapter(_IN_PART[name]).core_schema, frozenset())
    while schema["type"] in ("default", "nullable"):
        schema, part = schema["schema"], {**schema, "schema": part}
    return part


@cache
def _validators(*, mirror: bool) -> Mapping[str, Validate]:
    unread = FOR_NOBODY if mirror else FOR_NOBODY | FOR_MIRROR
    report = REPORT_FOR_NOBODY if mirror else REPORT_FOR_NOBODY | REPORT_FOR_MIRROR
    return {kind.stored_topic(): _validator(kind, unread, report) for kind in INSTRUCTION_EVENTS}


def lean_decoder(log: ReadableLog, *, mirror: bool = False) -> Decode:
    """What decodes a stored event as far as views read it, or with ``mirror`` as it does.

    The caller checks the chain. The checks of a plan are left out: who shows them reads the event
    again. The decoder raises StoreNewer and StoreDamaged.
    """
    lean, whole, ids = _validators(mirror=mirror).get, log.decode, _IDS

    def decode(raw: RawRecorded) -> e.DomainEvent:
        position, originator, version, topic, state, _ = raw
        validate = lean(topic)
        if validate is None:
            return whole(raw)
        try:
            event = validate(state)
            fits = event.originator_version == version and (
                event.originator_id is ids[originator] or event.originator_id == ids[originator]
            )
        except (ValidationError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise StoreDamaged(
                f"the event at position {position} is not what was written ({topic}: {error})"
            ) from error
        if not fits:
            raise StoreDamaged(
                f"the event at position {position} is filed under another id or version"
            )
        return event

    return decode


def checked_events(log: ReadableLog, upto: int, decode: Decode) -> Iterator[Recorded]:
    """Events up to a position, each with its link of the chain checked.

    Raises:
        StoreDamaged: an event is missing or not what was written; its position is named.
        StoreNewer: an event of a later version.
    """
    previous, expected = GENESIS, 0
    for raw in log.raw_events(0, upto):
        position, originator, version, topic, state, hash = raw
        expected += 1
        try:
            previous = link(previous, position, bytes.fromhex(originator), version, topic, state)
        except (ValueError, TypeError) as error:
            raise StoreDamaged(
                f"the event at position {position} is not what was written ({topic}: {error})"
            ) from error
        if previous != hash or position != expected:
            raise StoreDamaged(
                f"the event at position {expected} is missing or not what was written: its hash "
                "does not fit. Run `fillwright verify` on the store"
            )
        yield Recorded(position, decode(raw), hash)
    if expected != upto:
        raise StoreDamaged(f"the event at position {expected + 1} is missing")
