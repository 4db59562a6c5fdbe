"""Reports of the same shares, recognised by the stretch of CumQty that they cover.

A fill covers the shares from CumQty - LastQty to CumQty of its epoch. So a late fill finds its
place, a second report of a fill is known under another execution id, and a fill computed from two
snapshots of the order (``derived``) gives way to the real ones it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from ..money import ZERO, plain
from .anomalies import Anomalies, Anomaly, AnomalyKind
from .execution_book import Execution, Executions, ExecutionStatus

PRICE_TOLERANCE: Final = Decimal("0.0001")
"""Price units a share: a price computed from rounded averages may differ this much."""

Outcome = tuple[Executions, Anomalies]


def place(book: Executions, fill: Execution, fee: Decimal) -> Outcome:
    """Fit in a fill that is not simply the next one: late, repeated elsewhere, or overlapping."""
    same = [other for other in book.by_id.values() if other.epoch == fill.epoch]
    twin = next((other for other in same if other.cum_after == fill.cum_after), None)
    if twin is not None and not twin.derived and not fill.derived:
        return book.with_alias(fill.execution_id, twin.execution_id), differences(
            twin, fill.execution_id, fill.reported_qty, fill.price
        )
    if fill.derived:
        return _fit_derived(book, fill, same, fee)
    notes: Anomalies = ()
    for other in same:
        shared = _overlap(other, fill)
        if not shared:
            continue
        if not other.derived:
            notes += (
                Anomaly(
                    AnomalyKind.FILLS_OVERLAP,
                    f"{fill.execution_id} and {other.execution_id} share {plain(shared)}",
                ),
            )
            continue
        book, more = _uncover(book, other, fill, min(shared, other.quantity))
        notes += more
    return book.with_fill(fill, fee), notes


def _fit_derived(
    book: Executions, fill: Execution, same: Iterable[Execution], fee: Decimal
) -> Outcome:
    """Count of a derived fill only the shares that no other report covers."""
    left, notional, covering = fill.quantity, fill.notional, None
    for other in same:
        shared = _overlap(other, fill)
        if other.derived and other.quantity < shared:
            shared = other.quantity
        left -= shared
        notional -= shared * (other.price or ZERO)
        covering = other if shared else covering
    if covering is None:
        return book.with_fill(fill, fee), ()
    if left > 0:
        price = notional / left if notional > 0 else fill.price
        tail = left if left == _uncovered_tail(fill, same) else fill.reported_qty
        rest = fill._replace(quantity=left, price=price, reported_qty=tail)
        return book.with_fill(rest, fee), ()
    notes: Anomalies = ()
    if fill.price is not None and abs(notional) > PRICE_TOLERANCE * fill.quantity:
        notes = (_disagrees(fill.execution_id, "price", fill.price, covering),)
    return book.with_alias(fill.execution_id, covering.execution_id), notes


def _uncovered_tail(fill: Execution, same: Iterable[Execution]) -> Decimal:
    """Shares from the end of the unbroken stretch that others cover to the end of the fill."""
    if fill.cum_after is None:
        return ZERO
    start = fill.cum_after - fill.reported_qty
    ends = sorted((o.cum_after, o.reported_qty) for o in same if o.cum_after is not None)
    for end, size in ends:
        if end - size <= start < end:
            start = end
    return fill.cum_after - start


def _uncover(book: Executions, derived: Execution, fill: Execution, shared: Decimal) -> Outcome:
    """Let a real fill take its shares over from a derived one."""
    left = derived.quantity - shared
    notional = derived.notional - shared * (fill.price or ZERO)
    notes: Anomalies = ()
    price = derived.price
    if left > 0 and notional > 0:
        price = notional / left
    elif abs(notional) > PRICE_TOLERANCE * derived.reported_qty and fill.price is not None:
        notes = (_disagrees(fill.execution_id, "price", fill.price, derived),)
    return book.with_restated(derived._replace(quantity=left, price=price)), notes


def _overlap(one: Execution, other: Execution) -> Decimal:
    if one.cum_after is None or other.cum_after is None:
        return ZERO
    start = max(one.cum_after - one.reported_qty, other.cum_after - other.reported_qty)
    return max(ZERO, min(one.cum_after, other.cum_after) - start)


def differences(
    known: Execution, name: str, quantity: Decimal | None, price: Decimal | None
) -> Anomalies:
    """What a second report of an execution says otherwise than the one that counted."""
    if known.status is not ExecutionStatus.LIVE or known.derived:
        return ()
    if quantity != known.reported_qty:
        return (_disagrees(name, "quantity", quantity, known),)
    if price is not None and price != known.price:
        return (_disagrees(name, "price", price, known),)
    return ()


def _disagrees(name: str, what: str, value: Decimal | None, known: Execution) -> Anomaly:
    detail = f"{name}: {what} {value}, {known.execution_id} counted"
    return Anomaly(AnomalyKind.FILL_DISAGREES, detail)
