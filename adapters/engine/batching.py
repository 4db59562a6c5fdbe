"""Decisions on their way in: whose turn it is, what is netted, and what a caller advises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...domain import ids
from ...domain.decision import Decision, ExecutionStrategy
from ...domain.errors import BrokerUnavailable
from ...domain.handing_over import cannot_hand_over
from ...domain.instruction import Instruction
from ...domain.instruments import DescribesInstruments, not_traded
from ...domain.intake import Intake, read_decision
from ...domain.limits import Limits
from ...domain.planning.batch import BatchStep, order_batch
from ...domain.planning.facts import Facts, Outcome, Planned
from ...domain.planning.planner import plan_decision
from ...domain.planning.terms import choose_strategy
from ...domain.reasons import Reason, Refusal
from .admission import Admission, Admitted, Entry
from .incoming import Arrival, read_arrival
from .receiving import personal_text, record_received

ADVISED = "advised_strategy"
"""The timing rule recorded where a caller's timing engine chose the strategy."""


@dataclass(frozen=True, slots=True)
class AdvisedArrival(Arrival):
    """A decision with what is no part of its content.

    ``strategy`` is a timing engine's recommendation, used where the decision names none; decisions
    with the same ``group`` are one batch.
    """

    strategy: ExecutionStrategy | None = None
    group: int | None = None


class BatchAdmission(Admission):
    """Admits what has arrived: batches in the order of :func:`order_batch`, the rest as it came.

    A decision keeps its id and content whatever netting makes of its size.
    """

    _strategy: ExecutionStrategy | None = None
    _step: BatchStep | None = None

    async def admit_all(
        self, arrivals: Sequence[Arrival], unavailable: BrokerUnavailable | None = None
    ) -> list[Admitted]:
        """What became of each decision, in the order given.

        ``unavailable`` says that the broker could not open the session: then nothing can be
        checked, and every new decision is refused for that reason.
        """
        with self._figures.shared():
            return await self._admit_groups(arrivals, unavailable)

    async def _admit_groups(
        self, arrivals: Sequence[Arrival], unavailable: BrokerUnavailable | None
    ) -> list[Admitted]:
        results: dict[int, Admitted] = {}
        for group in _groups(arrivals):
            steps: Sequence[tuple[int, BatchStep | None]] = [(place, None) for place in group]
            if len(group) > 1 and unavailable is None:
                steps = await self._turns([(place, arrivals[place]) for place in group])
            for place, step in steps:
                if unavailable is not None:
                    results[place] = await self._without_broker(arrivals[place], unavailable)
                else:
                    results[place] = await self._admit_step(arrivals[place], step)
        return [results[place] for place in range(len(arrivals))]

    async def preview(
        self, raw: Mapping[str, object], limits: Limits
    ) -> Outcome | tuple[Refusal, ...]:
        """What would become of a decision now; records and reserves nothing.

        ``limits`` are used while the log has none. Use an instance of its own for this.

        Raises:
            BrokerUnavailable: the broker cannot be asked for account and positions.
        """
        read = read_decision(raw, rules=self._desk.rules.intake)
        if isinstance(read, tuple):
            return read
        await self._desk.market.refresh([read.decision.symbol])
        facts = await self._facts(read.decision, identified=True)
        if self._desk.account.limits is None:
            facts = replace(facts, limits=limits)
        refusal = self._not_for_broker(read.decision, facts)
        if refusal is not None:
            return (refusal,)
        id = ids.instruction_id(self._desk.name, f"preview:{read.decision.content_hash()}")
        return plan_decision(read.decision, facts, id)

    # -- the order of a batch ------------------------------------------------------------------

    async def _turns(
        self, members: Sequence[tuple[int, Arrival]]
    ) -> list[tuple[int, BatchStep | None]]:
        """Whose turn it is: what is known or unreadable first, then as the batch's rules say."""
        at_once: list[tuple[int, BatchStep | None]] = []
        repeats: list[tuple[int, BatchStep | None]] = []
        places: list[int] = []
        decisions: list[Decision] = []
        seen: set[str] = set()
        for place, arrival in members:
            read = self._readable(arrival)
            if read is None or self._is_known(read, arrival):
                at_once.append((place, None))
                continue
            key = read.decision_id or arrival.file_id or read.decision.content_hash()
            if key in seen:
                repeats.append((place, None))
                continue
            seen.add(key)
            places.append(place)
            decisions.append(read.decision)
        steps = order_batch(decisions, await self._facts_by_symbol(decisions))
        return [*at_once, *((places[step.index], step) for step in steps), *repeats]

    async def _facts_by_symbol(self, decisions: Sequence[Decision]) -> dict[str, Facts]:
        first = {decision.symbol: decision for decision in reversed(decisions)}
        await self._desk.market.refresh(sorted(first))
        try:
            return {
                symbol: await self._facts(decision, identified=True)
                for symbol, decision in first.items()
            }
        except BrokerUnavailable:
            return {}  # each is refused in its turn, where that is recorded

    def _readable(self, arrival: Arrival) -> Intake | None:
        read = read_arrival(arrival, self._desk)
        return read if isinstance(read, Intake) else None

    def _is_known(self, read: Intake, arrival: Arrival) -> bool:
        decision_id = read.decision_id or arrival.file_id
        if decision_id is None:
            return self._same_content(read.decision.content_hash()) is not None
        return ids.instruction_id(self._desk.name, decision_id) in self._desk.instructions

    # -- one decision in its turn --------------------------------------------------------------

    async def _admit_step(self, arrival: Arrival, step: BatchStep | None) -> Admitted:
        self._step = step
        self._strategy = arrival.strategy if isinstance(arrival, AdvisedArrival) else None
        try:
            return await self.admit(arrival)
        except BrokerUnavailable as error:
            return await self._without_broker(arrival, error)
        finally:
            self._step = self._strategy = None

    async def _facts(self, decision: Decision, *, identified: bool) -> Facts:
        facts = await super()._facts(decision, identified=identified)
        if self._strategy is None:
            return facts
        rules = ",".join(rule for rule in (facts.timing.rule, ADVISED) if rule)
        return replace(facts, timing=replace(facts.timing, strategy=self._strategy, rule=rules))

    def _not_for_broker(self, decision: Decision, facts: Facts) -> Refusal | None:
        """Why the broker cannot be given this; refused before it is planned."""
        market = self._desk.market
        if isinstance(market, DescribesInstruments):
            refusal = not_traded(market.instrument(decision.symbol), decision.symbol)
            if refusal is not None:
                return refusal
        capabilities = self._desk.broker.capabilities
        return cannot_hand_over(
            decision,
            decision.style or facts.rules.style,
            choose_strategy(decision, facts),
            broker=capabilities.name,
            offered=capabilities.server_side_algorithms,
        )

    def _decide(
        self, instruction: Instruction, decision: Decision, entry: Entry, note: str = ""
    ) -> None:
        step = self._step
        if step is not None and step.nothing is not None:
            stamp = self._desk.stamp(str(instruction.id), "batch")
            instruction.do_nothing(stamp, step.nothing, step.note)
            self._append(instruction)
            return
        if step is not None and step.order_size is not None:
            decision = decision.model_copy(update={"order_size": step.order_size})
        refusal = self._not_for_broker(decision, entry.facts)
        if refusal is not None:
            instruction.refuse(self._desk.stamp(str(instruction.id), refusal.field), (refusal,))
            self._append(instruction)
            return
        super()._decide(instruction, decision, entry, step.note if step is not None else note)

    def _reserve(
        self, instruction: Instruction, entry: Entry, planned: Planned, release_at: int | None
    ) -> None:
        if self._step is not None and self._step.note:
            planned = replace(planned, notes=(*planned.notes, self._step.note))
        super()._reserve(instruction, entry, planned, release_at)

    async def _without_broker(self, arrival: Arrival, error: BrokerUnavailable) -> Admitted:
        """Record a decision that nothing can be checked for as refused."""
        desk = self._desk
        read = self._readable(arrival)
        if read is None or self._is_known(read, arrival):
            return await self.admit(arrival)  # needs no broker
        content = read.decision.content_hash()
        decision_id = self._name_of(arrival, read)
        instruction = Instruction(ids.instruction_id(desk.name, decision_id))
        session = desk.calendar.session_at(desk.now) or desk.calendar.next_session(desk.now)
        record_received(
            desk,
            instruction,
            decision_id,
            personal_text(read),
            session_date=session.date,
            content_hash=content,
            decision=read.decision,
            by=arrival.by,
            data_note="the broker cannot be asked",
        )
        instruction.refuse(desk.stamp(str(instruction.id), "broker"), (_unavailable(error),))
        self._append(instruction)
        return Admitted(instruction)


def _groups(arrivals: Sequence[Arrival]) -> list[list[int]]:
    """The places of each batch together, everything else on its own, in order of the first."""
    groups: dict[object, list[int]] = {}
    for place, arrival in enumerate(arrivals):
        group = arrival.group if isinstance(arrival, AdvisedArrival) else None
        groups.setdefault(("alone", place) if group is None else group, []).append(place)
    return list(groups.values())


def _unavailable(error: BrokerUnavailable) -> Refusal:
    return Refusal(
        reason=Reason.BROKER_UNAVAILABLE,
        field="broker",
        observed=str(error)[:200],
        allowed="a broker that gives account and positions",
        would_pass="the decision under a new decision_id once the broker answers",
        message=f"The broker cannot be asked, so nothing was sent: {error}"[:500],
    )
