"""Splits, dividends and symbol changes: what they do to shares, volumes, prices, names, blocks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import ValidationError

from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.account_positions import unexplained_positions
from fillwright.domain.corporate import (
    ActionKind,
    CorporateAction,
    all_names,
    close_after,
    name_now,
    names_before,
    positions_after,
    volume_factor,
)
from fillwright.domain.limits import Limits
from fillwright.domain.planning.facts import NameFacts, Planned, Refused
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.ports import Account, Side
from fillwright.domain.reasons import Reason
from fillwright.domain.settlement import AccountBook

from .planning_cases import INSTRUCTION, SESSION, a_decision, a_usage, some_facts

D = Decimal
STAMP = e.Stamp(1, "person:ann", "account", "test")
ACCOUNT = "main"


def split(
    symbol: str, date: str, new: int, old: int, renamed: str | None = None
) -> CorporateAction:
    kind = ActionKind.SPLIT if new > old else ActionKind.REVERSE_SPLIT
    return CorporateAction(
        action_id=f"{symbol}-{date}",
        kind=kind,
        symbol=symbol,
        ex_date=date,
        new_rate=D(new),
        old_rate=D(old),
        new_symbol=renamed,
    )


def change(old: str, new: str, date: str) -> CorporateAction:
    return CorporateAction(
        action_id=f"{old}-{new}",
        kind=ActionKind.SYMBOL_CHANGE,
        symbol=old,
        new_symbol=new,
        ex_date=date,
    )


def dividend(symbol: str, date: str, cash: str) -> CorporateAction:
    return CorporateAction(
        action_id=f"{symbol}-d-{date}",
        kind=ActionKind.CASH_DIVIDEND,
        symbol=symbol,
        ex_date=date,
        cash_per_share=D(cash),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "split", "new_rate": 1, "old_rate": 2},
        {"kind": "reverse_split", "new_rate": 2, "old_rate": 1},
        {"kind": "split"},
        {"kind": "split", "new_rate": 2, "old_rate": 0},
        {"kind": "cash_dividend"},
        {"kind": "symbol_change"},
        {"kind": "symbol_change", "new_symbol": "KO"},
        {"kind": "cash_dividend", "cash_per_share": 1, "new_rate": 2, "old_rate": 1},
        {"kind": "split", "new_rate": "Infinity", "old_rate": 1},
    ],
)
def test_an_action_that_does_not_say_what_it_does_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CorporateAction(action_id="x", symbol="KO", ex_date="2025-11-10", **fields)


def test_positions_follow_splits_and_names_and_leave_the_raw_ones_alone() -> None:
    raw = {"KO": D(100), "PEP": D(7), "AAPL": D(3)}
    actions = (split("KO", "2025-11-10", 2, 1), split("PEP", "2025-11-10", 1, 2, "PEPX"))
    assert positions_after(raw, actions) == {"KO": D(200), "PEPX": D("3.5"), "AAPL": D(3)}
    assert raw == {"KO": D(100), "PEP": D(7), "AAPL": D(3)}


def test_two_companies_may_exchange_their_names_on_one_day() -> None:
    swap = (change("AA", "BB", "2025-11-10"), change("BB", "AA", "2025-11-10"))
    assert positions_after({"AA": D(1), "BB": D(2)}, swap) == {"BB": D(1), "AA": D(2)}


def test_names_are_followed_both_ways_from_their_date_on() -> None:
    chain = (change("AA", "BB", "2025-11-10"), change("BB", "CC", "2025-11-20"))
    assert names_before("CC", chain, "2025-11-20") == ("BB", "AA")
    assert names_before("CC", chain, "2025-11-19") == ()
    assert names_before("BB", chain, "2025-11-12") == ("AA",)
    assert name_now("AA", chain, "2025-11-12") == "BB"
    assert name_now("AA", chain, "2025-11-25") == "CC"


def test_all_names_of_a_symbol_are_those_before_and_after_it_and_no_others() -> None:
    chain = (change("AA", "BB", "2025-11-10"), change("BB", "CC", "2025-11-20"))
    other = change("KO", "KX", "2025-11-12")
    for name in ("AA", "BB", "CC"):
        assert all_names(name, (*chain, other)) == {"AA", "BB", "CC"}
    assert all_names("PEP", chain) == {"PEP"}
    taken_over = change("DD", "AA", "2025-12-01")
    assert all_names("CC", (*chain, taken_over)) == {"AA", "BB", "CC", "DD"}


def test_volumes_and_closes_before_an_ex_date_are_told_in_shares_of_after() -> None:
    actions = (split("KO", "2025-11-10", 4, 1), dividend("KO", "2025-11-12", "0.51"))
    assert volume_factor(("KO",), actions, "2025-11-07", "2025-11-12") == 4
    assert volume_factor(("KO",), actions, "2025-11-10", "2025-11-12") == 1
    assert close_after(D(280), "KO", actions, "2025-11-07", "2025-11-10") == 70
    assert close_after(D(280), "KO", actions, "2025-11-07", "2025-11-12") == D("69.49")
    assert close_after(D(280), "PEP", actions, "2025-11-07", "2025-11-12") == 280


@pytest.mark.parametrize(
    ("reported", "explained"), [("3", True), ("4", True), ("3.5", True), ("2", False), ("5", False)]
)
def test_a_fraction_may_be_paid_in_cash_or_rounded_up_and_nothing_else(
    reported: str, explained: bool
) -> None:
    actions = [split("KO", "2025-11-10", 1, 2)]
    found = unexplained_positions(
        {"KO": D(7)}, {"KO": D(reported)}, actions, "2025-11-07", "2025-11-10"
    )
    assert (found == ()) is explained


# -- the checks ------------------------------------------------------------------------------------


def test_an_unexplained_position_lets_risk_be_reduced_and_not_added() -> None:
    facts = some_facts(position=D(200), unexplained="100 by our record, 200 at the broker")
    refused = plan_decision(a_decision("BUY", None, order_size=D(1)), facts, INSTRUCTION)
    assert isinstance(refused, Refused)
    (refusal,) = refused.refusals
    assert refusal.reason is Reason.UNEXPLAINED_POSITION
    assert refusal.observed == "100 by our record, 200 at the broker"
    reduced = plan_decision(a_decision("SELL", None, order_size=D(200)), facts, INSTRUCTION)
    assert isinstance(reduced, Planned)


def test_a_restricted_or_blocked_symbol_stays_so_under_its_new_name() -> None:
    named = {"names": NameFacts(("NB", "NCNB"))}
    for changes in (
        {"limits": Limits(restricted=("NCNB",))},
        {"usage": a_usage(killed=frozenset({"symbol:NB"}))},
    ):
        outcome = plan_decision(a_decision(), some_facts(**named, **changes), INSTRUCTION)
        assert isinstance(outcome, Refused)
        assert {r.reason for r in outcome.refusals} <= {Reason.RESTRICTED, Reason.KILLED}
    passed = plan_decision(a_decision(), some_facts(**named), INSTRUCTION)
    assert isinstance(passed, Planned)


def test_an_old_name_is_refused_with_the_new_one() -> None:
    facts = some_facts(symbol_known=False, names=NameFacts(renamed_to="INTL"))
    outcome = plan_decision(a_decision(), facts, INSTRUCTION)
    assert isinstance(outcome, Refused)
    assert outcome.refusals[0].would_pass == "INTL"


# -- the account -----------------------------------------------------------------------------------


def opened(date: str = "2025-11-10") -> TradingAccount:
    account = TradingAccount.named(ACCOUNT)
    figures = Account(D(1000), D(1000), D(1000), 1)
    account.open_session(STAMP, ACCOUNT, replace(SESSION, date=date), figures, {})
    return account


def differ(account: TradingAccount, own: dict[str, int], reported: dict[str, int]) -> None:
    found = unexplained_positions(
        {symbol: D(n) for symbol, n in own.items()},
        {symbol: D(n) for symbol, n in reported.items()},
        account.standing.actions.values(),
        "2025-11-07",
        "2025-11-10",
    )
    account.positions_differ(
        STAMP, ACCOUNT, "2025-11-10", "2025-11-07", found, e.BreakOrigin.OVERNIGHT
    )


def test_an_action_that_comes_late_explains_what_it_did_and_nothing_else() -> None:
    account = opened()
    differ(account, {"KO": 100, "AA": 5, "T": 1}, {"KO": 200, "BB": 5, "T": 9})
    assert set(account.standing.unexplained) == {"KO", "AA", "BB", "T"}
    account.record_action(STAMP, ACCOUNT, split("KO", "2025-11-10", 2, 1), "test", "{}")
    assert set(account.standing.unexplained) == {"AA", "BB", "T"}
    account.record_action(STAMP, ACCOUNT, change("AA", "BB", "2025-11-10"), "test", "{}")
    assert set(account.standing.unexplained) == {"T"}
    account.record_action(STAMP, ACCOUNT, split("T", "2025-11-10", 8, 1), "test", "{}")
    assert set(account.standing.unexplained) == {"T"}, "eight are not nine"
    account.accept_position(STAMP, "T", "the transfer agent's letter of today")
    assert account.standing.unexplained == {}
    replayed = TradingAccount.replay(ACCOUNT, account.collect_events())
    assert replayed.standing.unexplained == {}
    assert replayed.standing.actions == account.standing.actions


def test_a_block_goes_over_to_the_new_name_from_its_date_on() -> None:
    account = opened()
    account.engage_kill(STAMP, "symbol:AA", "bad prints")
    account.record_action(STAMP, ACCOUNT, change("AA", "BB", "2025-11-11"), "test", "{}")
    assert account.is_killed("BB", "twap") is None
    account.carry_blocks(STAMP, "2025-11-11")
    assert account.is_killed("BB", "twap") == "symbol:BB"
    assert account.is_killed("AA", "twap") == "symbol:AA"


def test_a_difference_within_the_session_ends_when_the_broker_agrees() -> None:
    account = opened()
    found = unexplained_positions({}, {"KO": D(5)}, (), "2025-11-10", "2025-11-10")
    account.positions_differ(
        STAMP, ACCOUNT, "2025-11-10", "2025-11-10", found, e.BreakOrigin.SESSION
    )
    account.positions_agree(STAMP, ["KO"])
    assert "KO" in account.standing.unexplained
    account.positions_agree(STAMP, [])
    assert account.standing.unexplained == {}


# -- conservation ----------------------------------------------------------------------------------

SYMBOLS = ("AA", "BB", "CC")


class Holdings(RuleBasedStateMachine):
    """Trades, splits, renames, settlements in any order, on the book and on a model of companies.

    The model knows companies, not symbols: what a company's holders own is moved by what the
    company did. No sequence loses a share or a dollar, or frees a restricted company.
    """

    def __init__(self) -> None:
        super().__init__()
        self.day = 10
        self.names = {name: name for name in SYMBOLS}  # company to symbol
        self.shares = dict.fromkeys(SYMBOLS, D(0))
        self.cash = D(10_000)
        self.actions: list[CorporateAction] = []
        self.tonight: list[CorporateAction] = []
        self.restricted = "AA"
        self.book = AccountBook()
        self.book.open(self.date(0), self.date(1))
        self.book.take_statement(self.cash, {})

    def date(self, ahead: int) -> str:
        return f"2025-{1 + (self.day + ahead) // 28:02d}-{1 + (self.day + ahead) % 28:02d}"

    @rule(company=st.sampled_from(SYMBOLS), side=st.sampled_from(list(Side)), n=st.integers(1, 90))
    def trade(self, company: str, side: Side, n: int) -> None:
        """The market may do anything."""
        self.book.trade(self.names[company], side, D(n), D(n) * 3)
        self.shares[company] += side.sign * n
        self.cash -= side.sign * n * 3

    @rule(company=st.sampled_from(SYMBOLS), rates=st.sampled_from([(2, 1), (3, 2), (1, 4)]))
    def announce_split(self, company: str, rates: tuple[int, int]) -> None:
        """A split of tomorrow, one a company and night."""
        symbol = self.names[company]
        if all(action.symbol != symbol for action in self.tonight):
            self.tonight.append(split(symbol, self.date(1), *rates))

    @rule(company=st.sampled_from(SYMBOLS), fresh=st.integers(0, 50))
    def announce_change(self, company: str, fresh: int) -> None:
        """A symbol change of tomorrow, to a name that is free."""
        symbol, new = self.names[company], f"N{fresh}"
        taken = {*self.names.values(), *(action.new_symbol for action in self.tonight)}
        used = any(new in (action.symbol, action.new_symbol) for action in self.actions)
        if new not in taken and not used and all(a.symbol != symbol for a in self.tonight):
            self.tonight.append(change(symbol, new, self.date(1)))

    @rule()
    def night(self) -> None:
        """The actions take effect, and what is due settles."""
        for action in self.tonight:
            company = next(c for c, name in self.names.items() if name == action.symbol)
            self.shares[company] *= action.ratio
            self.names[company] = action.new_symbol or action.symbol
        self.actions += self.tonight
        self.tonight = []
        before = self.date(0)
        self.day += 1
        taken = [one for one in self.actions if before < one.ex_date <= self.date(0)]
        self.book.take_actions(taken)
        self.book.open(self.date(0), self.date(1))

    @invariant()
    def nothing_is_lost(self) -> None:
        """Shares by company, and cash settled or not, are what they were."""
        for company, symbol in self.names.items():
            held = self.book.positions.get(symbol, D(0))
            assert abs(held - self.shares[company]) < D("1e-12")
        assert sum(1 for n in self.shares.values() if n) == len(self.book.positions)
        assert self.book.cash == self.cash
        assert all(
            sum(unpaid.values()) <= max(self.book.positions.get(symbol, D(0)), D(0)) + D("1e-6")
            for symbol, unpaid in self.book.unpaid.items()
        )

    @invariant()
    def a_restricted_company_is_never_traded(self) -> None:
        """Whatever it is called by now."""
        symbol = self.names[self.restricted]
        today = self.date(0)
        names = NameFacts(names_before(symbol, self.actions, today))
        facts = some_facts(limits=Limits(restricted=("AA",)), names=names)
        market = facts.market.model_copy(update={"symbol": symbol})
        outcome = plan_decision(
            a_decision(symbol=symbol), replace(facts, market=market), INSTRUCTION
        )
        assert isinstance(outcome, Refused)
        assert Reason.RESTRICTED in {refusal.reason for refusal in outcome.refusals}


TestHoldings = Holdings.TestCase
TestHoldings.settings = settings(stateful_step_count=30)


@given(
    st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-99, 99).map(D)),
    st.lists(st.sampled_from([(2, 1), (1, 2), (3, 1)]), max_size=3),
)
def test_a_position_that_followed_the_actions_is_always_explained(
    own: dict[str, Decimal], rates: list[tuple[int, int]]
) -> None:
    actions = [
        split(symbol, "2025-11-10", *each) for symbol, each in zip(SYMBOLS, rates, strict=False)
    ]
    reported = positions_after(own, actions)
    assert unexplained_positions(own, reported, actions, "2025-11-07", "2025-11-10") == ()
    reported["ZZ"] = D(1)
    found = unexplained_positions(own, reported, actions, "2025-11-07", "2025-11-10")
    assert [each.symbol for each in found] == ["ZZ"]
