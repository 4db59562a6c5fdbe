"""A cash account's session: proceeds are spent at once, and what they bought is not sold today."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.simulation import VenueTerms
from fillwright.domain import events as e
from fillwright.domain.limits import Limits
from fillwright.domain.ports import AccountKind
from fillwright.domain.reasons import Reason
from tests.simulation.world import (
    NO_FEES,
    Scene,
    at,
    check_books,
    closes_at,
    decision,
    exchange_fills,
    held,
    instructions,
    logged,
    of_kind,
    run,
)

D = Decimal
WIDE = Limits(position_pct_max=D(100), turnover_pct_max=D(1_000))
ROUND_TRIP = [
    decision("market", decision_id="raise", symbol="KO", action="CLOSE", target_weight=None),
    decision("market", decision_id="spend", order_size=100, target_weight=None),
    decision("market", decision_id="flip", action="SELL", order_size=100, target_weight=None),
]
ARRIVALS = {"raise": 600.0, "spend": 1_200.0, "flip": 1_800.0}


def scene(kind: AccountKind) -> Scene:
    """Little cash and many shares of KO: what is bought is bought with their proceeds."""
    venue = VenueTerms(cash=D(100), positions={"KO": D(2_000)}, fees=NO_FEES, account_kind=kind)
    return Scene(ROUND_TRIP, arrivals=ARRIVALS, venue=venue, limits=WIDE)


def test_a_cash_account_does_not_sell_today_what_todays_proceeds_bought(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(scene(AccountKind.CASH), tmp_path / "cash.db")
    check_books(ran, start={"KO": D(2_000)})
    raised, spent, flipped = instructions(ran)
    assert raised.executed == 2_000
    assert spent.executed == 100
    (refusal,) = flipped.refusals
    assert refusal.reason is Reason.GOOD_FAITH
    assert refusal.observed.startswith("100 shares of 100 held, ")
    assert "settle by 2024-01-10" in refusal.observed
    (status,) = of_kind(logged(ran), e.AccountStatusRecorded)
    assert (status.kind, status.settles_on, status.settlement_days) == (
        AccountKind.CASH,
        "2024-01-10",
        2,
    )
    capsys.readouterr()
    assert main(["books", "--store", str(tmp_path / "cash.db"), "--json"]) == 0
    (book,) = json.loads(capsys.readouterr().out)["accounts"].values()
    moved = sum(
        (f.last_qty * f.last_price * (1 if f.client_order_id in raised.orders else -1))
        for f in exchange_fills(ran)
        if f.last_qty and f.last_price
    )
    assert D(book["settled"]) + sum(map(D, book["unsettled"].values()), D(0)) == 100 + moved
    assert D(book["positions"]["AAPL"]) == 100
    assert 0 < D(book["unpaid"]["AAPL"]["2024-01-10"]) <= 100
    assert main(["books", "--store", str(tmp_path / "cash.db")]) == 0
    shown = capsys.readouterr().out
    assert "cash account" in shown
    assert "settles on 2024-01-10" in shown


def test_a_margin_account_may_sell_it(tmp_path: Path) -> None:
    ran = run(scene(AccountKind.MARGIN), tmp_path / "margin.db")
    check_books(ran, start={"KO": D(2_000)})
    assert [i.executed > 0 for i in instructions(ran)] == [True, True, True]
    assert held(ran, "AAPL") == 0


def test_an_account_of_unknown_kind_only_reduces_and_configuration_can_say_what_it_is(
    tmp_path: Path,
) -> None:
    ran = run(scene(AccountKind.UNKNOWN), tmp_path / "unknown.db")
    raised, spent, _ = instructions(ran)
    assert raised.executed == 2_000
    assert Reason.ACCOUNT_STATUS in {refusal.reason for refusal in spent.refusals}
    told = scene(AccountKind.UNKNOWN)
    told.rules = {"account_kind": AccountKind.MARGIN}
    ran = run(told, tmp_path / "told.db")
    assert instructions(ran)[1].executed == 100
    (status,) = of_kind(logged(ran), e.AccountStatusRecorded)
    assert (status.kind, status.source) == (AccountKind.MARGIN, "configuration")
    assert status.currency == "USD", "what configuration says, since this venue names none"


def test_a_log_is_taken_up_with_the_same_books(tmp_path: Path) -> None:
    """What the engine knows after a start is what it knew before."""
    ran = run(scene(AccountKind.CASH), tmp_path / "a.db")
    before = ran.engine.desk.books.to_bytes()
    again = scene(AccountKind.CASH)
    again.decisions, again.start_s = [], 2_400.0
    taken_up = run(again, tmp_path / "a.db")
    assert at(2_400) < closes_at()
    assert taken_up.engine.desk.books.to_bytes() == before
