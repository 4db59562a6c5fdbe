"""From a decision to a planned, refused or idle instruction, with its reservation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from ...domain import ids
from ...domain.decision import TEXT_MAX, Decision, TradeAction
from ...domain.instruction import Instruction
from ...domain.intake import Intake
from ...domain.limits import PositionFacts
from ...domain.money import ZERO
from ...domain.planning.facts import Deferred, Facts, Noted, Nothing, Planned, Refused, Timing
from ...domain.planning.inputs import inputs_of, is_recordable
from ...domain.planning.planner import plan_decision
from ...domain.planning.release import RULE, Replanned, at_release
from ...domain.planning.sizing import Sized, size_decision
from ...domain.ports import NANOS, Side
from ...domain.principals import Submitter
from ...domain.reasons import EndReason, Refusal
from ...domain.reservations import (
    CounterUpdate,
    Reservation,
    release,
    replacing_counters,
    reservation_counters,
)
from ...domain.timing.rules import assess
from .corporate_facts import crossed_ex_date, name_facts, record_known
from .desk import Desk
from .figures import Figures
from .incoming import (
    Arrival,
    arrival_quote,
    raw_bytes,
    read_arrival,
    refusal_of_reuse,
    session_date,
)
from .losses import count_cash, is_latched, is_reached, latch_if_reached
from .market_rules import listing_of, loss_basis, record_instrument, round_lot_of, short_facts
from .permits import permitted
from .receiving import personal_text, record_received
from .session_books import record_status

RAISING: Final = frozenset({TradeAction.BUY, TradeAction.ADD})


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a decision; ``repeated`` when it was known and nothing was recorded."""

    instruction: Instruction
    repeated: bool = False
    reused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A readable decision on its way in, with the facts it is planned from."""

    read: Intake
    decision_id: str
    content: str
    facts: Facts


class Admission:
    """Admits decisions in the order they come; durable with the desk's next append of jobs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._figures = Figures(desk)

    async def admit(self, arrival: Arrival) -> Admitted:
        """Record a decision and what became of it."""
        desk = self._desk
        read = read_arrival(arrival, desk)
        if isinstance(read, tuple):
            return self._unreadable(arrival, read)
        content = read.decision.content_hash()
        decision_id = self._name_of(arrival, read)
        id = ids.instruction_id(desk.name, decision_id)
        known = desk.instructions.get(id)
        if known is not None:
            reused = None if known.content_hash == content else refusal_of_reuse(decision_id)
            return Admitted(known, repeated=True, reused=reused)
        await self._figures.beside(read.decision.symbol, f"{desk.name}:{decision_id}")
        record_instrument(desk, read.decision.symbol)
        record_known(desk, read.decision.symbol)
        instruction = Instruction(id)
        identified = bool(read.decision_id or arrival.file_id)
        facts = await self._facts(read.decision, identified=identified)
        entry = Entry(read, decision_id, content, facts)
        self._receive(instruction, entry, arrival.by)
        self._decide(instruction, read.decision, entry)
        return Admitted(instruction)

    async def check_again(self, instruction: Instruction) -> None:
        """Plan a deferred instruction at its release, as if its reservation were not held."""
        desk, decision = self._desk, instruction.decision
        if decision is None:
            return
        if crossed_ex_date(desk, instruction, decision.symbol):
            stamp = desk.stamp(str(instruction.id), "corporate_action")
            instruction.finish(stamp, EndReason.CORPORATE_ACTION)
            desk.touch(instruction)
            desk.retire(instruction)
            return
        await desk.market.refresh([decision.symbol])
        desk.queue_reports()
        facts = await self._facts(decision, identified=True)
        usage = facts.usage
        if instruction.reservation is not None:
            usage = release(usage, instruction.reservation)
        timing = replace(facts.timing, release_at=None)
        arrival = facts.arrival_mid if instruction.arrival_mid is None else instruction.arrival_mid
        facts = replace(facts, usage=usage, timing=timing, admitted=True, arrival_mid=arrival)
        stamp = desk.stamp(str(instruction.id), "deferral")
        self._assess(instruction, decision, facts)
        outcome = permitted(plan_decision(decision, facts, instruction.id), desk.not_permitted)
        planned = at_release(outcome, instruction.plan)
        if isinstance(planned, Replanned):
            self._reserve_anew(instruction, facts, planned)
            return
        elif isinstance(planned, Nothing):
            instruction.do_nothing(stamp, planned.reason, planned.note, planned.checks)
        elif isinstance(planned, Refused):
            instruction.refuse(stamp, planned.refusals, planned.checks)
        elif isinstance(planned, Planned):
            entry = Entry(
                Intake(decision, instruction.decision_id, "", ()),
                instruction.decision_id,
                instruction.content_hash,
                facts,
            )
            self._reserve(instruction, entry, planned, None)
            return
        else:
            instruction.finish(stamp, EndReason.SESSION_END)
        desk.touch(instruction)
        if instruction.is_done:
            desk.retire(instruction)

    def _reserve_anew(self, instruction: Instruction, facts: Facts, anew: Replanned) -> None:
        """Record the terms of a release with the reservation that covers them, in one append.

        Price and session may be others than those it was reserved with.
        """
        before, reservation, volume = instruction.reservation, anew.reservation, facts.market.volume
        stamp = self._desk.stamp(str(instruction.id), "deferral")
        instruction.replan(stamp, anew.terms, RULE, anew.checks, volume, reservation)
        counters = _counters(facts, anew.price, reservation)
        self._append(instruction, replacing_counters(before, counters) if before else counters)

    # -- the facts -----------------------------------------------------------------------------

    async def _facts(self, decision: Decision, *, identified: bool) -> Facts:
        desk, now = self._desk, self._desk.now
        market = desk.market.state(decision.symbol, now)
        session = desk.calendar.session_at(now)
        quote, _ = arrival_quote(market, desk)
        account, positions = await self._figures.now()
        status = desk.account.status
        if session is not None and status is not None and status.kind is not account.kind:
            record_status(desk, account, session)
        held = positions.get(decision.symbol)
        date = session.date if session else session_date(desk)
        if session is not None and is_reached(desk, account):
            await count_cash(desk)  # what was withdrawn is no loss
        usage = desk.usage.usage(desk.name, date, shown=True)
        if not usage.session_equity_usd:
            usage = replace(usage, session_equity_usd=account.equity)
        facts = Facts(
            account_id=desk.name,
            account=account,
            session=session,
            now=now,
            market=market,
            arrival_mid=quote.mid if quote else None,
            position=held.quantity if held else ZERO,
            usage=usage,
            limits=desk.limits,
            rules=desk.rules.planning,
            next_session=desk.calendar.next_session(session.close if session else now),
            symbol_known=desk.market.knows(decision.symbol),
            identified=identified,
            volume_curve=desk.market.volume_buckets(decision.symbol, date),
            cash=desk.books.cash_facts(desk.name, decision.symbol),
            names=name_facts(desk, decision.symbol, date),
            unexplained=desk.account.standing.told(decision.symbol, date),
            short=short_facts(desk, decision, market),
            loss_basis_usd=loss_basis(desk),
            listing=listing_of(desk, decision.symbol),
            loss_latched=session is not None and is_latched(desk),
            round_lot=round_lot_of(market, date),
        )
        return replace(facts, timing=self._timing(facts, decision))

    def _timing(self, facts: Facts, decision: Decision) -> Timing:
        """What the timing engine says of the order as large as it would be."""
        desk, now, urgency = self._desk, self._desk.now, decision.urgency
        session, market = facts.session, facts.market
        if session is None:
            return Timing()
        sized = size_decision(decision, facts)
        quantity = sized.quantity if isinstance(sized, Sized) else None
        upcoming = desk.events_calendar.between(market.symbol, now, session.close)
        minutes = desk.calendar.local_minutes(now)
        side = Side.BUY if decision.action in RAISING else Side.SELL
        found = assess(
            market,
            session,
            minutes,
            upcoming,
            desk.rules.timing,
            urgency=urgency,
            side=side,
            quantity=quantity,
        )
        return Timing(
            strategy=found.recommended_strategy,
            expected_slippage_bps=found.expected_slippage_bps,
            release_at=found.release_at,
            rule=",".join(fired.name.value for fired in found.rules),
        )

    # -- recording -----------------------------------------------------------------------------

    def _receive(self, instruction: Instruction, entry: Entry, by: Submitter | None) -> None:
        desk, facts = self._desk, entry.facts
        quote, note = arrival_quote(facts.market, desk)
        record_received(
            desk,
            instruction,
            entry.decision_id,
            personal_text(entry.read),
            session_date=facts.session.date if facts.session else session_date(desk),
            content_hash=entry.content,
            decision=entry.read.decision,
            by=by,
            arrival=quote,
            data_note=note,
        )

    def _assess(
        self, instruction: Instruction, decision: Decision, facts: Facts, note: str = ""
    ) -> None:
        """Record what is planned from, unless the broker's figures are no numbers."""
        if is_recordable(facts):
            received = instruction.decision
            netted = received is not None and received.order_size != decision.order_size
            size = decision.order_size if netted else None
            stamp = self._desk.stamp(str(instruction.id), "facts")
            instruction.assess(stamp, inputs_of(decision, facts, order_size=size, note=note))
            if facts.session is not None:
                latch_if_reached(self._desk, facts.account)

    def _decide(
        self, instruction: Instruction, decision: Decision, entry: Entry, note: str = ""
    ) -> None:
        self._assess(instruction, decision, entry.facts, note)
        outcome = permitted(
            plan_decision(decision, entry.facts, instruction.id), self._desk.not_permitted
        )
        stamp = self._desk.stamp(str(instruction.id), "plan")
        if isinstance(outcome, Planned):
            self._reserve(instruction, entry, outcome, None)
        elif isinstance(outcome, Deferred) and outcome.planned is not None:
            self._reserve(instruction, entry, outcome.planned, outcome.release_at)
        elif isinstance(outcome, Nothing):
            instruction.do_nothing(stamp, outcome.reason, outcome.note, outcome.checks)
            self._note(instruction, outcome.anomalies)
            self._append(instruction)
        elif isinstance(outcome, Refused):
            instruction.refuse(stamp, outcome.refusals, outcome.checks)
            self._note(instruction, outcome.anomalies)
            self._append(instruction)
        else:
            instruction.await_release(stamp, outcome.release_at, outcome.rule)
            self._append(instruction)

    def _reserve(
        self, instruction: Instruction, entry: Entry, planned: Planned, release_at: int | None
    ) -> None:
        facts = entry.facts
        instruction.accept(
            self._desk.stamp(str(instruction.id), "plan"),
            plan=planned.terms,
            checks=planned.checks,
            reservation=planned.reservation,
            equity=planned.equity,
            position=planned.position,
            price=planned.price,
            limit_version=planned.limit_version,
            timing_rules=tuple(rule for rule in facts.timing.rule.split(",") if rule),
            volume=facts.market.volume,
            release_at=release_at,
            sell_mark=planned.sell_mark,
            notes=planned.notes,
            estimate=planned.estimate,
        )
        self._note(instruction, planned.anomalies)
        self._append(instruction, _counters(facts, planned.price, planned.reservation))

    def _unreadable(self, arrival: Arrival, refusals: tuple[Refusal, ...]) -> Admitted:
        """Record what could not be read as rejected, under an id from its bytes (ruling 10)."""
        desk = self._desk
        raw = raw_bytes(arrival.raw)
        decision_id = arrival.file_id or f"raw:{hashlib.sha256(raw).hexdigest()}"
        id = ids.instruction_id(desk.name, decision_id)
        known = desk.instructions.get(id)
        if known is not None:
            return Admitted(known, repeated=True)
        instruction = Instruction(id)
        session = desk.calendar.session_at(desk.now)
        record_received(
            desk,
            instruction,
            decision_id,
            raw[:TEXT_MAX].decode("utf-8", "backslashreplace"),
            session_date=session.date if session else session_date(desk),
            content_hash=hashlib.sha256(raw).hexdigest(),
            decision=None,
            by=arrival.by,
            data_note="not readable",
        )
        instruction.refuse(desk.stamp(str(id), "read"), refusals)
        self._append(instruction)
        return Admitted(instruction)

    def _note(self, instruction: Instruction, anomalies: tuple[Noted, ...]) -> None:
        stamp = self._desk.stamp(str(instruction.id), "plan")
        for anomaly in anomalies:
            instruction.note(stamp, anomaly.kind, anomaly.detail)

    def _append(
        self, instruction: Instruction, counters: tuple[CounterUpdate, ...] | None = None
    ) -> None:
        desk = self._desk
        desk.prepare(instruction, counters)
        desk.adopt(instruction)
        if not instruction.is_done:
            starts = instruction.plan.start_at if instruction.plan else desk.now
            desk.wake(instruction, max(instruction.release_at or starts, desk.now))

    def _name_of(self, arrival: Arrival, read: Intake) -> str:
        """The decision's own id, its file's, or one from its content (ruling 9)."""
        given = read.decision_id or arrival.file_id
        if given:
            return given
        content = read.decision.content_hash()
        return self._same_content(content) or f"content:{content}:{arrival.taken_at}"

    def _same_content(self, content: str) -> str | None:
        """The id of an equal decision within the duplicate window (ruling 9), or None."""
        desk = self._desk
        window = desk.limits.duplicate_window_seconds * NANOS
        for instruction in desk.instructions.newest_first():
            is_past = desk.now - instruction.received_at > window
            if is_past and not desk.instructions.is_held(instruction.id):
                break  # what was sealed before it is older still
            if not is_past and instruction.content_hash == content:
                return instruction.decision_id
        return None


def _counters(facts: Facts, price: Decimal, reservation: Reservation) -> tuple[CounterUpdate, ...]:
    """The updates that admit a reservation whose quantity was computed at this price."""
    measured = PositionFacts(facts.position, price, facts.account.equity)
    return reservation_counters(reservation, facts.limits, facts.usage, facts.account, measured)
