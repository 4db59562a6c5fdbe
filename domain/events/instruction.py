"""Events of one instruction and its child orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from ..decision import Decision, ExecutionStrategy
from ..market import MarketState, Quote
from ..money import Bps, Money, Price, Quantity, Shares
from ..plan import PlanTerms
from ..planning.estimate import Estimate
from ..planning.inputs import PlanningInputs
from ..ports import ExecutionReport, OrderType, SellMark, Side, TimeInForce
from ..principals import Submitter
from ..reasons import Anomalous, Check, EndReason, NothingReason, Refusal
from ..reservations import Reservation
from .base import DomainEvent, Provenance


class DecisionReceived(DomainEvent):
    """A decision was durably received: the arrival of all cost measures.

    ``decision`` is None when it could not be read; ``sealed_text`` is the personal text (reasoning,
    risk factors, or the raw bytes that could not be read), encrypted for ``subject``.
    ``arrival_mid`` is None without a valid two-sided quote, and ``data_note`` says why.
    ``submitted_by`` is the principal that handed it in, None where none were set up.
    """

    TOPIC: ClassVar[str] = "DecisionReceived"
    VERSION: ClassVar[int] = 4

    account: str
    session_date: str
    decision_id: str
    content_hash: str
    decision: Decision | None
    arrival: Quote | None
    arrival_mid: Price | None
    data_note: str = ""
    subject: str
    sealed_text: str
    submitted_by: Submitter | None = None


class DecisionAssessed(DomainEvent):
    """What the decision is planned from; the next event of the instruction says what came of it.

    Planning again from ``inputs``, with the limits and rules then in force, gives the same.
    """

    TOPIC: ClassVar[str] = "DecisionAssessed"
    VERSION: ClassVar[int] = 5

    inputs: PlanningInputs


class InstructionPlanned(DomainEvent):
    """The decision passed all checks; its reservation is taken in the same append.

    ``release_at`` is set while the release is deferred. ``equity``, ``position`` and ``price`` are
    the broker's figures that the quantity was computed from; ``volume`` is the session's regular
    volume in shares when the plan was made, where the feed has it. ``estimate`` is what the plan
    was expected to cost, None without a quote.
    """

    TOPIC: ClassVar[str] = "InstructionPlanned"
    VERSION: ClassVar[int] = 4

    plan: PlanTerms
    checks: tuple[Check, ...]
    reservation: Reservation
    equity: Money
    position: Decimal
    price: Price
    limit_version: int
    timing_rules: tuple[str, ...] = ()
    volume: Shares | None = None
    sell_mark: SellMark | None = None
    release_at: int | None = None
    notes: tuple[str, ...] = ()
    estimate: Estimate | None = None


class ReleaseDeferred(DomainEvent):
    """The market is closed; the decision is planned when it opens, nothing is reserved yet."""

    TOPIC: ClassVar[str] = "ReleaseDeferred"

    release_at: int
    rule: str


class InstructionRejected(DomainEvent):
    """We refused the decision, or the broker refused all of it."""

    TOPIC: ClassVar[str] = "InstructionRejected"
    VERSION: ClassVar[int] = 3

    refusals: Annotated[tuple[Refusal, ...], Field(min_length=1)]
    checks: tuple[Check, ...] = ()


class NothingToDo(DomainEvent):
    """The decision asks for no trade."""

    TOPIC: ClassVar[str] = "NothingToDo"

    reason: NothingReason
    note: str = ""
    checks: tuple[Check, ...] = ()


class InstructionReleased(DomainEvent):
    """Work begins; the mid now against the arrival mid is the engine's own delay."""

    TOPIC: ClassVar[str] = "InstructionReleased"

    release_mid: Price | None
    rule: str = "released"


class InstructionReplanned(DomainEvent):
    """The plan changed: a deferred release was checked again, or a bound was widened.

    ``reservation`` takes the place of the one held; None where that goes on to hold.
    """

    TOPIC: ClassVar[str] = "InstructionReplanned"
    VERSION: ClassVar[int] = 3

    plan: PlanTerms
    rule: str
    volume: Shares | None = None
    checks: tuple[Check, ...] = ()
    reservation: Reservation | None = None


class StrategySwitched(DomainEvent):
    """The strategy or its aggression changed while working.

    ``market`` is what it was decided from, None in events of version 1.
    """

    TOPIC: ClassVar[str] = "StrategySwitched"
    VERSION: ClassVar[int] = 3

    previous: ExecutionStrategy
    plan: PlanTerms
    rule: str
    observed: str
    threshold: str
    market: MarketState | None = None


class InstructionSuspended(DomainEvent):
    """A halt stopped the schedule; no new orders until resumed.

    ``since`` is the venue's time of the halt, ``mid`` the mid before it and ``remaining`` the
    shares that were still to trade; None in events of version 1, and where it is not known.
    """

    TOPIC: ClassVar[str] = "InstructionSuspended"
    VERSION: ClassVar[int] = 2

    cause: str
    since: int | None = None
    mid: Price | None = None
    remaining: Shares | None = None


class InstructionResumed(DomainEvent):
    """The schedule goes on after a halt; ``stopped_ns`` of schedule time did not run.

    ``cost`` is what the halt cost in account currency: the remaining shares at the mid now against
    the mid before the halt, positive when waiting made them dearer; None where a mid is missing.
    """

    TOPIC: ClassVar[str] = "InstructionResumed"
    VERSION: ClassVar[int] = 2

    stopped_ns: Annotated[int, Field(ge=0)]
    mid: Price | None = None
    remaining: Shares | None = None
    cost: Money | None = None


class InstructionEndRequested(DomainEvent):
    """It is to end for a reason outside its strategy; its orders are cancelled first.

    ``check`` is the one that it fails under limits that were tightened since it was admitted.
    """

    TOPIC: ClassVar[str] = "InstructionEndRequested"
    VERSION: ClassVar[int] = 2

    reason: EndReason
    check: Check | None = None


class InstructionEscalated(DomainEvent):
    """The bound was met by an instruction that asks a person; it is paused until then."""

    TOPIC: ClassVar[str] = "InstructionEscalated"

    bound_price: Price | None
    completing_price: Price | None


class OrderIntended(DomainEvent):
    """A child order was decided; durable before anything is sent."""

    TOPIC: ClassVar[str] = "OrderIntended"
    VERSION: ClassVar[int] = 2

    client_order_id: str
    ordinal: Annotated[int, Field(ge=0)]
    symbol: str
    side: Side
    quantity: Quantity
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Price | None
    display_quantity: Shares | None = None
    provenance: Provenance
    sell_mark: SellMark | None = None


class OrderCancelRequested(DomainEvent):
    """The cancel of a child order was decided.

    ``provenance`` is None when no strategy decided it (a person, the kill switch, the end).
    """

    TOPIC: ClassVar[str] = "OrderCancelRequested"
    VERSION: ClassVar[int] = 2

    client_order_id: str
    rule: str
    provenance: Provenance | None = None


class OrderReported(DomainEvent):
    """What the broker said of a child order, in our words with the raw message beside it."""

    TOPIC: ClassVar[str] = "OrderReported"

    report: ExecutionReport


class OrderAcknowledged(OrderReported):
    """The broker has the order."""

    TOPIC: ClassVar[str] = "OrderAcknowledged"


class OrderRejected(OrderReported):
    """The broker refused the order."""

    TOPIC: ClassVar[str] = "OrderRejected"


class OrderFilled(OrderReported):
    """An execution of a child order, in full or in part."""

    TOPIC: ClassVar[str] = "OrderFilled"


class OrderCanceled(OrderReported):
    """The broker confirmed the order's end by cancel."""

    TOPIC: ClassVar[str] = "OrderCanceled"


class OrderExpired(OrderReported):
    """The order's time in force ended it."""

    TOPIC: ClassVar[str] = "OrderExpired"


class OrderReplaced(OrderReported):
    """The broker replaced the order."""

    TOPIC: ClassVar[str] = "OrderReplaced"


class FillBusted(OrderReported):
    """The venue took an execution back; ``report.ref_execution_id`` names the original."""

    TOPIC: ClassVar[str] = "FillBusted"


class FillCorrected(OrderReported):
    """The venue corrected an execution; ``report.ref_execution_id`` names the original."""

    TOPIC: ClassVar[str] = "FillCorrected"


class OrderIndeterminate(OrderReported):
    """The order was sent and its outcome is unknown; it keeps all its shares reserved."""

    TOPIC: ClassVar[str] = "OrderIndeterminate"


class InstructionFilled(DomainEvent):
    """All of the instruction is executed."""

    TOPIC: ClassVar[str] = "InstructionFilled"

    executed: Quantity
    average_price: Price
    fees: Money
    slippage_bps: Bps | None


class InstructionCancelled(DomainEvent):
    """The instruction ended before all of it traded; what executed stays.

    ``completing_price`` is the far touch that would have completed it and ``end_mid`` the mid then,
    which prices the unfilled part; None where there was no quote.
    """

    TOPIC: ClassVar[str] = "InstructionCancelled"
    VERSION: ClassVar[int] = 3

    reason: EndReason
    executed: Shares
    average_price: Price | None
    fees: Money
    slippage_bps: Bps | None
    completing_price: Price | None = None
    end_mid: Price | None = None


class InstructionAnomaly(DomainEvent):
    """Something odd about an instruction or its orders: recorded, never dropped."""

    TOPIC: ClassVar[str] = "InstructionAnomaly"

    kind: Anomalous
    detail: str
    client_order_id: str | None = None
