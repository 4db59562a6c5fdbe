"""Events of corporate actions, and of positions that nothing explains."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from ..corporate import CorporateAction
from ..money import SignedShares
from .base import DomainEvent

RAW_MAX: Final = 4_000


class CorporateActionRecorded(DomainEvent):
    """A corporate action or symbol change became known; of the same ``action_id`` the last counts.

    ``raw`` is the announcement as it was read, ``source`` says where.
    """

    TOPIC: ClassVar[str] = "CorporateActionRecorded"
    VERSION: ClassVar[int] = 2

    account: str
    action: CorporateAction
    source: Annotated[str, Field(max_length=200)]
    raw: Annotated[str, Field(max_length=RAW_MAX)]


class CorporateActionSettled(DomainEvent):
    """A person has settled what a merger, spin-off or reorganization did to the account.

    From its ex-date until then orders that add risk in ``symbol`` are refused.
    """

    TOPIC: ClassVar[str] = "CorporateActionSettled"

    account: str
    symbol: str
    action_id: Annotated[str, Field(max_length=100)]
    reason: Annotated[str, Field(max_length=500)]


class BreakOrigin(StrEnum):
    """When the broker's position was found to be another: between sessions, or within one."""

    OVERNIGHT = "overnight"
    SESSION = "session"


class PositionUnexplained(DomainEvent):
    """The broker's position is not what our record says, and no recorded action says why.

    ``expected`` and ``reported`` are shares; ``since`` is the date whose positions ``expected``
    stems from. Orders that add risk in the symbol are refused until it is explained.
    """

    TOPIC: ClassVar[str] = "PositionUnexplained"

    account: str
    session_date: str
    symbol: str
    expected: SignedShares
    reported: SignedShares
    since: str
    origin: BreakOrigin


class ExplainedBy(StrEnum):
    """What explained a position: a recorded action, a later agreement, or a person."""

    CORPORATE_ACTION = "corporate_action"
    AGREEMENT = "agreement"
    PERSON = "person"


class PositionExplained(DomainEvent):
    """A position that was not explained is: the broker's figure is taken as ours from here on.

    ``action_ids`` are the corporate actions that explain it; ``reason`` is a person's, in words.
    """

    TOPIC: ClassVar[str] = "PositionExplained"

    account: str
    symbol: str
    expected: SignedShares
    reported: SignedShares
    origin: BreakOrigin
    by: ExplainedBy
    action_ids: tuple[str, ...] = ()
    reason: Annotated[str, Field(max_length=500)] = ""
