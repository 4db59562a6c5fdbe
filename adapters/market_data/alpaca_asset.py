"""An asset of Alpaca's as our instrument."""

from __future__ import annotations

from typing import Final

from ...domain.instruments import ID_MAX, Instrument
from ..alpaca_api.reading import Json, text_of

US_EQUITY: Final = "us_equity"
"""The class of assets whose prices are in US dollars."""


def instrument_of(asset: Json, symbol: str) -> Instrument | None:
    """The instrument that an asset record describes, None without an id."""
    asset_id = text_of(asset, "id")
    if not asset_id or len(asset_id) > ID_MAX:
        return None
    cusip = text_of(asset, "cusip") or ""
    return Instrument(
        broker="alpaca",
        asset_id=asset_id,
        symbol=symbol,
        exchange=(text_of(asset, "exchange") or "")[:32] or None,
        cusip=cusip if len(cusip) == 9 else None,
        tradable=_flag(asset, "tradable"),
        fractionable=_flag(asset, "fractionable"),
        shortable=_flag(asset, "shortable"),
        easy_to_borrow=_flag(asset, "easy_to_borrow"),
        currency="USD" if text_of(asset, "class") == US_EQUITY else None,
    )


def _flag(asset: Json, name: str) -> bool | None:
    value = asset.get(name)
    return value if isinstance(value, bool) else None
