"""A broker's end-of-day statement, and our record of the same day held against it, both ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

from .market import Record
from .money import ZERO, Money, Price, Quantity, SignedShares, plain
from .ports import Side

LINES_MAX: Final = 1_000_000
NOTHING: Final = "nothing"
DATE: Final = r"^\d{4}-\d{2}-\d{2}$"
Text = Annotated[str, Field(max_length=200)]


class TradeLine(Record):
    """One execution; ``order`` names the order by the broker's id or ours, empty if neither."""

    execution_id: Text = ""
    order: Text = ""
    symbol: Text
    side: Side
    quantity: Quantity
    price: Price


class PositionLine(Record):
    """A position at the end of the day, in signed shares."""

    symbol: Text
    quantity: SignedShares


class FeeLine(Record):
    """What was charged for the day; ``charge`` is ``sec``, ``taf``, ``cat``, ``commission`` …"""

    charge: Text
    amount: Money


class FlowLine(Record):
    """Cash that came (positive) or went otherwise than by trades and fees, since the day before.

    ``kind`` is ``dividend``, ``cash_in_lieu``, ``deposit`` or another word of the broker's.
    """

    kind: Text
    amount: Money
    symbol: Text = ""


class Statement(Record):
    """What the broker says of one account and session; a part that is None was not given.

    ``closing_cash`` is all cash, settled or not, after trades, fees and flows.
    """

    account: Text = ""
    session_date: Annotated[str, Field(pattern=DATE)]
    trades: Annotated[tuple[TradeLine, ...] | None, Field(max_length=LINES_MAX)] = None
    positions: Annotated[tuple[PositionLine, ...] | None, Field(max_length=LINES_MAX)] = None
    fees: Annotated[tuple[FeeLine, ...] | None, Field(max_length=LINES_MAX)] = None
    flows: Annotated[tuple[FlowLine, ...], Field(max_length=LINES_MAX)] = ()
    closing_cash: Money | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that were not given, without which a session does not become final."""
        parts = ("trades", "positions", "fees", "closing_cash")
        return tuple(part for part in parts if getattr(self, part) is None)


class LineBreak(Record):
    """A line that only one side has, or that they have differently; both sides in words."""

    kind: Text
    subject: Text
    ours: Text
    theirs: Text


@dataclass(frozen=True, slots=True)
class OwnDay:
    """Our record of a session: executions, positions at its end, and cash before it.

    ``opening_cash`` is the cash that the flows and trades of the statement start from. ``expected``
    are cash flows that recorded corporate actions call for, by kind and symbol; None for one of
    which only the broker says how much. ``orders`` maps the broker's order ids to ours.
    """

    trades: tuple[TradeLine, ...]
    positions: Mapping[str, Decimal]
    opening_cash: Decimal
    expected: Mapping[tuple[str, str], Decimal | None] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)


def compare_statement(own: OwnDay, statement: Statement) -> tuple[LineBreak, ...]:
    """Every line of either side that the other does not have, or has otherwise."""
    found: list[LineBreak] = []
    if statement.trades is not None:
        found += _trades(own, statement.trades)
    if statement.positions is not None:
        theirs: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for line in statement.positions:
            theirs[line.symbol] += line.quantity
        found += _sums("position", own.positions, theirs)
    flows: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for flow in statement.flows:
        flows[flow.kind, flow.symbol] += flow.amount
    for key in sorted({*own.expected, *flows}):
        ours, booked = own.expected.get(key, ZERO), flows.get(key, ZERO)
        if ours != booked and not (ours is None and booked >= 0):
            subject = " ".join(part for part in key if part)
            found.append(_line("cash_flow", subject, _amount(ours or ZERO), _amount(booked)))
    if statement.closing_cash is not None:
        cash = closing_cash(own, statement)
        if cash != statement.closing_cash:
            found.append(_line("cash", "closing", plain(cash), plain(statement.closing_cash)))
    return tuple(found)


def closing_cash(own: OwnDay, statement: Statement) -> Decimal:
    """Our cash at the end: what there was, our own executions, and fees and flows as booked."""
    traded = sum((-t.side.sign * t.quantity * t.price for t in own.trades), ZERO)
    booked = sum((line.amount for line in statement.fees or ()), ZERO)
    flows = sum((line.amount for line in statement.flows), ZERO)
    return own.opening_cash + traded - booked + flows


def _trades(own: OwnDay, theirs: Sequence[TradeLine]) -> Iterable[LineBreak]:
    """Matched by execution id, and what has none in common by order and terms."""
    waiting = {line.execution_id: line for line in own.trades if line.execution_id}
    nameless = [line for line in own.trades if not line.execution_id]
    left: list[TradeLine] = []
    for line in theirs:
        mine = waiting.pop(line.execution_id, None) if line.execution_id else None
        if mine is None:
            left.append(line)
        elif _terms(mine) != _terms(line):
            yield _line("trade_differs", line.execution_id, _told(mine), _told(line))
    by_terms: dict[tuple[object, ...], list[TradeLine]] = defaultdict(list)
    for line in (*waiting.values(), *nameless):
        by_terms[(*_terms(line), line.order)].append(line)
    for line in left:
        key = (*_terms(line), own.orders.get(line.order, line.order))
        if by_terms.get(key):
            by_terms[key].pop()
        else:
            yield _line("trade_not_here", line.execution_id or line.order, NOTHING, _told(line))
    for lines in by_terms.values():
        for line in lines:
            yield _line("trade_not_there", line.execution_id or line.order, _told(line), NOTHING)


def _terms(line: TradeLine) -> tuple[object, ...]:
    return line.symbol, line.side, line.quantity, line.price


def _told(line: TradeLine) -> str:
    return f"{line.side.value} {plain(line.quantity)} {line.symbol} at {plain(line.price)}"


def _sums(
    kind: str, ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]
) -> Iterable[LineBreak]:
    for subject in sorted({*ours, *theirs}):
        mine, other = ours.get(subject, ZERO), theirs.get(subject, ZERO)
        if mine != other:
            yield _line(kind, subject, _amount(mine), _amount(other))


def _amount(amount: Decimal) -> str:
    return plain(amount) if amount else NOTHING


def _line(kind: str, subject: str, ours: str, theirs: str) -> LineBreak:
    return LineBreak(kind=kind, subject=subject[:200], ours=ours[:200], theirs=theirs[:200])
