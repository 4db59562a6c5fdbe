"""Records of the exceptions book: who looks at what, and how each question was closed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ..principals import Name
from ..reasons import Disposition
from .base import OpsRecord, Sha256Hex
from .control import Text

POSITIONS_MAX = 1_000


class ExceptionKind(StrEnum):
    """Where an exception comes from."""

    ALERT = "alert"
    ANOMALY = "anomaly"
    REFUSAL = "refusal"
    OVERRIDE = "override"
    BREAK = "break"
    SURVEILLANCE = "surveillance"


class ExceptionAssigned(OpsRecord):
    """``owner`` looks at an exception until ``due_at`` (ns UTC); ``actor`` is who said so."""

    TOPIC: ClassVar[str] = "ExceptionAssigned"

    exception: Sha256Hex
    owner: Name
    due_at: int
    reason: Text


class ExceptionClosed(OpsRecord):
    """An exception was closed by somebody who had no part in it.

    ``originators`` are the principals that it came from, ``positions`` the events behind it,
    ``closed_by_hand`` says that what it is about still differs, which took two persons.
    """

    TOPIC: ClassVar[str] = "ExceptionClosed"

    exception: Sha256Hex
    kind: ExceptionKind
    disposition: Disposition
    text: Text
    person: Name
    originators: tuple[Annotated[str, Field(max_length=120)], ...] = ()
    positions: Annotated[tuple[int, ...], Field(max_length=POSITIONS_MAX)] = ()
    closed_by_hand: bool = False


class ExceptionEscalated(OpsRecord):
    """An open exception was overdue and went to another role beside its owner; once per step.

    ``level`` is 1 when it was overdue, 2 when it was by as long again; ``due_at`` (ns UTC) is when
    it was due then, ``to`` who it went to. ``actor`` is who looked.
    """

    TOPIC: ClassVar[str] = "ExceptionEscalated"

    exception: Sha256Hex
    level: Annotated[int, Field(ge=1, le=2)]
    to: Annotated[str, Field(max_length=64)]
    due_at: int
