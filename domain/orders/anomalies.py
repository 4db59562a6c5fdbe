"""What a broker may say of an order that does not fit: recorded as values, never dropped."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class AnomalyKind(StrEnum):
    """What was odd about a report."""

    LATE_FILL = "late_fill"
    OVERFILL = "overfill"
    MISSING_FILLS = "missing_fills"
    FILL_DISAGREES = "fill_disagrees"
    FILLS_OVERLAP = "fills_overlap"
    FILL_AFTER_REJECTION = "fill_after_rejection"
    FILL_WITHOUT_PRICE = "fill_without_price"
    UNIDENTIFIED_FILL = "unidentified_fill"
    MALFORMED_FILL = "malformed_fill"
    UNKNOWN_EXECUTION = "unknown_execution"
    STALE_RESTATEMENT = "stale_restatement"
    RESTATED_AFTER_END = "restated_after_end"
    CUM_DISAGREES = "cum_disagrees"
    REJECTED_AFTER_FILL = "rejected_after_fill"
    CONFLICTING_END = "conflicting_end"
    TERMS_CHANGED = "terms_changed"
    UNASKED_REPLACE = "unasked_replace"
    UNMATCHED_ANSWER = "unmatched_answer"
    UNKNOWN_STATUS = "unknown_status"
    WRONG_ORDER = "wrong_order"
    UNLISTED_TRANSITION = "unlisted_transition"


class Anomaly(NamedTuple):
    """One odd thing about one report, with what was seen."""

    kind: AnomalyKind
    detail: str

    def __str__(self) -> str:
        """The kind, then what was seen."""
        return f"{self.kind}: {self.detail}"


Anomalies = tuple[Anomaly, ...]
