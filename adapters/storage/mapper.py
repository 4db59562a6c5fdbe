"""Between events and stored events, by stable topic and version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from ...domain.errors import StoreDamaged, StoreNewer
from ...domain.events import DomainEvent, upcasting
from ...domain.events.upcasting import UPCASTERS, Upcaster
from .chain import TOPIC_BYTES_MAX
from .codec import Codec
from .records import Encoded


class EventMapper(Mapper[UUID]):
    """The library's mapper for fillwright's events.

    Topics are ``Event.stored_topic()`` and the state is canonical JSON, so that stored bytes hold
    no module path and never change for an event. Older versions are brought up by ``upcasters``.
    """

    def __init__(self, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS) -> None:
        # The transcoder is what the base class asks for; both methods that use it are replaced.
        super().__init__(transcoder=JSONTranscoder())
        self._upcasters = upcasters
        self._by_class: Final[dict[type[DomainEvent], Codec[DomainEvent]]] = {}
        self._by_topic: Final[dict[str, Codec[DomainEvent]]] = {}

    def encode(self, event: DomainEvent) -> Encoded:
        """The event as it is stored; raises StoreError when it has no canonical form."""
        codec = self._by_class.get(type(event)) or self._codec_of(type(event))
        return Encoded(
            event.originator_id, event.originator_version, codec.topic, codec.encode(event)
        )

    def decode(self, topic: str, state: bytes, position: int | None = None) -> DomainEvent:
        """The event that was stored; ``position`` is only for messages.

        Raises:
            StoreNewer: this code does not know the topic or its version.
            StoreDamaged: the bytes are not an event of that topic.
        """
        codec = self._by_topic.get(topic)
        try:
            if codec is not None:
                return codec.decode(state)
            return self._decode_first(topic, state, _where(position))
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            raise StoreDamaged(
                f"{_where(position)} is not what was written ({topic}: {_first_line(error)}). "
                "Run `fillwright verify` on the store and go back to its last good copy"
            ) from error

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Convert for the library's recorders."""
        return StoredEvent(*self.encode(cast(DomainEvent, domain_event)))

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """Convert from the library's recorders."""
        return cast(DomainEventProtocol[UUID], self.decode(stored_event.topic, stored_event.state))

    def _codec_of(self, event_class: type[DomainEvent]) -> Codec[DomainEvent]:
        codec = Codec(event_class)
        if len(codec.topic.encode()) > TOPIC_BYTES_MAX:
            raise TypeError(f"the topic {codec.topic} is longer than {TOPIC_BYTES_MAX} bytes")
        self._by_class[event_class] = codec
        return codec

    def _decode_first(self, topic: str, state: bytes, where: str) -> DomainEvent:
        """Decode a topic met for the first time, or an older version of one."""
        name, version = _split(topic)
        event_class = upcasting.latest(name)
        if event_class is None:
            raise StoreNewer(
                f"{where} is {topic}, which this version does not know. "
                "Open it with the version of fillwright that wrote it, or a later one"
            )
        if version > event_class.VERSION:
            raise StoreNewer(
                f"{where} is {topic}, and this version knows {name} up to version "
                f"{event_class.VERSION}. Open it with a later version of fillwright"
            )
        codec = self._by_class.get(event_class) or self._codec_of(event_class)
        if version == event_class.VERSION:
            self._by_topic[topic] = codec
            return codec.decode(state)
        fields: dict[str, Any] = from_json(state)
        fields = upcasting.upcast(name, version, fields, upcasters=self._upcasters)
        return codec.decode(to_json(fields))


def _split(topic: str) -> tuple[str, int]:
    try:
        name, version = upcasting.split_topic(topic)
    except ValueError:
        raise ValueError(f"{topic!r} is not a topic") from None
    return name, version


def _where(position: int | None) -> str:
    return "a stored event" if position is None else f"the event at position {position}"


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(error).splitlines()[0] if str(error) else type(error).__name__
