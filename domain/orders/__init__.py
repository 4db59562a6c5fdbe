"""Child orders: one door to the order, its executions, our own steps and the broker's reports.

The order is a value. Our own steps (:func:`intend`, :func:`mark_sent`, :func:`request_cancel`,
:func:`request_replace`, :func:`withdraw`) and each report (:func:`fold`) give the next value.
"""

from __future__ import annotations

from .anomalies import Anomalies, Anomaly, AnomalyKind
from .child_order import (
    ChildOrder,
    PendingRequest,
    intend,
    mark_sent,
    request_cancel,
    request_replace,
    withdraw,
)
from .executions import NOTHING_EXECUTED, Execution, Executions, ExecutionStatus
from .folding import fold

__all__ = [
    "NOTHING_EXECUTED",
    "Anomalies",
    "Anomaly",
    "AnomalyKind",
    "ChildOrder",
    "Execution",
    "ExecutionStatus",
    "Executions",
    "PendingRequest",
    "fold",
    "intend",
    "mark_sent",
    "request_cancel",
    "request_replace",
    "withdraw",
]
