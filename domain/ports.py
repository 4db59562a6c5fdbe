"""The world outside, in our words: clock, broker, market data. Adapters implement these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from .market import MarketState

NANOS = 1_000_000_000
MINUTE_NS = 60 * NANOS
DAY_NS = 86_400 * NANOS


class Side(StrEnum):
    """The side of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How a child order is priced at the venue."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(StrEnum):
    """How long a child order lives: rests are DAY, crosses IOC, auctions OPG and CLS."""

    DAY = "day"
    IOC = "ioc"
    OPG = "opg"
    CLS = "cls"


class SellMark(StrEnum):
    """How a sell is marked (Regulation SHO, rule 200); exempt is never chosen by the engine."""

    LONG = "long"
    SHORT = "short"
    SHORT_EXEMPT = "short_exempt"

    @property
    def is_short(self) -> bool:
        """Whether shares are sold that are not held."""
        return self is not SellMark.LONG


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How the broker's own algorithm is to work an order.

    ``name`` is ``TWAP`` or ``VWAP``, times are integer ns UTC, ``participation_max`` is the largest
    share of the market's volume, above 0 and below 1; None sets no cap.
    """

    name: str
    start_at: int
    end_at: int
    participation_max: Decimal | None = None


class OrderRequest(NamedTuple):
    """A child order as it goes to the broker; ``client_order_id`` makes sending it idempotent.

    ``sell_mark`` is None for buys, and where an order is older than marks of orders. An order with
    an ``algorithm`` is the broker's to work over time.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    display_quantity: Decimal | None = None
    sell_mark: SellMark | None = None
    algorithm: Algorithm | None = None


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """Send an order; ``again`` when it may have been sent before under the same client id."""

    request: OrderRequest
    again: bool = False


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel an own order, by our id and, where known, the broker's."""

    client_order_id: str
    venue_order_id: str | None


BrokerCommand = SubmitOrder | CancelOrder


class ReportKind(StrEnum):
    """What an execution report says: FIX ExecType in words, plus what a broker's API adds."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    ACCEPTED = "accepted"
    TRADE = "trade"
    TRADE_BUST = "trade_bust"
    TRADE_CORRECT = "trade_correct"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    CANCEL_REJECTED = "cancel_rejected"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"
    REPLACE_REJECTED = "replace_rejected"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done_for_day"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    RESTATED = "restated"
    TRIGGERED = "triggered"
    STATUS = "status"
    UNKNOWN_OUTCOME = "unknown_outcome"


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """One message from the broker about one order, in our words.

    ``market_time`` is the venue's stamp, ``receive_time`` ours (integer ns UTC).  ``cum_qty`` and
    ``leaves_qty`` are as the broker says them, None where it is silent.  ``execution_id`` names a
    trade; a bust or correction names the original in ``ref_execution_id``.
    """

    kind: ReportKind
    client_order_id: str
    market_time: int
    receive_time: int
    venue_order_id: str | None = None
    execution_id: str | None = None
    ref_execution_id: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    order_status: str | None = None
    limit_price: Decimal | None = None
    fee: Decimal = Decimal(0)
    liquidity: str | None = None
    venue: str | None = None
    text: str | None = None
    derived: bool = False
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker knows it now."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled_qty: Decimal
    status: str
    is_open: bool
    submitted_at: int


class AccountKind(StrEnum):
    """Whether purchases are paid with own cash alone or may be lent on; unknown refuses risk."""

    CASH = "cash"
    MARGIN = "margin"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Account:
    """The broker's account record: equity = cash + positions at market.

    ``note`` names what the broker did not say and a neutral default stands in for. ``multiplier``
    is how far buying power goes beyond equity where the broker says it; ``currency`` (ISO 4217) is
    the account's, None where the broker does not name it.
    """

    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    at: int
    note: str = ""
    kind: AccountKind = AccountKind.UNKNOWN
    multiplier: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A position as the broker reports it: positive long, negative short."""

    symbol: str
    quantity: Decimal
    market_value: Decimal


@dataclass(frozen=True, slots=True)
class BrokerCapabilities:
    """What a broker can do; each missing one has a documented safe path."""

    name: str
    lookup_by_client_id: bool = True
    lists_closed_orders: bool = True
    replace: bool = False
    update_stream: bool = True
    fractional: bool = False
    server_side_algorithms: bool = False


class OtherExecution(NamedTuple):
    """An execution of an order in the account that is not ours; ``at`` is ns UTC, price per share.

    ``execution_id`` is the broker's, the same at every look.
    """

    execution_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: int


class CashMovement(NamedTuple):
    """Cash that came (above 0) or went, booked ``at`` (ns UTC); id and kind are the broker's."""

    movement_id: str
    kind: str
    amount_usd: Decimal
    at: int


class Broker(Protocol):
    """Orders out, reports in. Every outcome arrives as an :class:`ExecutionReport`."""

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What this broker can do."""
        ...

    async def send(self, commands: Sequence[BrokerCommand]) -> None:
        """Hand commands over in order; never raises for one order's fate.

        A request whose outcome is unknown comes back as ``ReportKind.UNKNOWN_OUTCOME``.
        """
        ...

    def drain(self) -> list[ExecutionReport]:
        """Take the reports that have arrived, in order, without waiting."""
        ...

    async def account(self) -> Account:
        """The account now."""
        ...

    async def positions(self) -> Mapping[str, Position]:
        """All open positions by symbol."""
        ...

    async def find_order(self, client_order_id: str) -> BrokerOrder | None:
        """The order under our id, or None when the broker has none."""
        ...

    async def open_orders(self) -> Sequence[BrokerOrder]:
        """All orders that can still trade, ours or not."""
        ...

    async def reports_since(self, client_order_ids: Sequence[str]) -> Sequence[ExecutionReport]:
        """Every report the broker can still give for these orders, from their beginning."""
        ...


class MarketData(Protocol):
    """The market as it can be known at a moment."""

    async def refresh(self, symbols: Sequence[str]) -> None:
        """Fetch what :meth:`state` needs; does nothing where the data is at hand."""
        ...

    def state(self, symbol: str, now: int) -> MarketState:
        """What is known of ``symbol`` at ``now``; unknown parts are None, never an exception."""
        ...

    def knows(self, symbol: str) -> bool:
        """Whether the symbol can be traded here."""
        ...

    def volume_buckets(self, symbol: str, date: str) -> tuple[int, ...]:
        """Relative volumes of equal buckets of the session from earlier days; empty: unknown."""
        ...


@runtime_checkable
class LendsShares(Protocol):
    """Market data that knows whether shares can be borrowed to be sold short."""

    def shortable(self, symbol: str) -> bool | None:
        """The broker's flag, None where it is not known."""
        ...


class Clock(Protocol):
    """Time in integer nanoseconds UTC, never going back."""

    def now(self) -> int:
        """The time now."""
        ...


class Runtime(Protocol):
    """Clock and waiting together: how the engine lets time pass."""

    @property
    def clock(self) -> Clock:
        """The clock all times come from."""
        ...

    async def wait(self, until: int | None) -> None:
        """Return at ``until`` or as soon as the broker has reports; None waits for reports only."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session of the exchange: ``open`` and ``close`` in ns UTC."""

    date: str
    open: int
    close: int
    is_half_day: bool = False

    def contains(self, now: int) -> bool:
        """Whether ``now`` is inside the regular session."""
        return self.open <= now < self.close


class Calendar(Protocol):
    """Trading sessions of one exchange."""

    def session_at(self, now: int) -> Session | None:
        """The session that ``now`` lies in, or None when the market is closed."""
        ...

    def next_session(self, now: int) -> Session:
        """The first session that opens at or after ``now``."""
        ...

    def local_minutes(self, now: int) -> int:
        """Minutes since local midnight at the exchange."""
        ...


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """A scheduled event that moves prices: ``symbol`` None touches the whole market."""

    at: int
    kind: str
    symbol: str | None = None
    description: str = ""


class EventsCalendar(Protocol):
    """Scheduled events: earnings, rate decisions."""

    def between(self, symbol: str, start: int, end: int) -> Sequence[ScheduledEvent]:
        """Events that touch ``symbol`` in the half-open span."""
        ...
