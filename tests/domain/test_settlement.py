"""When trades settle, and what a cash account may sell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.limits import SymbolUsage
from fillwright.domain.planning.facts import Facts, Planned, Refused
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.ports import AccountKind, Side
from fillwright.domain.reasons import Reason, Refusal
from fillwright.domain.settlement import AccountBook, CashFacts, is_bank_holiday, settlement_of

from .planning_cases import INSTRUCTION, a_decision, a_usage, an_account, some_facts

D = Decimal
CASH = replace(an_account(), kind=AccountKind.CASH)
UNKNOWN = replace(an_account(), kind=AccountKind.UNKNOWN)


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        ("2025-11-07", "2025-11-10"),
        ("2025-11-10", "2025-11-12"),  # banks are closed on Veterans Day
        ("2025-11-11", "2025-11-12"),
        ("2025-11-26", "2025-11-28"),  # Thanksgiving; the half day counts
        ("2025-11-28", "2025-12-01"),
        ("2025-10-10", "2025-10-14"),  # Columbus Day
        ("2024-05-24", "2024-05-29"),  # the last day of two days, over Memorial Day
        ("2024-05-28", "2024-05-29"),  # the first of one
        ("2017-09-01", "2017-09-07"),
    ],
)
def test_a_trade_settles_by_the_cycle_of_its_date_on_days_when_banks_work(
    traded: str, settles: str
) -> None:
    calendar = ExchangeCalendar()
    session = calendar.session_on(traded)
    assert session is not None
    assert settlement_of(calendar, session).on == settles


def test_a_sunday_veterans_day_is_kept_on_monday_and_a_saturday_one_not_at_all() -> None:
    assert is_bank_holiday(date(2029, 11, 12))
    assert not is_bank_holiday(date(2029, 11, 11)), "a Sunday"
    assert not is_bank_holiday(date(2028, 11, 10)), "the Friday before a Saturday"
    assert not is_bank_holiday(date(2028, 11, 13))
    assert [d for d in range(1, 32) if is_bank_holiday(date(2026, 10, d))] == [12]


# -- the checks ------------------------------------------------------------------------------------


def refusal(reason: Reason, facts: Facts, action: str, size: str) -> Refusal:
    outcome = plan_decision(a_decision(action, None, order_size=D(size)), facts, INSTRUCTION)
    assert isinstance(outcome, Refused), outcome
    return next(found for found in outcome.refusals if found.reason is reason)


def admitted(facts: Facts, action: str, size: str) -> Planned:
    outcome = plan_decision(a_decision(action, None, order_size=D(size)), facts, INSTRUCTION)
    assert isinstance(outcome, Planned), outcome
    return outcome


def test_unknown_margin_status_refuses_what_adds_risk_and_lets_a_position_be_reduced() -> None:
    found = refusal(Reason.ACCOUNT_STATUS, some_facts(account=UNKNOWN), "BUY", "10")
    assert found.observed == "margin status unknown"
    admitted(some_facts(account=UNKNOWN, position=D(100)), "SELL", "10")


def test_a_sale_of_shares_that_are_not_paid_for_is_refused_with_figures() -> None:
    cash = CashFacts(D(0), D(5000), "2013-10-11", unpaid_shares=D(40), unpaid_until="2013-10-11")
    facts = some_facts(account=CASH, position=D(100), cash=cash)
    admitted(facts, "SELL", "60")
    found = refusal(Reason.GOOD_FAITH, facts, "SELL", "61")
    assert found.observed.startswith("61 shares of 100 held, 40 bought with funds that settle")
    assert found.allowed == "at most 60 shares that are paid for"
    assert found.would_pass == "order_size 60, or all on 2013-10-11"


def test_shares_that_an_open_sell_may_still_take_are_not_sold_twice() -> None:
    cash = CashFacts(D(0), D(5000), "2013-10-11", unpaid_shares=D(40), unpaid_until="2013-10-11")
    usage = a_usage(SymbolUsage(sell_leaves=D(50)))
    facts = some_facts(account=CASH, position=D(100), cash=cash, usage=usage)
    admitted(facts, "SELL", "10")
    refusal(Reason.GOOD_FAITH, facts, "SELL", "11")


def test_a_margin_account_sells_what_it_bought_on_the_same_day() -> None:
    cash = CashFacts(D(0), D(5000), "2013-10-11", unpaid_shares=D(40), unpaid_until="2013-10-11")
    admitted(some_facts(position=D(100), cash=cash), "SELL", "100")


def test_a_cash_account_buys_no_further_than_its_cash_even_if_the_broker_shows_more() -> None:
    facts = some_facts(account=CASH, cash=CashFacts(D(1000), D(1005), "2013-10-11"))
    admitted(facts, "BUY", "20")
    found = refusal(Reason.SETTLED_FUNDS, facts, "BUY", "21")
    assert "1,000.00 USD settled, 1,005.00 USD not settled" in found.allowed


def test_a_cash_account_without_a_record_of_its_cash_buys_nothing() -> None:
    refusal(Reason.SETTLED_FUNDS, some_facts(account=CASH), "BUY", "1")


# -- the book --------------------------------------------------------------------------------------


def test_proceeds_pay_for_shares_that_may_be_sold_once_they_settle() -> None:
    book = AccountBook()
    book.open("2025-11-10", "2025-11-12")
    book.take_statement(D(1000), {"KO": D(100)})
    book.trade("KO", Side.SELL, D(100), D(6000))
    assert (book.settled, book.unsettled) == (D(1000), {"2025-11-12": D(6000)})
    book.trade("PEP", Side.BUY, D(20), D(4000))
    assert book.facts("PEP") == CashFacts(
        D(0), D(3000), "2025-11-12", unpaid_shares=D(15), unpaid_until="2025-11-12"
    )
    book.open("2025-11-11", "2025-11-12")
    assert book.facts("PEP").unpaid_shares == 15, "Veterans Day settles nothing"
    book.open("2025-11-12", "2025-11-13")
    assert book.facts("PEP").unpaid_shares == 0
    assert (book.settled, book.unsettled) == (D(3000), {})


prices = st.decimals(1, 500, places=2)
sizes = st.integers(1, 400)


@dataclass
class Lot:
    """Shares, and the day on which what paid for them settles."""

    shares: Decimal
    due: int


class CashAccount(RuleBasedStateMachine):
    """Any trades that the checks let through, over days; lots are told apart by another model."""

    def __init__(self) -> None:
        super().__init__()
        self.book = AccountBook()
        self.day = 1
        self.lots: list[Lot] = []
        self.purse: dict[int, Decimal] = {0: D(20_000)}  # cash by the day it settles
        self.cash = D(20_000)
        self.shares = D(0)
        self.book.open(self.date(1), self.date(2))
        self.book.take_statement(self.cash, {})

    @staticmethod
    def date(day: int) -> str:
        return date.fromordinal(738_000 + day).isoformat()

    def facts(self, price: Decimal) -> Facts:
        account = replace(CASH, equity=D(1_000_000), cash=self.cash, buying_power=D(1_000_000))
        market = some_facts().market
        assert market.quote is not None
        quote = market.quote.model_copy(update={"bid": price - D("0.01"), "ask": price + D("0.01")})
        return some_facts(
            account=account,
            market=market.model_copy(update={"quote": quote}),
            arrival_mid=price,
            position=self.shares,
            cash=self.book.facts("IBM"),
        )

    def allowed(self, action: str, size: int, price: Decimal) -> bool:
        asked = a_decision(action, None, order_size=D(size), max_slippage_bps=D(200))
        return isinstance(plan_decision(asked, self.facts(price), INSTRUCTION), Planned)

    @rule(size=sizes, price=prices)
    def buy(self, size: int, price: Decimal) -> None:
        """A purchase pays with what settles first; the lots remember when that is."""
        if not self.allowed("BUY", size, price):
            return
        left = size * price
        for due in sorted(self.purse):
            part = min(left, self.purse[due])
            if part > 0:
                self.purse[due] -= part
                left -= part
                self.lots.append(Lot(part / price, due))
        assert left == 0, "a cash account never spends what it has not"
        self.book.trade("IBM", Side.BUY, D(size), size * price)
        self.cash -= size * price
        self.shares += size

    @precondition(lambda self: self.shares > 0)
    @rule(size=sizes, price=prices)
    def sell(self, size: int, price: Decimal) -> None:
        """A sale that passes takes only lots whose funds have settled."""
        if not self.allowed("SELL", size, price):
            return
        left = D(size)
        for lot in self.lots:
            if lot.due <= self.day:
                part = min(left, lot.shares)
                lot.shares -= part
                left -= part
        assert left <= D("0.0001"), "no share is sold before it is paid for"
        self.book.trade("IBM", Side.SELL, D(size), size * price)
        self.purse[self.day + 1] = self.purse.get(self.day + 1, D(0)) + size * price
        self.cash += size * price
        self.shares -= size

    @rule()
    def next_day(self) -> None:
        """What settles today has settled."""
        self.day += 1
        self.purse[0] += self.purse.pop(self.day, D(0))
        self.book.open(self.date(self.day), self.date(self.day + 1))

    @invariant()
    def cash_and_shares_are_conserved(self) -> None:
        """Settled and not settled add up; the book has the shares that were traded."""
        assert self.book.cash == self.cash
        assert self.book.positions.get("IBM", D(0)) == self.shares
        assert self.book.settled == self.purse[0]


TestCashAccount = CashAccount.TestCase


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(-50, 100), prices), max_size=12))
def test_cash_is_conserved_whatever_the_market_does(
    trades: list[tuple[Side, int, Decimal]],
) -> None:
    book = AccountBook()
    book.open("2025-11-10", "2025-11-12")
    book.take_statement(D(1000), {"KO": D(100)})
    expected = D(1000)
    for side, shares, price in trades:
        book.trade("KO", side, D(shares), shares * price)
        expected -= side.sign * shares * price
        held = book.positions.get("KO", D(0))
        assert book.cash == expected
        assert book.facts("KO").unpaid_shares <= max(held, D(0))
        assert all(amount > 0 for amount in book.unsettled.values())
