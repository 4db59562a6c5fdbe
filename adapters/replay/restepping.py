"""Deciding a recorded step once more from its own provenance, and comparing what it sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from ...domain import events as e
from ...domain.guard import CANCELS_KEPT, Guarded, constrain
from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.plan import PlanTerms
from ...domain.ports import NANOS
from ...domain.strategies.contract import Cancel, Place, Step
from ...domain.strategies.registry import STRATEGIES
from ..storage.records import Recorded
from .disagreement import Disagreement

UNLIMITED = 1_000_000
Limit = Decimal | None


@dataclass(slots=True)
class _Recorded:
    """One step as the log has it: its provenance, what it sent, and the limits in force then."""

    position: int
    instruction: UUID
    provenance: e.Provenance
    limits: Limits
    opposite: tuple[Limit, ...]
    view_differs: bool
    cancels: list[Cancel] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def add(self, event: e.OrderIntended | e.OrderCancelRequested) -> None:
        """Take in one order or cancel of the step."""
        if isinstance(event, e.OrderCancelRequested):
            self.cancels.append(Cancel(client_order_id=event.client_order_id))
            return
        # A mark that the guard did not have to set is the sell's own, and no part of the step.
        crosses_zero = self.provenance.plan.long_quantity is not None
        self.places.append(
            Place(
                quantity=event.quantity,
                order_type=event.order_type,
                time_in_force=event.time_in_force,
                limit_price=event.limit_price,
                display_quantity=event.display_quantity,
                sell_mark=event.sell_mark if crosses_zero else None,
            )
        )

    def is_sent_by(self, guarded: Guarded) -> bool:
        """Whether a step sends exactly what is on the record."""
        return _actions(guarded.step) == (tuple(self.cancels), tuple(self.places))


class Steps:
    """Collects the orders and cancels of each step and decides it again when it is complete.

    ``count`` is how many steps were decided again, ``cut`` how many of them had sent less than the
    strategy asked for because the account's message budget was used up, which is not part of the
    provenance. Steps of another version of a strategy are counted apart, and decided again only
    where ``across_versions`` asks what today's version would do.
    """

    def __init__(self, *, across_versions: bool = False) -> None:
        self.count = 0
        self.cut = 0
        self.of_other_versions = 0
        self.orders = 0
        self.cancels = 0
        self.differences: list[Disagreement] = []
        self._across_versions = across_versions
        self._open: _Recorded | None = None

    def before(
        self,
        recorded: Recorded,
        instruction: Instruction,
        limits: Limits,
        opposite: Callable[[PlanTerms], tuple[Limit, ...]],
    ) -> None:
        """Take in an event of an instruction as it was just before that event.

        ``opposite`` gives the limits of own open orders of a plan's other side.
        """
        event = recorded.event
        if isinstance(event, e.OrderIntended | e.OrderCancelRequested) and event.provenance:
            if not self._continues(event):
                self.finish()
                self._open = self._begin(recorded.position, event, instruction, limits, opposite)
            if self._open is not None:
                self._open.add(event)

    def finish(self) -> None:
        """Decide the collected step again and compare."""
        step, self._open = self._open, None
        if step is None:
            return
        provenance = step.provenance
        strategy = STRATEGIES[provenance.plan.strategy]
        if (strategy.name, strategy.version) != (provenance.strategy, provenance.version):
            self.of_other_versions += 1
            if not self._across_versions:
                return
        self.count += 1
        self.orders += len(step.places)
        self.cancels += len(step.cancels)
        if step.view_differs:
            self._differ(step, "state", "what it was decided from", "another one by its events")
            return
        again = strategy.next_step(
            provenance.plan, provenance.view, provenance.market, provenance.now
        )
        if again.rule != provenance.rule:
            self._differ(step, "rule", provenance.rule, again.rule)
        elif provenance.wake_at not in (
            again.wake_at,
            _guarded(step, again, UNLIMITED, step.opposite).step.wake_at,
        ):
            self._differ(step, "wake", str(provenance.wake_at), str(again.wake_at))
        else:
            self._compare(step, again)

    # -- collecting ----------------------------------------------------------------------------

    def _continues(self, event: e.OrderIntended | e.OrderCancelRequested) -> bool:
        step = self._open
        same = step is not None and step.instruction == event.originator_id
        return same and step is not None and step.provenance == event.provenance

    def _begin(
        self,
        position: int,
        event: e.OrderIntended | e.OrderCancelRequested,
        instruction: Instruction,
        limits: Limits,
        opposite: Callable[[PlanTerms], tuple[Limit, ...]],
    ) -> _Recorded | None:
        provenance = event.provenance
        if provenance is None:
            return None
        plan = provenance.plan
        differs = provenance.view != instruction.view() or plan != instruction.plan
        return _Recorded(
            position, instruction.id, provenance, limits, opposite(plan), view_differs=differs
        )

    # -- comparing -----------------------------------------------------------------------------

    def _compare(self, step: _Recorded, again: Step) -> None:
        if step.is_sent_by(_guarded(step, again, UNLIMITED, ())):
            return
        if step.is_sent_by(_guarded(step, again, UNLIMITED, step.opposite)):
            return
        for left in range(len(again.cancels) + len(again.places) + CANCELS_KEPT + 1):
            if step.is_sent_by(_guarded(step, again, left, step.opposite)):
                self.cut += 1
                return
        asked = _guarded(step, again, UNLIMITED, step.opposite).step
        sent = _said(tuple(step.cancels), tuple(step.places))
        self._differ(step, "sends", sent, _said(*_actions(asked)))

    def _differ(self, step: _Recorded, field: str, recorded: str, again: str) -> None:
        kind, subject = f"{step.provenance.strategy} step", str(step.instruction)
        self.differences.append(Disagreement(kind, step.position, subject, field, recorded, again))


def _guarded(
    step: _Recorded, again: Step, messages_left: int, opposite: tuple[Limit, ...]
) -> Guarded:
    provenance = step.provenance
    return constrain(
        again,
        provenance.plan,
        provenance.view,
        provenance.market,
        provenance.now,
        session_close=provenance.market.session_close,
        closing_buffer_ns=step.limits.closing_buffer_seconds * NANOS,
        messages_left=messages_left,
        opposite_limits=opposite,
    )


def _actions(step: Step) -> tuple[tuple[Cancel, ...], tuple[Place, ...]]:
    return step.cancels, step.places


def _said(cancels: tuple[Cancel, ...], places: tuple[Place, ...]) -> str:
    words = [f"cancel {cancel.client_order_id}" for cancel in cancels]
    for place in places:
        price = "market" if place.limit_price is None else f"at {place.limit_price}"
        words.append(f"{place.quantity} {price} {place.time_in_force}")
    return ", ".join(words) or "nothing"
