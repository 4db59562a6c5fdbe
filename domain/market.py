"""What a decision may know of the market: one immutable record, stored with each action."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from .money import Price, Shares


class TradingStatus(StrEnum):
    """Whether new orders may be sent in a symbol."""

    OPEN = "open"
    HALTED = "halted"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Record(BaseModel):
    """An immutable value that is stored inside events."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Quote(Record):
    """The touch: best displayed bid and ask with sizes in shares.

    ``at`` is the market's time in integer nanoseconds UTC.
    """

    bid: Price
    ask: Price
    bid_size: Shares
    ask_size: Shares
    at: int

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal:
        """Ask minus bid, in price; zero when locked, negative when crossed."""
        return self.ask - self.bid

    @property
    def is_two_sided(self) -> bool:
        """Neither locked nor crossed."""
        return self.ask > self.bid

    @property
    def half_spread_bps(self) -> Decimal:
        """Half the spread over the mid, in basis points."""
        return self.spread / self.mid * 5_000

    def near(self, side_sign: int) -> Decimal:
        """The touch a passive order of this side joins."""
        return self.bid if side_sign > 0 else self.ask

    def far(self, side_sign: int) -> Decimal:
        """The touch an aggressive order of this side hits."""
        return self.ask if side_sign > 0 else self.bid

    def far_size(self, side_sign: int) -> Decimal:
        """Shares displayed at the far touch."""
        return self.ask_size if side_sign > 0 else self.bid_size

    def near_size(self, side_sign: int) -> Decimal:
        """Shares displayed at the near touch."""
        return self.bid_size if side_sign > 0 else self.ask_size


class MarketState(Record):
    """Everything a strategy may read of the market at one moment.

    ``volume`` counts regular prints in shares since the session's open, ``volatility_bps`` is the
    standard deviation of one-minute mid returns over the last 30 minutes, ``trend_bps`` the mid's
    move over the last 5 minutes, ``spread_mean`` the mean spread of the last 30 minutes, in price.
    What the source cannot give is None.
    """

    symbol: str
    now: int
    status: TradingStatus
    quote: Quote | None
    quote_age_ns: int | None
    tick: Decimal
    lot: Decimal
    last_price: Price | None
    volume: Shares | None
    volatility_bps: Decimal | None
    trend_bps: Decimal | None
    average_daily_volume: Shares | None
    session_open: int
    session_close: int
    source: str
    spread_mean: Price | None = None

    @property
    def usable_quote(self) -> Quote | None:
        """The quote when the symbol is open and the quote two-sided; freshness is the caller's."""
        if self.status is TradingStatus.OPEN and self.quote and self.quote.is_two_sided:
            return self.quote
        return None
