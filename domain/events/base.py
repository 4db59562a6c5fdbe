"""What every event carries, and how a class names itself in the store."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ..market import MarketState, Record
from ..plan import PlanTerms
from ..strategies.contract import InstructionView

CATALOGUE: dict[str, type[DomainEvent]] = {}
"""Every event class by its stored topic, filled as the classes are defined."""


class Stamp(NamedTuple):
    """When, by whom and why an event is recorded; times are integer ns UTC."""

    record_time: int
    actor: str
    correlation_id: str
    causation_id: str
    market_time: int | None = None
    receive_time: int | None = None


class Stored(BaseModel):
    """What is stored for ever under a topic and a version, as canonical bytes.

    ``TOPIC`` and ``VERSION`` name the stored form; a change of fields needs a new version and an
    upcaster from the old one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    TOPIC: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @classmethod
    def stored_topic(cls) -> str:
        """The name under which this class is stored."""
        return f"{cls.TOPIC}.v{cls.VERSION}"


class DomainEvent(Stored):
    """An immutable fact. ``originator_version`` counts from 1 within its stream.

    ``TOPIC`` and ``VERSION`` name the stored form for ever; a change of fields needs a new version
    and an upcaster from the old one. ``market_time`` is the venue's stamp, ``receive_time`` when we
    had it, ``record_time`` when it was recorded. Order is by log position, never by time.
    """

    originator_id: UUID
    originator_version: Annotated[int, Field(ge=1)]
    record_time: int
    actor: Annotated[str, Field(max_length=120)]
    correlation_id: Annotated[str, Field(max_length=200)]
    causation_id: Annotated[str, Field(max_length=200)]
    market_time: int | None = None
    receive_time: int | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "TOPIC" in cls.__dict__:
            topic = f"{cls.TOPIC}.v{cls.VERSION}"
            if topic in CATALOGUE:
                raise TypeError(f"two events are stored as {topic}")
            CATALOGUE[topic] = cls


class Provenance(Record):
    """The inputs a step was decided from and the rule that fired.

    Calling the named strategy version with ``plan``, ``view``, ``market`` and ``now`` gives the
    same step again; ``wake_at`` is when it asked to be called next.
    """

    strategy: str
    version: int
    rule: str
    now: int
    plan: PlanTerms
    view: InstructionView
    market: MarketState
    wake_at: int | None
