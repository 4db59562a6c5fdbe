"""Exceptions are for bugs and broken pipes; refusals are values (see ``reasons``).

FillwrightError
├── InvalidInput          bad input, names the field and the allowed range
├── IllegalTransition     a command that the lifecycle does not allow
├── InvariantBroken       a bug: something that must hold does not
├── StoreError            the log cannot be read or written
│   ├── StoreBusy         another process is writing it
│   ├── StoreNewer        it was made by a newer version
│   └── StoreDamaged      it is not what was written
└── BrokerUnavailable     the broker cannot be asked
"""

from __future__ import annotations


class FillwrightError(Exception):
    """Everything fillwright raises on purpose."""


class InvalidInput(FillwrightError, ValueError):
    """Bad input: ``field`` is what is wrong, ``allowed`` what would pass."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        shown = str(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(f"{field}: {shown!r} is not allowed; allowed: {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


class IllegalTransition(FillwrightError):
    """A command that the lifecycle does not allow in this state."""


class InvariantBroken(FillwrightError):
    """A bug: something that must always hold does not."""


class StoreError(FillwrightError):
    """The log cannot be read or written."""


class StoreBusy(StoreError):
    """Another process is writing this store."""


class StoreNewer(StoreError):
    """The store was made by a newer version of fillwright."""


class StoreDamaged(StoreError):
    """The store does not hold what was written."""


class BrokerUnavailable(FillwrightError):
    """The broker cannot be asked."""


def invariant(condition: bool, message: str) -> None:
    """Raise :class:`InvariantBroken` unless ``condition``; unlike ``assert`` it survives ``-O``."""
    if not condition:
        raise InvariantBroken(message)
