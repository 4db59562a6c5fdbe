"""From an event to its row of typed columns."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import pyarrow as pa

from ...domain import events as e
from ...domain.errors import StoreError
from ...domain.market import MarketState
from ...domain.plan import PlanTerms
from ..storage.records import RawRecorded
from .columns import (
    COLUMNS,
    DECIMAL,
    DECIMAL_DIGITS,
    DECIMAL_NAMES,
    DECIMAL_PLACES,
    SCHEMA,
    on_grid,
)
from .effects import Effects, Row

IDS_KEPT: Final = 10_000
"""How many ids are kept as text for the next event of the same aggregate."""
_WHOLE_MAX: Final = Decimal(10) ** (DECIMAL_DIGITS - DECIMAL_PLACES)


class Rows:
    """Collects rows column by column and gives them as a table."""

    def __init__(self, most: int) -> None:
        # Made at full length: most columns of most events are empty, and stay so for nothing.
        self._columns: dict[str, list[Any]] = {column.name: [None] * most for column in COLUMNS}
        self.count = 0

    def add(self, row: Row) -> None:
        """One more event."""
        columns, place = self._columns, self.count
        for name, value in row.items():
            columns[name][place] = value
        self.count = place + 1

    def table(self) -> pa.Table:
        """All rows so far.

        Raises:
            StoreError: a figure has more digits before the point than a column holds.
        """
        # The figures first: what is said of rows with a rounded one is a column too.
        rounded = [False] * self.count
        figures = {name: self._figures(name, rounded) for name in sorted(DECIMAL_NAMES)}
        self._columns["rounded"] = rounded
        arrays = [
            figures[field.name] if field.name in figures else self._array(field) for field in SCHEMA
        ]
        return pa.Table.from_arrays(arrays, schema=SCHEMA)

    def _array(self, field: pa.Field[Any]) -> pa.Array[Any]:
        return pa.array(self._columns[field.name][: self.count], _plain(field.type)).cast(
            field.type
        )

    def _figures(self, name: str, rounded: list[bool]) -> pa.Array[Any]:
        """A column of amounts; looked through one by one only where not all fit as they are."""
        values = self._columns[name][: self.count]
        try:
            return pa.array(values, DECIMAL)
        except pa.ArrowInvalid:
            for place, value in enumerate(values):
                if value is not None:
                    values[place] = gridded = self._on_grid(name, place, value)
                    rounded[place] = rounded[place] or gridded != value
            return pa.array(values, DECIMAL)

    def _on_grid(self, name: str, place: int, value: Decimal) -> Decimal:
        if abs(value) >= _WHOLE_MAX:
            raise StoreError(
                f"the event at position {self._columns['position'][place]} has {name} {value}, "
                f"which is more than the mirror's columns hold (below {_WHOLE_MAX:.0e})"
            )
        return on_grid(value)


@lru_cache(maxsize=IDS_KEPT)
def _id_text(hex: str) -> str:
    return str(UUID(hex))


@lru_cache(maxsize=1_024)
def _name_of(topic: str) -> str:
    return topic.rpartition(".v")[0]


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def row_of(raw: RawRecorded, event: e.DomainEvent, effects: Effects) -> Row:
    """The row of a stored event: as stored, what it says, and what follows from it."""
    row: Row = {
        "position": raw.position,
        "topic": raw.topic,
        "event": _name_of(raw.topic),
        "originator_id": _id_text(raw.originator_id),
        "originator_version": raw.originator_version,
        "record_time": event.record_time,
        "market_time": event.market_time,
        "receive_time": event.receive_time,
        "actor": event.actor,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "hash": raw.hash,
        "state": raw.state,
    }
    said = SAYS.get(type(event))
    if said is None and isinstance(event, e.OrderReported):
        said = _reported
    if said is not None:
        row |= said(event)
    row |= effects.of(raw.position, event)
    return row


def _received(event: e.DecisionReceived) -> Row:
    decision = event.decision
    row: Row = {"decision_id": event.decision_id, "arrival_mid": event.arrival_mid}
    if decision is not None:
        row |= {
            "action": decision.action.value,
            "strategy": decision.strategy.value if decision.strategy else None,
            "style": decision.style.value if decision.style else None,
            "urgency": decision.urgency.value,
            "confidence": decision.confidence,
            "target_weight": decision.target_weight,
        }
    return row


def _plan(plan: PlanTerms) -> Row:
    return {
        "side": plan.side.value,
        "strategy": plan.strategy.value,
        "style": plan.style.value,
        "urgency": plan.urgency.value,
        "ordered": plan.quantity,
        "bound_price": plan.bound_price,
        "start_at": plan.start_at,
        "end_at": plan.end_at,
    }


def _planned(event: e.InstructionPlanned) -> Row:
    return _plan(event.plan) | {
        "equity": event.equity,
        "volume": event.volume,
        "limit_version": event.limit_version,
    }


def _replanned(event: e.InstructionReplanned) -> Row:
    return _plan(event.plan) | {"rule": event.rule, "volume": event.volume}


def _switched(event: e.StrategySwitched) -> Row:
    return _plan(event.plan) | {"rule": event.rule}


def _released(event: e.InstructionReleased) -> Row:
    return {"release_mid": event.release_mid, "rule": event.rule}


def _seen(market: MarketState) -> Row:
    quote = market.usable_quote
    return {"seen_at": market.now, "mid": quote.mid if quote else None, "volume": market.volume}


def _intended(event: e.OrderIntended) -> Row:
    return _seen(event.provenance.market) | {
        "client_order_id": event.client_order_id,
        "side": event.side.value,
        "order_quantity": event.quantity,
        "order_type": event.order_type.value,
        "time_in_force": event.time_in_force.value,
        "limit_price": event.limit_price,
        "display_quantity": event.display_quantity,
        "rule": event.provenance.rule,
    }


def _cancel_requested(event: e.OrderCancelRequested) -> Row:
    row: Row = {"client_order_id": event.client_order_id, "rule": event.rule}
    return row if event.provenance is None else row | _seen(event.provenance.market)


def _reported(event: e.OrderReported) -> Row:
    report = event.report
    return {
        "client_order_id": report.client_order_id,
        "report_kind": report.kind.value,
        "venue_order_id": report.venue_order_id,
        "execution_id": report.execution_id,
        "ref_execution_id": report.ref_execution_id,
        "last_quantity": report.last_qty,
        "last_price": report.last_price,
        "fee": report.fee if report.fee.is_finite() else None,
        "liquidity": report.liquidity,
        "venue": report.venue,
        "derived": report.derived,
        "detail": report.text,
    }


def _rejected(event: e.InstructionRejected) -> Row:
    names = dict.fromkeys(str(refusal.reason) for refusal in event.refusals)
    return {"reasons": ", ".join(names)}


def _cancelled(event: e.InstructionCancelled) -> Row:
    return {
        "reasons": event.reason.value,
        "completing_price": event.completing_price,
        "end_mid": event.end_mid,
    }


def _limits(event: e.LimitChanged) -> Row:
    limits = event.limits
    return {
        "limit_version": limits.version,
        "limits": limits.model_dump_json(),
        "reasons": event.reason,
    }


def _opened(event: e.SessionOpened | e.SessionClosed) -> Row:
    return {"session_date": event.session_date, "equity": event.equity}


def _anomaly(event: e.InstructionAnomaly | e.AccountAnomaly) -> Row:
    row: Row = {"anomaly": event.kind.value, "detail": event.detail}
    if isinstance(event, e.InstructionAnomaly):
        row["client_order_id"] = event.client_order_id
    else:
        row["symbol"] = event.symbol
    return row


def _block(event: e.KillSwitchEngaged | e.KillSwitchReleased) -> Row:
    return {"scope": event.scope, "detail": event.reason}


SAYS: Final[dict[type[e.DomainEvent], Callable[[Any], Row]]] = {
    e.DecisionReceived: _received,
    e.InstructionPlanned: _planned,
    e.InstructionReplanned: _replanned,
    e.StrategySwitched: _switched,
    e.InstructionReleased: _released,
    e.OrderIntended: _intended,
    e.OrderCancelRequested: _cancel_requested,
    e.InstructionRejected: _rejected,
    e.NothingToDo: lambda event: {"reasons": event.reason.value},
    e.InstructionSuspended: lambda event: {"reasons": event.cause},
    e.InstructionEndRequested: lambda event: {"reasons": event.reason.value},
    e.InstructionCancelled: _cancelled,
    e.InstructionAnomaly: _anomaly,
    e.AccountAnomaly: _anomaly,
    e.AnomalySettled: lambda event: {"anomaly": event.kind.value, "detail": event.reason},
    e.LimitChanged: _limits,
    e.SessionOpened: _opened,
    e.SessionClosed: _opened,
    e.KillSwitchEngaged: _block,
    e.KillSwitchReleased: _block,
    e.MarketDataCaptured: lambda event: {"symbol": event.symbol, "detail": event.sha256},
}
"""What each event says, beyond what all events carry; reports are read by one rule."""
