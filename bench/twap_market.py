"""The quotes and the task of the TWAP day, shared with the peers so that all do the same job.

Needs numpy only: peers run it in interpreters that have no fillwright.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OPEN_NS = 1_704_724_200_000_000_000
"""2024-01-08, 9:30 in New York."""
CLOSE_NS = OPEN_NS + 23_400 * 10**9
START_NS = OPEN_NS + 1_800 * 10**9
"""When the first parent arrives."""
TICKS_PER_DOLLAR = 100
SHARES = 800
SLICES = 8
WINDOW_SECONDS = 7_200
LATENCY_NS = 50_000_000
SEED = 1


class Quotes(NamedTuple):
    """A one-symbol day: ns UTC, prices in ticks of a cent, sizes in shares."""

    times: NDArray[np.int64]
    bid_ticks: NDArray[np.int64]
    ask_ticks: NDArray[np.int64]
    bid_sizes: NDArray[np.int64]
    ask_sizes: NDArray[np.int64]

    def fingerprint(self) -> str:
        """A hash of everything, by which two interpreters show that they read the same."""
        digest = hashlib.sha256()
        for column in self:
            digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
        return digest.hexdigest()[:16]


def random_walk(count: int) -> Quotes:
    """``count`` quotes of one tick's spread over one session, never less deep than a slice."""
    random = np.random.Generator(np.random.PCG64(SEED))
    times = np.sort(random.integers(OPEN_NS, CLOSE_NS, count)).astype(np.int64)
    times[0] = OPEN_NS
    bids = 10_000 + np.cumsum(random.integers(-1, 2, count))
    sizes = random.integers(1_000, 50_000, count)
    return Quotes(times, bids, bids + 1, sizes, sizes[::-1].copy())
