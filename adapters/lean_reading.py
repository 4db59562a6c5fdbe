"""Reading a log for its views: the chain is checked, and only what views read is decoded.

A step keeps all that its strategy knew, some two kilobytes, of which views read the rule, the time
and the touch. The bytes are those that were written, because their hash is checked; that they are a
whole event is what `verify` and the decisions of `replay` look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic_core import SchemaValidator, ValidationError, core_schema

from ..domain import events as e
from ..domain.errors import StoreDamaged
from ..domain.market import TradingStatus
from .storage.chain import GENESIS, link
from .storage.records import RawRecorded, Recorded

Validate = Callable[[bytes], e.DomainEvent]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Touch(_Part):
    """What a view reads of a quote."""

    bid: Decimal
    ask: Decimal

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


class _Market(_Part):
    """What a view reads of the market that a step saw."""

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


class _Provenance(_Part):
    """What a view reads of a step's provenance."""

    rule: str
    wake_at: int | None
    market: _Market


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


def _lean(event_class: type[e.DomainEvent], name: str, part: Any) -> Validate:
    """What makes an event of the class, with one field read as far as ``part`` says.

    The class's own fields are validated, and the event is put together from them by hand: a
    validator of the whole class would be the one that the class has already, with all of the field.
    """
    event_class.model_rebuild()
    schema: Any = event_class.__pydantic_core_schema__
    definitions = None
    if schema["type"] == "definitions":
        definitions, schema = schema["definitions"], schema["schema"]
    inner = schema["schema"]
    fields = {**inner["fields"], name: {**inner["fields"][name], "schema": part}}
    lean: Any = {**inner, "fields": fields}
    if definitions is not None:
        lean = core_schema.definitions_schema(lean, definitions)
    validate = SchemaValidator(lean).validate_json
    new, put = event_class.__new__, object.__setattr__

    def make(state: bytes) -> e.DomainEvent:
        values, _, given = validate(state)
        event = new(event_class)
        put(event, "__dict__", values)
        put(event, "__pydantic_fields_set__", given)
        put(event, "__pydantic_extra__", None)
        put(event, "__pydantic_private__", None)
        return event

    return make


def _validators() -> Mapping[str, Validate]:
    seen = _Provenance.__pydantic_core_schema__
    maybe = core_schema.with_default_schema(core_schema.nullable_schema(seen), default=None)
    return {
        e.OrderIntended.stored_topic(): _lean(e.OrderIntended, "provenance", seen),
        e.OrderCancelRequested.stored_topic(): _lean(e.OrderCancelRequested, "provenance", maybe),
        e.DecisionAssessed.stored_topic(): _lean(
            e.DecisionAssessed, "inputs", core_schema.any_schema()
        ),
    }


_CACHE: Final[dict[str, Validate]] = {}


def lean_decoder(log: ReadableLog) -> Callable[[RawRecorded], e.DomainEvent]:
    """What decodes a stored event as far as views and the mirror read it.

    The caller checks the chain. The decoder raises StoreNewer and StoreDamaged.
    """
    if not _CACHE:
        _CACHE.update(_validators())
    lean, whole = _CACHE.get, log.decode

    def decode(raw: RawRecorded) -> e.DomainEvent:
        validate = lean(raw.topic)
        if validate is None:
            return whole(raw)
        try:
            return validate(raw.state)
        except ValidationError as error:
            raise StoreDamaged(
                f"the event at position {raw.position} is not what was written "
                f"({raw.topic}: {error})"
            ) from error

    return decode


def lean_events(log: ReadableLog, upto: int) -> Iterator[Recorded]:
    """Events up to a position for :class:`AllViews`, each with its link of the chain checked.

    Raises:
        StoreDamaged: an event is missing or not what was written; its position is named.
        StoreNewer: an event of a later version.
    """
    decode = lean_decoder(log)
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
        event = decode(raw)
        if event.originator_version != version:
            raise StoreDamaged(f"the event at position {position} is filed under another version")
        yield Recorded(position, event, hash)
    if expected != upto:
        raise StoreDamaged(f"the event at position {expected + 1} is missing")
