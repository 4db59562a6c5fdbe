"""Halts, LULD bands and the price test, folded from a venue's messages on trading status.

Codes are those of the two plans that consolidate US equities (CTA for tapes A and B, UTP for tape
C) as Alpaca's feed hands them on: ``status`` is the message's code, ``reason`` why. A code that is
not known leaves the status unknown, which is halted for new orders (ruling 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .market import HaltCause, PriceBand, TradingState, TradingStatus

OPEN_CODES: Final = frozenset({"3", "T"})
"""Trading resumes."""
HALT_CODES: Final = frozenset({"2", "H", "P", "M", "Q", "4", "5"})
"""Halts and pauses; quotes that resume (Q) and price indications (5) come before trading does."""
PRICE_TEST_CODE: Final = "E"
"""A message on the short-sale restriction of Rule 201."""
PASSING_CODES: Final = frozenset({"6", "7", "8", "9", "A", "C", "D", "F", "0"})
"""Indications and imbalances, in which trading goes on."""
PRICE_TEST_OFF: Final = frozenset({"D", "0"})

MARKET_WIDE_REASONS: Final = frozenset({"MWC0", "MWC1", "MWC2", "MWC3", "1", "2", "3"})
MARKET_WIDE_RESUMED: Final = frozenset({"MWCQ"})
CAUSES: Final[dict[str, HaltCause]] = {
    **dict.fromkeys(MARKET_WIDE_REASONS, HaltCause.MARKET_WIDE),
    **dict.fromkeys(("LUDP", "LUDS", "T5", "M"), HaltCause.LULD_PAUSE),
    **dict.fromkeys(("T1", "T2", "T3", "T12", "P", "D", "A"), HaltCause.NEWS),
    **dict.fromkeys(("T6", "H4", "H9", "H10", "H11", "R4", "R9", "C", "Y"), HaltCause.REGULATORY),
    **dict.fromkeys(("T7", "T8", "O1", "X", "I"), HaltCause.OPERATIONAL),
}
"""Causes by reason code; any other code is ``OTHER``."""


@dataclass(slots=True)
class _Symbol:
    status: TradingStatus | None = None
    cause: HaltCause | None = None
    since: int | None = None
    resumed_at: int | None = None
    reopened_at: int | None = None
    band: PriceBand | None = None
    price_test: bool | None = None
    price_test_at: int = 0
    by_prices: bool | None = None
    missed_until: int | None = None


class HaltBook:
    """What the venue said of trading in every symbol; times are ns UTC.

    A market-wide halt that is told of for one symbol holds for all, told of or not, until it is
    told for a symbol, or for any one after ``since``, that trading resumes.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, _Symbol] = {}
        self._wide_since: int | None = None
        self._wide_resumed: int | None = None

    def take_status(self, symbol: str, code: str, reason: str, at: int) -> str:
        """Take in a message; gives what is odd about it, empty when nothing is."""
        known = self._symbols.setdefault(symbol, _Symbol())
        if code in OPEN_CODES or code in HALT_CODES:
            known.missed_until = None
        if code in OPEN_CODES:
            self._resume(known, reason, at)
        elif code in HALT_CODES:
            self._halt(known, code, reason, at)
        elif code == PRICE_TEST_CODE:
            known.price_test, known.price_test_at = reason not in PRICE_TEST_OFF, at
        elif code not in PASSING_CODES:
            known.status, known.since = TradingStatus.UNKNOWN, at
            return f"unknown trading status {code!r}"[:60]
        return ""

    def missed(self, symbol: str, until: int) -> None:
        """Messages up to ``until`` may have been lost: a print after it ends a halt told before."""
        known = self._symbols.get(symbol)
        if known is None:
            if not self._is_wide(None):
                return
            known = self._symbols.setdefault(symbol, _Symbol())
        if known.status is not None or self._is_wide(known):
            known.missed_until = until

    def take_band(self, symbol: str, lower: Decimal, upper: Decimal, at: int) -> None:
        """Take in a price band; one that is older, or no band, changes nothing or ends it."""
        known = self._symbols.setdefault(symbol, _Symbol())
        if known.band is not None and known.band.at > at:
            return
        known.band = PriceBand(lower=lower, upper=upper, at=at) if 0 < lower < upper else None

    def take_print(self, symbol: str, at: int) -> None:
        """Take in a regular print: the first after trading resumed reopens the symbol."""
        known = self._symbols.get(symbol)
        if known is not None and known.missed_until is not None and at > known.missed_until:
            known.status = known.cause = known.since = known.missed_until = None
            known.resumed_at, known.reopened_at = at, at
            return
        if known is None or known.resumed_at is None or known.reopened_at is not None:
            return
        if known.status is None and at >= known.resumed_at:
            known.reopened_at = at

    def take_prices(self, symbol: str, in_force: bool | None, since: int) -> None:
        """Take in what prices say of Rule 201; what the venue tells comes before it.

        A test lasts to the end of the session after the one that put it in force, which opened at
        ``since``: what the venue told before that says nothing any more.
        """
        known = self._symbols.setdefault(symbol, _Symbol())
        known.by_prices = in_force
        if known.price_test_at < since:
            known.price_test = None

    def status(self, symbol: str) -> TradingStatus | None:
        """Halted or unknown, None where nothing is said against trading."""
        known = self._symbols.get(symbol)
        if known is not None and known.status is not None:
            return known.status
        return TradingStatus.HALTED if self._is_wide(known) else None

    def trading(self, symbol: str) -> TradingState | None:
        """What is said of a symbol, None where nothing is."""
        known = self._symbols.get(symbol)
        wide = self._is_wide(known)
        if known is None:
            if not wide:
                return None
            return TradingState(halt=HaltCause.MARKET_WIDE, halted_since=self._wide_since)
        own = known.status is not None
        cause = known.cause if own else HaltCause.MARKET_WIDE if wide else None
        return TradingState(
            halt=cause,
            halted_since=known.since if own else self._wide_since if wide else None,
            resumed_at=known.resumed_at,
            reopened_at=known.reopened_at,
            band=known.band,
            price_test=known.by_prices if known.price_test is None else known.price_test,
        )

    def _halt(self, known: _Symbol, code: str, reason: str, at: int) -> None:
        cause = CAUSES.get(reason, HaltCause.OTHER)
        if code == "P" and reason not in CAUSES:
            cause = HaltCause.LULD_PAUSE
        if known.status is not TradingStatus.HALTED or known.since is None:
            known.since = at
            known.cause = cause
        elif reason in CAUSES:
            known.cause = cause
        known.status = TradingStatus.HALTED
        known.resumed_at = known.reopened_at = None
        known.band = None
        if known.cause is HaltCause.MARKET_WIDE and (
            self._wide_since is None or (self._wide_resumed or 0) >= self._wide_since
        ):
            self._wide_since, self._wide_resumed = at, None

    def _resume(self, known: _Symbol, reason: str, at: int) -> None:
        was_wide = known.cause is HaltCause.MARKET_WIDE or reason in MARKET_WIDE_RESUMED
        known.status = known.cause = known.since = None
        known.resumed_at, known.reopened_at = at, None
        if was_wide and self._wide_since is not None and at > self._wide_since:
            self._wide_resumed = at

    def _is_wide(self, known: _Symbol | None) -> bool:
        """Whether a market-wide halt holds a symbol of which nothing else is said."""
        if self._wide_since is None or self._wide_resumed is not None:
            return False
        return known is None or (known.resumed_at or 0) <= self._wide_since
