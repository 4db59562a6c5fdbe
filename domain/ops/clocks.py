"""Records of how far the machine's clock is from true time, and how sure that is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .base import OpsRecord


class ClockHealth(StrEnum):
    """What a measurement of the clock means."""

    GOOD = "good"
    ALERT = "alert"
    BLOCKED = "blocked"


class ClockMeasured(OpsRecord):
    """The clock was measured.

    ``offset_ns`` is true time minus ours by ``source``, within ``uncertainty_ns`` either way; both
    are None where nothing could tell. ``alert_ms`` and ``offset_ms_max`` are the bounds that
    ``health`` was judged by: BLOCKED means that no new order was sent.
    """

    TOPIC: ClassVar[str] = "ClockMeasured"

    source: Annotated[str, Field(max_length=200)]
    offset_ns: int | None
    uncertainty_ns: Annotated[int, Field(ge=0)] | None
    alert_ms: Annotated[int, Field(ge=0)]
    offset_ms_max: Annotated[int, Field(ge=0)]
    health: ClockHealth
