"""Which moment of a log is meant: a position, or a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from ..domain.errors import InvalidInput
from ..domain.ports import NANOS
from ..projections.runner import RecordedEvent

TIMES: Final = "a time with its zone (2024-06-12T14:30:00Z), or ns UTC of 16 to 19 digits"
ALLOWED: Final = f"a position (1, 2, ...), {TIMES}"
POSITION_DIGITS_MAX: Final = 15
NS_DIGITS_MAX: Final = 19

RecordT = TypeVar("RecordT", bound=RecordedEvent)


@dataclass(frozen=True, slots=True)
class AsOf:
    """The end of a log as it was: at a position, or before the first event recorded after a time.

    Exactly one of ``position`` and ``time`` (ns UTC) is set. A log is in the order of positions, so
    where a clock went back, nothing after the first later event belongs to the time.
    """

    position: int | None = None
    time: int | None = None

    def upto(self, records: Iterable[RecordT]) -> Iterator[RecordT]:
        """The records until then."""
        for recorded in records:
            late = self.position is not None and recorded.position > self.position
            if late or (self.time is not None and recorded.event.record_time > self.time):
                return
            yield recorded


def parse_as_of(text: str, field: str = "as_of") -> AsOf:
    """Read a position or a time; ``field`` is what an error calls it.

    Raises:
        InvalidInput: it is neither, or a time without its zone.
    """
    stripped = text.strip()
    if stripped.isdecimal() and stripped.isascii():
        if len(stripped) <= POSITION_DIGITS_MAX and int(stripped) > 0:
            return AsOf(position=int(stripped))
        if POSITION_DIGITS_MAX < len(stripped) <= NS_DIGITS_MAX:
            return AsOf(time=int(stripped))
        raise InvalidInput(field, text, ALLOWED)
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError as error:
        raise InvalidInput(field, text, ALLOWED) from error
    if moment.tzinfo is None:
        raise InvalidInput(field, text, f"{ALLOWED}; this one has no zone")
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since.days * 86_400 + since.seconds
    return AsOf(time=seconds * NANOS + since.microseconds * 1_000)


def parse_time(text: str, field: str) -> int:
    """Read a time (ns UTC), where a position would mean nothing.

    Raises:
        InvalidInput: it is none, or one without its zone.
    """
    time = parse_as_of(text, field).time
    if time is None:
        raise InvalidInput(field, text, TIMES)
    return time
