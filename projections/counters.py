"""The counters of the limits as the log tells them: millionths under their keys."""

from __future__ import annotations

from collections.abc import Callable

from ..domain.limits import MICRO
from .session_usage import Change


class Counters:
    """Amounts by key, and what changed since somebody last took the changes."""

    __slots__ = ("_amounts", "_changes")

    def __init__(self, amounts: dict[str, int] | None = None) -> None:
        self._amounts: dict[str, int] = {} if amounts is None else amounts
        self._changes: dict[str, int] = {}

    def add(self, key: str, delta: int) -> None:
        """Change one by so many millionths."""
        self._amounts[key] = self._amounts.get(key, 0) + delta
        self._changes[key] = self._changes.get(key, 0) + delta

    def count(self, keys: tuple[str, ...], change: Change) -> None:
        """Change those of an instruction, whose ``keys`` are in the order of ``change``."""
        for key, amount in zip(keys, change, strict=True):
            if amount:
                self.add(key, int(amount * MICRO))  # exact, because it is on their grid

    def those(self, wanted: Callable[[str], bool] = lambda key: True) -> dict[str, int]:
        """All that are not zero, or of them those whose keys are ``wanted``."""
        return {key: amount for key, amount in self._amounts.items() if amount and wanted(key)}

    def take_changes(self) -> dict[str, int]:
        """What changed since the last call."""
        changes, self._changes = self._changes, {}
        return {key: amount for key, amount in changes.items() if amount}
