"""When trades settle, and what of an account's cash and shares is paid for.

A trade settles some business days after it: one since 2024-05-28 (Exchange Act rule 15c6-1 as
amended), two from 2017-09-05, three before. Days on which the exchange trades and banks are closed
do not count. Proceeds are spendable at once in a cash account; shares bought with proceeds that
have not settled must not be sold before those have (a good-faith violation; Regulation T, 220.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Final

from .corporate import CorporateAction, positions_after
from .errors import invariant
from .money import ZERO
from .ports import Calendar, Session, Side

CYCLES: Final = (("2024-05-28", 1), ("2017-09-05", 2), ("0001-01-01", 3))
"""Business days from trade to settlement by the first trade date, latest first."""
SHARE_STEP: Final = Decimal("0.000001")

_OCTOBER, _NOVEMBER, _VETERANS_DAY = 10, 11, 11
_MONDAY, _SUNDAY, _WEEK = 0, 6, 7


def settlement_cycle_days(trade_date: str) -> int:
    """Business days from a trade of ``trade_date`` (ISO) to its settlement."""
    return next(days for since, days in CYCLES if trade_date >= since)


def is_bank_holiday(day: date) -> bool:
    """Whether US banks are closed on a weekday on which the New York exchanges trade.

    Columbus Day is the second Monday of October; Veterans Day falls on 11 November, and on the
    Monday after when that is a Sunday. Federal Reserve Banks keep a Saturday's holiday on no other
    day.
    """
    if day.month == _OCTOBER:
        return day.weekday() == _MONDAY and _WEEK < day.day <= 2 * _WEEK
    if day.month != _NOVEMBER:
        return False
    is_monday_after = day.day == _VETERANS_DAY + 1 and day.weekday() == _MONDAY
    return (day.day == _VETERANS_DAY and day.weekday() != _SUNDAY) or is_monday_after


@dataclass(frozen=True, slots=True)
class Settles:
    """When the trades of a session settle (ISO date), and after how many business days."""

    on: str
    cycle_days: int


def settlement_of(calendar: Calendar, session: Session) -> Settles:
    """When trades of ``session`` settle by the exchange's calendar and the bank holidays.

    Raises:
        InvalidInput: the calendar does not reach so far.
    """
    days = settlement_cycle_days(session.date)
    following, left = session, days
    while left:
        following = calendar.next_session(following.close)
        if not is_bank_holiday(date.fromisoformat(following.date)):
            left -= 1
    return Settles(following.date, days)


@dataclass(frozen=True, slots=True)
class CashFacts:
    """What of the cash is settled, as one decision needs it.

    ``settled_usd`` and ``unsettled_usd`` add up to the cash by our own record; ``settles_on`` is
    when the next proceeds settle. ``unpaid_shares`` of the decision's symbol were bought with
    proceeds that have not settled, the last of which do on ``unpaid_until``. Dates are ISO, empty
    where there is nothing.
    """

    settled_usd: Decimal
    unsettled_usd: Decimal = ZERO
    settles_on: str = ""
    unpaid_shares: Decimal = ZERO
    unpaid_until: str = ""


@dataclass(slots=True)
class AccountBook:
    """Shares and cash of one account, told trade by trade.

    ``unsettled`` holds proceeds by the date they settle, ``unpaid`` by symbol and date the shares
    bought with them. ``settled`` is below zero where more was spent than there was. Purchases are
    taken from settled cash first, then from the proceeds that settle next.
    """

    today: str = ""
    settles_on: str = ""
    settled: Decimal = ZERO
    unsettled: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    unpaid: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    @property
    def cash(self) -> Decimal:
        """All cash, settled or not."""
        return self.settled + sum(self.unsettled.values(), ZERO)

    def facts(self, symbol: str) -> CashFacts:
        """What a decision about ``symbol`` needs to know."""
        unpaid = self.unpaid.get(symbol, {})
        return CashFacts(
            settled_usd=self.settled,
            unsettled_usd=self.cash - self.settled,
            settles_on=min(self.unsettled, default=""),
            unpaid_shares=sum(unpaid.values(), ZERO),
            unpaid_until=max(unpaid, default=""),
        )

    def open(self, session_date: str, settles_on: str) -> None:
        """Begin a session: what settles by its date has settled."""
        self.today, self.settles_on = session_date, settles_on
        for due in [each for each in self.unsettled if each <= session_date]:
            self.settled += self.unsettled.pop(due)
        for symbol in list(self.unpaid):
            kept = {due: n for due, n in self.unpaid[symbol].items() if due > session_date}
            self._keep(symbol, kept)

    def take_actions(self, actions: Sequence[CorporateAction]) -> None:
        """Take in what happened to the shares before this session; in order of effect."""
        self.positions = positions_after(self.positions, actions)
        dates = {due for unpaid in self.unpaid.values() for due in unpaid}
        moved: dict[str, dict[str, Decimal]] = {}
        for due in dates:
            shares = {name: each[due] for name, each in self.unpaid.items() if due in each}
            for symbol, unpaid in positions_after(shares, actions).items():
                moved.setdefault(symbol, {})[due] = unpaid
        self.unpaid = moved

    def accept(self, symbol: str, moved: Decimal) -> None:
        """Take over a difference that a person has accepted, in signed shares."""
        self._move(symbol, moved)
        self._trim(symbol)

    def take_statement(self, cash: Decimal, positions: Mapping[str, Decimal]) -> None:
        """Believe the broker's figures at the start of a session.

        What its cash differs by came from outside (a deposit, a dividend, a fee) and is settled.
        """
        self.settled += cash - self.cash
        self.positions = {symbol: n for symbol, n in positions.items() if n}
        for symbol in list(self.unpaid):
            self._trim(symbol)

    def trade(self, symbol: str, side: Side, shares: Decimal, notional: Decimal) -> None:
        """Take in an execution; negative shares and notional for what the venue took back."""
        self._move(symbol, side.sign * shares)
        if side is Side.BUY and notional > 0:
            self._pay(symbol, shares, notional)
        elif side is Side.BUY:
            # Money that comes back is not known to be settled before the trade would have been.
            self._due(-notional)
        else:
            self._due(notional)
        self._trim(symbol)

    def charge(self, amount: Decimal) -> None:
        """Take a fee (or give a credit, when negative) in settled cash."""
        self.settled -= amount

    def _move(self, symbol: str, signed: Decimal) -> None:
        held = self.positions.get(symbol, ZERO) + signed
        if held:
            self.positions[symbol] = held
        else:
            self.positions.pop(symbol, None)

    def _due(self, amount: Decimal) -> None:
        due = self.settles_on
        if due <= self.today:
            self.settled += amount  # nothing said when it settles
            return
        total = self.unsettled.get(due, ZERO) + amount
        if total < 0:
            self.settled += total
            total = ZERO
        if total:
            self.unsettled[due] = total
        else:
            self.unsettled.pop(due, None)

    def _pay(self, symbol: str, shares: Decimal, cost: Decimal) -> None:
        before = self.cash
        now = min(max(self.settled, ZERO), cost)
        self.settled -= now
        left = cost - now
        for due in sorted(self.unsettled):
            part = min(left, self.unsettled[due])
            if part <= 0:
                break
            left -= part
            self.unsettled[due] -= part
            if not self.unsettled[due]:
                del self.unsettled[due]
            bought = (shares * part / cost).quantize(SHARE_STEP, rounding=ROUND_CEILING)
            unpaid = self.unpaid.setdefault(symbol, {})
            unpaid[due] = unpaid.get(due, ZERO) + bought
        self.settled -= left
        invariant(self.cash == before - cost, "a purchase takes what it costs")

    def _trim(self, symbol: str) -> None:
        """Never more unpaid shares than held; those that settle first are taken as sold first."""
        unpaid = self.unpaid.get(symbol)
        if unpaid is None:
            return
        over = sum(unpaid.values(), ZERO) - max(self.positions.get(symbol, ZERO), ZERO)
        kept = dict(unpaid)
        for due in sorted(unpaid):
            if over <= 0:
                break
            part = min(over, kept[due])
            kept[due] -= part
            over -= part
        self._keep(symbol, {due: n for due, n in kept.items() if n})

    def _keep(self, symbol: str, unpaid: dict[str, Decimal]) -> None:
        if unpaid:
            self.unpaid[symbol] = unpaid
        else:
            self.unpaid.pop(symbol, None)
