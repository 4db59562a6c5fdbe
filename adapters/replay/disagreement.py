"""Where a decision that is made again does not come out as it is on the record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One difference, with both sides.

    ``kind`` is plan, limit check, step, switch or cancel; ``subject`` the instruction, ``field``
    what differs, ``position`` the event that has the recorded side.
    """

    kind: str
    position: int
    subject: str
    field: str
    recorded: str
    again: str

    def __str__(self) -> str:
        return (
            f"{self.kind} of {self.subject} at position {self.position}: {self.field} "
            f"{self.recorded} on the record, {self.again} decided again"
        )
