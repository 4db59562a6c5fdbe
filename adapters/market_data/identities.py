"""Which asset a symbol of recorded or generated data names, as the simulated exchange tells it.

An entry of ``instruments.json`` may say so itself, under ``asset_id``, ``figi``, ``cusip``,
``listed_on`` and ``currency``. Without an ``asset_id`` the symbol alone tells assets apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..exchange.tape import MarketFolderError, entries_of

BROKER: Final = "simulated"
FIELDS: Final = {"asset_id": 64, "figi": 12, "cusip": 9, "listed_on": 32, "currency": 3}
"""What an entry may say, and how long it may be."""


class Identity(NamedTuple):
    """What is known of an asset beside its symbol; None where nothing says."""

    asset_id: str | None = None
    figi: str | None = None
    cusip: str | None = None
    listed_on: str | None = None
    currency: str | None = None

    def id_for(self, symbol: str) -> str:
        """The asset's id: its own, else one made of the symbol."""
        return self.asset_id or f"{BROKER}:{symbol}"


UNTOLD: Final = Identity()


def identities_of(folder: str | Path) -> dict[str, Identity]:
    """The asset of each symbol that a market folder lists, by the latest of its days.

    Raises:
        MarketFolderError: the folder has no readable ``instruments.json``, or says what cannot be.
    """
    entries = sorted(entries_of(Path(folder)), key=lambda entry: str(entry["date"]))
    return {str(entry["symbol"]): _identity(entry, folder) for entry in entries}


def _identity(entry: Mapping[str, Any], folder: str | Path) -> Identity:
    told: dict[str, str] = {}
    for name, longest in FIELDS.items():
        value = entry.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            where = f"{folder}: {entry['symbol']} {entry['date']}"
            raise MarketFolderError(f"{where}: {name} must be a text of 1 to {longest} characters")
        told[name] = value
    return Identity(**told)
