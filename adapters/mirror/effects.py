"""What each event changes: the domain's own fold, kept only for instructions that are at work.

An event's columns hold what follows from it, so that sums over columns give what a fold of the
whole log gives. To go on after any position only the account's own events are needed, and of an
instruction those before its next event; so memory is bound by what is open, not by the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from ...domain import events as e
from ...domain.ids import account_stream_id
from ...domain.money import ZERO
from ...domain.orders import ChildOrder
from ...projections.counters import Counters
from ...projections.daily_limits import DailyLimits
from ...projections.execution_quality import order_in_terms
from ...projections.instruction_book import Followed, InstructionBook
from ...projections.instruction_events import ACCOUNT_EVENTS, REPORT_EVENTS
from ...projections.runner import Recorded

Row = dict[str, Any]
Stream = Callable[[UUID], Sequence[e.DomainEvent]]

_ACCOUNT: Final = frozenset(ACCOUNT_EVENTS)
_REPORTS: Final = frozenset(REPORT_EVENTS)
_TERMS: Final = frozenset({e.InstructionReplanned, e.StrategySwitched})


class _Limits(DailyLimits):
    """The limits' fold of chosen instructions only; its sums mean nothing, its changes are exact.

    What an event changes in the counters depends on its instruction and on which sessions the
    account had opened by then, and on no other instruction.
    """

    def take(self, position: int, event: e.DomainEvent) -> dict[str, int]:
        """Fold one event; gives what it changes in the counters."""
        self.position = position - 1
        self.apply(Recorded(position, event))
        changes, self._counters = self.take_counter_changes(), Counters()
        return changes

    def forget(self, instruction: UUID) -> None:
        """Let go of an instruction."""
        self._holdings.pop(instruction, None)


class _Book(InstructionBook):
    """The instructions that are at work."""

    name: ClassVar[str] = "mirror"
    version: ClassVar[int] = 1

    def take(self, position: int, event: e.DomainEvent) -> None:
        """Fold one event."""
        self.position = position - 1
        self.apply(Recorded(position, event))

    def get(self, instruction: UUID) -> Followed | None:
        """An instruction that is kept."""
        return self._book.get(instruction)

    def forget(self, instruction: UUID) -> None:
        """Let go of an instruction."""
        self._book.pop(instruction, None)

    def state(self) -> object:
        """Nothing of it is compared."""
        return None


class Effects:
    """Folds events in order and says what each one changes.

    Args:
        stream: all events of one aggregate, for those that are not kept.
        accounts: versions of account streams that are behind the first event to come, by name.
    """

    def __init__(self, stream: Stream, accounts: Mapping[str, int]) -> None:
        self._stream = stream
        self._limits = _Limits()
        self._book = _Book(self._limits.instruction)
        self._executions: dict[UUID, _Executions] = {}
        self.accounts: dict[str, int] = dict(accounts)
        self._names: dict[UUID, str] = {}
        for name, version in accounts.items():
            id = account_stream_id(name)
            self._names[id] = name
            for event in stream(id)[:version]:
                self._limits.take(1, event)

    def of(self, position: int, event: e.DomainEvent) -> Row:
        """What the event at ``position`` changes, by column."""
        id = event.originator_id
        if type(event) in _ACCOUNT:
            return self._of_account(position, event)
        if self._book.get(id) is None and event.originator_version > 1:
            for earlier in self._stream(id)[: event.originator_version - 1]:
                self._limits.take(1, earlier)
                self._book.take(1, earlier)
        known = self._executions.get(id)
        if known is None:
            known = self._executions[id] = _Executions(id)
        kept = self._book.get(id)
        before = _Standing(kept)
        if kept is not None:
            known.begin(kept, event)
        changes = self._limits.take(position, event)
        self._book.take(position, event)
        entry = self._book.instructions()[id]
        row = before.change(entry, event, known)
        if changes:
            row["counters"] = [counter_row(key, amount) for key, amount in changes.items()]
        row["account"] = entry.instruction.account
        row["session_date"] = entry.session_date
        row["symbol"] = entry.symbol or None
        if entry.instruction.account not in self.accounts:
            self._know(entry.instruction.account)
        if entry.instruction.is_done and not entry.instruction.live:
            self._book.forget(id)
            self._limits.forget(id)
            del self._executions[id]
        return row

    def _know(self, account: str) -> None:
        self.accounts[account] = 0
        self._names[account_stream_id(account)] = account

    def _of_account(self, position: int, event: e.DomainEvent) -> Row:
        named = getattr(event, "account", None)
        if named is not None:
            self._names[event.originator_id] = named
        name = self._names.get(event.originator_id)
        self._limits.take(position, event)
        if name is not None:
            self.accounts[name] = event.originator_version
        return {"account": name}


class _OfOrder(NamedTuple):
    """What executed of one order: within the terms, when first and last (0 for never)."""

    in_terms: Decimal
    first: int
    last: int
    unpriced: bool


_NOTHING: Final = _OfOrder(ZERO, 0, 0, unpriced=False)


class _Executions:
    """What executed of an instruction by order, so that a report costs its own order only."""

    def __init__(self, id: UUID) -> None:
        self.id = str(id)
        self._orders: dict[str, _OfOrder] | None = None

    def begin(self, entry: Followed, event: e.DomainEvent) -> None:
        """Before an event is folded that may change what executed, or the terms it is seen in."""
        kind = type(event)
        if self._orders is None:
            if kind in _REPORTS or kind in _TERMS:
                self._orders = _by_order(entry)
        elif kind is e.InstructionPlanned or (
            kind is e.OrderIntended and _order_of(event) in self._orders
        ):
            self._orders = None

    def reported(self, entry: Followed, key: str) -> Row:
        """After a report on an order: what it changes within the terms, and the times of all."""
        orders = {} if self._orders is None else self._orders
        before = orders.get(key, _NOTHING)
        order = entry.instruction.orders.get(key)
        after = orders[key] = _NOTHING if order is None else _of_order(entry, order)
        self._orders = orders
        firsts = [one.first for one in orders.values() if one.first]
        return {
            "in_terms": after.in_terms - before.in_terms,
            "first_fill_at": min(firsts, default=0),
            "last_fill_at": max(one.last for one in orders.values()),
            "unpriced": any(one.unpriced for one in orders.values()),
        }

    def in_new_terms(self, entry: Followed) -> Decimal:
        """After a change of terms: what that changes within them."""
        before = ZERO if self._orders is None else _sum_of(self._orders)
        self._orders = _by_order(entry)
        return _sum_of(self._orders) - before


def _sum_of(orders: Mapping[str, _OfOrder]) -> Decimal:
    return sum((one.in_terms for one in orders.values()), ZERO)


def _by_order(entry: Followed) -> dict[str, _OfOrder]:
    return {key: _of_order(entry, order) for key, order in entry.instruction.orders.items()}


def _of_order(entry: Followed, order: ChildOrder) -> _OfOrder:
    first = last = 0
    unpriced = False
    for fill in order.executions.values():
        if fill.quantity:
            at = fill.market_time
            first = at if not first or at < first else first
            last = at if at > last else last
            unpriced = unpriced or fill.price is None
    return _OfOrder(order_in_terms(entry, order), first, last, unpriced)


class _Standing:
    """An instruction as it stands, for saying what the next event changes."""

    def __init__(self, entry: Followed | None) -> None:
        self._executed = self._notional = self._fees = ZERO
        if entry is not None:
            it = entry.instruction
            self._executed, self._notional, self._fees = it.executed, it.notional, it.fees

    def change(self, entry: Followed, event: e.DomainEvent, known: _Executions) -> Row:
        """The difference to how it stands now, and the state it has now."""
        it = entry.instruction
        row: Row = {
            "instruction_id": known.id,
            "state_after": it.state.value,
            "released": it.released,
            "exposure": it.exposure,
        }
        if type(event) in _TERMS:
            row["in_terms"] = known.in_new_terms(entry)
        elif isinstance(event, e.OrderReported):
            row["executed"] = it.executed - self._executed
            row["notional"] = it.notional - self._notional
            row["fees"] = it.fees - self._fees
            row |= known.reported(entry, event.report.client_order_id)
        order = it.orders.get(_order_of(event))
        if order is not None:
            row |= _order_row(order)
        return row


def _order_of(event: e.DomainEvent) -> str:
    if isinstance(event, e.OrderReported):
        return event.report.client_order_id
    if isinstance(event, e.OrderIntended | e.OrderCancelRequested):
        return event.client_order_id
    return ""


def _order_row(order: ChildOrder) -> Row:
    return {
        "order_state": order.state.value,
        "order_executed": order.cum_qty,
        "order_open": order.is_open,
        "order_indeterminate": order.is_indeterminate,
        "fills": sum(bool(fill.quantity) for fill in order.executions.values()),
    }


def counter_row(key: str, amount: int) -> Row:
    """A counter's key in its parts; see ``domain.reservations.counter_keys``."""
    name, *rest = key.split(":")
    symbol = side = None
    if name == "position":
        *rest, symbol, side = rest
    *account, date = rest
    return {
        "counter": name,
        "account": ":".join(account),
        "session_date": date,
        "symbol": symbol,
        "side": side,
        "amount_micro": amount,
    }


def counter_key(row: Mapping[str, Any]) -> str:
    """The key of a counter's row."""
    parts = [row["counter"], row["account"], row["session_date"]]
    if row["symbol"] is not None:
        parts += [row["symbol"], row["side"]]
    return ":".join(parts)
