"""Instruments by the broker's asset id; symbol, tick and round lot are attributes with dates.

A symbol may come to name another asset, and an asset another symbol. What is recorded is the pair
as it was when it was first used, so that nothing is taken for the same that only has the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, NamedTuple, Protocol, runtime_checkable

from pydantic import Field

from .market import Record
from .money import CurrencyCode
from .order_terms import NotOffered
from .ports import OrderRequest
from .reasons import Reason, Refusal

ID_MAX: Final = 64


class Instrument(Record):
    """An asset as a broker describes it; None where it is silent.

    ``asset_id`` is the broker's and identifies it; ``figi`` and ``cusip`` where they are known.
    ``currency`` (ISO 4217) is that of its prices. ``tick`` is the smallest step of its price and
    ``round_lot`` the shares in a round lot, both as they were when it was recorded.
    """

    broker: Annotated[str, Field(max_length=ID_MAX)]
    asset_id: Annotated[str, Field(min_length=1, max_length=ID_MAX)]
    symbol: Annotated[str, Field(min_length=1, max_length=32)]
    exchange: Annotated[str, Field(max_length=32)] | None = None
    figi: Annotated[str, Field(max_length=12)] | None = None
    cusip: Annotated[str, Field(max_length=9)] | None = None
    tradable: bool | None = None
    fractionable: bool | None = None
    shortable: bool | None = None
    easy_to_borrow: bool | None = None
    currency: CurrencyCode | None = None
    tick: Annotated[Decimal, Field(gt=0)] | None = None
    round_lot: Annotated[Decimal, Field(gt=0)] | None = None

    def is_same_but_for_price(self, other: Instrument) -> bool:
        """Whether no more than what follows from the price differs."""
        return self == other.model_copy(update={"tick": self.tick, "round_lot": self.round_lot})


@runtime_checkable
class DescribesInstruments(Protocol):
    """Market data, or a broker, that says which asset a symbol names."""

    def instrument(self, symbol: str) -> Instrument | None:
        """The asset that the symbol names now, None where it is not known."""
        ...


class Tier(NamedTuple):
    """Up to and including ``price_max`` (None: any), in account currency, ``value`` holds."""

    price_max: Decimal | None
    value: Decimal


class DatedTiers(NamedTuple):
    """Tiers from ``since`` (YYYY-MM-DD) on."""

    since: str
    tiers: tuple[Tier, ...]


ROUND_LOTS: Final = (
    DatedTiers("1900-01-01", (Tier(None, Decimal(100)),)),
    DatedTiers(
        "2025-11-03",
        (
            Tier(Decimal(250), Decimal(100)),
            Tier(Decimal(1_000), Decimal(40)),
            Tier(Decimal(10_000), Decimal(10)),
            Tier(None, Decimal(1)),
        ),
    ),
)
"""Shares in a round lot by price: Regulation NMS, rule 600(b)(93); the tiers and their first day by
UTP Vendor Alert 2025-10. The rule takes the average close of an evaluation month, semi-annually."""
TICKS: Final = (
    DatedTiers(
        "1900-01-01",
        (Tier(Decimal("0.9999"), Decimal("0.0001")), Tier(None, Decimal("0.01"))),
    ),
)
"""The smallest step of a price by price (Regulation NMS, rule 612)."""


def on(table: Sequence[DatedTiers], price: Decimal, date: str) -> Decimal:
    """What holds for a price on a date (YYYY-MM-DD); a table begins before every date."""
    tiers = max((row for row in table if row.since <= date), key=lambda row: row.since).tiers
    return next(t.value for t in tiers if t.price_max is None or price <= t.price_max)


def round_lot_on(price: Decimal, date: str) -> Decimal:
    """Shares in a round lot of a stock at this price on a date."""
    return on(ROUND_LOTS, price, date)


def tick_on(price: Decimal, date: str) -> Decimal:
    """The smallest step of a limit at this price on a date."""
    return on(TICKS, price, date)


class InstrumentBook:
    """The instruments of an account and, by date, which asset each symbol has named."""

    def __init__(self) -> None:
        self._current: dict[str, Instrument] = {}
        self._since: dict[str, str] = {}
        self._named: dict[str, list[tuple[str, str]]] = {}

    def take(self, instrument: Instrument, date: str) -> None:
        """Know an instrument from ``date`` (YYYY-MM-DD) on."""
        self._current[instrument.symbol] = instrument
        self._since[instrument.symbol] = date
        history = self._named.setdefault(instrument.symbol, [])
        if not history or history[-1][1] != instrument.asset_id:
            history.append((date, instrument.asset_id))

    def current(self, symbol: str) -> Instrument | None:
        """The asset that a symbol names now, None where it was never told."""
        return self._current.get(symbol)

    def knows(self, instrument: Instrument, date: str) -> bool:
        """Whether there is nothing to record of an instrument as it is told on a date.

        What follows from the price alone is told at most once a session.
        """
        known = self._current.get(instrument.symbol)
        if known is None or known == instrument:
            return known is not None
        told = known.tick is not None or instrument.tick is None
        today = self._since[instrument.symbol] == date
        return today and told and known.is_same_but_for_price(instrument)

    def all(self) -> tuple[Instrument, ...]:
        """What every symbol names now, by symbol."""
        return tuple(self._current[symbol] for symbol in sorted(self._current))

    def since(self, symbol: str) -> str | None:
        """From which date on the symbol is as it is now, None where it was never told."""
        return self._since.get(symbol)

    def asset_on(self, symbol: str, date: str) -> str | None:
        """The id of the asset that a symbol named on a date."""
        found = [asset for since, asset in self._named.get(symbol, ()) if since <= date]
        return found[-1] if found else None

    def symbols_of(self, asset_id: str) -> list[tuple[str, str]]:
        """The symbols that an asset has had, each with the date it was first seen, in order."""
        return sorted(
            (since, symbol)
            for symbol, history in self._named.items()
            for since, asset in history
            if asset == asset_id
        )


def not_traded(instrument: Instrument | None, symbol: str) -> Refusal | None:
    """Why no decision in an asset is taken in that the broker says it does not trade."""
    if instrument is None or instrument.tradable is not False:
        return None
    allowed = "an asset that the broker trades"
    return Refusal(
        reason=Reason.ORDER_TERMS,
        field="symbol",
        observed=f"{symbol}, which the broker marks as not tradable",
        allowed=allowed,
        would_pass="the decision under a new decision_id once the broker trades it again",
        message=f"The broker marks {symbol} as not tradable, so nothing was sent.",
    )


def not_of_asset(request: OrderRequest, instrument: Instrument | None) -> NotOffered | None:
    """Why the broker would not take an order in this asset, as far as it has said."""
    if instrument is None:
        return None
    if instrument.tradable is False:
        return NotOffered("symbol", request.symbol, "an asset that the broker trades")
    whole = request.quantity == request.quantity.to_integral_value()
    if not whole and instrument.fractionable is False:
        return NotOffered("quantity", f"{request.quantity}", "whole shares of this asset")
    return None
