"""Records of checking the log and of leaving its checkpoints outside."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import OpsRecord, Sha256Hex


class VerificationDone(OpsRecord):
    """The log was verified up to ``log_position``.

    ``from_position`` is where the check began (0 for all of it), ``outcome`` one of ``anchored``,
    ``not_anchored`` or ``failed``; ``what`` names the fault and ``first_bad_position`` where it is.
    """

    TOPIC: ClassVar[str] = "VerificationDone"

    from_position: Annotated[int, Field(ge=0)]
    outcome: Annotated[str, Field(pattern="^(anchored|not_anchored|failed)$")]
    first_bad_position: int | None = None
    what: str = ""


class Anchored(OpsRecord):
    """A checkpoint of the log was left at an anchor outside the store.

    ``root`` is the Merkle tree's root over the first ``log_position`` events and ``frontier`` the
    roots of its full subtrees, the largest first, from which the tree goes on without reading the
    events again; it is believed because it hashes to the root that ``note`` is signed over.
    ``anchor`` is where the signed note went.
    """

    TOPIC: ClassVar[str] = "Anchored"

    root: Sha256Hex
    frontier: Annotated[tuple[Sha256Hex, ...], Field(max_length=64)]
    note: Annotated[str, Field(max_length=100_000)]
    anchor: Annotated[str, Field(max_length=2_000)]
    time_stamped: bool = False
