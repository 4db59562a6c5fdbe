"""Events of end-of-day statements: what they were compared with, fees as booked, signing off."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ..market import Record
from ..money import Money
from ..statement import LineBreak
from .base import DomainEvent

BREAKS_KEPT_MAX = 1_000


class TruedUp(Record):
    """One charge of a session: what was estimated, None where it could not be, and was booked."""

    charge: str
    estimated: Money | None
    booked: Money


class FeesTruedUp(DomainEvent):
    """The fees that the broker booked for a session; from here on they count, not the estimates."""

    TOPIC: ClassVar[str] = "FeesTruedUp"

    account: str
    session_date: str
    lines: tuple[TruedUp, ...]


class StatementReconciled(DomainEvent):
    """Our record of a session was held against the broker's statement, line by line, both ways.

    ``source`` is the form it came in, ``sha256`` that of its bytes, ``missing`` the parts that it
    does not have. ``breaks_total`` counts all breaks, ``breaks`` holds the first thousand. The
    session is final when there is none and nothing is missing.
    """

    TOPIC: ClassVar[str] = "StatementReconciled"

    account: str
    session_date: str
    source: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    trades_compared: Annotated[int, Field(ge=0)]
    positions_compared: Annotated[int, Field(ge=0)]
    closing_cash: Money | None
    missing: tuple[str, ...]
    breaks_total: Annotated[int, Field(ge=0)]
    breaks: tuple[LineBreak, ...]

    @property
    def is_clean(self) -> bool:
        """Whether both sides agree in everything."""
        return not self.breaks_total and not self.missing


class SessionSignedOff(DomainEvent):
    """A person took a session for final although its statement leaves breaks or parts open.

    ``sha256`` is the statement's that was signed off; another one needs signing again.
    """

    TOPIC: ClassVar[str] = "SessionSignedOff"

    account: str
    session_date: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    breaks_total: Annotated[int, Field(ge=0)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
