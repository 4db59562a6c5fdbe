"""No version of a strategy trades live without the word of two persons for exactly that version."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.alpaca_api.clock import MeasuredClock
from fillwright.adapters.alpaca_api.rest import ApiSilence
from fillwright.adapters.permits.clock_guard import ClockGuard
from fillwright.adapters.permits.control_tail import ControlTail
from fillwright.adapters.permits.live_strategies import LiveStrategies
from fillwright.adapters.permitting import Clocks
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.timekeeping.clock_reading import (
    UNKNOWN,
    BrokerReading,
    ClockReading,
    ClockSettings,
    best,
    of_timex,
)
from fillwright.adapters.timekeeping.clocks import SystemClock
from fillwright.domain import events as e
from fillwright.domain import ops
from fillwright.domain.ops.clocks import ClockHealth
from fillwright.domain.plan import StrategyParameters
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import Reason
from fillwright.domain.supervision.inventory import in_use
from tests.ops.engines import command, engine
from tests.paper.servers import running
from tests.supervision.conftest import House

PARAMETERS = StrategyParameters()
DENIED = 6
MS = 1_000_000


def evidence(house: House) -> Path:
    file = house.folder / "evaluation.json"
    file.write_text('{"saved_bps": 3.1}')
    return file


def why_not(house: House, strategy: str, parameters: StrategyParameters, now: int) -> bool:
    with Log.open(str(house.store), writer=False) as log, ControlTail(log) as tail:
        return LiveStrategies(tail, parameters, lambda: now).why_not(strategy) is not None


@pytest.mark.on_a_server
def test_a_strategy_is_approved_in_exactly_its_version_parameters_and_from_its_date_on(
    house: House,
) -> None:
    house.set_up()
    soon = 2**61  # ns UTC, in 2043
    asked = (
        "strategies",
        "propose",
        "twap",
        "--evidence",
        evidence(house),
        "--reason",
        "held out",
        "--go-live",
        "2040-01-01T00:00:00Z",
        "--json",
    )
    assert house.by("eve", *asked).code == DENIED
    assert house.by("pm-7", *asked).code == DENIED
    change = house.by("rob", *asked).json["change"]
    assert why_not(house, "twap", PARAMETERS, soon)  # proposed only
    assert house.approve("ada", change).code == 0
    assert not why_not(house, "twap", PARAMETERS, soon)
    assert why_not(house, "twap", PARAMETERS, soon - 2**59)  # before it goes live
    assert why_not(house, "vwap", PARAMETERS, soon)
    other = PARAMETERS.model_copy(update={"band_fraction": Decimal("0.9")})
    assert why_not(house, "twap", other, soon)
    fitted = PARAMETERS.model_copy(update={"volume_curve": (3, 1, 2)})
    assert why_not(house, "twap", fitted, soon)

    listed = house.by("eve", "strategies", "list", "--json").json["strategies"]
    (twap,) = [one for one in listed if one["strategy"] == "twap"]
    (approval,) = twap["approvals"]
    assert (approval["proposer"], approval["approver"]) == ("rob", "ada")
    assert approval["evidence_name"] == "evaluation.json"
    assert approval["parameters"] == twap["parameters"] == in_use(PARAMETERS)[0].parameters
    assert {one["strategy"] for one in listed if one["approvals"]} == {"twap"}


def test_a_single_owner_approves_alone_but_has_to(house: House) -> None:
    assert why_not(house, "twap", PARAMETERS, 2**61)
    done = house.by(
        "me",
        "strategies",
        "propose",
        "twap",
        "--evidence",
        evidence(house),
        "--reason",
        "looked at it",
    )
    assert done.code == 0, done.err
    assert not why_not(house, "twap", PARAMETERS, 2**61)
    house.set_up()
    assert why_not(house, "twap", PARAMETERS, 2**61), "two persons from here on"
    listed = house.by("eve", "strategies", "list", "--json").json["strategies"]
    assert [one["approvals"] for one in listed if one["strategy"] == "twap"] == [[]]


class Fixed:
    """Readings as a test gives them."""

    def __init__(self, *readings: ClockReading) -> None:
        self.readings = list(readings)

    def __call__(self) -> ClockReading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


def off_by(ms: int, within: int = 0) -> ClockReading:
    return ClockReading("a test", ms * MS, within * MS)


def guarded(log: Log, *readings: ClockReading, unknown: bool = False) -> ClockGuard:
    times = iter(range(0, 10**15, 61 * NANOS))
    return ClockGuard(
        log,
        ClockSettings(offset_ms_max=200),
        Fixed(*readings),
        unknown_blocks=unknown,
        now=lambda: 1_700_000_000 * NANOS,
        monotonic=lambda: next(times),
    )


@pytest.mark.parametrize(
    ("reading", "health"),
    [
        (off_by(50), ClockHealth.GOOD),
        (off_by(-50), ClockHealth.GOOD),
        (off_by(40, 11), ClockHealth.ALERT),
        (off_by(-51), ClockHealth.ALERT),
        (off_by(200), ClockHealth.ALERT),
        (off_by(200, 1), ClockHealth.BLOCKED),
        (UNKNOWN, ClockHealth.ALERT),
    ],
)
def test_a_clock_is_judged_by_how_far_it_may_be_off_at_most(
    reading: ClockReading, health: ClockHealth
) -> None:
    assert reading.health(ClockSettings(offset_ms_max=200), unknown_blocks=False) is health
    assert UNKNOWN.health(ClockSettings(), unknown_blocks=True) is ClockHealth.BLOCKED


def test_measurements_are_recorded_when_they_say_something_new(tmp_path: Path) -> None:
    with Log.open(str(tmp_path / "log.db")) as log:
        moved = [off_by(1), off_by(2), off_by(30), off_by(90), off_by(300), off_by(1)]
        guard = guarded(log, *moved)
        refused = [guard.why_not("twap") is not None for _ in moved[1:]]
        assert refused == [False, False, False, True, False]
        with OpsLog.of(log) as stream:
            found = [r.record for r in stream.records()]
    measured = [one for one in found if isinstance(one, ops.ClockMeasured)]
    assert [(one.offset_ns or 0) // MS for one in measured] == [1, 30, 90, 300, 1]
    assert [one.health.value for one in measured] == ["good", "good", "alert", "blocked", "good"]


def test_an_alert_of_the_clock_is_an_exception(house: House) -> None:
    with Log.open(str(house.store)) as log:
        guarded(log, off_by(90))
    listed = house.by("me", "exceptions", "list", "--kind", "alert", "--json").json["exceptions"]
    assert ["the clock may be off by 90 ms" in one["detail"] for one in listed] == [True]


def test_the_kernels_figures_count_only_while_something_keeps_its_clock() -> None:
    kept = of_timex(0, 0x2001, -1_500, 60_000)
    assert kept == ClockReading("NTP, by the kernel (adjtimex)", -1_500, 60_000_000)
    in_micro = of_timex(0, 0x0001, -2, 60)
    assert in_micro is not None
    assert in_micro.offset_ns == -2_000
    assert of_timex(5, 0x2001, 0, 1) is None
    assert of_timex(0, 0x2041, 0, 1) is None
    assert of_timex(-1, 0, 0, 0) is None


def test_the_surest_reading_counts_and_a_brokers_grows_unsure_with_time() -> None:
    broker = BrokerReading(3 * MS, 10 * MS, measured_at=0)
    assert broker.reading(0).uncertainty_ns == 5 * MS
    assert broker.reading(1_000 * NANOS).uncertainty_ns == 55 * MS
    kernel = ClockReading("kernel", 0, 20 * MS)
    assert best([kernel, broker.reading(0)]).source == "the broker's clock"
    assert best([kernel, broker.reading(1_000 * NANOS)]) == kernel
    assert best([]) == UNKNOWN


def test_a_brokers_clock_is_asked_again_before_a_days_drift_would_stop_trading() -> None:
    """While it gives no answer its last word grows unsure; the next answer is sure again."""
    at, answers = [0], [ApiSilence("no answer"), (4 * MS, 2 * MS)]

    def ask() -> tuple[int, int]:
        said = answers.pop(0)
        if isinstance(said, ApiSilence):
            raise said
        return said

    clocks = Clocks(MeasuredClock(SystemClock(), 3 * MS, 2 * MS, ask), lambda: at[0])

    def asked() -> int | None:
        """The broker's uncertainty once whatever was asked has been answered."""
        clocks()
        for thread in threading.enumerate():
            if thread.name == "fillwright-clock":
                thread.join()
        assert clocks.broker is not None
        return clocks.broker.reading(at[0]).uncertainty_ns

    assert asked() == MS
    at[0] = 299 * NANOS
    assert asked() == MS + 299 * 50_000
    assert len(answers) == 2, "it is not asked more often than it has to be"
    at[0] = 300 * NANOS
    assert asked() == MS + 300 * 50_000, "it gave no answer"
    assert asked() == MS
    assert clocks.broker is not None
    assert clocks.broker.offset_ns == 4 * MS


def test_live_an_unapproved_strategy_is_refused_and_an_approved_one_trades(
    tmp_path: Path,
) -> None:
    """The engine's process with --live at a paper server, whose address stands for the broker's."""
    store, live = str(tmp_path / "log.db"), {"FILLWRIGHT_MODE": "live"}
    Log.open(store).close()
    reviewed = tmp_path / "evaluation.json"
    reviewed.write_text("{}")
    asked = ("--evidence", str(reviewed), "--reason", "held out", "--store", store)
    approved = command(None, "strategies", "propose", "market", *asked)
    assert approved.returncode == 0, approved.stderr
    base = {"action": "BUY", "symbol": "KO", "target_weight": 1, "confidence": 8}
    rows = [
        {**base, "decision_id": name, "strategy": name, "window": "5m"}
        for name in ("twap", "market")
    ]
    with running(speed=10, start="10:00", journal=tmp_path / "paper.db") as server:
        process = engine(server, tmp_path, rows, "--live", env=live)
        assert process.wait(60) == 0, (tmp_path / "engine.err").read_text()[-2000:]
    with Log.open(store, writer=False) as log:
        events = [recorded.event for recorded in log.events()]
    refused = [one for one in events if isinstance(one, e.InstructionRejected)]
    assert [r.reason for one in refused for r in one.refusals] == [Reason.STRATEGY_APPROVAL]
    sent = {one.originator_id for one in events if isinstance(one, e.OrderIntended)}
    assert len(sent) == 1
    assert sent.isdisjoint({one.originator_id for one in refused})
    assert any(isinstance(one, e.OrderFilled) for one in events)
    again = command(None, "replay", "--decisions", "--store", store)
    assert again.returncode == 0, again.stderr
