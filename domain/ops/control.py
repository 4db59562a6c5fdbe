"""Records of control: who may do what, what was refused, and changes that took two persons."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ..principals import Name, Principal
from ..retention import Days, LegalHolds
from .base import OPS_UPCASTERS, OpsRecord, Sha256Hex

TEXT_MAX = 500
CONTENT_MAX = 200_000

Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
"""Why, for the record: a statement of control, not personal text."""
Content = Annotated[str, Field(max_length=CONTENT_MAX)]
Account = Annotated[str, Field(max_length=64)]
Scope = Annotated[str, Field(min_length=1, max_length=200)]


class ChangeKind(StrEnum):
    """What is changed."""

    LIMITS = "limits"
    SHORT = "short"
    UNRESTRICT = "unrestrict"
    LIVE = "live"
    RELEASE_KILL = "release_kill"
    CLOSE_BREAK = "close_break"
    STRATEGY = "strategy"
    PRINCIPALS = "principals"
    RETENTION = "retention"


class PrincipalsInForce(OpsRecord):
    """Who may do what from here on; ``change`` is the approved change, empty for the first set."""

    TOPIC: ClassVar[str] = "PrincipalsInForce"

    principals: Annotated[tuple[Principal, ...], Field(min_length=1)]
    change: str = ""


class AccessRefused(OpsRecord):
    """Somebody asked for what it may not do; ``actor`` is who, ``command`` what it asked for."""

    TOPIC: ClassVar[str] = "AccessRefused"

    command: Scope
    why: Text


class AccessGranted(OpsRecord):
    """``actor`` was let trade: it runs an engine over ``account`` until another is let.

    What the engine then decides and sends is by its authority.
    """

    TOPIC: ClassVar[str] = "AccessGranted"

    command: Scope
    person: Name
    account: Account


class ChangeProposed(OpsRecord):
    """A change was proposed.

    ``change`` is its id, a hash of everything it says. ``person`` is who the proposer was then,
    ``scope`` what it is about, ``content`` the new values as canonical JSON, ``expires_at`` (ns
    UTC) until when it can be approved and used. ``is_tightening`` changes need no second person.
    """

    TOPIC: ClassVar[str] = "ChangeProposed"
    VERSION: ClassVar[int] = 2

    change: Sha256Hex
    kind: ChangeKind
    account: Account
    scope: Scope
    content: Content
    person: Name
    reason: Text
    expires_at: int
    is_tightening: bool


class ChangeApproved(OpsRecord):
    """A second person with the role approved a change, as it is and for its time only."""

    TOPIC: ClassVar[str] = "ChangeApproved"

    change: Sha256Hex
    person: Name
    reason: Text


class ChangeRejected(OpsRecord):
    """A change was refused, or taken back by who proposed it; it cannot be approved any more."""

    TOPIC: ClassVar[str] = "ChangeRejected"

    change: Sha256Hex
    person: Name
    reason: Text


class ChangeApplied(OpsRecord):
    """A change took effect, once: what it allowed is used up, except to trade live.

    Written before what it allows is done, so that a crash between loses the approval and never uses
    it twice.
    """

    TOPIC: ClassVar[str] = "ChangeApplied"

    change: Sha256Hex
    command: Scope


class StrategyApproved(OpsRecord):
    """A version of a strategy may trade live from ``go_live_at`` (ns UTC) on.

    ``parameters`` and ``model`` are hashes of its parameters and of its fitted model, ``evidence``
    the hash of the evaluation that was looked at, ``change`` the approved change, that ``proposer``
    asked for and ``approver`` approved.
    """

    TOPIC: ClassVar[str] = "StrategyApproved"

    strategy: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[int, Field(ge=1)]
    parameters: Sha256Hex
    model: Sha256Hex | None
    evidence: Sha256Hex
    evidence_name: Annotated[str, Field(max_length=200)]
    go_live_at: int
    change: Sha256Hex
    proposer: Name
    approver: Name


class RetentionInForce(OpsRecord):
    """How long records are kept and what is held beyond that from here on, by a ``change``.

    ``days`` and ``legal_holds`` are the whole of it; configuration may only keep more.
    """

    TOPIC: ClassVar[str] = "RetentionInForce"

    days: Days
    legal_holds: LegalHolds
    change: Sha256Hex


OPS_UPCASTERS["ChangeProposed", 1] = dict
"""Version 2 knows retention as a kind; the fields are the same."""
