"""The session again with another strategy or parameter, on the market data it was traded on.

Each instruction of the log is worked twice on the simulated exchange through the engine's own step
path: by its recorded plan, and by the changed one. The difference of the two is what the change is
worth; how far the first is from what really happened says how well the model knows the venue.
Both are judged by the analysis that reports are made with. The book does not respond to our orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final
from uuid import UUID

from ...domain import events as e
from ...domain.errors import InvalidInput
from ...domain.instruction import Instruction
from ...domain.money import BPS, ZERO
from ...domain.plan import PlanTerms
from ...domain.planning.facts import DEFAULT_RULES
from ...domain.ports import NANOS
from ...projections.execution_quality import EndFacts, outcome_of
from ...projections.instruction_book import Followed, InstructionBook
from ...projections.outcomes import (
    InstructionQuality,
    Outcome,
    QualitySummary,
    quality_of_outcome,
    summarise_outcomes,
)
from ...projections.runner import Recorded
from ..end_facts import Captured, end_facts
from ..engine.messages import MessageBudget
from ..exchange.scaled import ScaledDay
from ..exchange.terms import LATENCY_NS
from ..market_data.capture import PRINTS, QUOTES
from ..market_data.recorded import RecordedMarketData
from ..storage.log import Log
from ..timekeeping.calendar import ExchangeCalendar
from .captured_day import symbol_day
from .changes import Changes
from .grid import Parent
from .policies import POLICIES, Stress
from .runner import NO_SWITCHES, Bench, ParentOrder

MESSAGES_PER_MINUTE: Final = 200
RELEASED: Final = "released_after_deferral"
NOTE: Final = "simulated: the book does not respond to our orders; before fees"


@dataclass(frozen=True, slots=True)
class Compared:
    """One instruction three times: as recorded, as planned on the model, and changed.

    Shortfall is over the ordered quantity in bps of the arrival mid, positive is a cost, None where
    unknown. ``difference_bps`` is changed less as planned.
    """

    instruction_id: UUID
    decision_id: str
    symbol: str
    side: str
    ordered: Decimal
    strategy: str
    changed_strategy: str
    recorded: InstructionQuality
    planned: InstructionQuality
    changed: InstructionQuality
    difference_bps: Decimal | None
    difference_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An instruction that could not be compared, and why."""

    instruction_id: UUID
    decision_id: str
    why: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The comparison of a log; averages are weighted by ordered notional.

    ``difference_cost`` is the sum over instructions in account currency: negative is what the
    change would have saved.
    """

    changes: str
    position: int
    head_hash: str
    compared: tuple[Compared, ...]
    left_out: tuple[LeftOut, ...]
    recorded: QualitySummary
    planned: QualitySummary
    changed: QualitySummary
    difference_bps: Decimal | None
    difference_cost: Decimal
    note: str = NOTE


class _Book(InstructionBook):
    """Instructions alone."""

    name: ClassVar[str] = "what_if"
    version: ClassVar[int] = 1

    def state(self) -> object:
        """Nothing of it is compared."""
        return None


def what_if(
    log: Log,
    segments: Path,
    changes: Changes,
    *,
    latency_ns: int = LATENCY_NS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> WhatIf:
    """Work every instruction of the log again, by its plan and by the changed one.

    Args:
        segments: the folder of captured market data.
        latency_ns: from sending an order to its arrival.
        on_progress: called with the instructions done and how many there are.

    Raises:
        InvalidInput: a changed plan that cannot be, or no instruction that can be compared.
        ProjectionStopped: the log holds what this code cannot follow.
    """
    head = log.head()
    book, captured, rules, plans = _read(log, head.position)
    data = Captured(segments, captured)
    facts = end_facts(book, data)
    benches = _Benches(data, captured, rules, latency_ns)
    compared: list[tuple[Compared, tuple[Outcome, Outcome, Outcome]]] = []
    left_out = []
    entries = book.instructions()
    for number, (id, entry) in enumerate(entries.items()):
        on_progress(number, len(entries))
        plan = plans.get(id)
        why = _unfit(entry, plan)
        if not why and plan is not None:
            found = _compare(entry, plan, changes, benches, facts.get(id, EndFacts()), rules)
            if isinstance(found, str):
                why = found
            else:
                compared.append(found)
        if why:
            left_out.append(LeftOut(id, entry.instruction.decision_id, why))
    if not compared:
        reasons = "; ".join(sorted({one.why for one in left_out})) or "the log has no instruction"
        raise InvalidInput(
            "what_if", changes.said, f"a session that can be worked again: {reasons}"
        )
    return _summed(changes, head.position, head.hash.hex(), compared, left_out)


def _read(
    log: Log, upto: int
) -> tuple[_Book, list[e.MarketDataCaptured], e.RulesInForce | None, dict[UUID, PlanTerms]]:
    """Instructions, captured data, the last rules, and the plan each instruction began with."""
    book, rules = _Book(), None
    captured: list[e.MarketDataCaptured] = []
    plans: dict[UUID, PlanTerms] = {}
    for recorded in log.events(upto=upto):
        book.apply(recorded)
        event = recorded.event
        if isinstance(event, e.MarketDataCaptured):
            captured.append(event)
        elif isinstance(event, e.RulesInForce):
            rules = event
        elif isinstance(event, e.InstructionPlanned) or (
            isinstance(event, e.InstructionReplanned) and event.rule == RELEASED
        ):
            plans[event.originator_id] = event.plan
    return book, captured, rules, plans


def _summed(
    changes: Changes,
    position: int,
    head_hash: str,
    compared: Sequence[tuple[Compared, tuple[Outcome, Outcome, Outcome]]],
    left_out: Sequence[LeftOut],
) -> WhatIf:
    three = zip(*(outcomes for _, outcomes in compared), strict=True)
    recorded, planned, changed = (summarise_outcomes(outcomes).overall for outcomes in three)
    rows = tuple(row for row, _ in compared)
    cost = sum((row.difference_cost for row in rows if row.difference_cost is not None), ZERO)
    weight = sum(
        (
            row.ordered * (row.planned.arrival_mid or ZERO)
            for row in rows
            if row.difference_cost is not None
        ),
        ZERO,
    )
    return WhatIf(
        changes=changes.said,
        position=position,
        head_hash=head_hash,
        compared=rows,
        left_out=tuple(left_out),
        recorded=recorded,
        planned=planned,
        changed=changed,
        difference_bps=(cost / weight * BPS).quantize(Decimal("0.0001")) if weight else None,
        difference_cost=cost,
    )


def _unfit(entry: Followed, plan: PlanTerms | None) -> str:
    """Why an instruction cannot be worked again; empty when it can."""
    it = entry.instruction
    if plan is None or not it.released:
        return "it was never worked"
    if not it.is_done:
        return "it has not ended"
    if it.arrival is None:
        return "it had no valid quote on arrival"
    if it.stopped_ns or it.suspended_since is not None:
        return "a halt stopped it, and halts are not captured"
    return ""


def _compare(
    entry: Followed,
    plan: PlanTerms,
    changes: Changes,
    benches: _Benches,
    facts: EndFacts,
    rules: e.RulesInForce | None,
) -> tuple[Compared, tuple[Outcome, Outcome, Outcome]] | str:
    it = entry.instruction
    changed_plan = changes.applied(plan, rules.planning if rules else DEFAULT_RULES)
    bench = benches.of(plan.symbol, it.received_at)
    if bench is None:
        return "no market data was captured for it"
    recorded = outcome_of(entry, facts)._replace(fees=ZERO)
    worked = [benches.work(bench, it, terms) for terms in (plan, changed_plan)]
    if any(outcome is None for outcome in worked):
        return "it would still be at work where the captured market data ends"
    planned, changed = (outcome for outcome in worked if outcome is not None)
    three = (recorded, planned, changed)
    qualities = [quality_of_outcome(outcome) for outcome in three]
    judged = [quality for quality in qualities if quality is not None]
    if len(judged) < len(three):
        return "it cannot be judged"
    bps = cost = None
    before, after = judged[1].shortfall_bps, judged[2].shortfall_bps
    if before is not None and after is not None:
        bps = after - before
        cost = bps / BPS * plan.quantity * (plan.arrival_mid or ZERO)
    row = Compared(
        instruction_id=it.id,
        decision_id=it.decision_id,
        symbol=plan.symbol,
        side=plan.side.value,
        ordered=plan.quantity,
        strategy=plan.strategy.value,
        changed_strategy=changed_plan.strategy.value,
        recorded=judged[0],
        planned=judged[1],
        changed=judged[2],
        difference_bps=bps,
        difference_cost=cost,
    )
    return row, three


class _Benches:
    """The simulated exchange for each captured stretch of a symbol, made when first asked for."""

    def __init__(
        self,
        data: Captured,
        events: Sequence[e.MarketDataCaptured],
        rules: e.RulesInForce | None,
        latency_ns: int,
    ) -> None:
        self._data = data
        self._spans = [event for event in events if event.kind == QUOTES]
        self._switching = rules.switching if rules else NO_SWITCHES
        self._latency_ns = latency_ns
        self._calendar = ExchangeCalendar()
        self._made: dict[tuple[str, int], tuple[Bench, int] | None] = {}

    def of(self, symbol: str, received_at: int) -> tuple[Bench, int] | None:
        """A bench with the symbol's data from then on, and when it ends (ns UTC)."""
        for event in self._spans:
            if event.symbol == symbol and event.from_ns <= received_at <= event.to_ns:
                key = (symbol, event.from_ns)
                if key not in self._made:
                    self._made[key] = self._make(event)
                return self._made[key]
        return None

    def _make(self, event: e.MarketDataCaptured) -> tuple[Bench, int] | None:
        span = (event.from_ns, event.to_ns)
        quotes = self._data.segment(event.symbol, QUOTES, *span)
        prints = self._data.segment(event.symbol, PRINTS, *span)
        session = self._calendar.session_at(event.from_ns)
        if quotes is None or session is None or not len(quotes.columns["ts_ns"]):
            return None
        day = symbol_day(quotes, prints, session.date.replace("-", ""))
        bench = Bench(
            RecordedMarketData([day], self._calendar),
            ScaledDay(day),
            session,
            latency_ns=self._latency_ns,
            messages_per_minute=MESSAGES_PER_MINUTE,
            stress=Stress(),
            switching=self._switching,
        )
        return bench, min(event.to_ns, session.close)

    def work(
        self, made: tuple[Bench, int], instruction: Instruction, plan: PlanTerms
    ) -> Outcome | None:
        """What comes of an instruction by a plan; None when the data ends before it does."""
        bench, ends = made
        budget = MessageBudget(MESSAGES_PER_MINUTE)
        parent = _parent(instruction, plan)
        order = ParentOrder(bench, parent, POLICIES["adaptive"], budget, plan=plan)
        order.run()
        book = _Book()
        for event in _as_received(order.events or [], instruction.received_at):
            book.apply(Recorded(book.position + 1, event))
        (entry,) = book.instructions().values()
        ended = entry.ended_at
        if ended is None or ended > ends:
            return None
        found = end_facts(book, self._data).get(entry.instruction.id, EndFacts())
        worked = outcome_of(entry, found)
        return worked._replace(instruction_id=instruction.id, arrival_mid=instruction.arrival_mid)


def _as_received(events: Sequence[e.DomainEvent], at: int) -> Iterator[e.DomainEvent]:
    """The events with the decision received when it really was."""
    for event in events:
        if isinstance(event, e.DecisionReceived):
            yield event.model_copy(update={"record_time": at})
        else:
            yield event


def _parent(instruction: Instruction, plan: PlanTerms) -> Parent:
    arrival = instruction.arrival
    seconds = max(-(-(plan.end_at - plan.start_at) // NANOS), 1)
    return Parent(
        symbol=plan.symbol,
        date=instruction.session_date,
        start=plan.start_at,
        horizon_seconds=seconds,
        size=ZERO,
        side=plan.side,
        quantity=plan.quantity,
        arrival_bid=float(arrival.bid) if arrival else 0.0,
        arrival_ask=float(arrival.ask) if arrival else 0.0,
        interval_vwap=0.0,
        end_mid=0.0,
    )
