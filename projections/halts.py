"""How long halts stopped instructions, and what that cost: one row per halt of an instruction.

The cost is what the shares still to trade became dearer (a buy) or cheaper (a sell) between the
mid before the halt and the mid after the reopening, in account currency, positive as a cost. It is
part of the opportunity or trading cost that the shortfall has anyway, told apart and never added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from ..domain import events as e
from ..domain.ports import Side


@dataclass(frozen=True, slots=True)
class HaltRow:
    """One halt of one instruction; times in ns UTC, None where it is not known.

    ``until`` is when the schedule went on, or the instruction ended, as ``ended`` then says.
    ``stopped_ns`` is schedule time that did not run.
    """

    instruction_id: UUID
    symbol: str
    side: Side
    cause: str
    since: int
    until: int | None
    stopped_ns: int | None
    remaining: Decimal | None
    mid_before: Decimal | None
    mid_after: Decimal | None
    cost: Decimal | None
    ended: bool


class HaltLedger:
    """Folds events of any number of instructions into halts, in the order they began."""

    def __init__(self) -> None:
        self._terms: dict[UUID, tuple[str, Side]] = {}
        self._open: dict[UUID, e.InstructionSuspended] = {}
        self.rows: list[HaltRow] = []

    def apply(self, event: e.DomainEvent) -> None:
        """Take in the next event."""
        if isinstance(event, e.InstructionPlanned):
            self._terms[event.originator_id] = (event.plan.symbol, event.plan.side)
        elif isinstance(event, e.InstructionSuspended):
            self._open[event.originator_id] = event
        elif isinstance(event, e.InstructionResumed):
            self._close(event, event.stopped_ns, event.mid, event.cost, ended=False)
        elif isinstance(event, e.InstructionCancelled | e.InstructionFilled):
            began = self._open.get(event.originator_id)
            if began is not None:
                mid = event.end_mid if isinstance(event, e.InstructionCancelled) else None
                stopped = max(event.record_time - began.record_time, 0)
                self._close(event, stopped, mid, self._cost(began, mid), ended=True)

    @property
    def running(self) -> list[UUID]:
        """Instructions that are suspended now."""
        return list(self._open)

    def _cost(self, began: e.InstructionSuspended, mid: Decimal | None) -> Decimal | None:
        terms = self._terms.get(began.originator_id)
        if terms is None or mid is None or began.mid is None or began.remaining is None:
            return None
        return terms[1].sign * began.remaining * (mid - began.mid)

    def _close(
        self,
        event: e.DomainEvent,
        stopped: int,
        mid: Decimal | None,
        cost: Decimal | None,
        *,
        ended: bool,
    ) -> None:
        began = self._open.pop(event.originator_id, None)
        terms = self._terms.get(event.originator_id)
        if began is None or terms is None:
            return
        self.rows.append(
            HaltRow(
                instruction_id=event.originator_id,
                symbol=terms[0],
                side=terms[1],
                cause=began.cause,
                since=began.since or began.record_time,
                until=event.record_time,
                stopped_ns=stopped,
                remaining=began.remaining,
                mid_before=began.mid,
                mid_after=mid,
                cost=cost,
                ended=ended,
            )
        )


def halts_of(events: Iterable[e.DomainEvent]) -> list[HaltRow]:
    """The halts in a run of events."""
    ledger = HaltLedger()
    for event in events:
        ledger.apply(event)
    return ledger.rows
