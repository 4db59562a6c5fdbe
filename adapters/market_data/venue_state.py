"""What a simulated venue says of trading: halts and price bands, planned or asked for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from ...domain.errors import InvalidInput
from ...domain.market import HaltCause, PriceBand, TradingState
from ..exchange.terms import EVERY

Span = tuple[int, int]
"""A half-open stretch of time in ns UTC."""
FirstPrint = Callable[[int], int | None]
"""When the first regular print at or after a moment was, None when there is none."""


class _Halt(NamedTuple):
    start: int
    end: int
    cause: HaltCause


class VenueStates:
    """Halts and bands by symbol; times are ns UTC."""

    def __init__(self) -> None:
        self._halts: dict[str, list[_Halt]] = {}
        self._bands: dict[str, list[tuple[int, int, PriceBand]]] = {}
        self._price_tests: dict[str, list[tuple[int, bool]]] = {}
        self._lent: set[str] = set()

    def halt(self, symbol: str, start: int, end: int, cause: HaltCause = HaltCause.NEWS) -> None:
        """Add a halt ``[start, end)``; the same one again changes nothing.

        Raises:
            InvalidInput: it does not end after it starts.
        """
        if end <= start:
            raise InvalidInput(f"halts of {symbol}", (start, end), "a start before an end")
        found = self._halts.setdefault(symbol, [])
        if (start, end, cause) not in found:
            found.append(_Halt(start, end, cause))
            found.sort()

    def band(self, symbol: str, span: Span, lower: Decimal, upper: Decimal) -> None:
        """Add a price band during ``span``.

        Raises:
            InvalidInput: it has no width or no length.
        """
        if not (span[0] < span[1] and 0 < lower < upper):
            raise InvalidInput(f"band of {symbol}", (*span, lower, upper), "0 < lower < upper")
        band = PriceBand(lower=lower, upper=upper, at=span[0])
        found = self._bands.setdefault(symbol, [])
        found.append((span[0], span[1], band))
        found.sort(key=lambda each: each[0])

    def lend(self, symbol: str) -> None:
        """Let a symbol, or every one, be sold short."""
        self._lent.add(symbol)

    def shortable(self, symbol: str) -> bool | None:
        """Whether a symbol may be sold short, None where nothing says."""
        return True if {symbol, EVERY} & self._lent else None

    def price_test(self, symbol: str, in_force: bool, since: int = 0) -> None:
        """Say whether Rule 201 is in force from ``since`` on for a symbol, or for every other."""
        told = self._price_tests.setdefault(symbol, [])
        if (since, in_force) not in told:
            told.append((since, in_force))
            told.sort(key=lambda each: each[0])

    def _test_at(self, symbol: str, now: int) -> bool | None:
        """What is said of Rule 201 at ``now``: of the symbol, else of every one."""
        for name in (symbol, EVERY):
            found = [
                in_force for since, in_force in self._price_tests.get(name, ()) if since <= now
            ]
            if found:
                return found[-1]
        return None

    def halted_since(self, symbol: str, now: int) -> int | None:
        """When the halt that covers ``now`` began, None when the symbol trades."""
        halt = self._at(symbol, now)
        return None if halt is None else halt.start

    def stopped(self, symbol: str, now: int) -> list[Span]:
        """The stretches up to ``now`` in which nothing traded."""
        return [(h.start, min(h.end, now)) for h in self._of(symbol) if h.start < now]

    def state(self, symbol: str, now: int, first_print: FirstPrint) -> TradingState | None:
        """What is said of a symbol at ``now``, None where nothing is."""
        halts, bands = self._of(symbol), self._bands.get(symbol)
        test = self._test_at(symbol, now)
        if not halts and not bands and test is None:
            return None
        current = self._at(symbol, now)
        ended = max((h.end for h in halts if h.end <= now), default=None)
        reopened = None
        if current is None and ended is not None:
            seen = first_print(ended)
            reopened = seen if seen is not None and seen <= now else None
        in_force = [band for start, end, band in bands or () if start <= now < end]
        return TradingState(
            halt=None if current is None else current.cause,
            halted_since=None if current is None else current.start,
            resumed_at=ended,
            reopened_at=reopened,
            band=in_force[-1] if in_force and current is None else None,
            price_test=test,
        )

    def _of(self, symbol: str) -> list[_Halt]:
        own, every = self._halts.get(symbol), self._halts.get(EVERY)
        return [*(own or ()), *(every or ())] if every else own or []

    def _at(self, symbol: str, now: int) -> _Halt | None:
        return next((h for h in self._of(symbol) if h.start <= now < h.end), None)
