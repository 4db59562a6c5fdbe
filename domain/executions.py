"""The executions of one order: each share counted once, whatever channel reported it.

A fill has the identity (order, epoch, cumulative quantity): the epoch counts the busts and
corrections before it, because only these make CumQty fall. So a fill covers the shares from
CumQty - LastQty to CumQty of its epoch, and a second report of the same shares is recognised even
under another execution id, or when it was computed from two snapshots of the order (``derived``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from .anomalies import Anomalies, Anomaly, AnomalyKind
from .ids import computed_execution_id
from .money import ZERO, plain
from .ports import ExecutionReport

PRICE_TOLERANCE: Final = Decimal("0.0001")
"""Price units a share: a price computed from rounded averages may differ this much."""


class ExecutionStatus(StrEnum):
    """Whether an execution stands as it was first reported."""

    LIVE = "live"
    CORRECTED = "corrected"
    BUSTED = "busted"


class Execution(NamedTuple):
    """One execution as it counts now.

    ``quantity`` is what it adds to CumQty: nothing once busted, and for a derived one what no real
    report has covered yet. ``reported_qty`` is its size as first reported, ``cum_after`` the
    broker's CumQty then. ``price`` is None where the broker gave none.
    """

    execution_id: str
    quantity: Decimal
    price: Decimal | None
    reported_qty: Decimal
    cum_after: Decimal | None
    epoch: int
    market_time: int
    restated_at: int | None = None
    status: ExecutionStatus = ExecutionStatus.LIVE
    derived: bool = False

    @property
    def notional(self) -> Decimal:
        """Quantity times price; nothing where the price is unknown."""
        return ZERO if self.price is None else self.quantity * self.price


_NO_EXECUTIONS: Final[Mapping[str, Execution]] = MappingProxyType({})
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})


class Executions(NamedTuple):
    """All executions of one order with their totals.

    ``quantity`` is CumQty, ``notional`` the sum over priced shares, ``unpriced_qty`` the shares
    without a price. ``reported_cum`` is the highest CumQty the broker has claimed in this epoch; it
    exceeds ``quantity`` while fills are missing. ``aliases`` names an execution by its other ids.
    """

    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    fees: Decimal = ZERO
    unpriced_qty: Decimal = ZERO
    reported_cum: Decimal = ZERO
    by_id: Mapping[str, Execution] = _NO_EXECUTIONS
    aliases: Mapping[str, str] = _NO_ALIASES
    restated_at: tuple[int, ...] = ()

    @property
    def epoch(self) -> int:
        """How many busts and corrections there have been."""
        return len(self.restated_at)

    @property
    def missing_qty(self) -> Decimal:
        """Shares that the broker has counted and we have seen no execution for."""
        return self.reported_cum - self.quantity

    def find(self, execution_id: str) -> Execution | None:
        """The execution under this id or one of its other ids."""
        found = self.by_id.get(execution_id)
        if found is None and execution_id in self.aliases:
            found = self.by_id[self.aliases[execution_id]]
        return found

    def epoch_at(self, market_time: int) -> int:
        """The epoch that the market was in at ``market_time``."""
        return bisect_right(self.restated_at, market_time) if self.restated_at else 0


Outcome = tuple[Executions, Anomalies]


def is_amount(value: Decimal | None) -> bool:
    """Whether a broker's number is there, finite and above zero."""
    return value is not None and value.is_finite() and value > 0


def add(book: Executions, report: ExecutionReport, order_id: str) -> Outcome:
    """Count a trade report, once."""
    notes: Anomalies = ()
    quantity, cum = report.last_qty, report.cum_qty
    if quantity is None or not is_amount(quantity):
        return claim(book, report, Anomaly(AnomalyKind.MALFORMED_FILL, "no quantity"))
    if cum is not None and not is_amount(cum):
        cum = None
    epoch = book.epoch_at(report.market_time)
    name = report.execution_id or _computed_id(report, order_id, epoch, cum)
    known = book.find(name)
    if known is not None:
        notes = () if report.derived else _differences(known, name, quantity, report.last_price)
        return book, notes
    price = report.last_price if is_amount(report.last_price) else None
    fill = Execution(
        execution_id=name,
        quantity=quantity,
        price=price,
        reported_qty=quantity,
        cum_after=cum,
        epoch=epoch,
        market_time=report.market_time,
        derived=report.derived,
    )
    if price is None:
        notes = (Anomaly(AnomalyKind.FILL_WITHOUT_PRICE, f"{name}: {plain(quantity)} shares"),)
    if report.execution_id is None and cum is None:
        notes += (Anomaly(AnomalyKind.UNIDENTIFIED_FILL, f"{plain(quantity)} shares"),)
    if cum is None or (epoch == book.epoch and cum == book.quantity + quantity):
        grown = _append(book, fill, report.fee)
    else:
        grown, more = _place(book, fill, report.fee)
        notes += more
    if cum is None or epoch != book.epoch:
        return grown, notes
    return _claimed(grown, cum, before=book, notes=notes)


def bust(book: Executions, report: ExecutionReport) -> Outcome:
    """Take an execution out, by the id it names; before its trade report too."""
    return _restate(book, report, ZERO, None, ExecutionStatus.BUSTED)


def correct(book: Executions, report: ExecutionReport) -> Outcome:
    """Give an execution its corrected quantity and price, what is silent staying as it was."""
    quantity = report.last_qty if is_amount(report.last_qty) else None
    price = report.last_price if is_amount(report.last_price) else None
    return _restate(book, report, quantity, price, ExecutionStatus.CORRECTED)


def claim(book: Executions, report: ExecutionReport, *notes: Anomaly) -> Outcome:
    """Remember how much the broker says has executed, so that unseen fills keep their room."""
    cum = report.cum_qty
    if cum is None or not is_amount(cum) or book.epoch_at(report.market_time) != book.epoch:
        return book, notes
    return _claimed(book, cum, before=book, notes=notes)


def rescale(book: Executions, cum: Decimal, market_time: int) -> Executions:
    """Restate all executions for a stock split that makes CumQty ``cum``; notional stays."""
    by_id = {
        name: fill._replace(
            quantity=fill.quantity * cum / book.quantity,
            price=None if fill.price is None else fill.price * book.quantity / cum,
            status=ExecutionStatus.CORRECTED,
        )
        for name, fill in book.by_id.items()
    }
    return book._replace(
        quantity=cum,
        unpriced_qty=book.unpriced_qty * cum / book.quantity,
        reported_cum=cum,
        by_id=by_id,
        restated_at=_later(book.restated_at, market_time),
    )


def _computed_id(report: ExecutionReport, order_id: str, epoch: int, cum: Decimal | None) -> str:
    if cum is not None:
        return computed_execution_id(order_id, epoch, plain(cum))
    return f"{order_id}:{report.market_time}:{report.last_qty}@{report.last_price}"


def _claimed(book: Executions, cum: Decimal, *, before: Executions, notes: Anomalies) -> Outcome:
    if cum <= book.reported_cum:
        return book, notes
    raised = book if book.reported_cum == cum else book._replace(reported_cum=cum)
    if cum > book.quantity and cum > before.reported_cum:
        missing = plain(cum - book.quantity)
        notes += (Anomaly(AnomalyKind.MISSING_FILLS, f"{missing} of {plain(cum)} shares unseen"),)
    return raised, notes


def _append(book: Executions, fill: Execution, fee: Decimal) -> Executions:
    by_id = dict(book.by_id)
    by_id[fill.execution_id] = fill
    quantity = book.quantity + fill.quantity
    priced = fill.price is not None
    return Executions(
        quantity,
        book.notional + fill.quantity * fill.price if fill.price is not None else book.notional,
        book.fees + fee if fee.is_finite() else book.fees,
        book.unpriced_qty if priced else book.unpriced_qty + fill.quantity,
        quantity if quantity > book.reported_cum else book.reported_cum,
        by_id,
        book.aliases,
        book.restated_at,
    )


def _place(book: Executions, fill: Execution, fee: Decimal) -> Outcome:
    """Fit in a fill that is not simply the next one: late, repeated elsewhere, or overlapping."""
    same = [other for other in book.by_id.values() if other.epoch == fill.epoch]
    twin = next((other for other in same if other.cum_after == fill.cum_after), None)
    if twin is not None and not twin.derived and not fill.derived:
        return _alias(book, fill.execution_id, twin.execution_id), _differences(
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
    return _append(book, fill, fee), notes


def _fit_derived(
    book: Executions, fill: Execution, same: Iterable[Execution], fee: Decimal
) -> Outcome:
    """Count of a derived fill only the shares that no other report covers."""
    left, notional, covering = fill.quantity, fill.notional, None
    for other in same:
        shared = _overlap(other, fill)
        left -= shared
        notional -= shared * (other.price or ZERO)
        covering = other if shared else covering
    if left == fill.quantity:
        return _append(book, fill, fee), ()
    if left > 0:
        price = notional / left if notional > 0 else fill.price
        return _append(book, fill._replace(quantity=left, price=price), fee), ()
    notes: Anomalies = ()
    if fill.price is not None and abs(notional) > PRICE_TOLERANCE * fill.quantity:
        notes = (_disagrees(fill.execution_id, "price", fill.price, covering),)
    if covering is None:
        return book, notes
    return _alias(book, fill.execution_id, covering.execution_id), notes


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
    return _exchange(book, derived._replace(quantity=left, price=price)), notes


def _overlap(one: Execution, other: Execution) -> Decimal:
    if one.cum_after is None or other.cum_after is None:
        return ZERO
    start = max(one.cum_after - one.reported_qty, other.cum_after - other.reported_qty)
    return max(ZERO, min(one.cum_after, other.cum_after) - start)


def _exchange(book: Executions, fill: Execution) -> Executions:
    """Put a restated execution in the place of the one of the same id."""
    old = book.by_id[fill.execution_id]
    by_id = dict(book.by_id)
    by_id[fill.execution_id] = fill
    unpriced = book.unpriced_qty
    unpriced -= old.quantity if old.price is None else ZERO
    unpriced += fill.quantity if fill.price is None else ZERO
    return book._replace(
        quantity=book.quantity + fill.quantity - old.quantity,
        notional=book.notional + fill.notional - old.notional,
        unpriced_qty=unpriced,
        by_id=by_id,
    )


def _restate(
    book: Executions,
    report: ExecutionReport,
    quantity: Decimal | None,
    price: Decimal | None,
    status: ExecutionStatus,
) -> Outcome:
    name, own = report.ref_execution_id, report.execution_id
    if name is None:
        name, own = own, None
    if name is None:
        return book, (Anomaly(AnomalyKind.UNKNOWN_EXECUTION, f"{status} without an id"),)
    if own is not None and own != name and book.find(own) is not None:
        return book, ()
    fill = book.find(name)
    notes: Anomalies = ()
    if fill is None:
        notes = (Anomaly(AnomalyKind.UNKNOWN_EXECUTION, f"{status} of {name} before its trade"),)
        fill = _placeholder(book, report, name)
        book = book._replace(by_id={**book.by_id, name: fill})
    restated = fill._replace(
        quantity=fill.quantity if quantity is None else quantity,
        price=fill.price if price is None else price,
        status=status,
        restated_at=report.market_time,
    )
    if fill.restated_at is not None:
        if _says_the_same(fill, restated):
            return (book if own is None else _alias(book, own, fill.execution_id)), notes
        if report.market_time < fill.restated_at:
            note = Anomaly(AnomalyKind.STALE_RESTATEMENT, f"{status} of {name} is older")
            return (book if own is None else _alias(book, own, fill.execution_id)), (*notes, note)
    after = _exchange(book, restated)._replace(
        fees=book.fees + report.fee if report.fee.is_finite() else book.fees,
        restated_at=_later(book.restated_at, report.market_time),
    )
    if own is not None and own != name:
        after = _alias(after, own, fill.execution_id)
    # What the broker counted and we have not seen stays uncounted by us, restated or not.
    reported = max(after.quantity, book.reported_cum + after.quantity - book.quantity)
    if report.cum_qty is not None and is_amount(report.cum_qty):
        reported = max(after.quantity, report.cum_qty)
        if report.cum_qty != after.quantity:
            detail = f"broker {plain(report.cum_qty)}, ours {plain(after.quantity)}"
            notes += (Anomaly(AnomalyKind.CUM_DISAGREES, detail),)
    return after._replace(reported_cum=reported), notes


def _placeholder(book: Executions, report: ExecutionReport, name: str) -> Execution:
    """An execution whose trade report has not come: counts nothing until it is restated."""
    return Execution(
        execution_id=name,
        quantity=ZERO,
        price=None,
        reported_qty=ZERO,
        cum_after=None,
        epoch=book.epoch,
        market_time=report.market_time,
    )


def _says_the_same(one: Execution, other: Execution) -> bool:
    return (one.quantity, one.price, one.status) == (other.quantity, other.price, other.status)


def _alias(book: Executions, name: str, execution_id: str) -> Executions:
    if name == execution_id or name in book.aliases:
        return book
    return book._replace(aliases={**book.aliases, name: execution_id})


def _later(times: tuple[int, ...], market_time: int) -> tuple[int, ...]:
    """Keep the times in order, so that a restatement delivered late does not renumber epochs."""
    return (*times, max(market_time, times[-1]) if times else market_time)


def _differences(
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


def _disagrees(name: str, what: str, value: Decimal | None, known: Execution | None) -> Anomaly:
    other = "" if known is None else f", {known.execution_id} counted"
    return Anomaly(AnomalyKind.FILL_DISAGREES, f"{name}: {what} {value}{other}")
