"""How well the instructions of a log were executed, and what of that captured data say better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from ..domain.money import ZERO
from ..domain.orders import ChildOrder
from ..domain.orders.executions import Execution
from ..domain.ports import NANOS
from .instruction_book import Followed, InstructionBook
from .outcomes import (
    ExecutionSummary,
    InstructionQuality,
    Outcome,
    quality_of_outcome,
    summarise_outcomes,
)

END_MID_AGE_SECONDS_MAX: Final = 60
"""A mid recorded with a step stands for the end's mid up to this long before the end."""


class EndFacts(NamedTuple):
    """What captured market data says of an instruction, where the log does not.

    ``end_mid`` is the mid when it ended, ``volume`` the shares that traded in its window.
    """

    end_mid: Decimal | None = None
    volume: Decimal | None = None


UNKNOWN_END: Final = EndFacts()
NO_FACTS: Final[Mapping[UUID, EndFacts]] = {}


class ExecutionQuality(InstructionBook):
    """The execution summary of a log."""

    name: ClassVar[str] = "execution_quality"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, book: InstructionBook) -> ExecutionQuality:
        """The quality of a book that has followed the log: nothing is folded again."""
        made = cls()
        made.__dict__.update(book.__dict__)
        return made

    def summary(self, facts: Mapping[UUID, EndFacts] = NO_FACTS) -> ExecutionSummary:
        """The summary of all instructions; ``facts`` come from captured market data."""
        return summarise(self._book.values(), facts)

    def state(self) -> object:
        """The summary by what the log alone says, of those that were not let go of."""
        if self.sealed is None or not self.sealed.count:
            return self.summary()
        return {"summary": self.summary(), **self.sealed.told()}


def outcome_of(entry: Followed, facts: EndFacts = UNKNOWN_END) -> Outcome:
    """The outcome of a folded instruction; ``facts`` win over what the log says."""
    it = entry.instruction
    plan = it.plan
    return Outcome(
        instruction_id=it.id,
        symbol=entry.symbol,
        strategy=entry.strategy,
        state=it.state,
        released=it.released,
        side=plan.side if plan else None,
        ordered=plan.quantity if plan else None,
        executed=it.executed,
        notional=it.notional,
        fees=it.fees,
        in_terms=shares_in_terms(entry),
        unpriced=any(fill.quantity and fill.price is None for fill in _fills(entry)),
        arrival_mid=it.arrival_mid,
        release_mid=it.release_mid,
        end_mid=facts.end_mid if facts.end_mid is not None else _recorded_end_mid(entry),
        volume=facts.volume if facts.volume is not None else _recorded_volume(entry),
    )


def summarise(
    entries: Iterable[Followed], facts: Mapping[UUID, EndFacts] = NO_FACTS
) -> ExecutionSummary:
    """The execution summary of some instructions, such as those of a few sessions."""
    return summarise_outcomes(
        [outcome_of(entry, facts.get(entry.instruction.id, UNKNOWN_END)) for entry in entries]
    )


def quality_of_instruction(
    entry: Followed, facts: EndFacts = UNKNOWN_END
) -> InstructionQuality | None:
    """The cost of one instruction, None without a plan."""
    return quality_of_outcome(outcome_of(entry, facts))


def shares_in_terms(entry: Followed) -> Decimal:
    """Shares executed within the window and the bound that were in force at each fill."""
    orders = entry.instruction.orders.values()
    return sum((order_in_terms(entry, order) for order in orders), ZERO)


def order_in_terms(entry: Followed, order: ChildOrder) -> Decimal:
    """The same of one child order of it."""
    plan, good = entry.instruction.plan, ZERO
    if plan is None:
        return good
    for fill in order.executions.values():
        terms = entry.terms_at(fill.market_time)
        if terms is None or fill.market_time > terms.end_at:
            continue
        bound = terms.bound_price
        if bound is None or (fill.price is not None and plan.side.sign * (fill.price - bound) <= 0):
            good += fill.quantity
    return good


def _recorded_end_mid(entry: Followed) -> Decimal | None:
    if entry.seen is None:
        return None
    return end_mid_of(entry.ended_at, entry.seen.at, entry.seen.mid)


def end_mid_of(ended_at: int | None, seen_at: int, mid: Decimal | None) -> Decimal | None:
    """The mid last seen with a step, where it was seen shortly before the end (ns UTC)."""
    if ended_at is None:
        return None
    return mid if ended_at - seen_at <= END_MID_AGE_SECONDS_MAX * NANOS else None


def _recorded_volume(entry: Followed) -> Decimal | None:
    """Market volume from plan to the last recorded step, where that is after the last fill."""
    seen = entry.seen
    if seen is None:
        return None
    last_fill_at = max((f.market_time for f in _fills(entry) if f.quantity), default=0)
    return volume_of(entry.instruction.volume_at_start, seen.at, seen.volume, last_fill_at)


def volume_of(
    start: Decimal | None, seen_at: int, seen: Decimal | None, last_fill_at: int
) -> Decimal | None:
    """Session volume between the plan and a step after the last fill, None where unknown."""
    if start is None or seen is None or seen <= start:
        return None
    return seen - start if seen_at > last_fill_at else None


def _fills(entry: Followed) -> Iterator[Execution]:
    for order in entry.instruction.orders.values():
        yield from order.executions.values()
