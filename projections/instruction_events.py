"""Which events belong to an instruction: the lists that projections over instructions share."""

from __future__ import annotations

from typing import Final

from ..domain import events as e
from ..domain.instruction_fold import REPORTED

REPORT_EVENTS: Final = REPORTED
"""What a broker said of a child order."""

END_EVENTS: Final[tuple[type[e.DomainEvent], ...]] = (
    e.InstructionRejected,
    e.NothingToDo,
    e.InstructionFilled,
    e.InstructionCancelled,
)
"""What ends an instruction."""

FOLLOWED_EVENTS: Final[tuple[type[e.DomainEvent], ...]] = (
    e.DecisionAssessed,
    e.ReleaseDeferred,
    e.InstructionReleased,
    e.InstructionReplanned,
    e.StrategySwitched,
    e.InstructionSuspended,
    e.InstructionResumed,
    e.InstructionEndRequested,
    e.InstructionEscalated,
    e.OrderIntended,
    e.OrderCancelRequested,
    e.InstructionAnomaly,
)
"""What changes how an instruction is worked and nothing else."""

INSTRUCTION_EVENTS: Final[tuple[type[e.DomainEvent], ...]] = (
    e.DecisionReceived,
    e.InstructionPlanned,
    *FOLLOWED_EVENTS,
    *REPORT_EVENTS,
    *END_EVENTS,
)
"""Every event of an instruction's own stream."""

ACCOUNT_EVENTS: Final[tuple[type[e.DomainEvent], ...]] = (
    e.EngineStarted,
    e.RulesInForce,
    e.SessionOpened,
    e.AccountStatusRecorded,
    e.InstrumentRecorded,
    e.CorporateActionRecorded,
    e.CorporateActionSettled,
    e.PositionUnexplained,
    e.PositionExplained,
    e.FeesTruedUp,
    e.StatementReconciled,
    e.SessionSignedOff,
    e.LimitChanged,
    e.KillSwitchEngaged,
    e.KillSwitchReleased,
    e.Reconciled,
    e.SessionClosed,
    e.MarketDataCaptured,
    e.ForeignExecution,
    e.CashMoved,
    e.AccountAnomaly,
    e.AnomalySettled,
    e.SubjectRedacted,
)
"""Every event of an account's stream, and those that stand alone."""
