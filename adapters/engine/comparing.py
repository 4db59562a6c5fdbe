"""Our record beside the broker's: where they differ (the drop copy's comparison)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from ...domain import events as e
from ...domain.fills_told import FillTold
from ...domain.ids import is_own_client_order_id
from ...domain.instruction import Instruction
from ...domain.money import ZERO, plain
from ...domain.ports import Broker, BrokerOrder, ExecutionReport, Position
from .known import Moved


@runtime_checkable
class Assuming(Protocol):
    """A broker that may have something assumed for it, and says what."""

    @property
    def neutral(self) -> frozenset[str]:
        """What it does not give and a default stands in for, such as ``positions``."""
        ...


def gives_positions(broker: Broker) -> bool:
    """Whether the positions just read are the broker's own word, and not a default's."""
    return not (isinstance(broker, Assuming) and "positions" in broker.neutral)


def position_breaks(
    opened: e.SessionOpened,
    moved: Mapping[str, Moved],
    reported: Mapping[str, Position],
    accepted: Mapping[str, Decimal],
) -> Iterator[e.Break]:
    """Where positions are not the session's start plus own executions since.

    ``accepted`` are differences that a person has closed by hand since, in shares.
    """
    expected: dict[str, Decimal] = {p.symbol: p.quantity for p in opened.positions}
    for symbol, shares in accepted.items():
        expected[symbol] = expected.get(symbol, ZERO) + shares
    for symbol, one in moved.items():
        expected[symbol] = expected.get(symbol, ZERO) + one.shares
    for symbol in sorted(expected.keys() | reported.keys()):
        ours = expected.get(symbol, ZERO)
        theirs = reported[symbol].quantity if symbol in reported else ZERO
        if ours != theirs:
            yield e.Break(kind="position", symbol=symbol, ours=str(ours), theirs=str(theirs))


def order_breaks(
    instructions: Iterable[Instruction],
    open_at_broker: Sequence[BrokerOrder],
    looked_up: Mapping[str, BrokerOrder | None],
) -> Iterator[e.Break]:
    """Where own orders differ: open on one side only, unknown to one side, executed otherwise.

    ``looked_up`` are the broker's answers about the orders that the log has open and that are not
    in ``open_at_broker``; None where the broker has none.
    """
    theirs = {order.client_order_id: order for order in open_at_broker}
    ours = {
        name: (instruction, order)
        for instruction in instructions
        for name, order in instruction.orders.items()
    }
    for name, (instruction, order) in ours.items():
        symbol = instruction.requests[name].symbol
        seen = theirs.get(name) or looked_up.get(name)
        if name in instruction.live and name not in theirs:
            found = "no such order" if seen is None else seen.status
            yield e.Break(
                kind="order", symbol=symbol, client_order_id=name, ours="open", theirs=found
            )
        elif name not in instruction.live and name in theirs:
            yield e.Break(
                kind="order",
                symbol=symbol,
                client_order_id=name,
                ours=order.state.value,
                theirs="open",
            )
        if seen is not None and seen.filled_qty != order.cum_qty:
            yield e.Break(
                kind="executed",
                symbol=symbol,
                client_order_id=name,
                ours=plain(order.cum_qty),
                theirs=plain(seen.filled_qty),
            )
    for name, seen in theirs.items():
        if is_own_client_order_id(name) and name not in ours:
            yield e.Break(
                kind="order",
                symbol=seen.symbol,
                client_order_id=name,
                ours="not in the log",
                theirs="open",
            )


def fill_breaks(
    instructions: Iterable[Instruction], missing: Iterable[FillTold], known: Iterable[e.Break]
) -> Iterator[e.Break]:
    """Fills that the broker lists and we do not have; not of orders that are ``known`` to differ.

    One line for each order, with the first fill that is missing.
    """
    requests = {name: one for i in instructions for name, one in i.requests.items()}
    told = {one.client_order_id for one in known}
    for fill in missing:
        name = fill.client_order_id
        if name and name not in told:
            told.add(name)
            yield e.Break(
                kind="fill",
                symbol=requests[name].symbol if name in requests else None,
                client_order_id=name,
                ours="not in the log",
                theirs=f"{plain(fill.cum_qty)} executed by {fill.at}",
            )


def restated_breaks(missing: Iterable[ExecutionReport]) -> Iterator[e.Break]:
    """Busts and corrections that the broker lists and we do not have."""
    for one in missing:
        yield e.Break(
            kind="fill",
            client_order_id=one.client_order_id,
            ours="not in the log",
            theirs=f"{one.kind.value} of {one.ref_execution_id} by {one.market_time}",
        )


def foreign_orders(open_at_broker: Iterable[BrokerOrder]) -> tuple[BrokerOrder, ...]:
    """Open orders that are not ours: left alone, and reported."""
    return tuple(one for one in open_at_broker if not is_own_client_order_id(one.client_order_id))
