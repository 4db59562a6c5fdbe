"""Clocks never go back, and waiting is exact, interruptible and patchable."""

from __future__ import annotations

import asyncio
import time
from unittest.mock import AsyncMock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.timekeeping.clocks import (
    SLEEP_SECONDS_MAX,
    FlooredClock,
    LiveRuntime,
    SystemClock,
    VirtualClock,
)
from fillwright.domain.errors import InvariantBroken
from fillwright.domain.ports import NANOS

HOUR = 3_600 * NANOS


@given(st.lists(st.integers(min_value=0, max_value=2**62)))
def test_a_virtual_clock_never_goes_back(times: list[int]) -> None:
    clock = VirtualClock(1_000)
    seen = [clock.now()]
    for moment in times:
        clock.set(moment)
        seen.append(clock.now())
    assert seen == sorted(seen)
    assert clock.now() == max([1_000, *times])


def test_the_system_clock_starts_at_wall_time() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time_ns()) < NANOS // 10


def test_the_system_clock_ignores_a_step_of_the_wall_clock_and_shows_it_as_offset() -> None:
    clock = SystemClock()
    before = clock.now()
    with patch("time.time_ns", return_value=before - HOUR):
        assert clock.now() >= before
        offset = clock.offset_ns
    assert offset is not None
    assert offset == pytest.approx(-HOUR, abs=NANOS)


def test_the_system_clock_works_without_a_boot_time_counter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    clock = SystemClock()
    assert "monotonic" in clock.source
    assert abs(clock.now() - time.time_ns()) < NANOS // 10


def test_every_clock_says_where_its_time_comes_from() -> None:
    virtual = VirtualClock(5)
    assert (virtual.source, virtual.offset_ns) == ("virtual", 0)
    floored = FlooredClock(virtual)
    assert (floored.source, floored.offset_ns) == ("virtual", 0)
    assert "wall clock anchored once" in SystemClock().source


def test_a_floored_clock_is_the_later_of_clock_and_floor() -> None:
    inner = VirtualClock(100)
    clock = FlooredClock(inner)
    clock.raise_to(200)
    clock.raise_to(150)
    assert clock.now() == 200
    inner.set(250)
    assert clock.now() == 250


def test_a_patched_sleep_finishes_two_hours_at_once() -> None:
    async def schedule() -> int:
        runtime = LiveRuntime(VirtualClock(0))
        with patch("asyncio.sleep", new_callable=AsyncMock):
            for slot in range(1, 9):
                await runtime.wait(slot * HOUR // 4)
        return runtime.clock.now()

    assert asyncio.run(schedule()) == 2 * HOUR


def test_a_wait_ends_when_the_broker_has_reports() -> None:
    async def waited() -> tuple[int, bool]:
        arrived = asyncio.Event()
        runtime = LiveRuntime(VirtualClock(0), arrived)
        asyncio.get_running_loop().call_later(0.01, arrived.set)
        await asyncio.wait_for(runtime.wait(HOUR), 5)
        return runtime.clock.now(), arrived.is_set()

    assert asyncio.run(waited()) == (0, False)


def test_answers_that_need_no_time_come_before_a_patched_sleep_moves_time() -> None:
    async def waited() -> int:
        arrived = asyncio.Event()
        runtime = LiveRuntime(VirtualClock(0), arrived)

        async def broker() -> None:
            polled = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(polled.set_result, None)
            await polled
            arrived.set()

        with patch("asyncio.sleep", new_callable=AsyncMock):
            task = asyncio.create_task(broker())
            await runtime.wait(HOUR)
            await task
        return runtime.clock.now()

    assert asyncio.run(waited()) == 0


def test_a_wait_without_a_time_lasts_until_reports_come() -> None:
    async def waited() -> bool:
        arrived = asyncio.Event()
        runtime = LiveRuntime(VirtualClock(0), arrived)
        waiting = asyncio.create_task(runtime.wait(None))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        arrived.set()
        await asyncio.wait_for(waiting, 5)
        return arrived.is_set()

    assert asyncio.run(waited()) is False


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(InvariantBroken, match="nothing to wait for"):
        asyncio.run(LiveRuntime(VirtualClock(0)).wait(None))


def test_a_wait_for_a_time_that_has_passed_still_gives_others_a_turn() -> None:
    async def turns() -> int:
        count = 0

        async def other() -> None:
            nonlocal count
            while True:
                count += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        runtime = LiveRuntime(VirtualClock(HOUR))
        for _ in range(3):
            await runtime.wait(0)
        task.cancel()
        return count

    assert asyncio.run(turns()) >= 3


def test_a_real_wait_takes_its_time_and_ends_at_or_after_it() -> None:
    async def waited() -> tuple[int, int]:
        runtime = LiveRuntime(SystemClock(), asyncio.Event())
        until = runtime.clock.now() + 20_000_000
        await runtime.wait(until)
        return until, runtime.clock.now()

    started = time.monotonic()
    until, now = asyncio.run(waited())
    assert time.monotonic() - started >= 0.019
    assert now >= until


def test_a_long_wait_sleeps_in_bounded_pieces() -> None:
    async def slept() -> list[float]:
        with patch("asyncio.sleep", new_callable=AsyncMock) as sleep:
            await LiveRuntime(VirtualClock(0)).wait(150 * NANOS)
        return [call.args[0] for call in sleep.await_args_list]

    assert asyncio.run(slept()) == [SLEEP_SECONDS_MAX, SLEEP_SECONDS_MAX, 30.0]


def test_cancelling_a_wait_leaves_no_task_behind() -> None:
    async def left() -> int:
        runtime = LiveRuntime(VirtualClock(0), asyncio.Event())
        waiting = asyncio.create_task(runtime.wait(HOUR))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(left()) == 0


def test_a_failing_sleep_is_not_swallowed() -> None:
    async def waited() -> None:
        runtime = LiveRuntime(VirtualClock(0), asyncio.Event())
        with patch("asyncio.sleep", new_callable=AsyncMock, side_effect=RuntimeError("broken")):
            await runtime.wait(HOUR)

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(waited())
