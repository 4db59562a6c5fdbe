"""What the costs of instructions are computed from, each cost, and their sums by group (ruling 4).

Side is +1 for a buy and -1 for a sell, positive is a cost, and what is missing stays None. No
average of executed slippage is given without completion and the full shortfall over the ordered
quantity beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from ..domain.money import BPS, ZERO, slippage_bps
from ..domain.ports import Side
from ..domain.result import COMPLETE_FRACTION
from ..domain.states import INSTRUCTION_TERMINAL, InstructionState
from .averages import BPS_GRID, EXACT, RATIO_GRID, Average, Judged, Mean, on_grid, ratio


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
class GroupedQuality:
    """Quality overall, by strategy and by symbol."""

    overall: QualitySummary
    by_strategy: tuple[QualitySummary, ...]
    by_symbol: tuple[QualitySummary, ...]


@dataclass(frozen=True, slots=True)
class ExecutionSummary(GroupedQuality):
    """The same, and the instructions behind it."""

    instructions: tuple[InstructionQuality, ...]


class QualitySums:
    """Sums outcomes one by one, in any order; of each only two numbers are kept, for medians."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str | None, str], _Group] = {}

    def add(self, one: Outcome) -> InstructionQuality | None:
        """Count an outcome; gives its cost where it is in the denominator."""
        quality = quality_of_outcome(one) if one.counts else None
        key = one.strategy, one.symbol
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Group()
        cell.add(one, quality)
        return quality

    def grouped(self) -> GroupedQuality:
        """The quality of all that was added."""
        overall = _Group()
        for cell in self._cells.values():
            overall.merge(cell)
        return GroupedQuality(overall.summary("overall"), self._by(0), self._by(1))

    def _by(self, place: int) -> tuple[QualitySummary, ...]:
        found: dict[str, _Group] = {}
        for key, cell in self._cells.items():
            name = key[place]
            if name:
                found.setdefault(name, _Group()).merge(cell)
        return tuple(group.summary(name) for name, group in sorted(found.items()))


def summarise_outcomes(chosen: Iterable[Outcome]) -> ExecutionSummary:
    """The execution summary of outcomes, in their order."""
    sums = QualitySums()
    costs = tuple(cost for cost in map(sums.add, chosen) if cost is not None)
    grouped = sums.grouped()
    return ExecutionSummary(grouped.overall, grouped.by_strategy, grouped.by_symbol, costs)


class _Group:
    """The sums of a group of outcomes; two groups can be put together."""

    def __init__(self) -> None:
        self.working = self.refused = self.no_change = 0
        self.instructions = self.successes = self.watched = 0
        self.ordered = self.executed = self.notional = self.fees = ZERO
        self.watched_executed = self.volume = ZERO
        self.slippage, self.shortfall, self.delay = Average(), Average(), Mean()

    def add(self, one: Outcome, quality: InstructionQuality | None) -> None:
        """Count an outcome; ``quality`` is its cost where it is in the denominator."""
        self.working += not one.is_done and one.ordered is not None
        self.refused += one.is_refused
        self.no_change += one.state is InstructionState.NO_CHANGE
        if quality is None:
            return
        q = quality
        self.instructions += 1
        self.successes += q.success
        self.ordered = EXACT.add(self.ordered, q.ordered)
        self.executed = EXACT.add(self.executed, q.executed)
        self.notional = EXACT.add(self.notional, q.notional)
        self.fees = EXACT.add(self.fees, q.fees)
        if q.volume is not None:
            self.watched += 1
            self.watched_executed = EXACT.add(self.watched_executed, q.executed)
            self.volume = EXACT.add(self.volume, q.volume)
        if q.arrival_mid is not None:
            weight = EXACT.multiply(q.ordered, q.arrival_mid)
            self.slippage.add(q.slippage_bps, EXACT.multiply(q.executed, q.arrival_mid))
            self.shortfall.add(q.shortfall_bps, weight)
            self.delay.add(q.delay_bps, weight)

    def merge(self, other: _Group) -> None:
        """Count what another group has counted."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _SUMMED:
            setattr(self, name, EXACT.add(getattr(self, name), getattr(other, name)))
        self.slippage.merge(other.slippage)
        self.shortfall.merge(other.shortfall)
        self.delay.merge(other.delay)

    def summary(self, name: str) -> QualitySummary:
        """The figures of what was counted."""
        notional, fees, count = self.notional, self.fees, self.instructions
        return QualitySummary(
            group=name,
            instructions=count,
            working=self.working,
            refused=self.refused,
            no_change=self.no_change,
            ordered=self.ordered,
            executed=self.executed,
            notional=notional,
            completion=ratio(self.executed, self.ordered),
            successes=self.successes,
            success_rate=ratio(Decimal(self.successes), Decimal(count)),
            slippage_bps_mean=self.slippage.mean,
            slippage_bps_median=self.slippage.median,
            slippage_count=self.slippage.count,
            shortfall_bps_mean=self.shortfall.mean,
            shortfall_bps_median=self.shortfall.median,
            shortfall_count=self.shortfall.count,
            delay_bps_mean=self.delay.mean,
            delay_count=self.delay.count,
            participation=ratio(self.watched_executed, self.volume),
            participation_count=self.watched,
            fees=fees,
            fees_bps=on_grid(BPS_GRID, fees / notional * BPS if notional else None),
        )


_COUNTED: Final = ("working", "refused", "no_change", "instructions", "successes", "watched")
_SUMMED: Final = ("ordered", "executed", "notional", "fees", "watched_executed", "volume")
