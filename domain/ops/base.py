"""What every record of the second stream carries, and how older versions of one are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import Field

from ..events.base import Stored

OPS_CATALOGUE: Final[dict[str, type[OpsRecord]]] = {}
"""Every record class by its stored topic, filled as the classes are defined."""

OPS_UPCASTERS: Final[dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""By (topic, version) of the stored form; each gives the fields of version + 1."""

Sha256Hex = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 as 64 lower-case hexadecimal digits."""


class OpsRecord(Stored):
    """What somebody did with the log, bound to the position it was done at.

    ``record_time`` is wall time in ns UTC and ``actor`` who or what did it. ``log_position`` and
    ``log_hash`` are the log's head that the record speaks of (0 and 64 zeros for an empty log): a
    report binds to a position, never to what the head is later.
    """

    record_time: int
    actor: Annotated[str, Field(min_length=1, max_length=120)]
    log_position: Annotated[int, Field(ge=0)]
    log_hash: Sha256Hex

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "TOPIC" in cls.__dict__:
            topic = cls.stored_topic()
            if topic in OPS_CATALOGUE:
                raise TypeError(f"two records are stored as {topic}")
            OPS_CATALOGUE[topic] = cls


def latest(topic: str) -> type[OpsRecord] | None:
    """The class that loads ``topic`` today, or None for a topic this code does not know."""
    known = [one for one in OPS_CATALOGUE.values() if topic == one.TOPIC]
    return max(known, key=lambda one: one.VERSION, default=None)
