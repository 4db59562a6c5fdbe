"""The broker's time: how far ours is from it, and the time of a server that runs at a speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...domain.ports import Clock
from ..timekeeping.clocks import SystemClock
from .reading import nanos, number_of
from .rest import AlpacaRest, ApiRefusal, ApiSilence

PACED_PATH: Final = "/clock"


class PacedClock:
    """Market time of a server that begins where it says and runs ``rate`` times as fast as ours."""

    def __init__(self, base: Clock, market_now: int, rate: float) -> None:
        """Anchor to ``market_now`` (ns UTC) now."""
        self._base = base
        self._anchor = base.now()
        self._start = market_now
        self.rate = rate

    @property
    def source(self) -> str:
        """Where the time comes from, as recorded with the engine's start."""
        return f"the paper server's market clock at {self.rate:g} times real time"

    @property
    def offset_ns(self) -> int | None:
        """How far market time is from the machine's."""
        return self.now() - self._base.now()

    def now(self) -> int:
        """The market time now, ns UTC."""
        return self._start + int((self._base.now() - self._anchor) * self.rate)

    def correct(self, market_now: int) -> None:
        """Go on from a later market time; an earlier one is ignored."""
        if market_now > self.now():
            self._start, self._anchor = market_now, self._base.now()


class MeasuredClock:
    """The machine's clock with its measured distance from the broker's.

    ``offset_ns`` is the broker's time minus ours at the middle of the request, known to within half
    of ``uncertainty_ns``.
    """

    rate = 1.0

    def __init__(
        self,
        base: Clock,
        offset_ns: int,
        uncertainty_ns: int,
        ask: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        """Keep what was measured, and how to measure again; the time itself stays the machine's."""
        self._base, self._ask = base, ask
        self.offset_ns: int | None = offset_ns
        self.uncertainty_ns = uncertainty_ns

    @property
    def source(self) -> str:
        """Where the time comes from, as recorded with the engine's start."""
        source = getattr(self._base, "source", type(self._base).__name__)
        return f"{source}; broker's clock {(self.offset_ns or 0) / 1e6:+.0f} ms from it"

    def now(self) -> int:
        """The time now, ns UTC."""
        return self._base.now()

    def measure(self) -> tuple[int, int]:
        """Offset and uncertainty as the broker tells them now, where it can be asked again.

        Raises:
            ApiRefusal, ApiSilence: it gives no time.
        """
        if self._ask is not None:
            self.offset_ns, self.uncertainty_ns = self._ask()
        return self.offset_ns or 0, self.uncertainty_ns


BrokerClock = PacedClock | MeasuredClock


def market_clock(rest: AlpacaRest, base: Clock | None = None) -> BrokerClock:
    """The clock to trade by: the machine's, or that of a paper server with a time of its own.

    Raises:
        ApiRefusal: the broker refuses the keys.
        ApiSilence: the broker gives no time.
    """
    ours = base or SystemClock()
    measured = _measured(rest, ours)
    paced = None if rest.is_alpaca else paced_now(rest)
    if paced is not None:
        return PacedClock(ours, *paced)
    return MeasuredClock(ours, *measured, lambda: _measured(rest, ours))


def _measured(rest: AlpacaRest, ours: Clock) -> tuple[int, int]:
    """The broker's time minus ours at the middle of a request, and how long that took."""
    before = ours.now()
    answer = rest.get("/clock")
    after = ours.now()
    theirs = nanos(answer.get("timestamp")) if isinstance(answer, dict) else None
    if theirs is None:
        raise ApiSilence("GET /clock: an answer without a readable timestamp")
    return theirs - (before + after) // 2, after - before


def paced_now(rest: AlpacaRest) -> tuple[int, float] | None:
    """Market time (ns UTC) and speed of a paper server of ours, None of any other."""
    try:
        answer = rest.get(PACED_PATH, version="fillwright")
    except (ApiRefusal, ApiSilence):
        return None
    now, speed = number_of(answer, "now_ns"), number_of(answer, "speed")
    return None if now is None or speed is None or speed <= 0 else (int(now), float(speed))
