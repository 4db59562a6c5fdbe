"""The tables of instructions, orders, fills and phases, taken from the log."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Final
from uuid import UUID

from ...domain import events as e
from ...domain.money import ZERO
from ...domain.orders import ChildOrder
from ...domain.plan import PlanTerms
from ...domain.ports import ReportKind
from ..execution_quality import end_mid_of
from ..halts import HaltLedger, HaltRow
from ..instruction_book import Followed, InstructionBook
from ..instruction_events import ACCOUNT_EVENTS, REPORT_EVENTS
from ..planned_schedule import PlanInForce, plan_in_force
from ..runner import Handler

Row = dict[str, Any]
Rows = dict[str, list[Row]]
RECEIPTS: Final = frozenset({ReportKind.NEW, ReportKind.ACCEPTED})
"""Reports that say that the venue has the order."""


class _Order:
    """What a child order's reports say beyond its fold."""

    __slots__ = (
        "adv",
        "ended_at",
        "fees",
        "liquidity",
        "position",
        "positions",
        "received_at",
        "venue",
    )

    def __init__(self, position: int, adv: Decimal | None) -> None:
        self.position = position
        self.adv = adv
        self.received_at: int | None = None
        self.ended_at: int | None = None
        self.venue: str | None = None
        self.fees: dict[str, Decimal] = {}
        self.liquidity: dict[str, tuple[str | None, str | None]] = {}
        self.positions: dict[str, list[int]] = {}


class TcaRows(InstructionBook):
    """Rows for :mod:`.schema`'s tables, of every instruction that has a plan.

    A busted execution has no row, a corrected one its corrected terms; ``positions`` names the
    events that made it so. The decision price is the arrival mid: a decision carries no price of
    its own (ruling 2), so that desk delay is nothing and engine delay runs from arrival to release.
    ``is_live`` is whether the log was ever traded live.
    """

    name: ClassVar[str] = "tca_rows"
    version: ClassVar[int] = 4

    def __init__(self) -> None:
        super().__init__()
        self._orders: dict[tuple[UUID, str], _Order] = {}
        self._first_plans: dict[UUID, PlanTerms] = {}
        self._expected_fees: dict[UUID, Decimal | None] = {}
        self._phases: dict[UUID, list[Row]] = {}
        self._sessions: dict[str, tuple[int, int]] = {}
        self._currencies: dict[tuple[str, str], str | None] = {}
        self._priced_in: dict[tuple[str, str], str | None] = {}
        self._halts = HaltLedger()
        self._plans: dict[UUID, list[PlanInForce]] = {}
        self._captured: list[e.MarketDataCaptured] = []
        self.is_live = False

    @property
    def captured(self) -> tuple[e.MarketDataCaptured, ...]:
        """The market data that is bound to the log."""
        return tuple(self._captured)

    def plans(self, id: UUID) -> tuple[PlanInForce, ...]:
        """What an instruction was worked by, one after the other; nothing of one without a plan."""
        return tuple(self._plans.get(id, ()))

    def rows(self) -> Rows:
        """The rows of every table but those of the market, which is not in the log."""
        found: Rows = {"instructions": [], "orders": [], "fills": [], "phases": []}
        for id, entry in self._book.items():
            if entry.instruction.plan is None:
                continue
            found["phases"].extend(self._phases[id])
            on_fills = ZERO
            for name, order in entry.instruction.orders.items():
                seen = self._orders[id, name]
                currency = self._priced_in.get((entry.instruction.account, entry.symbol))
                fills = _fill_rows(id, name, order, seen, currency)
                on_fills += sum((row["fee"] for row in fills), ZERO)
                found["orders"].append(_order_row(entry, name, order, seen))
                found["fills"] += fills
            row = self._instruction_row(id, entry)
            # What was charged for executions that a bust has taken away stays charged.
            row["fees"] = entry.instruction.fees - on_fills
            found["instructions"].append(row)
        found["sessions"] = self._session_rows()
        found["halts"] = [_halt_row(halt) for halt in self._halts.rows]
        return found

    def state(self) -> object:
        """All rows."""
        return self.rows()

    def _instruction_row(self, id: UUID, entry: Followed) -> Row:
        it, first = entry.instruction, self._first_plans[id]
        plan = it.plan
        assert plan is not None
        advs = (self._orders[id, name].adv for name in it.orders)
        return {
            "instruction_id": str(id),
            "symbol": plan.symbol,
            "side": plan.side.sign,
            "quantity": plan.quantity,
            "currency": self._currencies.get((it.account, entry.session_date)),
            "account": it.account,
            "strategy": first.strategy.value,
            "session_date": entry.session_date,
            "state": it.state.value,
            "decision_at": it.received_at,
            "arrival_at": it.received_at,
            "release_at": it.released_at,
            "end_at": entry.ended_at,
            "planned_end_at": first.end_at,
            "decision_price": it.arrival_mid,
            "arrival_price": it.arrival_mid,
            "release_price": it.release_mid if it.released else it.arrival_mid,
            "end_price": _end_price(entry),
            "limit_price": plan.limit_price,
            "expected_cost_bps": first.expected_slippage_bps,
            "expected_fees": self._expected_fees.get(id),
            "adv": next((adv for adv in advs if adv), None),
            "first_position": entry.first_position,
            "last_position": entry.last_position,
        }

    def _session_rows(self) -> list[Row]:
        found: dict[tuple[str, str], Row] = {}
        for entry in self._book.values():
            date = entry.session_date
            if entry.instruction.plan is None or date not in self._sessions:
                continue
            opens, closes = self._sessions[date]
            found[entry.symbol, date] = {
                "symbol": entry.symbol,
                "session_date": date,
                "open_at": opens,
                "close_at": closes,
            }
        for captured in self._captured:
            for row in found.values():
                inside = row["open_at"] <= captured.to_ns and captured.from_ns <= row["close_at"]
                if row["symbol"] == captured.symbol and inside:
                    row["feed"] = captured.feed
                    row["open"] = captured.official_open or row.get("open")
                    row["close"] = captured.official_close or row.get("close")
        return list(found.values())

    def _was_planned(self, event: e.InstructionPlanned) -> None:
        self._planned(event)
        self._note_plan(event)
        self._halts.apply(event)
        self._first_plans.setdefault(event.originator_id, event.plan)
        fees = event.estimate.fees if event.estimate else None
        self._expected_fees.setdefault(event.originator_id, fees)
        if event.originator_id not in self._phases:
            self._add_phase(event.originator_id, event.plan, event.record_time, "planned")

    def _halted(self, event: e.InstructionSuspended | e.InstructionResumed) -> None:
        self._apply(event)
        self._note_plan(event)
        self._halts.apply(event)

    def _replan(self, event: e.InstructionReplanned | e.StrategySwitched) -> None:
        self._replanned(event)
        self._note_plan(event)

    def _note_plan(self, event: e.DomainEvent) -> None:
        it = self._book[event.originator_id].instruction
        made = plan_in_force(event.record_time, it)
        self._plans.setdefault(event.originator_id, []).append(made)

    def _has_ended(self, event: e.InstructionCancelled | e.InstructionFilled) -> None:
        self._ended(event)
        self._halts.apply(event)

    def _switched(self, event: e.StrategySwitched) -> None:
        self._replan(event)
        self._add_phase(event.originator_id, event.plan, event.record_time, event.rule)

    def _add_phase(self, id: UUID, plan: PlanTerms, since: int, rule: str) -> None:
        phases = self._phases.setdefault(id, [])
        phases.append(
            {
                "instruction_id": str(id),
                "phase": len(phases),
                "strategy": plan.strategy.value,
                "since": since,
                "rule": rule,
                "position": self.position + 1,
            }
        )

    def _order_intended(self, event: e.OrderIntended) -> None:
        self._intended(event)
        adv = event.provenance.market.average_daily_volume
        key = event.originator_id, event.client_order_id
        self._orders[key] = _Order(self.position + 1, adv)

    def _order_reported(self, event: e.OrderReported) -> None:
        it = self._book[event.originator_id].instruction
        report = event.report
        before = it.orders.get(report.client_order_id)
        self._reported(event)
        name, after = _changed(it.orders, report.client_order_id)
        if after is None or name is None:
            return
        seen = self._orders[event.originator_id, name]
        if report.kind in RECEIPTS and seen.received_at is None:
            seen.received_at = report.market_time
        if report.kind in RECEIPTS and seen.venue is None:
            seen.venue = report.venue
        if seen.ended_at is None and not after.is_open:
            seen.ended_at = report.market_time
        if before is None or after.book is not before.book:
            self._note_execution(event, before, after, seen)

    def _note_execution(
        self, event: e.OrderReported, before: ChildOrder | None, after: ChildOrder, seen: _Order
    ) -> None:
        report = event.report
        known = before.book.by_id if before else {}
        changed = [id for id, fill in after.book.by_id.items() if known.get(id) != fill]
        fee = after.book.fees - (before.book.fees if before else ZERO)
        for id in changed:
            seen.positions.setdefault(id, []).append(self.position + 1)
        if changed and report.kind is not ReportKind.TRADE_BUST:
            seen.liquidity.setdefault(changed[-1], (report.liquidity, report.venue))
        if fee and (changed or after.book.by_id):
            id = changed[-1] if changed else list(after.book.by_id)[-1]
            seen.fees[id] = seen.fees.get(id, ZERO) + fee

    def _opened(self, event: e.SessionOpened) -> None:
        self._sessions[event.session_date] = event.open, event.close

    def _status(self, event: e.AccountStatusRecorded) -> None:
        self._currencies[event.account, event.session_date] = event.currency

    def _instrument(self, event: e.InstrumentRecorded) -> None:
        self._priced_in[event.account, event.instrument.symbol] = event.instrument.currency

    def _started(self, event: e.EngineStarted) -> None:
        self.is_live = self.is_live or event.mode == "live"

    def _market_data(self, event: e.MarketDataCaptured) -> None:
        self._captured.append(event)

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = MappingProxyType(
        {
            **InstructionBook.HANDLERS,
            **dict.fromkeys(REPORT_EVENTS, _order_reported),
            e.InstructionPlanned: _was_planned,
            e.InstructionReplanned: _replan,
            e.StrategySwitched: _switched,
            e.InstructionSuspended: _halted,
            e.InstructionResumed: _halted,
            e.InstructionCancelled: _has_ended,
            e.InstructionFilled: _has_ended,
            e.OrderIntended: _order_intended,
            e.EngineStarted: _started,
            e.AccountStatusRecorded: _status,
            e.InstrumentRecorded: _instrument,
            e.SessionOpened: _opened,
            e.MarketDataCaptured: _market_data,
        }
    )
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = frozenset(ACCOUNT_EVENTS) - {
        e.EngineStarted,
        e.AccountStatusRecorded,
        e.InstrumentRecorded,
        e.SessionOpened,
        e.MarketDataCaptured,
    }


def _halt_row(halt: HaltRow) -> Row:
    return {
        "instruction_id": str(halt.instruction_id),
        "since": halt.since,
        "until": None if halt.ended else halt.until,
        "mid_before": halt.mid_before,
        "mid_after": halt.mid_after,
        "cause": halt.cause,
    }


def _changed(
    orders: Mapping[str, ChildOrder], reported: str
) -> tuple[str | None, ChildOrder | None]:
    """The order a report is about: under its own name, or that of a replacement of it."""
    if reported in orders:
        return reported, orders[reported]
    for name, order in orders.items():
        if reported in order.client_order_ids:
            return name, order
    return None, None


def _end_price(entry: Followed) -> Decimal | None:
    if entry.instruction.end_mid is not None or entry.seen is None:
        return entry.instruction.end_mid
    return end_mid_of(entry.ended_at, entry.seen.at, entry.seen.mid)


def _order_row(entry: Followed, name: str, order: ChildOrder, seen: _Order) -> Row:
    return {
        "order_id": name,
        "instruction_id": str(entry.instruction.id),
        "quantity": order.order_qty,
        "order_type": order.order_type.value,
        "time_in_force": order.time_in_force.value,
        "limit_price": order.limit_price,
        "display_quantity": order.display_quantity,
        "placed_at": entry.instruction.placed_at[name],
        "received_at": seen.received_at,
        "ended_at": seen.ended_at,
        "state": order.state.value,
        "venue": seen.venue,
        "rule": entry.rules.get(name),
        "position": seen.position,
    }


def _fill_rows(
    id: UUID, name: str, order: ChildOrder, seen: _Order, currency: str | None
) -> list[Row]:
    rows = []
    for fill_id, fill in order.executions.items():
        if not fill.quantity:
            continue
        liquidity, venue = seen.liquidity.get(fill_id, (None, None))
        rows.append(
            {
                "fill_id": fill_id,
                "order_id": name,
                "instruction_id": str(id),
                "at": fill.market_time,
                "quantity": fill.quantity,
                "price": fill.price,
                "fee": seen.fees.get(fill_id, ZERO),
                "liquidity": liquidity,
                "venue": venue,
                "currency": currency,
                "derived": fill.derived,
                "positions": seen.positions.get(fill_id, []),
            }
        )
    return rows
