"""Busts and corrections while and after an instruction is worked: recorded, never traded on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.account_record import AccountRecord
from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.engine.gate import withheld_report
from fillwright.domain import events as e
from fillwright.domain.fills_told import FillsTold
from fillwright.domain.ports import (
    NANOS,
    BrokerCommand,
    BrokerOrder,
    ExecutionReport,
    Position,
    ReportKind,
    SubmitOrder,
)
from fillwright.domain.reasons import EndReason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    Scene,
    build,
    check_sums,
    decision,
    exchange_fills,
    logged,
    of_kind,
    only,
    placed,
    play,
    run,
)

D = Decimal
ZERO = D(0)
SYMBOL = "AAPL"


class Restating:
    """A broker whose venue takes back or corrects the ``nth`` execution, ``after_ns`` later."""

    def __init__(
        self, inner: SimulatedBroker, nth: int, to: Decimal, price: Decimal | None, after_ns: int
    ) -> None:
        self._inner, self._nth, self._to, self._price = inner, nth, to, price
        self._after_ns = after_ns
        self._seen = 0
        self.restated: ExecutionReport | None = None
        self._given = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def drain(self) -> list[ExecutionReport]:
        reports = list(self._inner.drain())
        for report in reports:
            if report.kind is ReportKind.TRADE and self._symbol(report) == SYMBOL:
                self._seen += 1
                if self._seen == self._nth:
                    self.restated = self._restatement(report)
        now = self._inner._clock.now()
        if self.restated and not self._given and now >= self.restated.receive_time:
            self._given = True
            reports.append(self.restated)
        return reports

    def _restatement(self, report: ExecutionReport) -> ExecutionReport:
        at = self._inner._clock.now() + self._after_ns
        return replace(
            report,
            kind=ReportKind.TRADE_CORRECT if self._to else ReportKind.TRADE_BUST,
            execution_id=f"restates {report.execution_id}",
            ref_execution_id=report.execution_id,
            last_qty=self._to or None,
            last_price=self._price,
            cum_qty=None,
            market_time=at,
            receive_time=at,
            fee=ZERO,
        )

    def _symbol(self, report: ExecutionReport) -> str:
        order = self._inner.exchange.find_order(report.client_order_id)
        assert order is not None
        return order.symbol

    def _taken(self) -> dict[str, Decimal]:
        if self.restated is None or not self._given:
            return {}
        original = next(
            fill
            for fill in self._inner.exchange.reports_since(
                [self.restated.client_order_id], self._inner._clock.now()
            )
            if fill.execution_id == self.restated.ref_execution_id
        )
        return {self.restated.client_order_id: original.last_qty - self._to}

    async def positions(self) -> Mapping[str, Position]:
        positions = dict(await self._inner.positions())
        for taken in self._taken().values():
            held = positions[SYMBOL]
            positions[SYMBOL] = replace(held, quantity=held.quantity - taken)
        return positions

    async def find_order(self, client_order_id: str) -> BrokerOrder | None:
        seen = await self._inner.find_order(client_order_id)
        taken = self._taken().get(client_order_id, ZERO)
        return seen and replace(seen, filled_qty=seen.filled_qty - taken)

    async def reports_since(self, names: Sequence[str]) -> list[ExecutionReport]:
        reports = list(await self._inner.reports_since(names))
        if self._given and self.restated and self.restated.client_order_id in names:
            reports.append(self.restated)
        return reports


def restated_run(
    strategy: str, path: Path, *, nth: int, to: str = "0", price: str | None = None, after_s: int
) -> tuple[Any, Restating]:
    made: list[Restating] = []

    def wrap(inner: SimulatedBroker) -> Restating:
        given = None if price is None else D(price)
        made.append(Restating(inner, nth, D(to), given, after_s * NANOS))
        return made[0]

    # A second, longer instruction keeps the engine at work until after the restatement.
    other = decision("twap", symbol="KO", decision_id="d-other", window="10m", slices=3)
    ran = run(Scene([decision(strategy, window="2m"), other], broker=wrap), path)
    return ran, made[0]


def the_one(ran: Any) -> Any:
    return next(i for i in ran.engine.desk.instructions.values() if i.decision_id != "d-other")


class Contested(Restating):
    """The same, where another process writes on the account's record just as the bust is told.

    A report of a stranger's order beside it has this engine write there too.
    """

    store = ""
    _is_written = False

    def drain(self) -> list[ExecutionReport]:
        reports = super().drain()
        if self._given and not self._is_written:
            self._is_written = True
            record = AccountRecord(self.store)
            stamp = record.stamp("person:ann", "test")
            record.append(lambda account: account.engage_kill(stamp, "symbol:ZVZZT", "test"))
            reports.append(replace(reports[-1], client_order_id="stranger", venue_order_id=None))
        return reports


def test_a_bust_of_an_ended_order_outlasts_a_conflict_with_another_writer(tmp_path: Path) -> None:
    """The broker tells it once: nobody asks about an order that has ended."""
    made: list[Contested] = []

    def wrap(inner: SimulatedBroker) -> Contested:
        made.append(Contested(inner, 1, ZERO, None, 300 * NANOS))
        return made[0]

    path = tmp_path / "a.db"
    other = decision("twap", symbol="KO", decision_id="d-other", window="10m", slices=3)
    scene = Scene([decision("market", window="2m"), other], broker=wrap)
    simulation = build(scene, path)
    made[0].store = placed(path)
    ran = asyncio.run(play(simulation, scene))
    assert made[0]._is_written
    busts = of_kind(logged(ran), e.FillBusted)
    assert [bust.report.ref_execution_id for bust in busts] == [made[0].restated.ref_execution_id]
    strangers = [x for x in of_kind(logged(ran), e.AccountAnomaly) if "stranger" in x.detail]
    assert len(strangers) == 1
    assert of_kind(logged(ran), e.SessionClosed)[-1].breaks == ()


class RefusingAfterwards(Restating):
    """The same, which refuses every order from the bust on."""

    def __init__(self, inner: SimulatedBroker) -> None:
        super().__init__(inner, 1, ZERO, None, NANOS)
        self._refused: list[ExecutionReport] = []

    async def send(self, commands: Sequence[BrokerCommand]) -> None:
        orders = [one for one in commands if isinstance(one, SubmitOrder) and self._given]
        self._refused += [withheld_report(one, "test", self._inner.clock.now()) for one in orders]
        await self._inner.send([one for one in commands if one not in orders])

    def drain(self) -> list[ExecutionReport]:
        refused, self._refused = self._refused, []
        return [*super().drain(), *refused]


def test_when_all_that_executed_is_busted_a_refusing_broker_still_ends_it(tmp_path: Path) -> None:
    fields = decision("twap", window="2m", slices=8, style="naive")
    ran = run(Scene([fields], broker=RefusingAfterwards), tmp_path / "a.db")
    made = only(ran)
    assert made.state is InstructionState.CANCELLED
    assert made.end_reason is EndReason.BROKER_REJECTED
    assert made.executed == 0 < made.taken_back


@pytest.mark.parametrize("strategy", ["market", "twap", "vwap", "iceberg", "opportunistic"])
def test_a_bust_after_the_end_keeps_the_state_and_trades_nothing(
    strategy: str, tmp_path: Path
) -> None:
    ran, venue = restated_run(strategy, tmp_path / "a.db", nth=1, after_s=300)
    made, taken = the_one(ran), venue._taken()
    (shares,) = taken.values()
    assert made.state is InstructionState.FILLED
    assert made.restated
    assert made.plan.quantity - made.executed == shares == made.taken_back
    assert not made.live
    printed = [f for f in exchange_fills(ran) if f.client_order_id in made.orders]
    assert sum((f.last_qty for f in printed), ZERO) == made.plan.quantity
    busts = of_kind(logged(ran), e.FillBusted)
    assert [bust.report.ref_execution_id for bust in busts] == [venue.restated.ref_execution_id]
    closed = of_kind(logged(ran), e.SessionClosed)
    assert closed[-1].breaks == ()


@pytest.mark.parametrize("strategy", ["twap", "vwap", "iceberg"])
def test_a_bust_while_working_is_not_made_up_for(strategy: str, tmp_path: Path) -> None:
    ran, venue = restated_run(strategy, tmp_path / "a.db", nth=1, after_s=1)
    made = the_one(ran)
    (shares,) = venue._taken().values()
    printed = [f for f in exchange_fills(ran) if f.client_order_id in made.orders]
    assert sum((f.last_qty for f in printed), ZERO) == made.plan.quantity, "traded once, in all"
    assert made.executed == made.plan.quantity - shares
    assert made.state is InstructionState.CANCELLED
    assert made.end_reason is EndReason.BUSTED
    assert not made.live


def test_a_correction_of_the_price_changes_the_average_and_nothing_else(tmp_path: Path) -> None:
    calm = run(Scene([decision("twap", window="2m")]), tmp_path / "calm.db")
    first = of_kind(logged(calm), e.OrderFilled)[0].report
    ran, _ = restated_run(
        "twap", tmp_path / "a.db", nth=1, to=str(first.last_qty), price="150", after_s=200
    )
    made, before = the_one(ran), only(calm)
    assert made.executed == before.executed
    assert made.taken_back == 0
    assert made.notional == before.notional + first.last_qty * (D(150) - first.last_price)
    assert made.average_price < before.average_price
    assert len(of_kind(logged(ran), e.FillCorrected)) == 1


def test_a_correction_upwards_is_an_overfill_that_is_flagged(tmp_path: Path) -> None:
    ran, _ = restated_run("market", tmp_path / "a.db", nth=1, to="100000", price="150", after_s=200)
    made = the_one(ran)
    assert made.state is InstructionState.FILLED
    assert made.overfilled
    assert made.anomalies


def test_runs_without_restatements_are_not_touched_by_the_wrapper(tmp_path: Path) -> None:
    ran, _ = restated_run("twap", tmp_path / "a.db", nth=10_000, after_s=0)
    check_sums(ran)
    assert the_one(ran).taken_back == 0


class Telling:
    """A broker whose list of fills has a bust of the first one, of which no update ever tells."""

    def __init__(self, inner: SimulatedBroker) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def fills_told(self, since: int) -> FillsTold:
        now = self._inner.clock.now()
        names = [order.client_order_id for order in self._inner.exchange.orders()]
        fills = [x for x in self._inner.exchange.reports_since(names, now) if x.execution_id]
        if not fills:
            return FillsTold((), now, "events")
        first = min(fills, key=lambda one: one.market_time)
        bust = replace(
            first,
            kind=ReportKind.TRADE_BUST,
            execution_id="the-bust",
            ref_execution_id=first.execution_id,
            market_time=first.market_time + NANOS,
            cum_qty=None,
            last_qty=None,
            last_price=None,
            order_status=None,
        )
        return FillsTold((), now, "events", restated=(bust,))


def test_a_bust_that_only_the_list_of_fills_tells_of_is_recorded_once(tmp_path: Path) -> None:
    fields = decision("twap", window="10m", slices=10, target_weight=3)
    scene = Scene([fields], rules={"reconcile_seconds": 60}, broker=Telling, close=False)
    ran = run(scene, tmp_path / "a.db")
    events = logged(ran)
    (busted,) = of_kind(events, e.FillBusted)
    first = of_kind(events, e.OrderFilled)[0].report
    assert busted.report.ref_execution_id == first.execution_id
    made = only(ran)
    filled = sum((x.report.last_qty for x in of_kind(events, e.OrderFilled)), ZERO)
    assert made.executed == filled - first.last_qty
    told = [x.fills_known_until for x in of_kind(events, e.Reconciled)][-1]
    assert told is not None
    assert told > busted.report.market_time, "what is on record bounds the statement no more"
