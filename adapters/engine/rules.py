"""What configuration tells an engine about how to work."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...domain.intake import IntakeRules
from ...domain.planning.facts import DEFAULT_RULES, PlanningRules
from ...domain.ports import AccountKind
from ...domain.switching import SwitchingRules
from ...domain.timing.terms import TimingConfig


@dataclass(frozen=True, slots=True)
class EngineRules:
    """How the engine works; every number is configuration, units in the names.

    ``reports_before_commit_max`` is how many events of reports may wait to be durable while
    nothing is sent and no caller waits for an end: 1 commits each batch. A report that a crash
    loses is given again by the broker, so more is safe where it can be asked, and spares the disk.
    ``silent_answer_seconds`` is how long an answer that is due (to a new order, a cross or a
    cancel) may stay away, ``silent_rest_seconds`` how long nothing may be heard of a rest, before
    the broker is asked. Own record and broker's are compared every ``reconcile_seconds``, and
    ``reconcile_before_close_seconds`` before the close; 0 leaves that out. ``account_kind`` and
    ``currency`` stand in for the broker's word, the latter only where it does not name one.
    """

    planning: PlanningRules = DEFAULT_RULES
    intake: IntakeRules = field(default_factory=IntakeRules)
    timing: TimingConfig = field(default_factory=TimingConfig)
    messages_per_minute: int = 200
    rejects_max: int = 3
    reopen_delay_seconds: int = 30
    switching: SwitchingRules = field(default_factory=SwitchingRules)
    mode: str = "simulated"
    reports_before_commit_max: int = 1
    silent_answer_seconds: int = 5
    silent_rest_seconds: int = 60
    reconcile_seconds: int = 0
    reconcile_before_close_seconds: int = 120
    seed: int | None = None
    account_kind: AccountKind | None = None
    currency: str = "USD"
