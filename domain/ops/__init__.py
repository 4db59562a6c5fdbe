"""The catalogue of the second stream: what was done with the log, by stable topic and version.

Reports, reviews, commentary, verification, anchors and alerts are facts about the record, not about
trading: they go to a stream of their own with its own chain (ruling 24), so that writing them
never moves a position of the log they speak of.
"""

from __future__ import annotations

from ..reasons import Disposition
from .alerting import AlertCleared, AlertNotified, AlertRaised
from .base import OPS_CATALOGUE, OPS_UPCASTERS, OpsRecord
from .clocks import ClockHealth, ClockMeasured
from .control import (
    AccessGranted,
    AccessRefused,
    ChangeApplied,
    ChangeApproved,
    ChangeKind,
    ChangeProposed,
    ChangeRejected,
    PrincipalsInForce,
    RetentionInForce,
    StrategyApproved,
)
from .exceptions import ExceptionAssigned, ExceptionClosed, ExceptionEscalated, ExceptionKind
from .integrity import Anchored, VerificationDone
from .reporting import REPORT_KINDS, CommentaryWritten, ReportIssued, ReviewRecorded
from .stopping import EngineStopped, StopRequested

__all__ = [
    "OPS_CATALOGUE",
    "OPS_UPCASTERS",
    "REPORT_KINDS",
    "AccessGranted",
    "AccessRefused",
    "AlertCleared",
    "AlertNotified",
    "AlertRaised",
    "Anchored",
    "ChangeApplied",
    "ChangeApproved",
    "ChangeKind",
    "ChangeProposed",
    "ChangeRejected",
    "ClockHealth",
    "ClockMeasured",
    "CommentaryWritten",
    "Disposition",
    "EngineStopped",
    "ExceptionAssigned",
    "ExceptionClosed",
    "ExceptionEscalated",
    "ExceptionKind",
    "OpsRecord",
    "PrincipalsInForce",
    "ReportIssued",
    "RetentionInForce",
    "ReviewRecorded",
    "StopRequested",
    "StrategyApproved",
    "VerificationDone",
]
