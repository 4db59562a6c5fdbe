"""Tables by the class of an event that also know what was read of one in part."""

from __future__ import annotations

from typing import TypeVar

from .base import DomainEvent

V = TypeVar("V")


class ByKind(dict[type[DomainEvent], V]):
    """What there is for each class of event.

    A long log is read in part: what is made then has some fields of an event and is of a class of
    its own, which names the event's in ``PART_OF``. Asked by ``[]`` it finds what its event finds.
    """

    def __missing__(self, kind: type[DomainEvent]) -> V:
        whole = getattr(kind, "PART_OF", None)
        if whole is None:
            raise KeyError(kind)
        found = self[kind] = self[whole]
        return found
