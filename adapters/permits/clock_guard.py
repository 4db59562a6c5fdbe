"""Measures the clock while an engine trades, records it, and allows no new order beyond a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ... import __version__
from ...domain.errors import StoreError
from ...domain.ops.clocks import ClockHealth, ClockMeasured
from ...domain.ports import NANOS
from ...domain.reasons import Reason, Refusal
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..timekeeping.clock_reading import MILLI_NS, ClockReading, ClockSettings

MOVED_NS: Final = 10 * MILLI_NS
"""A change of the offset from which on a measurement is recorded again."""

Measure = Callable[[], ClockReading]


class ClockGuard:
    """A permit that holds while the clock is shown to be near enough to true time."""

    def __init__(
        self,
        log: Log,
        terms: ClockSettings,
        measure: Measure,
        *,
        unknown_blocks: bool,
        now: Callable[[], int],
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Measure at once; ``now`` (ns UTC) stamps records."""
        self._log, self._terms, self._measure = log, terms, measure
        self._unknown_blocks = unknown_blocks
        self._now, self._monotonic = now, monotonic
        self._recorded: tuple[ClockHealth, int | None] | None = None
        self.renew()

    def renew(self) -> None:
        """Measure and record, whatever it was before."""
        self._recorded = None
        self._look()

    def why_not(self, strategy: str) -> Refusal | None:
        """The refusal while the clock may be off by more than the configured maximum."""
        if self._monotonic() - self._looked >= self._terms.measure_seconds * NANOS:
            self._look()
        if self.health is not ClockHealth.BLOCKED:
            return None
        worst = self.reading.worst_ns
        seen = "unknown" if worst is None else f"up to {worst // MILLI_NS} ms"
        allowed = f"at most {self._terms.offset_ms_max} ms (clock.offset_ms_max)"
        return Refusal(
            reason=Reason.CLOCK,
            field="clock offset",
            observed=seen,
            allowed=allowed,
            would_pass="a clock that NTP keeps",
            message=f"clock: the machine's clock is off by {seen}; allowed: {allowed}",
        )

    def _look(self) -> None:
        self._looked = self._monotonic()
        self.reading = self._measure()
        self.health = self.reading.health(self._terms, unknown_blocks=self._unknown_blocks)
        known, offset = self._recorded, self.reading.offset_ns
        moved = known is None or known[0] is not self.health
        if known is not None and known[1] is not None and offset is not None:
            moved = moved or abs(known[1] - offset) >= MOVED_NS
        if moved:
            self._record()

    def _record(self) -> None:
        """A measurement that cannot be written now is written with the next one."""
        try:
            head = self._log.head()
            with OpsLog.of(self._log) as ops:
                ops.append(
                    ClockMeasured(
                        record_time=self._now(),
                        actor=f"engine/{__version__}",
                        log_position=head.position,
                        log_hash=head.hash.hex(),
                        source=self.reading.source,
                        offset_ns=self.reading.offset_ns,
                        uncertainty_ns=self.reading.uncertainty_ns,
                        alert_ms=self._terms.alert_ms,
                        offset_ms_max=self._terms.offset_ms_max,
                        health=self.health,
                    )
                )
        except StoreError:
            return
        self._recorded = (self.health, self.reading.offset_ns)
