"""After work was broken off (an error, an event loop that ended): what may be believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...domain.instruction import Instruction
from ...domain.ports import NANOS, BrokerCommand, CancelOrder
from .callers import Deadline
from .desk import Desk
from .starting import fold

STUCK_GRACE_NS: Final = 2 * NANOS
"""How long after its window an order of unknown outcome is waited for, before callers are told."""
LATE_GRACE_NS: Final = 300 * NANOS
"""The same for any order that is not proven dead, such as one whose cancel is never confirmed."""


def reload(desk: Desk) -> None:
    """Believe the log, not what was left in memory.

    Orders that were intended durably and not handed over yet still are to be; the rest never was.
    Reports that are not on the record are taken in again: of an order that has ended the broker is
    asked no more.
    """
    commands, desk.commands = desk.commands, []
    desk.withheld, desk.taken = [*desk.taken, *desk.withheld], []
    desk.jobs.clear()
    desk.gathered.clear()
    fold(desk)
    desk.started = desk.account.starts > desk.starts
    for id in [id for id in desk.wake_of if id not in desk.instructions]:
        del desk.wake_of[id]
    desk.commands = [one for one in commands if desk.owner_of(_order_of(one)) is not None]


def end_overdue(desk: Desk, over: Iterable[Deadline]) -> None:
    """Ask for the end of what had a time limit."""
    for deadline in over:
        instruction = desk.instructions.get(deadline.id)
        if deadline.reason and instruction is not None and not instruction.is_done:
            stamp = desk.stamp(str(deadline.id), "time limit", actor=deadline.actor)
            instruction.ask_end(stamp, deadline.reason)
            desk.touch(instruction)
            desk.wake(instruction, desk.now)


def is_stuck(desk: Desk, instruction: Instruction) -> bool:
    """Whether an order's outcome is unknown and will not be known by waiting on."""
    ends = instruction.plan.end_at if instruction.plan else 0
    if not any(order.is_indeterminate for order in instruction.live_orders):
        return bool(instruction.live) and desk.now > ends + LATE_GRACE_NS
    return not desk.broker.capabilities.lookup_by_client_id or desk.now > ends + STUCK_GRACE_NS


def patience_until(instruction: Instruction) -> int | None:
    """When a caller is told even if the instruction has not ended (ns UTC); None without a plan."""
    return None if instruction.plan is None else instruction.plan.end_at + LATE_GRACE_NS + 1


def _order_of(command: BrokerCommand) -> str:
    if isinstance(command, CancelOrder):
        return command.client_order_id
    return command.request.client_order_id


def is_killed(desk: Desk, instruction: Instruction) -> bool:
    """Whether a block covers the instruction, planned or not."""
    plan, decision = instruction.plan, instruction.decision
    symbol = decision.symbol if decision else ""
    strategy = plan.strategy.value if plan else ""
    return desk.account.is_killed(symbol, strategy) is not None
