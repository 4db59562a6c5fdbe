"""How well instructions were executed: per strategy, per symbol and overall (ruling 4).

Side is +1 for a buy and -1 for a sell, positive is a cost, and what is missing stays None. No
average of executed slippage is given without completion and the full shortfall over the ordered
quantity beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from ..domain.money import BPS, ZERO, slippage_bps
from ..domain.orders.executions import Execution
from ..domain.ports import NANOS, Side
from ..domain.result import COMPLETE_FRACTION
from ..domain.states import INSTRUCTION_TERMINAL, InstructionState
from .averages import BPS_GRID, RATIO_GRID, Average, Judged, on_grid, ratio
from .instruction_book import Followed, InstructionBook

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


@dataclass(frozen=True, slots=True)
class InstructionQuality:
    """The cost of one instruction that was admitted and has ended.

    ``slippage_bps`` is of the executed part against the arrival mid. ``shortfall_bps`` is Perold's
    (1988) over the *ordered* quantity with fees, in bps of ``X·P₀``:
    ``side·Σ xⱼ(pⱼ − P₀) + side·(X − x)(Pₙ − P₀) + F``, where the unfilled part is priced at the
    end's mid; None while that is unknown. ``delay_bps`` is our own: release mid against arrival
    mid. ``participation`` is executed over market volume in
    the window. ``success`` is 99 % executed within window and bound.
    """

    instruction_id: UUID
    symbol: str
    strategy: str
    side: Side
    ordered: Decimal
    executed: Decimal
    notional: Decimal
    arrival_mid: Decimal | None
    end_mid: Decimal | None
    slippage_bps: Decimal | None
    shortfall_bps: Decimal | None
    delay_bps: Decimal | None
    participation: Decimal | None
    volume: Decimal | None
    fees: Decimal
    success: bool


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """Execution quality of a group of instructions.

    ``instructions`` is the denominator of ``success_rate``: admitted and ended. ``working`` have
    not ended; ``refused`` (by us) and ``no_change`` are outside. ``completion`` is executed over
    ordered shares. ``slippage_bps_mean`` is weighted by notional at the arrival mid and covers
    ``slippage_count`` instructions; so is ``shortfall_bps_mean`` with ``shortfall_count``, weighted
    by ordered notional. ``participation`` is executed over market volume where that is known.
    """

    group: str
    instructions: int
    working: int
    refused: int
    no_change: int
    ordered: Decimal
    executed: Decimal
    notional: Decimal
    completion: Decimal | None
    successes: int
    success_rate: Decimal | None
    slippage_bps_mean: Decimal | None
    slippage_bps_median: Decimal | None
    slippage_count: int
    shortfall_bps_mean: Decimal | None
    shortfall_bps_median: Decimal | None
    shortfall_count: int
    delay_bps_mean: Decimal | None
    delay_count: int
    participation: Decimal | None
    participation_count: int
    fees: Decimal
    fees_bps: Decimal | None

    @property
    def judged(self) -> Judged:
        """The averages that alerts judge."""
        return Judged(*(getattr(self, name) for name in Judged._fields))


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """Quality overall, by strategy and by symbol, and the instructions behind it."""

    overall: QualitySummary
    by_strategy: tuple[QualitySummary, ...]
    by_symbol: tuple[QualitySummary, ...]
    instructions: tuple[InstructionQuality, ...]


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


class Outcome(NamedTuple):
    """What the cost of one instruction is computed from, wherever it was read.

    ``ordered`` and ``side`` are None without a plan. ``in_terms`` are the shares that executed
    within window and bound, ``unpriced`` says that the price of an execution is not known.
    ``end_mid`` and ``volume`` are None where they are not known.
    """

    instruction_id: UUID
    symbol: str
    strategy: str | None
    state: InstructionState
    released: bool
    side: Side | None
    ordered: Decimal | None
    executed: Decimal
    notional: Decimal
    fees: Decimal
    in_terms: Decimal
    unpriced: bool
    arrival_mid: Decimal | None
    release_mid: Decimal | None
    end_mid: Decimal | None
    volume: Decimal | None

    @property
    def is_refused(self) -> bool:
        """Whether we refused it; what the broker refused was released and counts as a failure."""
        return self.state is InstructionState.REJECTED and not self.released

    @property
    def is_done(self) -> bool:
        """Whether its lifecycle has ended."""
        return self.state in INSTRUCTION_TERMINAL

    @property
    def counts(self) -> bool:
        """Whether it is in the denominator: admitted by us and ended."""
        no_change = self.state is InstructionState.NO_CHANGE
        return self.is_done and not self.is_refused and not no_change


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


def summarise_outcomes(chosen: Sequence[Outcome]) -> ExecutionSummary:
    """The execution summary of outcomes, in their order."""
    judged = {one.instruction_id: quality_of_outcome(one) for one in chosen if one.counts}

    def groups(key: Callable[[Outcome], str | None]) -> tuple[QualitySummary, ...]:
        found: dict[str, list[Outcome]] = {}
        for one in chosen:
            name = key(one)
            if name:
                found.setdefault(name, []).append(one)
        return tuple(_group(name, members, judged) for name, members in sorted(found.items()))

    return ExecutionSummary(
        overall=_group("overall", chosen, judged),
        by_strategy=groups(lambda one: one.strategy),
        by_symbol=groups(lambda one: one.symbol),
        instructions=tuple(quality for quality in judged.values() if quality is not None),
    )


def quality_of_instruction(
    entry: Followed, facts: EndFacts = UNKNOWN_END
) -> InstructionQuality | None:
    """The cost of one instruction, None without a plan."""
    return quality_of_outcome(outcome_of(entry, facts))


def quality_of_outcome(one: Outcome) -> InstructionQuality | None:
    """The cost of one outcome, None without a plan."""
    side, ordered, arrival = one.side, one.ordered, one.arrival_mid
    if side is None or ordered is None or one.strategy is None:
        return None
    sign, executed, end_mid = side.sign, one.executed, one.end_mid
    slippage = delay = shortfall = None
    if arrival is not None and executed and not one.unpriced:
        slippage = slippage_bps(sign, one.notional / executed, arrival)
    if arrival is not None and one.release_mid is not None:
        delay = sign * (one.release_mid - arrival) / arrival * BPS
    unfilled = max(ordered - executed, ZERO)
    if arrival is not None and not one.unpriced and (end_mid is not None or not unfilled):
        trading = sign * (one.notional - executed * arrival)
        missed = sign * unfilled * (end_mid - arrival) if end_mid is not None else ZERO
        shortfall = (trading + missed + one.fees) / (ordered * arrival) * BPS
    return InstructionQuality(
        instruction_id=one.instruction_id,
        symbol=one.symbol,
        strategy=one.strategy,
        side=side,
        ordered=ordered,
        executed=executed,
        notional=one.notional,
        arrival_mid=arrival,
        end_mid=end_mid,
        slippage_bps=on_grid(BPS_GRID, slippage),
        shortfall_bps=on_grid(BPS_GRID, shortfall),
        delay_bps=on_grid(BPS_GRID, delay),
        participation=on_grid(RATIO_GRID, executed / one.volume if one.volume else None),
        volume=one.volume,
        fees=one.fees,
        success=one.in_terms >= ordered * COMPLETE_FRACTION,
    )


def shares_in_terms(entry: Followed) -> Decimal:
    """Shares executed within the window and the bound that were in force at each fill."""
    plan, good = entry.instruction.plan, ZERO
    if plan is None:
        return good
    for fill in _fills(entry):
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


def _group(
    name: str,
    members: Sequence[Outcome],
    judged: Mapping[UUID, InstructionQuality | None],
) -> QualitySummary:
    found = (judged.get(one.instruction_id) for one in members)
    done = [quality for quality in found if quality is not None]
    ordered = executed = notional = fees = ZERO
    slippage, shortfall, delay = Average(), Average(), Average()
    for q in done:
        ordered += q.ordered
        executed += q.executed
        notional += q.notional
        fees += q.fees
        if q.arrival_mid is not None:
            weight = q.ordered * q.arrival_mid
            slippage.add(q.slippage_bps, q.executed * q.arrival_mid)
            shortfall.add(q.shortfall_bps, weight)
            delay.add(q.delay_bps, weight)
    successes = sum(q.success for q in done)
    watched = [(q.executed, q.volume) for q in done if q.volume is not None]
    volume = sum((v for _, v in watched), ZERO)
    return QualitySummary(
        group=name,
        instructions=len(done),
        working=sum(not one.is_done and one.ordered is not None for one in members),
        refused=sum(one.is_refused for one in members),
        no_change=sum(one.state is InstructionState.NO_CHANGE for one in members),
        ordered=ordered,
        executed=executed,
        notional=notional,
        completion=ratio(executed, ordered),
        successes=successes,
        success_rate=ratio(Decimal(successes), Decimal(len(done))),
        slippage_bps_mean=slippage.mean,
        slippage_bps_median=slippage.median,
        slippage_count=slippage.count,
        shortfall_bps_mean=shortfall.mean,
        shortfall_bps_median=shortfall.median,
        shortfall_count=shortfall.count,
        delay_bps_mean=delay.mean,
        delay_count=delay.count,
        participation=ratio(sum((x for x, _ in watched), ZERO), volume),
        participation_count=len(watched),
        fees=fees,
        fees_bps=on_grid(BPS_GRID, fees / notional * BPS if notional else None),
    )
