"""What could not be evaluated, and why: reported by name, never left out silently."""

from __future__ import annotations

from dataclasses import dataclass

ALL = 0
"""Stands for all parents of a symbol-day."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A symbol-day, or ``parents`` of its parents, that was not evaluated; ``date`` YYYYMMDD."""

    symbol: str
    date: str
    why: str
    parents: int = ALL

    def __str__(self) -> str:
        """One line for people."""
        what = f"{self.symbol} {self.date}".strip()
        return (
            f"{what}: {self.parents} parents: {self.why}"
            if self.parents
            else (f"{what}: {self.why}" if what else self.why)
        )
