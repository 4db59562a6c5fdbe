"""What the market generator makes up: six instruments with invented prices and sizes.

The tickers are real so that examples read naturally; every number here is invented and says
nothing about the companies.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ...domain.errors import InvalidInput

PRICE_TICKS_MIN: Final = 100
ROWS_MAX: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """One instrument of a generated market; per-day figures are of a full session of 390 minutes.

    Args:
        price: where the first day starts, in account currency.
        daily_volume: shares that print on a usual day.
        daily_volatility: standard deviation of a day's return, as a fraction (0.015 is 1.5 %).
        spread_ticks: mean spread in ticks away from the open.
        touch_lots: median size at the touch in board lots of 100 shares.
        quotes: book states a day.
        prints: prints a day.
        asset_id: what identifies it under every symbol; None where the symbol does.

    Raises:
        InvalidInput: a figure is out of its range; names it.
    """

    symbol: str
    price: float
    daily_volume: int
    daily_volatility: float
    spread_ticks: float
    touch_lots: float
    quotes: int = 40_000
    prints: int = 20_000
    tick: Decimal = Decimal("0.01")
    asset_id: str | None = None

    def __post_init__(self) -> None:
        """Check the ranges the generator relies on."""
        price_min = PRICE_TICKS_MIN * float(self.tick)
        checks = (
            ("price", self.price, self.price >= price_min, f"at least {PRICE_TICKS_MIN} ticks"),
            ("daily_volume", self.daily_volume, self.daily_volume >= 1, "at least 1"),
            (
                "daily_volatility",
                self.daily_volatility,
                0 <= self.daily_volatility <= 0.2,
                "0 to 0.2",
            ),
            ("spread_ticks", self.spread_ticks, 1 <= self.spread_ticks <= 1_000, "1 to 1,000"),
            ("touch_lots", self.touch_lots, 0 < self.touch_lots <= 1e6, "above 0, to 1,000,000"),
            ("quotes", self.quotes, 2 <= self.quotes <= ROWS_MAX, f"2 to {ROWS_MAX}"),
            ("prints", self.prints, 1 <= self.prints <= ROWS_MAX, f"1 to {ROWS_MAX}"),
            ("tick", self.tick, self.tick > 0, "above 0"),
        )
        for name, value, passes, allowed in checks:
            if not passes:
                raise InvalidInput(f"instrument {self.symbol} {name}", value, allowed)


DEFAULT_INSTRUMENTS: Final = (
    InstrumentSpec("AAPL", 187.4, 9_000_000, 0.014, 1.4, 5, 50_000, 32_000),
    InstrumentSpec("MSFT", 402.1, 4_500_000, 0.013, 3.0, 2, 45_000, 22_000),
    InstrumentSpec("SPY", 512.6, 12_000_000, 0.008, 1.2, 8, 60_000, 35_000),
    InstrumentSpec("KO", 61.3, 6_000_000, 0.009, 1.05, 25, 30_000, 14_000),
    InstrumentSpec("NVDA", 118.9, 15_000_000, 0.028, 1.3, 6, 60_000, 40_000),
    InstrumentSpec("NPK", 74.8, 160_000, 0.017, 9.0, 1, 30_000, 1_600),
)
"""Three liquid large caps, an index fund, a one-tick stock with deep queues, a thin small cap."""
