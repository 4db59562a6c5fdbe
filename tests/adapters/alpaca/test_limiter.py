"""One budget of requests for everything, of which a share is always kept for cancels."""

from __future__ import annotations

import pytest

from fillwright.adapters.alpaca_api.limiter import WINDOW_SECONDS, Lane, Limiter


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.slept = 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def limiter(time: Time, per_minute: int = 100) -> Limiter:
    return Limiter(per_minute, monotonic=time.now, wall=time.now, sleep=time.sleep)


def test_what_is_within_the_budget_never_waits(time: Time) -> None:
    one = limiter(time)
    for _ in range(70):
        one.take(Lane.QUERY)
    for _ in range(20):
        one.take(Lane.ORDER)
    for _ in range(10):
        one.take(Lane.CANCEL)
    assert time.slept == 0


@pytest.mark.parametrize(("lane", "share"), [(Lane.QUERY, 70), (Lane.ORDER, 90)])
def test_a_lane_leaves_its_share_to_those_that_matter_more(
    time: Time, lane: Lane, share: int
) -> None:
    one = limiter(time)
    for _ in range(share):
        one.take(lane)
    one.take(Lane.CANCEL)
    assert time.slept == 0
    one.take(lane)
    assert time.slept >= WINDOW_SECONDS - 1


def test_no_minute_has_more_than_the_budget(time: Time) -> None:
    one = limiter(time, 50)
    made = []
    for _ in range(200):
        one.take(Lane.CANCEL)
        made.append(time.at)
    assert all(sum(t <= at < t + WINDOW_SECONDS for at in made) <= 50 for t in made)


def test_the_servers_headers_replace_our_budget(time: Time) -> None:
    one = limiter(time)
    one.learn({"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "999"})
    assert one.limit == 1000
    one.learn({"X-RateLimit-Limit": "many", "X-RateLimit-Reset": ""})
    assert one.limit == 1000


def test_everybody_waits_when_nothing_remains(time: Time) -> None:
    one = limiter(time)
    one.learn({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.at) + 7)})
    one.take(Lane.CANCEL)
    assert 6 <= time.slept <= 8


def test_a_refusal_is_waited_out_also_without_a_reset(time: Time) -> None:
    one = limiter(time)
    one.refused({})
    one.take(Lane.ORDER)
    assert 0.4 <= time.slept <= 1


def test_a_refusal_while_something_remains_is_waited_out_for_a_moment_only(time: Time) -> None:
    one = limiter(time)
    one.refused({"X-RateLimit-Remaining": "150", "X-RateLimit-Reset": str(int(time.at) + 50)})
    one.take(Lane.ORDER)
    assert time.slept <= 1


def test_a_reset_that_cannot_be_is_not_waited_for(time: Time) -> None:
    one = limiter(time)
    one.learn({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.at) + 86_400)})
    one.take(Lane.ORDER)
    assert time.slept == 0
