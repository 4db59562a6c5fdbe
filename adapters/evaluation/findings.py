"""What could not be evaluated, and why: reported by name, never left out silently."""

from __future__ import annotations

from dataclasses import dataclass

ALL = 0
"""Stands for all parents of a symbol-day."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A symbol-day, or a part of it, that was not evaluated; ``date`` YYYYMMDD.

    The part is ``parents`` of its parents, or ``rows`` of its data.
    """

    symbol: str
    date: str
    why: str
    parents: int = ALL
    rows: int = 0

    def __str__(self) -> str:
        """One line for people."""
        what = f"{self.symbol} {self.date}".strip()
        counted = f"{self.parents} parents" if self.parents else f"{self.rows} rows"
        part = counted if self.parents or self.rows else ""
        return ": ".join(text for text in (what, part, self.why) if text)
