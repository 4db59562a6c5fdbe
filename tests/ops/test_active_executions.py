"""What is being executed, as typed data and as the seed's mapping, and how old its quotes are."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import fillwright
from fillwright.adapters.alerting.conditions import Conditions, updates_down
from fillwright.adapters.alerting.data_age import stale_data
from fillwright.adapters.simulation import Simulation
from fillwright.adapters.views import Executions, Telling
from fillwright.domain import monitoring
from fillwright.domain.ports import NANOS, BrokerCapabilities
from fillwright.projections.alerts import Alert, AlertKind, AlertThresholds, Severity
from tests.simulation.world import Scene, at, decision, run

THRESHOLDS = AlertThresholds(stale_order_seconds=1, stale_data_seconds=86_400)


def in_the_middle(path: Path, look: Any) -> None:
    """Run a TWAP and look at it while it is worked."""

    async def act(simulation: Simulation) -> None:
        found = look(simulation)
        if asyncio.iscoroutine(found):
            await found

    run(Scene([decision("twap", window="4m")], moments=[(at(640), act)]), path)


def test_active_executions_are_records_and_a_mapping_of_the_same(tmp_path: Path) -> None:
    seen: list[tuple[Executions, monitoring.ActiveExecutions]] = []

    async def look(simulation: Simulation) -> None:
        telling = Telling(simulation.engine.desk, THRESHOLDS)
        seen.append((telling.executions(), await telling.monitor()))

    in_the_middle(tmp_path / "log.db", look)
    ((records, plain),) = seen
    assert records.as_of == plain["as_of"] == at(640)
    (row,) = records.active
    (told,) = plain["active"]
    assert plain["active_count"] == 1
    assert isinstance(row.executed, Decimal)
    assert told["executed"] == str(row.executed)
    assert told["symbol"] == row.symbol == "AAPL"
    assert json.loads(json.dumps(plain)) == plain
    shapes = {
        monitoring.ActiveExecutions: plain,
        monitoring.ActiveInstruction: told,
        monitoring.ActiveOrder: told["orders"][0],
        monitoring.UsedLimits: plain["limits"],
        monitoring.UsedLimit: plain["limits"]["uses"][0],
        monitoring.ActiveAlert: plain["alerts"][0] if plain["alerts"] else None,
    }
    for shape, value in shapes.items():
        if value is not None:
            assert set(get_type_hints(shape)) == set(value), shape.__name__
    assert fillwright.ActiveExecutions is monitoring.ActiveExecutions


def test_data_is_stale_when_the_quote_of_what_is_worked_is_older_than_allowed(
    tmp_path: Path,
) -> None:
    looked: list[Simulation] = []

    def look(simulation: Simulation) -> None:
        desk = simulation.engine.desk
        quote = desk.market.state("AAPL", desk.now).quote
        assert quote is not None
        later = quote.at + 90 * NANOS
        held = _Held(desk, later)
        assert stale_data(held, 90) == ()
        (alert,) = stale_data(held, 89)
        assert (alert.kind, alert.subject, alert.observed, alert.threshold) == (
            AlertKind.STALE_DATA,
            "AAPL",
            90,
            89,
        )
        assert alert.since == quote.at
        assert stale_data(_Held(desk, at(40_000)), 1) == ()  # the exchange is closed
        seen_last = Conditions(lambda: stale_data(held, 89), 60)
        seen_last.start()
        seen_last.stop()
        assert [one.subject for one in seen_last()] == ["AAPL"]
        looked.append(simulation)

    in_the_middle(tmp_path / "log.db", look)
    (simulation,) = looked
    assert stale_data(simulation.engine.desk, 1) == ()  # nothing is worked any more


class _Held:
    """A desk at a later time than the last quote: as if data had stopped."""

    def __init__(self, desk: Any, now: int) -> None:
        self._desk, self.now = desk, now
        self.market = self
        self._quote = desk.market.state("AAPL", desk.now)

    def state(self, *_: object) -> Any:
        return self._quote

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)


def test_updates_are_down_for_longer_than_allowed_until_they_are_heard_again(
    tmp_path: Path,
) -> None:
    seen: list[tuple[object, ...]] = []

    def look(simulation: Simulation) -> None:
        desk = simulation.engine.desk
        assert updates_down(desk, 1) == ()  # a simulated broker has no socket
        for seconds in (None, 30.0, 31.5):
            deaf: Any = SimpleNamespace(
                now=desk.now,
                runtime=desk.runtime,
                broker=SimpleNamespace(
                    deaf_seconds=seconds, capabilities=BrokerCapabilities("alpaca")
                ),
            )
            seen.append(tuple(updates_down(deaf, 30)))

    in_the_middle(tmp_path / "log.db", look)
    never, just_allowed, (alert,) = seen
    assert never == just_allowed == ()
    assert isinstance(alert, Alert)
    assert (alert.kind, alert.subject, alert.observed, alert.threshold, alert.severity) == (
        AlertKind.UPDATES_DOWN,
        "alpaca",
        31,
        30,
        Severity.CRITICAL,
    )
    assert alert.since == at(640) - 31_500_000_000
