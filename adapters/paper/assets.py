"""The assets that can be traded, and what may be done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..exchange.tape import SymbolDay
from .wire import uuid_of

THIN_PRINTS: Final = 5_000
"""A symbol-day with fewer prints is of an asset that is neither fractionable nor shortable."""
MARGIN_PERCENT: Final = 30
FLAGS: Final = ("tradable", "fractionable", "shortable")


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset; ``id`` is its UUID under every name."""

    symbol: str
    id: str
    tradable: bool = True
    fractionable: bool = True
    shortable: bool = True

    def shown(self) -> dict[str, Any]:
        """The asset as the API shows it, the announced-to-go ``easy_to_borrow`` included."""
        return {
            "id": self.id,
            "class": "us_equity",
            "exchange": "NASDAQ",
            "symbol": self.symbol,
            "name": f"{self.symbol} Common Stock",
            "status": "active",
            "tradable": self.tradable,
            "marginable": True,
            "maintenance_margin_requirement": MARGIN_PERCENT,
            "margin_requirement_long": str(MARGIN_PERCENT),
            "margin_requirement_short": str(MARGIN_PERCENT),
            "shortable": self.shortable,
            "easy_to_borrow": self.shortable,
            "borrow_status": "easy_to_borrow" if self.shortable else "hard_to_borrow",
            "fractionable": self.fractionable,
            "attributes": ["fractional_eh_enabled"] if self.fractionable else [],
        }


class Assets:
    """All assets, by symbol and id."""

    def __init__(self, days: Sequence[SymbolDay], first_name: Callable[[str], str] = str) -> None:
        """List what trades; an id is the same on every server, whatever the name is now."""
        self._by_symbol: dict[str, Asset] = {}
        for day in days:
            liquid = len(day.t_ts) >= THIN_PRINTS
            id = uuid_of("asset", first_name(day.symbol))
            asset = Asset(day.symbol, id, fractionable=liquid, shortable=liquid)
            self._by_symbol[day.symbol] = asset

    def __iter__(self) -> Iterator[Asset]:
        return iter(sorted(self._by_symbol.values(), key=lambda asset: asset.symbol))

    def id_of(self, symbol: str) -> str:
        """The id of an asset by its symbol, also of one that is not listed."""
        found = self._by_symbol.get(symbol)
        return uuid_of("asset", symbol) if found is None else found.id

    def find(self, name: str) -> Asset | None:
        """The asset under a symbol or an id."""
        found = self._by_symbol.get(name.upper())
        if found is None:
            found = next((each for each in self if each.id == name.lower()), None)
        return found

    def forbid(self, symbol: str, flag: str) -> None:
        """Take a permission away from an asset.

        Raises:
            ValueError: there is no such asset or permission.
        """
        asset = self._by_symbol.get(symbol)
        if asset is None or flag not in FLAGS:
            raise ValueError(f"no {flag} of {symbol}: flags are {', '.join(FLAGS)}")
        self._by_symbol[symbol] = replace(
            asset,
            tradable=asset.tradable and flag != "tradable",
            fractionable=asset.fractionable and flag != "fractionable",
            shortable=asset.shortable and flag != "shortable",
        )
