"""What a day has lost: from the close before, without the cash that came overnight."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fillwright.adapters.engine.desk import Desk
from fillwright.adapters.engine.market_rules import loss_basis
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.day_loss import DayFigures
from fillwright.domain.limits import Limits
from fillwright.domain.planning.facts import Planned, Refused
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.planning.pretrade_loss import loss_usd
from fillwright.domain.ports import Account, AccountKind, CashMovement, Position
from fillwright.domain.reasons import Anomalous, Reason
from tests.domain.planning_cases import INSTRUCTION, a_decision, an_account, some_facts

D = Decimal
CALENDAR = ExchangeCalendar()
STAMP = e.Stamp(1, "test", "account", "test")


def account(equity: int, cash: int) -> Account:
    return Account(D(equity), D(cash), D(cash), 0, kind=AccountKind.MARGIN)


class Days:
    """An account's record over sessions."""

    def __init__(self) -> None:
        self.record = TradingAccount.named("test")

    def opens(self, date: str, equity: int, cash: int) -> Days:
        session = CALENDAR.session_on(date)
        assert session is not None
        held: dict[str, Position] = {}
        self.record.open_session(STAMP, "test", session, account(equity, cash), held)
        return self

    def closes(self, equity: int, cash: int) -> Days:
        self.record.close_session(STAMP, "test", account(equity, cash), {}, 0, ())
        return self

    @property
    def basis(self) -> Decimal | None:
        desk = SimpleNamespace(account=self.record, calendar=CALENDAR)
        return loss_basis(cast(Desk, desk))


def test_a_loss_is_counted_from_the_close_before_and_a_gap_at_the_open_is_one() -> None:
    days = Days().opens("2024-01-05", 100, 40).closes(110, 40).opens("2024-01-08", 104, 40)
    assert days.basis == 110
    assert loss_usd(D(110), D(104)) == 6
    assert loss_usd(D(110), D(111)) == 0


def test_cash_that_came_or_went_overnight_is_no_result() -> None:
    days = Days().opens("2024-01-05", 100, 40).closes(110, 40)
    assert days.opens("2024-01-08", 130, 60).basis == 130
    days = Days().opens("2024-01-05", 100, 40).closes(110, 40)
    assert days.opens("2024-01-08", 80, 10).basis == 80


def test_cash_that_comes_or_goes_within_the_session_is_no_result() -> None:
    days = Days().opens("2024-01-05", 100, 40).closes(110, 40).opens("2024-01-08", 104, 40)
    out = CashMovement("a", "CSW", D(-30), 5)
    assert days.record.cash_moved(STAMP, "test", "2024-01-08", out)
    assert days.basis == 80
    assert not days.record.cash_moved(STAMP, "test", "2024-01-08", out), "told again, it is no news"
    assert days.basis == 80
    days.record.cash_moved(STAMP, "test", "2024-01-08", CashMovement("b", "CSD", D(5), 6))
    assert days.basis == 85
    days.closes(79, 15)
    assert days.opens("2024-01-09", 79, 15).basis == 79, "the day after begins anew"


def test_without_the_session_right_before_it_is_counted_from_the_first_record() -> None:
    assert Days().basis is None
    assert Days().opens("2024-01-05", 100, 40).basis == 100
    days = Days().opens("2024-01-05", 100, 40).closes(110, 40).opens("2024-01-09", 104, 40)
    assert days.basis == 104, "the 8th lies between"
    unclosed = Days().opens("2024-01-05", 100, 40).opens("2024-01-08", 104, 40)
    assert unclosed.basis == 104


def test_the_figures_are_those_of_the_events_alone() -> None:
    days = Days().opens("2024-01-05", 100, 40).closes(110, 40).opens("2024-01-08", 104, 40)
    again = DayFigures()
    for event in days.record.collect_events():
        again.apply(event)
    assert again.basis_usd(consecutive=True) == 110


FELL: dict[str, Any] = {"loss_basis_usd": D(1_000_000), "account": an_account("940_000")}


def test_past_the_limit_an_order_that_adds_risk_is_refused_with_the_figure() -> None:
    made = plan_decision(a_decision(weight="1"), some_facts(**FELL), INSTRUCTION)
    assert isinstance(made, Refused)
    (refusal,) = made.refusals
    assert refusal.reason is Reason.DAILY_LOSS
    assert "60,000.00 USD lost" in refusal.message
    assert "less than 50,000.00 USD" in refusal.message
    (check,) = [check for check in made.checks if check.name == "daily_loss"]
    assert (check.value, check.bound, check.unit) == (60_000, 50_000, "USD")


def test_past_the_limit_what_only_reduces_the_position_goes_on() -> None:
    sell = a_decision("SELL", None, order_size=D(100))
    made = plan_decision(sell, some_facts(position=D(100), **FELL), INSTRUCTION)
    assert isinstance(made, Planned)
    short = plan_decision(sell, some_facts(limits=Limits(allow_short=True), **FELL), INSTRUCTION)
    assert isinstance(short, Refused)
    assert Reason.DAILY_LOSS in [refusal.reason for refusal in short.refusals]


def test_a_loss_that_was_reached_is_no_less_reached_when_less_is_lost_again() -> None:
    gained: dict[str, Any] = {"loss_basis_usd": D(1_000_000), "account": an_account("999_999")}
    free = plan_decision(a_decision(weight="1"), some_facts(**gained), INSTRUCTION)
    assert isinstance(free, Planned)
    latched = some_facts(loss_latched=True, **gained)
    made = plan_decision(a_decision(weight="1"), latched, INSTRUCTION)
    assert isinstance(made, Refused)
    (refusal,) = made.refusals
    assert refusal.reason is Reason.DAILY_LOSS
    assert "1.00 USD lost since the close before, of 1,000,000.00 USD, and more before" in str(
        refusal.observed
    )
    sell = a_decision("SELL", None, order_size=D(100))
    held = some_facts(position=D(100), loss_latched=True, **gained)
    assert isinstance(plan_decision(sell, held, INSTRUCTION), Planned)


def test_what_the_record_says_of_a_reached_loss_ends_with_its_session() -> None:
    days = Days().opens("2024-01-05", 100, 40)
    assert days.record.day.latched is None
    days.record.note(STAMP, Anomalous.USAGE_OVER_CAP, "turnover: 10 USD over")
    assert days.record.day.latched is None, "other caps are no loss"
    days.record.note(STAMP, Anomalous.USAGE_OVER_CAP, "daily loss: 6.00 USD lost")
    assert days.record.day.latched == days.record.version
    days.opens("2024-01-05", 94, 40)
    assert days.record.day.latched is not None, "the same session"
    days.closes(94, 40).opens("2024-01-08", 94, 40)
    assert days.record.day.latched is None


@pytest.mark.parametrize("basis", [None, D(1_000_000)])
def test_records_of_before_the_limit_are_planned_as_they_were(basis: Decimal | None) -> None:
    made = plan_decision(a_decision(weight="1"), some_facts(loss_basis_usd=basis), INSTRUCTION)
    assert isinstance(made, Planned)
    assert ("daily_loss" in [check.name for check in made.checks]) is (basis is not None)
