"""Events of one broker account: sessions, limits, kill switch, reconciliation, market data."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from ..instruments import Instrument
from ..limits import Limits
from ..market import Record
from ..money import CurrencyCode, Money, Price, Shares, SignedShares
from ..planning.facts import PlanningRules
from ..ports import AccountKind, Side
from ..reasons import Anomalous, Disposition
from ..switching import SwitchingRules
from .base import DomainEvent


class EngineStarted(DomainEvent):
    """An engine took the account; says which code, clock and broker."""

    TOPIC: ClassVar[str] = "EngineStarted"

    code_version: str
    clock_source: str
    clock_offset_ns: int | None
    broker: str
    mode: str
    seed: int | None


class RulesInForce(DomainEvent):
    """The rules that decisions are planned and strategies are switched by from here on.

    ``rejects_max`` is after how many refusals of the broker in a row an instruction ends.
    """

    TOPIC: ClassVar[str] = "RulesInForce"
    VERSION: ClassVar[int] = 4

    planning: PlanningRules
    switching: SwitchingRules
    rejects_max: int


class PositionRecord(Record):
    """A position as the broker reported it."""

    symbol: str
    quantity: SignedShares
    market_value: Money


class SessionOpened(DomainEvent):
    """The first account record of a session: the equity that turnover is measured against.

    ``note`` names what the broker did not say and a neutral default stands in for.
    """

    TOPIC: ClassVar[str] = "SessionOpened"

    account: str
    session_date: str
    open: int
    close: int
    equity: Money
    cash: Money
    buying_power: Money
    positions: tuple[PositionRecord, ...]
    note: str = ""


class AccountStatusRecorded(DomainEvent):
    """What kind of account the broker has, and when trades of the session settle.

    ``settles_on`` is an ISO date, ``settlement_days`` business days. ``multiplier`` is the broker's
    of buying power over equity, None where it does not say. ``source`` of the kind is ``broker``
    or ``configuration``. ``currency`` is the account's, in which all its figures are; None where
    it was not recorded.
    """

    TOPIC: ClassVar[str] = "AccountStatusRecorded"
    VERSION: ClassVar[int] = 2

    account: str
    session_date: str
    kind: AccountKind
    multiplier: Decimal | None
    settles_on: str
    settlement_days: Annotated[int, Field(ge=1, le=3)]
    source: str
    currency: CurrencyCode | None = None


class InstrumentRecorded(DomainEvent):
    """The asset that a symbol names from this session on, when it is first used or has changed."""

    TOPIC: ClassVar[str] = "InstrumentRecorded"
    VERSION: ClassVar[int] = 3

    account: str
    session_date: str
    instrument: Instrument


class LimitChanged(DomainEvent):
    """The limits in force from here on, and who set them."""

    TOPIC: ClassVar[str] = "LimitChanged"
    VERSION: ClassVar[int] = 2

    limits: Limits
    reason: str


class KillSwitchEngaged(DomainEvent):
    """Trading was blocked; ``scope`` is account, symbol:X or strategy:X."""

    TOPIC: ClassVar[str] = "KillSwitchEngaged"

    scope: str
    reason: str


class KillSwitchReleased(DomainEvent):
    """A person released the block."""

    TOPIC: ClassVar[str] = "KillSwitchReleased"

    scope: str
    reason: str


class Break(Record):
    """A difference between our record and the broker's."""

    kind: str
    symbol: str | None = None
    client_order_id: str | None = None
    ours: str
    theirs: str


class Reconciled(DomainEvent):
    """Our record was compared with the broker's; ``breaks`` is empty when they agree.

    Every fill before ``fills_known_until`` (ns UTC) is on our record, as ``fills_source`` says the
    broker lists them; None where no list was ever whole. ``fills_note`` says what it fell short of.
    """

    TOPIC: ClassVar[str] = "Reconciled"
    VERSION: ClassVar[int] = 2

    trigger: str
    orders_compared: Annotated[int, Field(ge=0)]
    fills_compared: Annotated[int, Field(ge=0)]
    breaks: tuple[Break, ...]
    fills_known_until: int | None = None
    fills_source: str = ""
    fills_note: str = ""


class SessionClosed(DomainEvent):
    """The end of a session: no open order and positions agreed, or the breaks."""

    TOPIC: ClassVar[str] = "SessionClosed"

    account: str
    session_date: str
    open_orders: Annotated[int, Field(ge=0)]
    equity: Money
    cash: Money
    positions: tuple[PositionRecord, ...]
    breaks: tuple[Break, ...]


class MarketDataCaptured(DomainEvent):
    """Market data used, bound to the log by its content's hash.

    Times are ns UTC, ``gaps`` counts holes longer than the feed's bound, and the official open and
    close are None where the source does not mark them.
    """

    TOPIC: ClassVar[str] = "MarketDataCaptured"

    symbol: str
    from_ns: int
    to_ns: int
    source: str
    feed: str
    kind: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    rows: Annotated[int, Field(ge=0)]
    gaps: Annotated[int, Field(ge=0)]
    official_open: Price | None = None
    official_close: Price | None = None


class SubjectRedacted(DomainEvent):
    """The key of a decision's personal text was destroyed, out of retention and legal hold.

    It has a stream of its own, so that it is recorded once and beside any engine.
    ``retention_days`` is the period that was in force then.
    """

    TOPIC: ClassVar[str] = "SubjectRedacted"

    subject: Annotated[str, Field(max_length=200)]
    instruction_id: UUID
    reason: Annotated[str, Field(max_length=200)]
    retention_days: Annotated[int, Field(ge=0)]


class ForeignExecution(DomainEvent):
    """Somebody else's order executed in the account; it counts to the session's turnover.

    ``price`` is in account currency per share, ``quantity`` in shares; ``market_time`` is when it
    executed.
    """

    TOPIC: ClassVar[str] = "ForeignExecution"

    account: str
    session_date: str
    symbol: str
    side: Side
    quantity: Shares
    price: Price
    execution_id: Annotated[str, Field(max_length=200)]
    venue_order_id: Annotated[str, Field(max_length=200)]


class CashMoved(DomainEvent):
    """Cash came into the account within a session, or left it: no result of the day.

    ``amount_usd`` is above 0 for what came; ``market_time`` is when the broker booked it, after
    the session's first account record. ``movement_id`` and ``kind`` are the broker's.
    """

    TOPIC: ClassVar[str] = "CashMoved"

    account: str
    session_date: str
    movement_id: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Annotated[str, Field(max_length=32)]
    amount_usd: Decimal


class AccountAnomaly(DomainEvent):
    """Something odd about the account: recorded, never dropped."""

    TOPIC: ClassVar[str] = "AccountAnomaly"

    kind: Anomalous
    detail: str
    symbol: str | None = None
    value: Decimal | None = None
    bound: Decimal | None = None


class AnomalySettled(DomainEvent):
    """A person has settled an anomaly that nothing settles by itself: its alert is over.

    ``place`` is the anomaly's position in the log, ``subject`` the order, instruction or symbol
    that it is about. The exception about it was closed with the same ``disposition`` and text.
    """

    TOPIC: ClassVar[str] = "AnomalySettled"

    account: str
    place: Annotated[int, Field(ge=1)]
    kind: Anomalous
    subject: Annotated[str, Field(max_length=200)]
    disposition: Disposition
    reason: Annotated[str, Field(min_length=1, max_length=500)]
