"""What a simulated exchange is told once: fees, faults, halts, session and start account."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ...domain.fees import Charge, FeeSchedule, up_to_cent
from ...domain.market import HaltCause
from ...domain.money import ZERO
from ...domain.ports import AccountKind

LATENCY_NS: Final = 50_000_000
DELAY_NS_MAX: Final = 3_600_000_000_000
EVERY: Final = "*"
"""Stands for every symbol of the market."""
_SCALE: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Fees:
    """What one execution costs; all zero unless said. Each execution counts as one trade.

    Args:
        commission_per_share: both sides, not rounded.
        sec_per_million: SEC Section 31, USD per million of sale proceeds, rounded up to the cent.
        taf_per_share: FINRA trading activity fee on sells, rounded up to the cent.
        taf_max_per_trade: its cap per execution.
    """

    commission_per_share: Decimal = ZERO
    sec_per_million: Decimal = ZERO
    taf_per_share: Decimal = ZERO
    taf_max_per_trade: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse negative rates: rebates are not modelled."""
        rates = (self.commission_per_share, self.sec_per_million, self.taf_per_share)
        if any(rate < 0 for rate in rates) or (self.taf_max_per_trade or ZERO) < 0:
            raise ValueError("fee rates must not be negative")

    @classmethod
    def us_equities(
        cls,
        *,
        commission_per_share: Decimal = ZERO,
        sec_per_million: Decimal = Decimal("27.80"),
        taf_per_share: Decimal = Decimal("0.000166"),
        taf_max_per_trade: Decimal = Decimal("8.30"),
    ) -> Fees:
        """US regulatory fees at the rates of May 2024 to May 2025; pass others for other times."""
        return cls(commission_per_share, sec_per_million, taf_per_share, taf_max_per_trade)

    @classmethod
    def of_schedule(cls, schedule: FeeSchedule, date: str) -> Fees:
        """Commission, SEC and TAF of a date (YYYY-MM-DD); CAT is not charged by the venue.

        Raises:
            InvalidInput: the table does not go so far back.
        """
        taf = schedule.on(Charge.TAF, date)
        return cls(
            schedule.on(Charge.COMMISSION, date).rate or ZERO,
            schedule.on(Charge.SEC, date).rate or ZERO,
            taf.rate or ZERO,
            taf.max_per_execution,
        )

    def charge(self, *, is_sell: bool, quantity: Decimal, price: Decimal) -> Decimal:
        """The fee of one execution in account currency."""
        fee = self.commission_per_share * quantity if self.commission_per_share else ZERO
        if is_sell and self.sec_per_million:
            fee += up_to_cent(quantity * price * self.sec_per_million / 1_000_000)
        if is_sell and self.taf_per_share:
            taf = up_to_cent(quantity * self.taf_per_share)
            fee += taf if self.taf_max_per_trade is None else min(taf, self.taf_max_per_trade)
        return fee


@dataclass(frozen=True, slots=True)
class Halt:
    """No trading in ``symbol``, or anywhere for ``EVERY``, during ``[start, end)``, ns UTC."""

    symbol: str
    start: int
    end: int
    cause: HaltCause = HaltCause.NEWS

    def __post_init__(self) -> None:
        """A halt has a beginning before its end."""
        if not self.start < self.end:
            raise ValueError(f"halt of {self.symbol} must end after it starts")

    def covers(self, symbol: str) -> bool:
        """Whether it halts a symbol."""
        return self.symbol in (symbol, EVERY)


@dataclass(frozen=True, slots=True)
class Band:
    """A LULD price band of ``symbol`` during ``[start, end)``, ns UTC: no trade beyond it."""

    symbol: str
    start: int
    end: int
    lower: Decimal
    upper: Decimal

    def __post_init__(self) -> None:
        """A band has a width and a length."""
        if not self.start < self.end:
            raise ValueError(f"band of {self.symbol} must end after it starts")
        if not 0 < self.lower < self.upper:
            raise ValueError(f"band of {self.symbol} must have 0 < lower < upper")


@dataclass(frozen=True, slots=True)
class Outage:
    """Requests sent during ``[start, end)`` get no answer; ``accepted`` ones arrive all the same.

    The client sees an unknown outcome either way.
    """

    start: int
    end: int
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong at the venue, off by default; decided by seed and order id, never by count.

    The probabilities are per order (reject) and per report (the others).

    Args:
        late_ns: how much later a late report arrives.
        missing_probability: the report is lost until :meth:`Exchange.reports_since` is asked.
    """

    seed: int = 0
    reject_probability: float = 0.0
    duplicate_probability: float = 0.0
    late_probability: float = 0.0
    late_ns: int = 2_000_000_000
    missing_probability: float = 0.0
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        """Probabilities are probabilities and delays are bounded."""
        for name in ("reject", "duplicate", "late", "missing"):
            if not 0 <= getattr(self, f"{name}_probability") <= 1:
                raise ValueError(f"{name}_probability must be between 0 and 1")
        if not 0 <= self.late_ns <= DELAY_NS_MAX:
            raise ValueError(f"late_ns must be between 0 and {DELAY_NS_MAX}")

    @property
    def touch_reports(self) -> bool:
        """Whether any report may be duplicated, late or missing."""
        probabilities = self.duplicate_probability, self.late_probability, self.missing_probability
        return any(probabilities)

    def strikes(self, fault: str, client_order_id: str, ordinal: int = 0) -> bool:
        """Whether ``fault`` hits this order (or its ``ordinal``-th report)."""
        probability: float = getattr(self, f"{fault}_probability")
        if not probability:
            return False
        text = f"{self.seed}|{fault}|{client_order_id}|{ordinal}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        return drawn < probability * _SCALE

    def outage_at(self, at: int) -> Outage | None:
        """The outage that a request sent at ``at`` falls into."""
        return next((o for o in self.outages if o.start <= at < o.end), None)


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything a simulated exchange runs by, apart from its market data.

    Args:
        cash: cash the account starts with.
        positions: shares it starts with, negative short.
        open_at: first time orders are accepted, None for always.
        close_at: orders from here on are refused and DAY rests expire, None for never.
        latency_ns: from sending an order to its arrival.
        check_buying_power: refuse buys beyond cash net of open buy orders.
        short_selling: let sells go beyond the position.
        account_kind: what the account's record says it is; nothing is ever lent.
        price_tests: symbols in which Rule 201 is in force: no short sale at the bid or below.
        price_tests_from: likewise, from a moment (ns UTC) of the session on.
        hold_in_halt: keep orders that arrive in a halt until it ends, instead of refusing them.
    """

    cash: Decimal = Decimal(1_000_000)
    positions: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    open_at: int | None = None
    close_at: int | None = None
    latency_ns: int = LATENCY_NS
    check_buying_power: bool = True
    short_selling: bool = False
    hold_in_halt: bool = False
    fees: Fees = Fees()
    halts: tuple[Halt, ...] = ()
    faults: Faults = Faults()
    bands: tuple[Band, ...] = ()
    price_tests: tuple[str, ...] = ()
    account_kind: AccountKind = AccountKind.MARGIN
    price_tests_from: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Latency cannot be negative and a session has a length."""
        if not 0 <= self.latency_ns <= DELAY_NS_MAX:
            raise ValueError(f"latency_ns must be between 0 and {DELAY_NS_MAX}")
        if self.open_at is not None and self.close_at is not None and self.open_at >= self.close_at:
            raise ValueError("the session must close after it opens")

    def halted(self, symbol: str) -> list[tuple[int, int]]:
        """When the symbol is halted: half-open spans in ns UTC, in order."""
        return sorted((halt.start, halt.end) for halt in self.halts if halt.covers(symbol))

    def band(self, symbol: str, at: int) -> Band | None:
        """The price band in force at a moment, the latest that began."""
        found = [b for b in self.bands if b.symbol == symbol and b.start <= at < b.end]
        return max(found, key=lambda band: band.start) if found else None

    def price_test(self, symbol: str, at: int) -> bool:
        """Whether Rule 201 is in force in a symbol at a moment."""
        since = self.price_tests_from.get(symbol)
        return symbol in self.price_tests or (since is not None and since <= at)

    def described(self) -> dict[str, Any]:
        """Every term as plain values, for a journal's header."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        plain["cash"] = str(self.cash)
        plain["positions"] = {name: str(self.positions[name]) for name in sorted(self.positions)}
        plain["fees"] = {name: _text(value) for name, value in asdict(self.fees).items()}
        plain["halts"] = [_described(halt) for halt in self.halts]
        if self.price_tests:
            plain["price_tests"] = list(self.price_tests)
        if self.price_tests_from:
            plain["price_tests_from"] = dict(sorted(self.price_tests_from.items()))
        if self.bands:
            plain["bands"] = [[str(part) for part in asdict(band).values()] for band in self.bands]
        faults = asdict(self.faults)
        faults["outages"] = [list(asdict(outage).values()) for outage in self.faults.outages]
        plain["faults"] = faults
        if self.account_kind is not AccountKind.MARGIN:  # journals of before said nothing of it
            plain["account_kind"] = self.account_kind.value
        return plain


_PLAIN: Final = (
    "open_at",
    "close_at",
    "latency_ns",
    "check_buying_power",
    "short_selling",
    "hold_in_halt",
)


def _described(halt: Halt) -> list[object]:
    """A halt's header, as it was before halts had causes where the cause is the usual one."""
    plain: list[object] = [halt.symbol, halt.start, halt.end]
    return plain if halt.cause is HaltCause.NEWS else [*plain, halt.cause.value]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)
