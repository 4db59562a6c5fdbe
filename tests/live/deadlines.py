"""Whether any stop moved a deadline, read from the log and from the broker's list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from fillwright.adapters.storage.records import Recorded
from fillwright.domain import events as e
from fillwright.domain.plan import PlanTerms
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import EndReason
from fillwright.domain.strategies.rules import Rule

RESEND_NS = NANOS
"""So long after its deadline an order that the broker does not have may be sent again."""
STOPPED = "deadline passed while stopped"


@dataclass
class Followed:
    """What one instruction's events say of its deadline."""

    window_ns: int | None = None
    first: PlanTerms | None = None
    ends: set[int] = field(default_factory=set)
    plans: int = 0
    problems: list[str] = field(default_factory=list)


class Deadlines:
    """A fold: the deadline of each instruction as it was first set, and what came after it.

    An order after the deadline can only be the one that crosses with the rest, decided while the
    same process has been at work since before the deadline and what a final phase takes.
    """

    def __init__(self) -> None:
        self.given_up = 0
        self._started_at = 0
        self._of: dict[UUID, Followed] = {}
        self._intended: dict[str, tuple[int, int]] = {}

    def apply(self, recorded: Recorded) -> None:
        """Take in one event."""
        event = recorded.event
        if isinstance(event, e.EngineStarted):
            self._started_at = event.record_time
        one = self._of.setdefault(event.originator_id, Followed())
        if isinstance(event, e.DecisionReceived):
            seconds = event.decision.window_seconds if event.decision else None
            one.window_ns = None if seconds is None else seconds * NANOS
        if isinstance(event, e.InstructionPlanned):
            one.first, one.plans = one.first or event.plan, one.plans + 1
        if isinstance(event, e.InstructionPlanned | e.InstructionReplanned | e.StrategySwitched):
            one.ends.add(event.plan.end_at)
        if isinstance(event, e.OrderIntended | e.OrderCancelRequested) and event.provenance:
            one.ends.add(event.provenance.plan.end_at)
        if isinstance(event, e.OrderIntended):
            self._intend(one, event)
        if isinstance(event, e.InstructionEndRequested) and event.causation_id == STOPPED:
            self.given_up += event.reason is EndReason.WINDOW_ELAPSED

    def _intend(self, one: Followed, event: e.OrderIntended) -> None:
        first, now, name = one.first, event.provenance.now, event.client_order_id
        if first is None:
            one.problems.append(f"{name} was placed without a plan")
            return
        self._intended[name] = (first.end_at, now)
        if now <= first.end_at:
            return
        late = (now - first.end_at) / NANOS
        if event.provenance.rule != Rule.DEADLINE_CROSS:
            one.problems.append(
                f"{name} was placed by {event.provenance.rule} {late:.1f} s after the deadline"
            )
        if self._started_at > first.end_at + (first.end_at - first.final_phase_at):
            one.problems.append(
                f"{name} was placed {late:.1f} s after a deadline that passed while stopped"
            )

    def problems(self, orders: Mapping[str, Mapping[str, Any]], sending_ns: int) -> list[str]:
        """What is wrong; ``orders`` are the broker's by client id, ``sending_ns`` a request's."""
        found = [problem for one in self._of.values() for problem in one.problems]
        for id, one in self._of.items():
            first = one.first
            if first is None:
                continue
            if one.plans != 1 or one.ends != {first.end_at}:
                found.append(f"{id} was planned {one.plans} times, with deadlines {one.ends}")
            if one.window_ns is not None and first.end_at - first.start_at != one.window_ns:
                length = (first.end_at - first.start_at) / NANOS
                found.append(f"{id}: a window of {length} s, {one.window_ns / NANOS} s asked for")
        for name, order in orders.items():
            end, intended = self._intended.get(name, (0, 0))
            taken = _nanos(order["submitted_at"])
            if end and taken > max(end, intended) + RESEND_NS + sending_ns:
                late = (taken - end) / NANOS
                found.append(f"{name} came to the broker {late:.1f} s after the deadline")
        return found


def _nanos(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * NANOS)
