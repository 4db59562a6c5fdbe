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


class HaltCause(StrEnum):
    """Why a symbol does not trade, as the venue's reason code says."""

    NEWS = "news"
    LULD_PAUSE = "luld_pause"
    MARKET_WIDE = "market_wide"
    REGULATORY = "regulatory"
    OPERATIONAL = "operational"
    OTHER = "other"


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


class PriceBand(Record):
    """Limit Up-Limit Down: no trade below ``lower`` or above ``upper``; ``at`` is ns UTC."""

    lower: Price
    upper: Price
    at: int


class TradingState(Record):
    """What the venue says of trading in a symbol beyond its status; times in ns UTC.

    ``halt`` is why it is halted since ``halted_since``. ``reopened_at`` is the first regular print
    after trading last resumed, None until it is seen or where nothing was halted. ``price_test``
    says that Rule 201 is in force, None where nothing is known. ``round_lot`` is in shares.
    """

    halt: HaltCause | None = None
    halted_since: int | None = None
    resumed_at: int | None = None
    reopened_at: int | None = None
    band: PriceBand | None = None
    price_test: bool | None = None
    round_lot: Shares | None = None


class MarketState(Record):
    """Everything a strategy may read of the market at one moment.

    ``volume`` counts regular prints in shares since the session's open, ``volatility_bps`` is the
    standard deviation of one-minute mid returns over the last 30 minutes, ``trend_bps`` the mid's
    move over the last 5 minutes, ``spread_mean`` the mean spread of the last 30 minutes, in price.
    What the source cannot give is None, ``trading`` too where it has nothing to say.
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
    trading: TradingState | None = None

    @property
    def band(self) -> PriceBand | None:
        """The LULD band in force, None where there is none or it is not known."""
        return None if self.trading is None else self.trading.band

    @property
    def halt_cause(self) -> str:
        """Why nothing trades, in a word: the venue's cause, else the status."""
        halt = None if self.trading is None else self.trading.halt
        return self.status.value if halt is None else halt.value

    @property
    def usable_quote(self) -> Quote | None:
        """The quote when the symbol is open and the quote two-sided; freshness is the caller's."""
        if self.status is TradingStatus.OPEN and self.quote and self.quote.is_two_sided:
            return self.quote
        return None
