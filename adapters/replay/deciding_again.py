"""Every recorded decision decided again by the code of today: plans, steps, switches, cancels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final
from uuid import UUID

from ...domain import events as e
from ...domain.account import TradingAccount
from ...domain.ids import account_stream_id
from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.plan import PlanTerms
from ...domain.ports import Side
from ...projections.instruction_events import ACCOUNT_EVENTS
from ..storage.records import Recorded
from .disagreement import Disagreement
from .redeciding import Cancels, Plans, Switches
from .restepping import Steps

_OF_ACCOUNTS: Final = frozenset(ACCOUNT_EVENTS)

History = Callable[[UUID], Sequence[e.DomainEvent]]


@dataclass(frozen=True, slots=True)
class Decided:
    """Every recorded decision decided again.

    ``plans`` with ``checks``, strategy ``steps`` with the ``orders`` and ``cancels`` they sent,
    ``switches``, and ``other_cancels`` that no strategy decided. ``steps_cut`` had sent less
    because the message budget was used up. ``steps_of_other_versions`` were decided by another
    version of their strategy; ``without_inputs`` are plans and switches that kept none.
    """

    plans: int = 0
    checks: int = 0
    steps: int = 0
    orders: int = 0
    cancels: int = 0
    switches: int = 0
    other_cancels: int = 0
    steps_cut: int = 0
    steps_of_other_versions: int = 0
    without_inputs: int = 0
    differences: tuple[Disagreement, ...] = ()


class _Desk:
    """Instructions, accounts and open orders, as the log has them so far.

    With ``history`` an instruction is let go once nothing of it is open, and read again if
    something of it comes after all, so that memory follows what is open, not the log's length.
    """

    def __init__(self, history: History | None) -> None:
        self.instructions: dict[UUID, Instruction] = {}
        self._history = history
        self._accounts: dict[UUID, TradingAccount] = {}
        self._resting: dict[tuple[str, str, Side], set[UUID]] = {}

    def apply(self, event: e.DomainEvent) -> None:
        """Take in one event."""
        id = event.originator_id
        if type(event) in _OF_ACCOUNTS:
            self._account(id).apply(event)
        elif isinstance(event, e.DecisionReceived):
            self.instructions[id] = Instruction(id)
        instruction = self.instructions.get(id)
        if instruction is None:
            return
        instruction.apply(event)
        plan = instruction.plan
        if plan is not None:
            key = (instruction.account, plan.symbol, plan.side)
            resting = self._resting.setdefault(key, set())
            if instruction.live:
                resting.add(id)
            else:
                resting.discard(id)
        if self._history is not None and instruction.is_done and not instruction.live:
            del self.instructions[id]

    def before(self, event: e.DomainEvent) -> Instruction | None:
        """The event's instruction as it was just before it, None for its first and for accounts."""
        id, version = event.originator_id, event.originator_version
        found = self.instructions.get(id)
        gone = found is None and version > 1 and type(event) not in _OF_ACCOUNTS
        if gone and self._history is not None:
            found = Instruction.replay(self._history(id)[: version - 1])
            self.instructions[id] = found
        return found

    def account_of(self, instruction: Instruction) -> TradingAccount:
        """The instruction's account."""
        return self._account(account_stream_id(instruction.account))

    def _account(self, id: UUID) -> TradingAccount:
        found = self._accounts.get(id)
        if found is None:
            found = self._accounts[id] = TradingAccount(id)
        return found

    def opposite_of(self, account: str, plan: PlanTerms) -> tuple[Decimal | None, ...]:
        """Limits of own orders of the plan's other side that may trade, None for market orders."""
        ids = self._resting.get((account, plan.symbol, plan.side.opposite), set())
        return tuple(order.limit_price for id in ids for order in self.instructions[id].live_orders)


def decide_again(
    records: Iterable[Recorded],
    *,
    history: History | None = None,
    across_versions: bool = False,
) -> Decided:
    """Decide every recorded decision once more by the code of today, and compare.

    Args:
        history: all events of an instruction; with it memory does not grow with the log.
        across_versions: decide steps of other versions of a strategy again too.
    """
    desk = _Desk(history)
    steps = Steps(across_versions=across_versions)
    plans, switches, cancels = Plans(), Switches(), Cancels()
    for recorded in records:
        event = recorded.event
        instruction = desk.before(event)
        if instruction is not None:
            account = desk.account_of(instruction)
            limits = account.limits or Limits()
            opposite = partial(desk.opposite_of, instruction.account)
            plans.before(recorded, instruction, limits, account.rules)
            switches.before(recorded, instruction, account.rules)
            cancels.before(recorded, instruction, account.kills, account.rules)
            steps.before(recorded, instruction, limits, opposite)
        desk.apply(event)
    steps.finish()
    found = (*plans.differences, *steps.differences, *switches.differences, *cancels.differences)
    return Decided(
        plans=plans.count,
        checks=plans.checks,
        steps=steps.count,
        orders=steps.orders,
        cancels=steps.cancels,
        switches=switches.count,
        other_cancels=cancels.count,
        steps_cut=steps.cut,
        steps_of_other_versions=steps.of_other_versions,
        without_inputs=plans.without_inputs + switches.without_inputs,
        differences=tuple(sorted(found, key=lambda one: one.position)),
    )
