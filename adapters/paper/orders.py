"""Orders as the paper broker keeps them, and how they look to a client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from ...domain.ports import Side
from .wire import number, stamp

ZERO: Final = Decimal(0)
PRICE_DIGITS: Final = Decimal("0.000000001")


class Status(StrEnum):
    """The statuses that occur here; Alpaca documents a few more."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"


OPEN: Final = frozenset(
    {Status.PENDING_NEW, Status.ACCEPTED, Status.NEW, Status.HELD, Status.PARTIALLY_FILLED}
)


class Kind(StrEnum):
    """Order types."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class Tif(StrEnum):
    """Times in force."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


class Shape(StrEnum):
    """Order classes; a simple order shows as the empty text."""

    SIMPLE = ""
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


TRIGGERED: Final = frozenset({Kind.STOP, Kind.STOP_LIMIT, Kind.TRAILING_STOP})
AUCTIONS: Final = frozenset({Tif.OPG, Tif.CLS})


@dataclass(slots=True, eq=False)
class PaperOrder:
    """One order; times in ns UTC, quantities in shares, prices in account currency.

    ``cores`` are the ids under which the exchange works it, with what each has left. A stop waits
    from ``armed_since`` on until it ``is_triggered``.
    """

    number: int
    id: str
    client_order_id: str
    symbol: str
    asset_id: str
    side: Side
    kind: Kind
    tif: Tif
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    extended_hours: bool
    shape: Shape
    position_intent: str
    created_at: int
    expires_at: int
    status: Status = Status.PENDING_NEW
    updated_at: int = 0
    filled_at: int | None = None
    canceled_at: int | None = None
    expired_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    filled: Decimal = ZERO
    filled_value: Decimal = ZERO
    hwm: Decimal | None = None
    legs: list[PaperOrder] = field(default_factory=list)
    parent: PaperOrder | None = None
    cores: dict[str, Decimal] = field(default_factory=dict)
    core_count: int = 0
    executions: int = 0
    armed_since: int | None = None
    is_announced: bool = False
    is_triggered: bool = False
    fault: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing has been updated yet."""
        self.updated_at = self.created_at

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side is Side.BUY

    @property
    def is_armed(self) -> bool:
        """Whether it waits for a stop to be reached."""
        return self.armed_since is not None and not self.is_triggered

    @property
    def is_whole(self) -> bool:
        """Whether it is for whole shares, which the exchange matches; others are principal."""
        return self.qty is not None and self.qty == self.qty.to_integral_value()

    @property
    def leaves(self) -> Decimal:
        """Shares that may still fill; 0 for an order of an amount of money."""
        return ZERO if self.qty is None or not self.is_open else self.qty - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of what is filled."""
        if not self.filled:
            return None
        return (self.filled_value / self.filled).quantize(PRICE_DIGITS)

    @property
    def is_leg(self) -> bool:
        """Whether it belongs to a bracket, OCO or OTO order."""
        return self.parent is not None

    def family(self) -> list[PaperOrder]:
        """The order with its parent and siblings, itself included."""
        head = self.parent or self
        return [head, *head.legs]

    def shown(self, *, nested: bool = False) -> dict[str, Any]:
        """The order as the API shows it; ``nested`` puts its legs inside."""
        legs = [leg.shown() for leg in self.legs] if nested and self.legs else None
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            "created_at": stamp(self.created_at),
            "updated_at": stamp(self.updated_at),
            "submitted_at": stamp(self.created_at),
            "filled_at": stamp(self.filled_at),
            "expired_at": stamp(self.expired_at),
            "expires_at": stamp(self.expires_at),
            "canceled_at": stamp(self.canceled_at),
            "failed_at": stamp(self.failed_at),
            "replaced_at": stamp(self.replaced_at),
            "replaced_by": self.replaced_by,
            "replaces": self.replaces,
            "asset_id": self.asset_id,
            "symbol": self.symbol,
            "asset_class": "us_equity",
            "notional": number(self.notional),
            "qty": number(self.qty) if self.notional is None else None,
            "filled_qty": number(self.filled),
            "filled_avg_price": number(self.average_price),
            "order_class": str(self.shape),
            "order_type": str(self.kind),
            "type": str(self.kind),
            "side": str(self.side),
            "time_in_force": str(self.tif),
            "limit_price": number(self.limit_price),
            "stop_price": number(self.stop_price),
            "status": str(self.status),
            "extended_hours": self.extended_hours,
            "legs": legs,
            "trail_percent": number(self.trail_percent),
            "trail_price": number(self.trail_price),
            "hwm": number(self.hwm),
            "position_intent": self.position_intent,
            "subtag": None,
            "source": None,
        }


class OrderBook:
    """All orders ever, by id and by client id."""

    def __init__(self) -> None:
        self._by_id: dict[str, PaperOrder] = {}
        self._by_client_id: dict[str, PaperOrder] = {}
        self._open: dict[str, PaperOrder] = {}

    def __iter__(self) -> Iterator[PaperOrder]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, order: PaperOrder) -> None:
        """Take in a new order."""
        self._by_id[order.id] = order
        self._by_client_id[order.client_order_id] = order
        self._open[order.id] = order

    def find(self, order_id: str) -> PaperOrder | None:
        """The order under the broker's id."""
        return self._by_id.get(order_id)

    def by_client_id(self, client_order_id: str) -> PaperOrder | None:
        """The order under the client's id."""
        return self._by_client_id.get(client_order_id)

    def open(self, symbol: str | None = None) -> list[PaperOrder]:
        """Orders that can still trade, in order of arrival."""
        for done in [key for key, order in self._open.items() if not order.is_open]:
            del self._open[done]
        found = self._open.values()
        return [order for order in found if symbol is None or order.symbol == symbol]
