"""Control as it stands at each moment, for an engine that runs: the second stream, followed."""

from __future__ import annotations

import threading

from ...domain.supervision import Supervision
from ..closing import Closing
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..supervision.supervising import TOPICS


class ControlTail(Closing):
    """The state of control by the records so far; each look costs one read of the stream's head.

    May be asked from any thread.
    """

    def __init__(self, log: Log) -> None:
        """Follow the second stream of an open log; raises StoreError where it cannot be read."""
        self._ops = OpsLog.of(log)
        self._state, self._seen = Supervision(), 0
        self._lock = threading.Lock()

    def state(self) -> Supervision:
        """The state now.

        Raises:
            StoreError: it cannot be read.
        """
        with self._lock:
            head = self._ops.head().position
            if head != self._seen:
                for recorded in self._ops.records(self._seen, head, TOPICS):
                    self._state.apply(recorded.record)
                self._seen = head
            return self._state

    def close(self) -> None:
        """Let go of the store; a second call does nothing."""
        self._ops.close()
