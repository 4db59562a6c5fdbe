"""The instruments that each account has used, and of how many of them no FIGI or CUSIP is known."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from ..domain import events as e
from ..domain.instruments import Instrument, InstrumentBook
from .instruction_events import ACCOUNT_EVENTS, INSTRUCTION_EVENTS
from .runner import Handler, Projection


class KnownInstruments(Projection):
    """Folds what was recorded of instruments: each symbol as it was told last, by account."""

    name: ClassVar[str] = "known_instruments"
    version: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self._books: dict[str, InstrumentBook] = {}

    def of(self, account: str) -> tuple[Instrument, ...]:
        """What is known of the account's symbols, by symbol; none where nothing was recorded."""
        book = self._books.get(account)
        return () if book is None else book.all()

    def unknown(self, account: str) -> dict[str, int]:
        """Of how many of the account's symbols the FIGI, and the CUSIP, is not known."""
        known = self.of(account)
        return {
            "figi": sum(each.figi is None for each in known),
            "cusip": sum(each.cusip is None for each in known),
        }

    def state(self) -> object:
        """By account the instruments, since when they are as they are, and what is not known."""
        return {
            account: {
                "instruments": [
                    {**each.model_dump(), "since": book.since(each.symbol)} for each in book.all()
                ],
                "unknown": self.unknown(account),
            }
            for account, book in sorted(self._books.items())
        }

    def _take(self, event: e.InstrumentRecorded) -> None:
        book = self._books.setdefault(event.account, InstrumentBook())
        book.take(event.instrument, event.session_date)

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = MappingProxyType(
        {e.InstrumentRecorded: _take}
    )
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = (
        frozenset(ACCOUNT_EVENTS) | frozenset(INSTRUCTION_EVENTS)
    ) - HANDLERS.keys()
