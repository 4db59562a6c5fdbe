"""How an engine starts: from what was kept beside the log if that can be believed, else from it."""

from __future__ import annotations

from typing import Final

from ...domain.errors import StoreDamaged
from .desk import Desk
from .from_log import compare_counters, counters_agree, rebuild
from .keeping import keep
from .start_cache import Unusable, read, write

KEPT_EVERY: Final = 10_000
"""After how many events the state is kept anew, which bounds what a start after a crash reads.

A log of fewer events is folded whole in half a second, and has no such file.
"""


def fold(desk: Desk) -> tuple[int, str]:
    """Fold what is behind the kept state; everything, where that cannot be believed.

    The stored counters are a second witness: a kept state that they gainsay is not used. Gives the
    position gone on from and what was wrong with the kept state.
    """
    try:
        kept = read(desk.log, desk.name)
        rebuild(desk, kept)
        if not counters_agree(desk):
            raise Unusable("the stored counters differ")
    except (Unusable, StoreDamaged) as error:
        rebuild(desk)
        return 0, str(error)
    return kept.position, ""


class Starting:
    """Begins a desk, and keeps its state now and then for the next start.

    ``began_at`` is the position that the last start went on from, 0 from the first event, and
    ``why`` says what was wrong with the kept state, empty when it was used.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept_at = 0
        self.began_at = 0
        self.why = ""

    def load(self) -> None:
        """Fold what the log has of the account."""
        desk = self._desk
        self.began_at, self.why = fold(desk)
        self._kept_at = self.began_at
        desk.starts = desk.account.starts
        self.attend()
        compare_counters(desk)

    def attend(self) -> None:
        """Keep the state when much was recorded since it was last kept."""
        if self._desk.seen - self._kept_at >= KEPT_EVERY:
            self.keep()

    def keep(self) -> None:
        """Keep the state for the next start, unless something waits to be recorded."""
        desk = self._desk
        if not desk.log.is_writer or desk.seen < max(KEPT_EVERY, self._kept_at + 1):
            return
        kept = keep(desk)
        if kept is not None:
            write(desk.log, desk.name, kept)
            self._kept_at = kept.position
