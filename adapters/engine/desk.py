"""What one engine holds: its ports, the live aggregates, and what waits to be committed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from ... import __version__
from ...domain import events as e
from ...domain.account import TradingAccount
from ...domain.ids import instruction_of
from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.ports import (
    Account,
    Broker,
    BrokerCommand,
    Calendar,
    CancelOrder,
    EventsCalendar,
    ExecutionReport,
    MarketData,
    OrderRequest,
    Runtime,
    Side,
)
from ...domain.principals import Submitter
from ...domain.reasons import Refusal
from ...domain.reservations import CounterUpdate
from ...projections.account_books import AccountBooks
from ...projections.daily_limits import DailyLimits
from ...projections.runner import Recorded
from ..storage.keystore import Keystore
from ..storage.log import Log
from ..storage.records import Appended, Conflict, CounterExceeded, Job
from .gate import SendGate
from .known import KnownInstructions, is_over
from .permits import Permit
from .recordings import Recordings
from .rules import EngineRules

DEFAULT_LIMITS: Final = Limits()
ACTOR: Final = f"engine/{__version__}"


@dataclass(slots=True)
class Desk:
    """The ports and the live state that the engine's parts share.

    ``touched``, ``gathered`` (of earlier batches) and ``commands`` wait for the next commit:
    commands are sent only once the events they follow from are durable. ``heard_at`` and
    ``asked_at`` say by child order when the broker last spoke of it and when it was last asked,
    ``doubted`` are orders that it would not cancel, to be asked about at once, ``withheld`` what
    the ``gate`` kept from the wire, ``taken`` reports of which the record is not durable. The log
    is known up to position ``seen``; ``own`` are ranges behind it that were written here;
    ``in_order``: views follow the log's order, and ``unwritten`` events of theirs are not known to
    be in it. ``starts`` engines had the account before, ``submitter`` hands in what names nobody.
    ``configured`` are limits asked for at this start, until it is seen that none is wider.
    ``loss_reached``: the day's loss was at its limit when it was last looked at.
    """

    name: str
    log: Log
    broker: Broker
    market: MarketData
    runtime: Runtime
    calendar: Calendar
    events_calendar: EventsCalendar
    keystore: Keystore
    rules: EngineRules
    account: TradingAccount
    usage: DailyLimits
    clock_source: str = "unknown"
    clock_offset_ns: int | None = None
    books: AccountBooks = field(init=False)
    instructions: KnownInstructions = field(init=False)
    active: dict[UUID, Instruction] = field(default_factory=dict)
    open_orders: dict[tuple[str, Side], dict[str, Decimal | None]] = field(default_factory=dict)
    in_play: Counter[str] = field(default_factory=Counter)
    jobs: list[Job] = field(default_factory=list)
    touched: dict[UUID, Instruction | TradingAccount] = field(default_factory=dict)
    gathered: list[e.DomainEvent] = field(default_factory=list)
    commands: list[BrokerCommand] = field(default_factory=list)
    loss_reached: bool = False
    wakes: list[tuple[int, int, UUID]] = field(default_factory=list)
    wake_of: dict[UUID, int] = field(default_factory=dict)
    reopened: dict[UUID, int] = field(default_factory=dict)
    heard_at: dict[str, int] = field(default_factory=dict)
    asked_at: dict[str, int] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)
    withheld: list[ExecutionReport] = field(default_factory=list)
    taken: list[ExecutionReport] = field(default_factory=list)
    seen: int = 0
    own: list[tuple[int, int]] = field(default_factory=list)
    configured: Limits | None = None
    gate: SendGate | None = None
    permits: tuple[Permit, ...] = ()
    submitter: Submitter | None = None
    on_event: Callable[[e.DomainEvent], None] | None = None
    started: bool = False
    starts: int = 0
    in_order: bool = True
    unwritten: int = 0

    def __post_init__(self) -> None:
        """Know no instruction and no trade yet."""
        self.instructions = KnownInstructions(self.name, self.log)
        self.books = AccountBooks(self.usage.instruction)

    @property
    def now(self) -> int:
        """The time now, ns UTC."""
        return self.runtime.clock.now()

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.account.limits or DEFAULT_LIMITS

    async def broker_account(self) -> Account:
        """The account now, of the kind that configuration says if it says one.

        Raises:
            BrokerUnavailable: the broker does not give it.
        """
        account = await self.broker.account()
        stated = self.rules.account_kind
        return account if stated is None else replace(account, kind=stated)

    def not_permitted(self, strategy: str) -> Refusal | None:
        """Why an order of a strategy must not be decided or sent now, None when it may."""
        found = (permit.why_not(strategy) for permit in self.permits)
        return next((refusal for refusal in found if refusal is not None), None)

    def stamp(
        self,
        correlation: str,
        causation: str,
        *,
        actor: str = ACTOR,
        market_time: int | None = None,
        receive_time: int | None = None,
    ) -> e.Stamp:
        """A stamp for events recorded now."""
        return e.Stamp(self.now, actor, correlation, causation, market_time, receive_time)

    def adopt(self, instruction: Instruction) -> None:
        """Take an instruction among those known."""
        self.instructions.hold(instruction, self.usage.position)
        for client_order_id in instruction.live:
            self.opened(instruction.requests[client_order_id])
        if is_over(instruction):
            self.instructions.has_ended(instruction.id)
        if not instruction.is_done or instruction.live:
            is_new = instruction.id not in self.active
            self.active[instruction.id] = instruction
            if instruction.decision is not None and is_new:
                self.in_play[instruction.decision.symbol] += 1

    def revive(self, instruction: Instruction) -> None:
        """Look again at an instruction that had ended: the market reopened one of its orders."""
        if instruction.id not in self.active:
            self.adopt(instruction)
        self.wake(instruction, self.now)

    def retire(self, instruction: Instruction) -> None:
        """Stop looking at an instruction that ended and has no order that may trade."""
        if instruction.live:
            return
        self.wake_of.pop(instruction.id, None)
        self.instructions.has_ended(instruction.id)
        if self.active.pop(instruction.id, None) is not None and instruction.decision is not None:
            self.in_play[instruction.decision.symbol] -= 1

    def symbols_in_play(self) -> list[str]:
        """The symbols of active instructions, sorted."""
        return sorted(symbol for symbol, count in self.in_play.items() if count > 0)

    def owner_of(self, client_order_id: str) -> Instruction | None:
        """The instruction of a child order, None when the order is not ours."""
        id = instruction_of(client_order_id)
        found = self.instructions.get(id) if id is not None else None
        return found if found is not None and client_order_id in found.requests else None

    def opened(self, request: OrderRequest) -> None:
        """Know an own order that may trade from now on."""
        side = self.open_orders.setdefault((request.symbol, request.side), {})
        side[request.client_order_id] = request.limit_price

    def ended(self, request: OrderRequest) -> None:
        """Know that an own order can trade no more."""
        self.heard_at.pop(request.client_order_id, None)
        self.asked_at.pop(request.client_order_id, None)
        self.doubted.discard(request.client_order_id)
        self.open_orders.get((request.symbol, request.side), {}).pop(request.client_order_id, None)

    def open_limits(self, symbol: str, side: Side) -> list[Decimal | None]:
        """The limits of own orders of one side that may trade, None for market orders."""
        return list(self.open_orders.get((symbol, side), {}).values())

    def touch(self, aggregate: Instruction | TradingAccount) -> None:
        """Have an aggregate's new events, if there are any, in the next commit."""
        if aggregate.has_news:
            self.touched[aggregate.id] = aggregate

    def took(self, report: ExecutionReport, aggregate: Instruction | TradingAccount) -> None:
        """Have what a report told in the next commit; it is kept until that is durable."""
        self.taken.append(report)
        self.touch(aggregate)

    def wake(self, instruction: Instruction, at: int) -> None:
        """Look at an instruction again at ``at``; replaces what was asked before."""
        self.wake_of[instruction.id] = at
        heapq.heappush(self.wakes, (at, self.instructions.order[instruction.id], instruction.id))

    def due(self, now: int) -> list[Instruction]:
        """The instructions to look at now, in order of admission."""
        found: list[tuple[int, UUID]] = []
        while self.wakes and self.wakes[0][0] <= now:
            at, order, id = heapq.heappop(self.wakes)
            if self.wake_of.get(id) == at:
                del self.wake_of[id]
                found.append((order, id))
        return [self.instructions[id] for _, id in sorted(found)]

    def next_wake(self) -> int | None:
        """When the next instruction wants to be looked at."""
        while self.wakes and self.wake_of.get(self.wakes[0][2]) != self.wakes[0][0]:
            heapq.heappop(self.wakes)
        return self.wakes[0][0] if self.wakes else None

    def start_once(self) -> None:
        """Record that this engine took the account, with the first thing it records."""
        if self.started:
            return
        self.started = True
        self.account.start_engine(
            self.stamp("engine", "start"),
            code_version=__version__,
            clock_source=self.clock_source,
            clock_offset_ns=self.clock_offset_ns,
            broker=self.broker.capabilities.name,
            mode=self.rules.mode,
            seed=self.rules.seed,
        )
        self.account.set_rules(
            self.stamp("engine", "start"),
            planning=self.rules.planning,
            switching=self.rules.switching,
            rejects_max=self.rules.rejects_max,
        )
        self.touch(self.account)

    def prepare(
        self, instruction: Instruction, counters: Sequence[CounterUpdate] | None = None
    ) -> None:
        """Put an admission, and the account's events before it, among the next append's jobs.

        ``counters`` are the conditional ones of a reservation; the projection follows at once, so
        that the next decision of the same batch sees what this one took.
        """
        self.queue_gathered()
        self.start_once()
        recorded = [*self.account.collect_events(), *instruction.collect_events()]
        self.touched.pop(self.account.id, None)
        self._project(recorded)
        changes = self.usage.take_counter_changes()
        self.jobs.append(Job([Recordings(recorded)], counters or _unconditional(changes)))

    def gather(self) -> None:
        """Take what this batch recorded, behind what earlier batches did and is not durable yet."""
        if not self.touched:
            return
        self.start_once()
        account = self.touched.pop(self.account.id, None)
        self.gathered += account.collect_events() if account else []
        for aggregate in self.touched.values():
            self.gathered += aggregate.collect_events()
        self.touched.clear()

    def queue_reports(self) -> None:
        """Count the fills of this batch too, before figures are asked for that have them."""
        self.gather()
        self.queue_gathered()

    def queue_gathered(self) -> None:
        """Put what earlier batches recorded first among the next append's jobs.

        So the log keeps the order of time, and an admission sees what the reports before it freed.
        """
        if self.gathered:
            recorded, self.gathered = self.gathered, []
            self._project(recorded)
            changes = _unconditional(self.usage.take_counter_changes())
            self.jobs.append(Job([Recordings(recorded)], changes))

    def append_jobs(self) -> None:
        """Make all prepared admissions durable in one transaction.

        Raises:
            CounterExceeded: another writer took headroom between our reading and the append; what
                was prepared after it may stand on what is not there, so the caller reloads.
        """
        jobs, self.jobs = self.jobs, []
        if not jobs:
            return
        for result in self.log.append_jobs(jobs):
            if isinstance(result, CounterExceeded | Conflict):
                raise result
            self.wrote(result)

    def wrote(self, appended: Appended) -> None:
        """Know what was written here; a gap before it is another process' record."""
        self.unwritten -= appended.last_position - appended.first_position + 1
        if appended.first_position == self.seen + 1:
            self.seen = appended.last_position
        elif appended.last_position > self.seen:
            self.own.append((appended.first_position, appended.last_position))

    def _project(self, recorded: list[e.DomainEvent]) -> None:
        for event in recorded:
            self.project(event)

    def project(self, event: e.DomainEvent) -> None:
        """Bring the projections that decisions are made from forward by one event."""
        self.unwritten += 1
        entry = Recorded(self.usage.position + 1, event, b"")
        self.usage.apply(entry)
        self.books.apply(entry)
        if self.on_event is not None:
            self.on_event(event)

    def seal_surplus(self) -> None:
        """Keep few of the ended instructions in memory; nothing may wait to be recorded."""
        if not (self.gathered or self.jobs or self.touched):
            for id in self.instructions.seal_surplus():
                self.usage.forget(id)
                self.books.forget(id)

    async def commit(self) -> None:
        """Make everything that was recorded durable, then hand the commands to the broker.

        While something is blocked its cancels go first: they wait for no disk (ruling 26).

        Raises:
            CounterExceeded, Conflict: another process put a block or release on the record; nothing
                was written, and the caller reloads.
        """
        self.gather()
        if self.account.kills:
            await self.send_cancels()
        recorded, self.gathered = self.gathered, []
        taken, self.taken = self.taken, []
        # Orders wait for this write, and what is decided meanwhile for its own; cancels for none.
        own = self.commands
        self.commands = [one for one in own if isinstance(one, CancelOrder)]
        if recorded:
            conditions = self.gate.conditions(own) if self.gate else []
            self._project(recorded)
            changes = _unconditional(self.usage.take_counter_changes())
            try:
                counters = [*conditions, *changes]
                self.wrote(await self.log.commit(Recordings(recorded), counters=counters))
            except BaseException:
                due, since = self._not_sent_meanwhile(own)
                self.commands, self.taken = [*due, *since], [*taken, *self.taken]
                raise
            self.seal_surplus()
        commands, self.commands = self._not_sent_meanwhile(own)
        if self.gate is not None:
            commands, withheld = self.gate.let_through(commands, recorded=bool(recorded))
            self.withheld += withheld
        if commands:
            self.log.check_owner()
            await self.broker.send(commands)

    def _not_sent_meanwhile(
        self, own: Sequence[BrokerCommand]
    ) -> tuple[list[BrokerCommand], list[BrokerCommand]]:
        """Of a commit's own commands those that nobody has sent, and what has come since."""
        here, mine = {id(one) for one in self.commands}, {id(one) for one in own}
        due = [one for one in own if id(one) in here or not isinstance(one, CancelOrder)]
        return due, [one for one in self.commands if id(one) not in mine]

    async def send_cancels(self) -> None:
        """Hand over the cancels that wait, before anything else."""
        cancels = [one for one in self.commands if isinstance(one, CancelOrder)]
        if cancels:
            self.commands = [one for one in self.commands if not isinstance(one, CancelOrder)]
            await self.broker.send(cancels)


def _unconditional(changes: Mapping[str, int]) -> list[CounterUpdate]:
    """What the events say moves the counters, whatever the caps are (ruling 8)."""
    return [CounterUpdate(key, amount, None) for key, amount in sorted(changes.items())]
