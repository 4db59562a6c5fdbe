"""The most memory that a process had, and those that it starts, each asked while it lives."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread
from typing import Final

LOOK_SECONDS: Final = 0.05


class Started(Thread):
    """Watches the processes that this one starts; ``peak_kb`` is the largest of any so far.

    What the system says of an ended process counts what its parent had when it was started, so
    each is asked while it lives, and its own high-water mark since it began is taken.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_kb = 0
        self._over = Event()

    def run(self) -> None:
        """Look until :meth:`stop`."""
        while not self._over.wait(LOOK_SECONDS):
            for listed in Path("/proc/self/task").glob("*/children"):
                peaks = map(high_water_kb, listed.read_text().split())
                self.peak_kb = max(self.peak_kb, *peaks, 0)

    def stop(self) -> int:
        """The largest, 0 where none was started."""
        self._over.set()
        self.join()
        return self.peak_kb


def high_water_kb(process: str) -> int:
    """The most memory that a process had since it began, 0 where that cannot be told."""
    try:
        status = Path("/proc", process, "status").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")), 0)
