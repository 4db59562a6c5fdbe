"""Which of the fills that a broker tells of are on our record, and up to when it has them all.

A fill covers the shares from CumQty - LastQty to CumQty of its order. It is known here when the
record has its execution id, or when the record's executions cover every share up to its CumQty:
the two channels of a broker need not use one id, and both say CumQty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, runtime_checkable

from .moments import utc_text
from .money import ZERO
from .orders import Executions, ExecutionStatus
from .ports import NANOS, ExecutionReport, ReportKind


class FillTold(NamedTuple):
    """A fill as the broker lists it: ``cum_qty`` is CumQty after it, ``at`` its time (ns UTC).

    ``client_order_id`` is empty where the broker cannot say whose order it is.
    """

    client_order_id: str
    venue_order_id: str
    execution_id: str
    cum_qty: Decimal
    at: int


@dataclass(frozen=True, slots=True)
class FillsTold:
    """Fills from a time on; every one before ``complete_until`` (ns UTC) is among them.

    None says that the list may have holes; ``note`` says why. ``source`` is the list's name.
    ``restated`` are the busts and corrections in it, as reports of their orders, which name the
    execution that they change.
    """

    fills: tuple[FillTold, ...]
    complete_until: int | None
    source: str
    note: str = ""
    restated: tuple[ExecutionReport, ...] = ()


class FillsKnown(NamedTuple):
    """The statement: every fill before ``until`` (ns UTC) is on our record, by ``source``.

    None where no list was ever whole. ``note`` says what the last look fell short of.
    """

    until: int | None = None
    source: str = ""
    note: str = ""

    @property
    def words(self) -> str:
        """The statement for a person, empty where a broker lists no fills."""
        if self.until is None:
            return f"up to when all fills are known is open: {self.note}" if self.note else ""
        by = f", by the broker's {self.source.replace('_', ' ')}" if self.source else ""
        return f"all fills up to {utc_text(self.until, 3)} are on record{by}" + (
            f" ({self.note})" if self.note else ""
        )


MS: Final = 1_000_000
HALF_DAY_NS: Final = 43_200 * NANOS
NOT_SAID: Final = FillsKnown()


@runtime_checkable
class TellsFills(Protocol):
    """A broker that lists the account's fills, and says up to when the list is whole."""

    async def fills_told(self, since: int) -> FillsTold:
        """Fills from ``since`` (ns UTC) on that were not told of yet; ends within seconds.

        A list that could not be read is an empty one that is complete until no time.
        """
        ...


def covered(book: Executions) -> Decimal:
    """Shares from an order's first on that its executions cover without a hole."""
    end = ZERO
    stretches = sorted(
        (fill.cum_after - fill.reported_qty, fill.cum_after)
        for fill in book.by_id.values()
        if fill.cum_after is not None
    )
    for start, stop in stretches:
        if start > end:
            break
        end = max(end, stop)
    return end


def is_known(fill: FillTold, book: Executions) -> bool:
    """Whether an order's executions have a fill that the broker lists.

    After a bust or a correction CumQty begins anew, so that only the execution id tells.
    """
    if fill.execution_id and book.find(fill.execution_id) is not None:
        return True
    return book.epoch == 0 and fill.cum_qty <= covered(book)


def is_restated(report: ExecutionReport, book: Executions) -> bool:
    """Whether an order's executions have a bust or correction that the broker lists."""
    own, changed = report.execution_id, report.ref_execution_id
    if own is not None and own != changed and book.find(own) is not None:
        return True
    fill = book.find(changed or "")
    if fill is None or fill.restated_at is None:
        return False
    if report.kind is ReportKind.TRADE_BUST:
        return fill.status is ExecutionStatus.BUSTED
    return (fill.quantity, fill.price) == (report.last_qty, report.last_price)


class FillsBook:
    """What was told and is not on our record, and the statement that follows from it."""

    def __init__(self, until: int | None = None) -> None:
        """Go on from a statement that was made before."""
        self.told_until = until
        """Every fill before it was told of (ns UTC); None where no list was ever whole."""
        self._open: dict[tuple[str, str, Decimal], FillTold] = {}
        self._restated: dict[tuple[str | None, str | None], ExecutionReport] = {}

    def take(self, told: FillsTold) -> None:
        """Take in what was told, twice or late too."""
        for fill in told.fills:
            self._open[fill.venue_order_id, fill.execution_id, fill.cum_qty] = fill
        for one in told.restated:
            self._restated[one.execution_id, one.ref_execution_id] = one
        if told.complete_until is not None:
            self.told_until = max(self.told_until or 0, told.complete_until)

    def compare(self, book_of: Callable[[str], Executions | None]) -> tuple[FillTold, ...]:
        """Fills that our record does not have and should, the earliest first.

        ``book_of`` gives the executions of an own order by its client order id, None of an order
        that is not on our record. That is somebody else's: none of ours is sent before it is.
        """
        for key, fill in list(self._open.items()):
            if not fill.client_order_id:
                continue  # it may be ours
            book = book_of(fill.client_order_id)
            if book is None or is_known(fill, book):
                del self._open[key]
        return tuple(sorted(self._open.values(), key=lambda fill: fill.at))

    def restated(self, book_of: Callable[[str], Executions | None]) -> tuple[ExecutionReport, ...]:
        """Busts and corrections that our record does not have and can take in, the earliest first.

        One of an execution that is not on our record stays open: what it changes is not known here,
        and a correction would count as a fill more. ``book_of`` is as for :meth:`compare`.
        """
        found = []
        for key, one in list(self._restated.items()):
            if not one.client_order_id:
                continue  # it may be ours
            book = book_of(one.client_order_id)
            if book is None or is_restated(one, book):
                del self._restated[key]
            elif book.find(one.ref_execution_id or "") is not None:
                found.append(one)
        return tuple(sorted(found, key=lambda one: one.market_time))

    @property
    def until(self) -> int | None:
        """The statement: before this everything that was told of is on our record."""
        times = [fill.at for fill in self._open.values()]
        return known_until(
            self.told_until, [*times, *(one.market_time for one in self._restated.values())]
        )


def known_until(complete_until: int | None, missing: Iterable[int]) -> int | None:
    """Up to when all fills are known: where the list ends, or the first that is ``missing``.

    A whole millisecond, because one list of a broker may cut times that another has in full.
    """
    if complete_until is None:
        return None
    return min([complete_until, *missing]) // MS * MS


def unvouched_since(session_open: int | None, placed: Iterable[int], now: int) -> int:
    """From when on to ask where no statement was made before (ns UTC).

    Half a day before the session, so that what was executed before the open is told of, and before
    the first own order that may still trade.
    """
    start = now if session_open is None else min(session_open, now)
    return min([start - HALF_DAY_NS, *placed])
