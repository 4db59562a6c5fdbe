"""How far the machine's clock is from true time: what the kernel says that NTP keeps, or a broker.

chrony and ntpd discipline the kernel's clock and leave their figures there, where `adjtimex` reads
them without rights and without asking a daemon (Linux; kernel documentation of adjtimex(2)).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Iterable
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from ...domain.market import Record
from ...domain.ops.clocks import ClockHealth

MICRO_NS: Final = 1_000
MILLI_NS: Final = 1_000_000
STA_UNSYNC: Final = 0x0040
STA_NANO: Final = 0x2000
TIME_ERROR: Final = 5
DRIFT_PPM: Final = 50
"""How far an undisciplined clock may run away: 50 µs a second, as usual crystals do at most."""


class ClockSettings(Record):
    """How far the clock may be off, in milliseconds, uncertainty included.

    Beyond ``alert_ms`` it is an exception; beyond ``offset_ms_max`` no new order is decided or
    sent. It is measured every ``measure_seconds``.
    """

    alert_ms: Annotated[int, Field(ge=1, le=60_000)] = 50
    offset_ms_max: Annotated[int, Field(ge=1, le=600_000)] = 1_000
    measure_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60


class ClockReading(NamedTuple):
    """True time minus ours, within ``uncertainty_ns`` either way; None where it cannot be told."""

    source: str
    offset_ns: int | None
    uncertainty_ns: int | None

    @property
    def worst_ns(self) -> int | None:
        """How far the clock may be off at most, None where it cannot be told."""
        if self.offset_ns is None or self.uncertainty_ns is None:
            return None
        return abs(self.offset_ns) + self.uncertainty_ns

    def health(self, terms: ClockSettings, *, unknown_blocks: bool) -> ClockHealth:
        """What the reading means under these bounds."""
        worst = self.worst_ns
        if worst is None:
            return ClockHealth.BLOCKED if unknown_blocks else ClockHealth.ALERT
        if worst > terms.offset_ms_max * MILLI_NS:
            return ClockHealth.BLOCKED
        return ClockHealth.ALERT if worst > terms.alert_ms * MILLI_NS else ClockHealth.GOOD


UNKNOWN: Final = ClockReading("nothing tells: no NTP in the kernel, no broker's clock", None, None)


class BrokerReading(NamedTuple):
    """What was measured at a broker: ours and theirs at once, and when (monotonic ns)."""

    offset_ns: int
    uncertainty_ns: int
    measured_at: int

    def reading(self, now: int) -> ClockReading:
        """The reading now: the longer ago, the less sure."""
        drift = max(0, now - self.measured_at) * DRIFT_PPM // 1_000_000
        half = (self.uncertainty_ns + 1) // 2
        return ClockReading("the broker's clock", self.offset_ns, half + drift)


def best(readings: Iterable[ClockReading]) -> ClockReading:
    """The reading that is surest."""
    known = [one for one in readings if one.uncertainty_ns is not None]
    return min(known, key=lambda one: one.uncertainty_ns or 0, default=UNKNOWN)


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_char * 128),
    )


def kernel_reading() -> ClockReading | None:
    """What the kernel knows of its clock, None where NTP does not keep it or it cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    found = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found))
    except (OSError, AttributeError):
        return None
    return of_timex(state, found.status, found.offset, found.maxerror)


def of_timex(state: int, status: int, offset: int, maxerror: int) -> ClockReading | None:
    """The reading of the kernel's figures; ``maxerror`` is in µs, ``offset`` as ``status`` says."""
    if state < 0 or state == TIME_ERROR or status & STA_UNSYNC:
        return None
    offset_ns = offset if status & STA_NANO else offset * MICRO_NS
    return ClockReading("NTP, by the kernel (adjtimex)", offset_ns, maxerror * MICRO_NS)
