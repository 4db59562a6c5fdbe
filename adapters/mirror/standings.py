"""Instructions and orders as they stand, told from a mirror's pieces one after the other.

The last piece comes first: what began in an earlier one is put aside until that piece is read, and
everything else is whole. So memory is bound by what goes on from one piece to another and by the
size of a piece, not by the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import add, or_
from typing import Any, Final, NamedTuple

from ...projections.averages import EXACT
from .query import Row, Tables

_ENDS: Final = "'InstructionRejected', 'NothingToDo', 'InstructionFilled', 'InstructionCancelled'"

_SEEN: Final = (
    "arg_max(struct_pack(at := seen_at, mid := mid, volume := volume), position)"
    " FILTER (WHERE seen_at IS NOT NULL)"
)


def _first(earlier: Any, later: Any) -> Any:
    return later if earlier is None else earlier


def _later(earlier: Any, later: Any) -> Any:
    return earlier if later is None else later


def _last(column: str, only: str = "") -> str:
    chosen = f" FILTER (WHERE {only})" if only else ""
    return f"arg_max({column}, position){chosen}"


class _Told(NamedTuple):
    """What to tell of an instruction in one piece, and how that of two is put together."""

    name: str
    sql: str
    join: Callable[[Any, Any], Any]
    is_amount: bool = False


# What each of them is says the view `instructions`.
_TOLD: Final = (
    _Told("id", "instruction_id", _first),
    _Told("began", "bool_or(originator_version = 1)", or_),
    _Told("symbol", _last("symbol"), _later),
    _Told("strategy", _last("strategy"), _later),
    _Told("state", _last("state_after"), _later),
    _Told("released", _last("released"), _later),
    _Told("side", _last("side", "ordered IS NOT NULL"), _later),
    _Told("ordered", _last("ordered"), _later, is_amount=True),
    _Told("executed", "coalesce(sum(executed), 0)", EXACT.add, is_amount=True),
    _Told("notional", "coalesce(sum(notional), 0)", EXACT.add, is_amount=True),
    _Told("fees", "coalesce(sum(fees), 0)", EXACT.add, is_amount=True),
    _Told("in_terms", "coalesce(sum(in_terms), 0)", EXACT.add, is_amount=True),
    _Told("unpriced", _last("unpriced"), _later),
    _Told("arrival_mid", "any_value(arrival_mid)", _first, is_amount=True),
    _Told("release_mid", "any_value(release_mid)", _first, is_amount=True),
    _Told("ended_at", f"max(record_time) FILTER (WHERE event IN ({_ENDS}))", _later),
    _Told("last_fill_at", _last("last_fill_at"), _later),
    _Told("volume_at_start", _last("volume", "ordered IS NOT NULL"), _later, is_amount=True),
    # These three are of one event, so they are put together as one.
    _Told("seen.at", _SEEN, _later),
    _Told("seen.mid", _SEEN, _later, is_amount=True),
    _Told("seen.volume", _SEEN, _later, is_amount=True),
)
_ID, _BEGAN, _SEEN_AT = 0, 1, -3
_AMOUNTS: Final = [place for place, told in enumerate(_TOLD) if told.is_amount]


def _instructions_of(piece: str) -> str:
    """The question to one piece; amounts come as text, which is made Decimals of in a third of the
    time, and without the zeros behind the point that their columns fill up with.
    """
    asked = ", ".join(
        f"rtrim({told.name}::DECIMAL(38,18)::VARCHAR, '0')" if told.is_amount else told.name
        for told in _TOLD
    )
    inner = {told.name.partition(".")[0]: told.sql for told in _TOLD}
    columns = ", ".join(f"{sql} AS {name}" for name, sql in inner.items())
    return f"""
SELECT {asked} FROM (
  SELECT {columns} FROM {piece} WHERE instruction_id IS NOT NULL GROUP BY instruction_id)"""


# One row of all orders that are whole in the piece, and one of each other.
_ORDERS: Final = """
SELECT CASE WHEN apart THEN instruction_id END, CASE WHEN apart THEN client_order_id END,
  bool_and(began), count(*), coalesce(sum(fills), 0)::BIGINT, count(*) FILTER (WHERE unsure)
FROM (
  SELECT *, NOT began OR instruction_id IN (SELECT unnest(?::VARCHAR[])) AS apart FROM (
    SELECT instruction_id, client_order_id,
      bool_or(event = 'OrderIntended') AS began,
      arg_max(fills, position) AS fills,
      arg_max(order_indeterminate, position) AS unsure
    FROM {piece} WHERE order_state IS NOT NULL GROUP BY instruction_id, client_order_id))
GROUP BY ALL"""


class OrderCounts(NamedTuple):
    """Child orders, their executions that count, and how many of them have an unknown outcome."""

    orders: int = 0
    fills: int = 0
    indeterminate: int = 0

    def plus(self, other: OrderCounts) -> OrderCounts:
        """Both together."""
        return OrderCounts(*map(add, self, other))


def instructions(tables: Tables) -> Iterator[Row]:
    """Each instruction once, in no order.

    Columns: id, whether its first event is there, symbol, strategy, state, released, side, ordered,
    executed, notional, fees, shares in terms, unpriced, arrival mid, release mid, ended at, last
    fill at (0 for never), volume at the start, and of the market that was last seen the time, the
    mid and the volume.
    """
    waiting: dict[str, Row] = {}
    for piece in reversed(tables.pieces):
        for found in tables.ask(_instructions_of(piece)).rows():
            row = _with_amounts(found)
            later = waiting.pop(row[_ID], None) if waiting else None
            if later is not None:
                row = _joined(row, later)
            if row[_BEGAN]:
                yield row
            else:
                waiting[row[_ID]] = row
    yield from waiting.values()


def _with_amounts(row: Row) -> Row:
    values = list(row)
    for place in _AMOUNTS:
        text = values[place]
        if text is not None:
            values[place] = Decimal(text)
    return tuple(values)


def _joined(earlier: Row, later: Row) -> Row:
    parts = zip(_TOLD, earlier, later, strict=True)
    *joined, _, _, _ = (told.join(one, other) for told, one, other in parts)
    seen = earlier if later[_SEEN_AT] is None else later
    return (*joined, *seen[_SEEN_AT:])


def order_counts(tables: Tables) -> OrderCounts:
    """All orders of the tables."""
    found = OrderCounts()
    waiting: dict[tuple[str, str], OrderCounts] = {}
    for piece in reversed(tables.pieces):
        ids = list({instruction for instruction, _ in waiting})
        for instruction, order, began, *counts in tables.ask(
            _ORDERS.format(piece=piece), [ids]
        ).rows():
            known = OrderCounts(*counts)
            if instruction is not None:
                known = waiting.pop((instruction, order), known)
            if began:
                found = found.plus(known)
            else:
                waiting[instruction, order] = known
    for known in waiting.values():
        found = found.plus(known)
    return found
