"""A simulated month: each day traded, settled, stated and reconciled, with nothing unexplained."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.month_plan import MonthTerms, plan_month
from fillwright.adapters.replay.replaying import replay_decisions
from fillwright.adapters.simulated_month import ACCOUNT, DayDone, MonthDone, run_month
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.ids import account_stream_id
from fillwright.projections.account_books import AccountBooks
from fillwright.projections.runner import follow
from tests.adapters.entrypoints.conftest import ROOT

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


def met(store: str) -> Counter[str]:
    """How often what a month is made of is in its log."""
    found: Counter[str] = Counter()
    with Log.open(store, writer=False) as log:
        for recorded in log.events():
            event = recorded.event
            found[type(event).__name__] += 1
            if isinstance(event, e.CorporateActionRecorded):
                found[event.action.kind.value] += 1
    return found


def handed_over(done: MonthDone, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Its audit pack, made by commands, in a folder of its own with the public key."""
    keys, folder = tmp_path / "keys", tmp_path / "handed"
    signing = ["--signing-key", str(keys / "signing.key"), "--anchor", str(tmp_path / "anchor/a")]
    (tmp_path / "anchor").mkdir()
    folder.mkdir()
    period = ["--from", f"{done.days[0].session_date}T00:00:00Z", "--to", "2026-12-31T00:00:00Z"]
    for command in (
        ["keys", str(keys), "--name", "month/one"],
        ["checkpoint", "--store", done.store, *signing],
        ["audit-pack", *period, "--out", str(folder / "pack"), "--store", done.store, *signing],
    ):
        assert main(command) == 0, capsys.readouterr().err
    shutil.copy(keys / "verifier.pub", folder)
    packed = {path.stem: path.read_bytes() for path in (folder / "pack").glob("*.json")}
    stated = [
        row
        for row in json.loads(packed["reconciliations"])
        if row["event"] == "StatementReconciled"
    ]
    assert [row["session_date"] for row in stated] == [day.session_date for day in done.days]
    assert all(row["breaks"] == [] for row in stated)
    assert len(json.loads(packed["orders"])) == met(done.store)["DecisionReceived"]
    return folder


def test_a_few_days_with_a_split_a_change_of_name_a_restart_and_a_half_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with a halt and an outage that meet orders; then an auditor is handed all of it."""
    terms = MonthTerms(start="2025-11-25", sessions=4, symbols=3, decisions_a_day=7)
    plan = plan_month(terms)
    assert [day.session.is_half_day for day in plan.days] == [False, False, True, False]
    done = run_month(plan, tmp_path / "month.db")
    check(done, terms)
    assert sum(day.restarts for day in done.days) == 1
    assert "dividend" in flows(done.days)
    kinds = met(done.store)
    assert kinds["split"] == kinds["reverse_split"] == kinds["symbol_change"] == 1
    assert kinds["SessionOpened"] == 4
    assert kinds["EngineStarted"] == 5, "four days and a restart"
    assert kinds["PositionUnexplained"] == 0
    assert kinds["InstructionSuspended"] == kinds["InstructionResumed"] == 4, "a halt a day"
    assert kinds["OrderIndeterminate"] >= 1, "a request that the outage swallowed"
    pack = handed_over(done, tmp_path, capsys)
    assert main(["check", str(pack / "pack"), "--key", str(pack / "verifier.pub")]) == 0


def test_the_command_runs_the_same_month_from_its_seed_and_never_writes_over_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terms = MonthTerms(sessions=2, symbols=3, decisions_a_day=3)
    same = run_month(plan_month(terms), tmp_path / "same.db")
    store = str(tmp_path / "m.db")
    size = ["--sessions", "2", "--symbols", "3", "--decisions", "3"]
    assert main(["month", "--store", store, *size, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["breaks"], found["is_final"], len(found["days"])) == (0, True, 2)
    assert len(list(Path(found["statements"]).glob("*.json"))) == 2
    heads = []
    for where in (store, same.store):
        with Log.open(where, writer=False) as log:
            heads.append(log.head().hash)
    assert heads[0] == heads[1]
    assert main(["month", "--store", store, *size]) == 2


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_whole_month_of_forty_symbols_has_no_break_and_its_pack_is_verified_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere: a clean clone of the sources, a new home, the pack and the public key."""
    terms = MonthTerms()
    done = run_month(plan_month(terms), tmp_path / "month.db")
    check(done, terms)
    assert sum(day.is_half_day for day in done.days) == 1
    assert {"dividend", "cash_in_lieu"} <= flows(done.days)
    kinds = met(done.store)
    assert kinds["split"] == kinds["reverse_split"] == kinds["symbol_change"] == 1
    assert kinds["InstructionSuspended"] >= 12, "halts met orders"
    assert kinds["OrderIndeterminate"] >= 3, "outages met orders"
    assert kinds["EngineStarted"] == 24, "a start a day and five restarts"
    pack = handed_over(done, tmp_path, capsys)
    clone = tmp_path / "elsewhere" / "clone"
    cloned = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)]
    subprocess.run(cloned, check=True, timeout=600)
    shutil.move(pack, clone.parent / "handed")
    for path in tmp_path.glob("month.db*"):
        path.rename(path.with_name(f"gone-{path.name}"))
    run = "import sys; from fillwright.adapters.entrypoints.cli import main; sys.exit(main())"
    found = subprocess.run(
        [sys.executable, "-c", run, "check", "handed/pack", "--key", "handed/verifier.pub"],
        cwd=clone.parent,
        env={
            "HOME": str(clone.parent),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(clone / "src"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "its documents come out of them again" in found.stdout
