"""What a provider's answers about one order mean, as execution reports.

A seed-style provider states an order's *totals* (``filled_qty``, ``filled_avg_price``,
``commission``). What changed between two answers becomes a trade with a computed id and the price
``(avg₂·q₂ - avg₁·q₁) / (q₂ - q₁)``, marked ``derived``: how many executions it was, and at which
prices, only the broker knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from ...domain.ids import computed_execution_id
from ...domain.money import PRICE_MAX, QUANTITY_MAX, ZERO, plain
from ...domain.ports import ExecutionReport, OrderRequest, ReportKind
from ..provider_reading import Answer, nanos_of, number_of, raw_of, text_of

UNANSWERED_POLLS_MAX: Final = 3
"""Polls in a row without a usable answer after which an order's outcome is unknown."""

KIND_BY_STATUS: Final = {
    "pending_new": ReportKind.PENDING_NEW,
    "new": ReportKind.NEW,
    "open": ReportKind.NEW,
    "accepted": ReportKind.ACCEPTED,
    "accepted_for_bidding": ReportKind.ACCEPTED,
    "partially_filled": ReportKind.TRADE,
    "filled": ReportKind.TRADE,
    "canceled": ReportKind.CANCELED,
    "cancelled": ReportKind.CANCELED,
    "expired": ReportKind.EXPIRED,
    "rejected": ReportKind.REJECTED,
    "replaced": ReportKind.REPLACED,
    "done_for_day": ReportKind.DONE_FOR_DAY,
    "pending_cancel": ReportKind.PENDING_CANCEL,
    "pending_replace": ReportKind.PENDING_REPLACE,
    "stopped": ReportKind.STOPPED,
    "suspended": ReportKind.SUSPENDED,
    "calculated": ReportKind.CALCULATED,
}
"""The provider's statuses in our words; any other is reported as STATUS and kept as it is."""

ENDED: Final = frozenset(
    {ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED, ReportKind.REPLACED}
)
_BEFORE_ACCEPTANCE: Final = frozenset({ReportKind.PENDING_NEW, ReportKind.ACCEPTED})


@dataclass(slots=True)
class TrackedOrder:
    """One own order: what the provider last said, and what was reported of it.

    ``filled`` and ``notional`` are what has been reported as traded; ``journal`` is every report so
    far. ``next_poll_at`` (ns UTC) is None while the order is not polled. ``held`` is an acceptance
    that is told with the first answer about the order, because what cannot be followed cannot be
    called accepted.
    """

    request: OrderRequest
    venue_order_id: str | None = None
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    commission: Decimal = ZERO
    dead: bool = False
    outcome_unknown: bool = False
    retry_cancel: bool = False
    cancel_tries: int = 0
    last_said: tuple[str, Decimal] | None = None
    unanswered: int = 0
    quiet_polls: int = 0
    next_poll_at: int | None = None
    held: ExecutionReport | None = None
    journal: list[ExecutionReport] = field(default_factory=list)

    def report(self, kind: ReportKind, now: int, **details: Any) -> ExecutionReport:
        """A report about this order at ``now``, with what is known filled in; journalled."""
        known = ExecutionReport(
            kind=kind,
            client_order_id=self.request.client_order_id,
            market_time=now,
            receive_time=now,
            venue_order_id=self.venue_order_id,
            order_qty=self.request.quantity,
            cum_qty=self.filled,
            leaves_qty=ZERO if kind in ENDED else None,
            limit_price=self.request.limit_price,
        )
        made = replace(known, **details)
        self.journal.append(made)
        return made

    def accepted(self, venue_order_id: str, now: int, answer: object) -> ExecutionReport:
        """The provider took the order; it is polled from now on."""
        self.venue_order_id = venue_order_id
        self.outcome_unknown = self.dead = False
        self.unanswered = self.quiet_polls = 0
        self.next_poll_at = now
        return self.report(ReportKind.ACCEPTED, now, raw=raw_of(answer))

    def rejected(self, text: str, now: int, raw: object = None) -> ExecutionReport:
        """The provider refused the order."""
        self.dead = True
        self.next_poll_at = None
        return self.report(ReportKind.REJECTED, now, text=text, raw=_raw(raw))

    def unknown(self, text: str, now: int, raw: object = None) -> ExecutionReport:
        """What became of the order cannot be said: it keeps its shares until there is evidence."""
        self.outcome_unknown = True
        self._release(told=False)
        return self.report(ReportKind.UNKNOWN_OUTCOME, now, text=text, cum_qty=None, raw=_raw(raw))

    # -- reading an answer to get_order ----------------------------------------------------------

    def read(self, answer: Answer, now: int) -> list[ExecutionReport]:
        """The reports that an answer to ``get_order`` gives; none when nothing is new."""
        if self.dead:
            return []
        status = _status(answer)
        if status is None:
            return self._without_answer(answer.failure or "its status cannot be read", answer, now)
        kind = KIND_BY_STATUS.get(status, ReportKind.STATUS)
        market_time = nanos_of(answer.value, "filled_at", "updated_at") or now
        filled = number_of(answer.value, "filled_qty", "filled_quantity")
        if filled is None and status == "filled":
            filled = self.request.quantity  # filled means: CumQty equals OrderQty (FIX)
        problem = self._contradiction(status, filled)
        if problem:
            return self._without_answer(problem, answer, now)
        trade = self._trade(answer.value, status, filled, market_time, now)
        if trade is None:
            return self._without_answer("it has no readable average price", answer, now)
        if kind is ReportKind.TRADE and self.outcome_unknown and not trade:
            kind = ReportKind.STATUS  # known again, and nothing traded meanwhile
        known = self._status_reports(kind, status, answer.value, market_time, now)
        reports = [*self._release(told=True), *trade, *known]
        self.unanswered = 0
        self.outcome_unknown = False
        self.quiet_polls = 0 if reports else self.quiet_polls + 1
        if self.filled >= self.request.quantity or kind in ENDED:
            self.dead = True
            self.next_poll_at = None
        return reports

    def _release(self, *, told: bool) -> list[ExecutionReport]:
        """Let go of a held acceptance, to be told or to be as if it had not been said."""
        held, self.held = self.held, None
        if held is not None and not told:
            self.journal.remove(held)
        return [held] if held is not None and told else []

    def _contradiction(self, status: str, filled: Decimal | None) -> str | None:
        if filled is None:
            needs_quantity = status == "partially_filled"
            return "partially filled without a readable quantity" if needs_quantity else None
        if not 0 <= filled <= QUANTITY_MAX:
            return f"filled_qty {plain(filled)} cannot be"
        if filled < self.filled:
            return f"filled_qty fell from {plain(self.filled)} to {plain(filled)}"
        if status == "filled" and filled < self.request.quantity:
            return f"filled, yet filled_qty is {plain(filled)} of {plain(self.request.quantity)}"
        return None

    def _without_answer(self, problem: str, answer: Answer, now: int) -> list[ExecutionReport]:
        self.unanswered += 1
        self.quiet_polls += 1
        if self.unanswered != UNANSWERED_POLLS_MAX or self.outcome_unknown:
            return []
        self.last_said = None  # what is next readable is news
        raw = None if answer.failure or answer.missing else answer.value
        return [self.unknown(f"{UNANSWERED_POLLS_MAX} polls in a row: {problem}", now, raw)]

    def _trade(
        self, value: object, status: str, filled: Decimal | None, market_time: int, now: int
    ) -> list[ExecutionReport] | None:
        """The trade since the last answer, if any; None when it cannot be priced yet."""
        if filled is None or filled == self.filled:
            return []
        quantity = filled - self.filled
        average = number_of(value, "filled_avg_price", "average_price", "avg_price")
        text = "price and quantity derived from the order's totals"
        if average is not None and 0 < average <= PRICE_MAX:
            notional = average * filled
            price = (notional - self.notional) / quantity
            if price <= 0:  # the broker's average is rounded too coarsely for the difference
                price, text = average, "the order's average price stands for this part's"
        elif self.unanswered + 1 >= UNANSWERED_POLLS_MAX and self.request.limit_price is not None:
            price = self.request.limit_price
            notional = self.notional + price * quantity
            text = "no average price was given: the limit price, the worst it can be, stands in"
        else:
            return None
        commission = number_of(value, "commission")
        fee = ZERO if commission is None else commission - self.commission
        self.commission += fee
        self.filled, self.notional = filled, notional
        open_quantity = max(self.request.quantity - filled, ZERO)
        return [
            self.report(
                ReportKind.TRADE,
                now,
                market_time=market_time,
                execution_id=computed_execution_id(self.venue_order_id or "", 0, plain(filled)),
                last_qty=quantity,
                last_price=price,
                cum_qty=filled,
                leaves_qty=open_quantity,
                order_status=status,
                fee=fee,
                text=text,
                derived=True,
                raw=raw_of(value),
            )
        ]

    def _status_reports(
        self, kind: ReportKind, status: str, value: object, market_time: int, now: int
    ) -> list[ExecutionReport]:
        said = (status, self.filled)
        told_before = self.last_said == said
        self.last_said = said
        if told_before or kind is ReportKind.TRADE:
            return []
        if kind in _BEFORE_ACCEPTANCE and not self.outcome_unknown:
            return []  # the acceptance has been reported already
        text = text_of(value, "reject_reason", "error", "message") if kind in ENDED else None
        return [
            self.report(
                kind,
                now,
                market_time=market_time,
                order_status=status,
                text=text,
                raw=raw_of(value),
            )
        ]


def _raw(value: object) -> dict[str, object]:
    return {} if value is None else raw_of(value)


def _status(answer: Answer) -> str | None:
    if answer.failure is not None or answer.missing:
        return None
    status = text_of(answer.value, "status")
    return None if status is None else status.lower().replace(" ", "_").replace("-", "_")
