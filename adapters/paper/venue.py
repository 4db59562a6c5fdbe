"""The exchange as the paper broker uses it: with a journal of its own, and halts on request.

The exchange's terms are fixed when it is made. A halt that is asked for while it runs is therefore
made by running the same requests again through an exchange that knows of it: matching is
deterministic and a halt cuts only what lies after its start, so the past comes out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from ...domain.ports import BrokerCommand, CancelOrder, ExecutionReport, OrderRequest, SubmitOrder
from ..exchange.book import TakerSide
from ..exchange.exchange import Exchange
from ..exchange.journal import Journal
from ..exchange.scaled import ScaledDay, from_units, to_units
from ..exchange.tape import SymbolDay
from ..exchange.terms import Band, Halt, Terms


class Venue:
    """One exchange with its journal."""

    def __init__(self, days: Sequence[SymbolDay], terms: Terms, journal: Journal) -> None:
        """Open the venue; ``journal`` is checked against market data and terms.

        Raises:
            JournalMismatchError: the journal was written under other terms or market data.
        """
        self._days = {day.symbol: day for day in days}
        self._terms = terms
        self._exchange = Exchange([ScaledDay(day, terms.halted(day.symbol)) for day in days], terms)
        self._sent: list[tuple[int, list[BrokerCommand]]] = []
        self._journal = journal
        fingerprints = {name: self.market(name).fingerprint for name in sorted(self._days)}
        journal.open({"terms": terms.described(), "markets": fingerprints})

    @property
    def symbols(self) -> list[str]:
        """The symbols that trade here, sorted."""
        return self._exchange.symbols

    @property
    def halts(self) -> tuple[Halt, ...]:
        """Every halt, planned or asked for."""
        return self._exchange.terms.halts

    def market(self, symbol: str) -> ScaledDay:
        """The data a symbol is matched against; KeyError for an unknown one."""
        return self._exchange.market(symbol)

    def day(self, symbol: str) -> SymbolDay:
        """The symbol's day as recorded; KeyError for an unknown one."""
        return self._days[symbol]

    def halt_end(self, symbol: str, at: int) -> int | None:
        """When the halt that covers ``at`` ends, None when the symbol trades."""
        spans = self.market(symbol).halts
        return next((end for start, end in spans if start <= at < end), None)

    def send(self, command: BrokerCommand, at: int) -> None:
        """Hand one request over at ``at``, into the journal first."""
        self._journal.append(at, [command])
        self._sent.append((at, [command]))
        self._exchange.handle([command], at)

    def submit(self, request: OrderRequest, at: int) -> None:
        """Send an order."""
        self.send(SubmitOrder(request), at)

    def cancel(self, client_order_id: str, at: int) -> None:
        """Cancel an order; it is gone when this returns, unless it was done already."""
        self.send(CancelOrder(client_order_id, None), at)

    def next_report_at(self, until: int) -> int | None:
        """When the next report is due, None when none is until then."""
        return self._exchange.next_report_at(until)

    def drain(self, to: int) -> list[ExecutionReport]:
        """Let everything up to ``to`` happen and take the reports."""
        return self._exchange.drain(to)

    def touch(self, symbol: str, sign: int, at: int) -> Decimal | None:
        """The price a taker of side ``sign`` meets first, None without a quote."""
        price = TakerSide(self.market(symbol), sign).touch(at)
        return None if price is None else from_units(sign * price)

    def preview(
        self, symbol: str, sign: int, quantity: Decimal, limit: Decimal | None, at: int
    ) -> list[tuple[Decimal, Decimal]]:
        """Quantities and prices the displayed book would give a taker of ``quantity`` now."""
        signed = None if limit is None else sign * to_units(limit)
        fills = TakerSide(self.market(symbol), sign).preview(to_units(quantity), signed, at)
        return [(from_units(fill.size), from_units(fill.price)) for fill in fills]

    def mid(self, symbol: str, at: int) -> Decimal | None:
        """Half way between bid and ask, None unless both are quoted."""
        return self._exchange.mid(symbol, at)

    @property
    def bands(self) -> tuple[Band, ...]:
        """Every LULD price band, planned or asked for."""
        return self._exchange.terms.bands

    def halt(self, halt: Halt) -> None:
        """Halt a symbol, or the market, from a time that must not lie in the past.

        Raises:
            ValueError: it would change the past.
        """
        self._check_future(halt.start)
        terms = replace(self._exchange.terms, halts=(*self.halts, halt))
        markets = [
            ScaledDay(self._days[name], terms.halted(name))
            if halt.covers(name)
            else self.market(name)
            for name in self.symbols
        ]
        self._run_again(markets, terms)

    def band(self, band: Band) -> None:
        """Put a price band in force from a time that must not lie in the past.

        Raises:
            ValueError: it would change the past.
        """
        self._check_future(band.start)
        terms = replace(self._exchange.terms, bands=(*self.bands, band))
        self._run_again([self.market(name) for name in self.symbols], terms)

    def _check_future(self, start: int) -> None:
        if start < self._exchange.now:
            raise ValueError(f"{start} lies before {self._exchange.now}")

    def _run_again(self, markets: list[ScaledDay], terms: Terms) -> None:
        now = self._exchange.now
        exchange = Exchange(markets, terms)
        for at, commands in self._sent:
            exchange.handle(commands, at)
        exchange.drain(now)
        self._exchange = exchange
