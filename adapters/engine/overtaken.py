"""Tightened limits at work: what is admitted and beyond them ends, and nothing is flattened."""

from __future__ import annotations

from typing import Final

from ...domain import events as e
from ...domain.account import TradingAccount
from ...domain.instruction import Instruction
from ...domain.limits import turnover_cap_usd
from ...domain.money import ZERO
from ...domain.overtaken import Admitted, beyond
from ...domain.plan import PlanTerms
from ...domain.reasons import Check, EndReason
from .corporate_facts import name_facts
from .desk import Desk
from .session_books import take_configured

CAUSE: Final = "limits"


class Overtaken:
    """Looks at what is admitted whenever other limits are in force than when it last looked."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looked: tuple[TradingAccount, int] | None = None

    def attend(self) -> None:
        """Ask for the end of what the limits in force do not allow any more.

        Its orders are cancelled first, and what executed stays. What waits for its release is
        checked whole when it comes to that.
        """
        desk = self._desk
        take_configured(desk)
        limits = desk.account.limits
        if limits is None or self._has_looked(desk.account, limits.version):
            return
        self._looked = desk.account, limits.version
        for instruction in list(desk.active.values()):
            plan = instruction.plan
            waits = instruction.release_at is not None and not instruction.released
            admitted_before = instruction.limit_version < limits.version
            if plan is None or waits or instruction.is_done or not admitted_before:
                continue
            found = beyond(self._admitted(instruction, plan), limits)
            if found is not None:
                stamp = desk.stamp(str(instruction.id), f"{CAUSE}:{limits.version}")
                instruction.ask_end(stamp, EndReason.LIMITS, found)
                desk.touch(instruction)
                desk.wake(instruction, desk.now)

    def _has_looked(self, account: TradingAccount, version: int) -> bool:
        """Not after the log was read anew, which makes another account: what was decided before
        may not be on the record.
        """
        return (
            self._looked is not None and self._looked[0] is account and self._looked[1] == version
        )

    def _admitted(self, instruction: Instruction, plan: PlanTerms) -> Admitted:
        desk, date = self._desk, instruction.session_date
        left = plan.quantity - instruction.spent
        held = desk.books.book(desk.name).positions.get(plan.symbol, ZERO)
        usage = desk.usage.usage(desk.name, date)
        return Admitted(
            names=(plan.symbol, *name_facts(desk, plan.symbol, date).former),
            plan=plan,
            checks=self._checks(instruction),
            left=left,
            reduces=held * plan.side.sign < 0 and left <= abs(held),
            turnover_usd=usage.turnover_usd,
            turnover_cap_usd=turnover_cap_usd(desk.limits, usage),
        )

    def _checks(self, instruction: Instruction) -> dict[str, Check]:
        """Those that it was last checked whole with, at its admission or its release.

        Read from its stream: they are not kept in memory.
        """
        checks: tuple[Check, ...] = ()
        for event in self._desk.log.stream(instruction.id):
            if isinstance(event, e.InstructionPlanned | e.InstructionReplanned) and event.checks:
                checks = event.checks
        return {check.name: check for check in checks}
