"""The executions of one order: each share counted once, whatever channel reported it.

A fill has the identity (order, epoch, cumulative quantity): the epoch counts the busts and
corrections before it, because only these make CumQty fall.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ..ids import computed_execution_id
from ..money import ZERO, plain
from ..ports import ExecutionReport
from .anomalies import Anomalies, Anomaly, AnomalyKind
from .execution_book import NOTHING_EXECUTED, Execution, Executions, ExecutionStatus
from .execution_overlap import Outcome, differences, place

__all__ = [
    "NOTHING_EXECUTED",
    "Execution",
    "ExecutionStatus",
    "Executions",
    "Outcome",
    "add",
    "bust",
    "claim",
    "correct",
    "is_amount",
    "rescale",
]


_new: Final = tuple.__new__
_LIVE: Final = ExecutionStatus.LIVE
"""An attribute of an enumeration costs as much as a call; a report asks for several."""


def is_amount(value: Decimal | None) -> bool:
    """Whether a broker's number is there, finite and above zero."""
    return value is not None and value.is_finite() and value > ZERO


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
        if cum is not None and known.cum_after is None and not known.reported_qty:
            # Restated before its trade came, which says where in CumQty it lies: there a second
            # channel's report of it is recognised.
            told = known._replace(reported_qty=quantity, cum_after=cum, epoch=epoch)
            return book._replace(by_id={**book.by_id, known.execution_id: told}), notes
        notes = () if report.derived else differences(known, name, quantity, report.last_price)
        return book, notes
    price = report.last_price if is_amount(report.last_price) else None
    at, derived = report.market_time, report.derived
    fill: Execution = _new(
        Execution, (name, quantity, price, quantity, cum, epoch, at, None, _LIVE, derived)
    )
    if price is None:
        notes = (Anomaly(AnomalyKind.FILL_WITHOUT_PRICE, f"{name}: {plain(quantity)} shares"),)
    if report.execution_id is None and cum is None:
        notes += (Anomaly(AnomalyKind.UNIDENTIFIED_FILL, f"{plain(quantity)} shares"),)
    known_cum = book.quantity
    is_next = cum == known_cum + quantity and book.reported_cum == known_cum and epoch == book.epoch
    if cum is None or is_next:
        grown = book.with_fill(fill, report.fee)
    else:
        grown, more = place(book, fill, report.fee)
        notes += more
    if is_next or cum is None or epoch != book.epoch:
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
            status=fill.status if fill.quantity == 0 else ExecutionStatus.CORRECTED,
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
            return book.with_alias(own, fill.execution_id), notes
        if report.market_time < fill.restated_at:
            note = Anomaly(AnomalyKind.STALE_RESTATEMENT, f"{status} of {name} is older")
            return book.with_alias(own, fill.execution_id), (*notes, note)
    after = book.with_restated(restated)._replace(
        fees=book.fees + report.fee if report.fee.is_finite() else book.fees,
        restated_at=_later(book.restated_at, report.market_time),
    )
    after = after.with_alias(own, fill.execution_id)
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


def _later(times: tuple[int, ...], market_time: int) -> tuple[int, ...]:
    """Keep the times in order, so that a restatement delivered late does not renumber epochs."""
    return (*times, max(market_time, times[-1]) if times else market_time)
