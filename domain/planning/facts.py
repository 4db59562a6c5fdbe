"""Everything that planning may know, given as arguments: facts, rules, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from ..auctions import BeforeOpen, LateDecision
from ..decision import ExecutionStrategy, ExecutionUrgency, Style
from ..fees import FeeRate
from ..limits import MICRO, Limits, Usage
from ..market import MarketState, Quote, Record
from ..money import BPS, ONE
from ..plan import CURVE_BUCKETS_MAX, PlanTerms, StrategyParameters
from ..ports import Account, SellMark, Session
from ..reasons import Anomalous, Check, NothingReason, Refusal
from ..reservations import Reservation
from ..settlement import CashFacts
from .estimate import Estimate

QUANTITY_STEP_MIN: Final = ONE / MICRO

WINDOW_SECONDS: Final[Mapping[ExecutionStrategy, int]] = MappingProxyType(
    {
        ExecutionStrategy.MARKET: 300,
        ExecutionStrategy.LIMIT: 1_800,
        ExecutionStrategy.TWAP: 7_200,
        ExecutionStrategy.VWAP: 7_200,
        ExecutionStrategy.ICEBERG: 3_600,
        ExecutionStrategy.OPPORTUNISTIC: 7_200,
        ExecutionStrategy.POV: 7_200,
    }
)
"""How long each strategy has at MEDIUM urgency; TWAP and LIMIT as in the seed."""


class Urgent(Record):
    """What one urgency does: the window's factor, and how far a schedule may lag before crossing.

    ``band_fraction`` is a share of the quantity in a window of five minutes and falls with the root
    of the window; 0 crosses whatever lags at once.
    """

    window_factor: Annotated[Decimal, Field(gt=0, le=10)] = ONE
    band_fraction: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.5")


class PlanningRules(Record):
    """How decisions become plans where they leave it open; every number is configuration.

    ``avoid_*`` are the seconds after the open and before the close in which only URGENT decisions
    start. ``weight_tolerance_points`` is how far a decision's ``current_weight`` may be from the
    broker's before it is noted. ``impact_coefficient`` is k of the square-root law.
    ``unbounded_reserve_bps`` past the touch is what a buy without a price bound is reserved at.
    ``parameters`` are the strategies' numbers where the decision names none, ``pov_rate`` the
    participation of a POV plan likewise. ``before_open`` is
    what becomes of a decision that comes before the open and does not say it itself (None: as
    ``defer_when_closed`` says), ``late`` of one inside the minutes before the close.
    ``open_auction_adv_share`` and ``close_auction_adv_share`` are the part of the average daily
    volume that an auction is expected to trade, ``auction_participation_max`` the most of that an
    instruction may ask for, and ``auction_margin_seconds`` how long before a venue's cut-off an
    order must be on its way. ``fee_rates`` is the dated table that a plan's fees are expected by.
    """

    strategy: ExecutionStrategy = ExecutionStrategy.TWAP
    style: Style = Style.SMART
    low: Urgent = Urgent(window_factor=Decimal("1.5"), band_fraction=Decimal("0.75"))
    medium: Urgent = Urgent()
    high: Urgent = Urgent(window_factor=Decimal("0.5"), band_fraction=Decimal("0.25"))
    urgent: Urgent = Urgent(window_factor=Decimal("0.25"), band_fraction=Decimal(0))
    avoid_open_seconds: Annotated[int, Field(ge=0, le=7_200)] = 300
    avoid_close_seconds: Annotated[int, Field(ge=0, le=7_200)] = 600
    defer_when_closed: bool = False
    weight_tolerance_points: Annotated[Decimal, Field(ge=0)] = Decimal("0.5")
    impact_coefficient: Annotated[Decimal, Field(ge=0, le=10)] = ONE
    unbounded_reserve_bps: Annotated[Decimal, Field(ge=0, lt=BPS)] = Decimal(500)
    vwap_participation_cap: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.2")
    slice_gap_seconds_min: Annotated[int, Field(ge=1, le=3_600)] = 1
    parameters: StrategyParameters = StrategyParameters()
    pov_rate: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.1")
    before_open: BeforeOpen | None = None
    late: LateDecision = LateDecision.DEFER
    open_auction_adv_share: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.01")
    close_auction_adv_share: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.08")
    auction_participation_max: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.1")
    auction_margin_seconds: Annotated[int, Field(ge=0, le=3_600)] = 5
    fee_rates: tuple[FeeRate, ...] = ()

    def for_urgency(self, urgency: ExecutionUrgency) -> Urgent:
        """What an urgency does."""
        by_urgency = {
            ExecutionUrgency.LOW: self.low,
            ExecutionUrgency.MEDIUM: self.medium,
            ExecutionUrgency.HIGH: self.high,
            ExecutionUrgency.URGENT: self.urgent,
        }
        return by_urgency[urgency]


DEFAULT_RULES: Final = PlanningRules()


@dataclass(frozen=True, slots=True)
class Timing:
    """What the timing engine says; all None where it was not asked or could not tell."""

    strategy: ExecutionStrategy | None = None
    expected_slippage_bps: Decimal | None = None
    release_at: int | None = None
    rule: str = ""


NO_TIMING: Final = Timing()


@dataclass(frozen=True, slots=True)
class ShortFacts:
    """What is known of selling a symbol short; unknown (None) refuses.

    ``shortable`` is the broker's flag, ``locate`` names a locate record, ``price_test`` says that
    the Rule 201 circuit breaker is on.
    """

    shortable: bool | None = None
    locate: str | None = None
    price_test: bool | None = None


NO_SHORT_FACTS: Final = ShortFacts()


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What the symbol was called before, latest first, and what it is called now if not so."""

    former: tuple[str, ...] = ()
    renamed_to: str = ""


NO_NAMES: Final = NameFacts()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a decision is planned from; the same facts always give the same outcome.

    ``position`` is the broker's, in shares. ``arrival_mid`` is the mid at the durable receipt, None
    without a valid quote (ruling 2). ``identified`` says that the decision came with its own id, or
    with its ordinal in a file, so that an equal content is a new decision; ``admitted`` that it
    was admitted before and is only checked again at its release. ``volume_curve`` is as in
    ``StrategyParameters``. ``cash`` says what is settled, None where our record does not;
    ``unexplained`` in words how the broker's position differs from ours, empty when it does not.
    ``loss_basis_usd`` is what the account was worth before the session, None where nobody asked.
    ``listing`` is the listing market as ``auctions.VENUE_CUTOFFS`` names it, None where unknown.
    ``loss_latched``: the day's loss reached its limit earlier and nobody has released it.
    ``round_lot`` is that of the session's date and the price, in shares, None where unknown.
    """

    account_id: str
    account: Account
    session: Session | None
    now: int
    market: MarketState
    arrival_mid: Decimal | None
    position: Decimal
    usage: Usage
    limits: Limits
    rules: PlanningRules = DEFAULT_RULES
    timing: Timing = NO_TIMING
    next_session: Session | None = None
    symbol_known: bool = True
    identified: bool = False
    admitted: bool = False
    volume_curve: tuple[int, ...] = ()
    short: ShortFacts = NO_SHORT_FACTS
    cash: CashFacts | None = None
    names: NameFacts = NO_NAMES
    unexplained: str = ""
    loss_basis_usd: Decimal | None = None
    listing: str | None = None
    loss_latched: bool = False
    round_lot: Decimal | None = None

    def __post_init__(self) -> None:
        if len(self.volume_curve) > CURVE_BUCKETS_MAX:
            raise ValueError(f"volume_curve has at most {CURVE_BUCKETS_MAX} buckets")

    @property
    def held(self) -> Decimal:
        """The position now: the broker's, and own executions that it does not show yet."""
        return self.position + self.usage.of(self.market.symbol).unreflected

    @property
    def quote(self) -> Quote | None:
        """The quote when it is two-sided, whatever the trading status and its age."""
        quote = self.market.quote
        return quote if quote is not None and quote.is_two_sided else None

    @property
    def figures_usable(self) -> bool:
        """Whether the account's figures are finite numbers and its equity is above zero."""
        numbers = (
            self.account.equity,
            self.account.buying_power,
            self.position,
            self.usage.session_equity_usd,
        )
        return all(n.is_finite() for n in numbers) and self.account.equity > 0 < numbers[3]

    @property
    def step(self) -> Decimal:
        """The smallest quantity: whole shares unless the limits allow the market's finer lot."""
        floor = QUANTITY_STEP_MIN if self.limits.allow_fractional else ONE
        return max(self.market.lot, floor)


@dataclass(frozen=True, slots=True)
class Noted:
    """Something odd that planning saw, to be recorded as an anomaly."""

    kind: Anomalous
    detail: str


@dataclass(frozen=True, slots=True)
class Planned:
    """The decision passed all checks; ``reservation`` is to be taken with the plan.

    ``equity``, ``position`` and ``price`` are the figures that the quantity was computed from;
    ``position`` includes own executions that the broker does not show yet, not open orders.
    """

    terms: PlanTerms
    reservation: Reservation
    checks: tuple[Check, ...]
    equity: Decimal
    position: Decimal
    price: Decimal
    limit_version: int
    estimate: Estimate | None = None
    sell_mark: SellMark | None = None
    notes: tuple[str, ...] = ()
    anomalies: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """The decision asks for no trade; nothing is reserved."""

    reason: NothingReason
    note: str
    checks: tuple[Check, ...]
    anomalies: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """At least one check failed; nothing is reserved."""

    refusals: tuple[Refusal, ...]
    checks: tuple[Check, ...]
    anomalies: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """The decision waits for ``release_at`` (ns UTC), where it is planned again.

    ``planned`` holds what is reserved meanwhile; None while the market is closed, when there is no
    session to reserve in.
    """

    planned: Planned | None
    release_at: int
    rule: str
    checks: tuple[Check, ...]


Outcome = Planned | Nothing | Refused | Deferred
