"""A simulated month: each day traded, settled, stated and reconciled, with nothing unexplained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.month_plan import MonthTerms, plan_month
from fillwright.adapters.replaying import replay_decisions
from fillwright.adapters.simulated_month import ACCOUNT, DayDone, MonthDone, run_month
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.ids import account_stream_id
from fillwright.projections.account_books import AccountBooks
from fillwright.projections.runner import follow

D = Decimal


def check(done: MonthDone, terms: MonthTerms) -> None:
    """Nothing unexplained, every day final, and log and broker end with the same."""
    assert [(day.session_date, day.reconciled.breaks, day.unexplained) for day in done.days] == [
        (day.session_date, (), ()) for day in done.days
    ]
    assert done.is_final
    assert len(done.days) == terms.sessions
    assert sum(day.reconciled.trades for day in done.days) > 5 * terms.sessions
    books = AccountBooks()
    with Log.open(done.store, writer=False) as log:
        follow([books], log.events())
        account = TradingAccount.replay(ACCOUNT, log.stream(account_stream_id(ACCOUNT)))
        assert replay_decisions(log).decisions.differences == ()
    last = done.days[-1].statement
    stated = {line.symbol: line.quantity for line in last.positions or ()}
    assert books.book(ACCOUNT).positions == stated
    assert account.closed_sessions == {day.session_date for day in done.days}
    assert all(account.is_final(day.session_date) for day in done.days)


def flows(days: Sequence[DayDone]) -> set[str]:
    return {flow.kind for day in days for flow in day.statement.flows}


def test_a_few_days_with_a_split_a_change_of_name_a_restart_and_a_half_day(
    tmp_path: Path,
) -> None:
    terms = MonthTerms(start="2025-11-25", sessions=4, symbols=3, decisions_a_day=7)
    plan = plan_month(terms)
    assert [day.session.is_half_day for day in plan.days] == [False, False, True, False]
    done = run_month(plan, tmp_path / "month.db")
    check(done, terms)
    assert sum(day.restarts for day in done.days) == 1
    assert "dividend" in flows(done.days)
    with Log.open(done.store, writer=False) as log:
        kinds = [type(recorded.event) for recorded in log.events()]
    assert kinds.count(e.CorporateActionRecorded) == 4
    assert kinds.count(e.SessionOpened) == 4
    assert kinds.count(e.EngineStarted) == 5, "four days and a restart"
    assert e.PositionUnexplained not in kinds


def test_a_month_is_the_same_again_from_its_seed(tmp_path: Path) -> None:
    terms = MonthTerms(sessions=2, symbols=3, decisions_a_day=3)
    heads = []
    for name in ("a", "b"):
        done = run_month(plan_month(terms), tmp_path / f"{name}.db")
        with Log.open(done.store, writer=False) as log:
            heads.append(log.head().hash)
    assert heads[0] == heads[1]


def test_the_command_runs_a_month_and_never_writes_over_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "m.db")
    size = ["--sessions", "2", "--symbols", "3", "--decisions", "3"]
    assert main(["month", "--store", store, *size, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["breaks"], found["is_final"], len(found["days"])) == (0, True, 2)
    assert len(list(Path(found["statements"]).glob("*.json"))) == 2
    assert main(["month", "--store", store, *size]) == 2


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_whole_month_of_forty_symbols_has_no_unexplained_break(tmp_path: Path) -> None:
    terms = MonthTerms()
    done = run_month(
        plan_month(terms),
        tmp_path / "month.db",
        lambda day: print(f"{day.session_date}: {day.reconciled.trades} trades", flush=True),
    )
    check(done, terms)
    assert sum(day.is_half_day for day in done.days) == 1
    assert {"dividend", "cash_in_lieu"} <= flows(done.days)
