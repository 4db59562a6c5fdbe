"""One symbol on one day as surveillance sees it: own orders, fills and cancels, close together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Final, NamedTuple

from ..domain.ports import NANOS, Side
from .surveillance_terms import (
    OCCURRENCES_MAX,
    Occurrence,
    Pattern,
    SurveillanceThresholds,
)

RECENT_MAX: Final = 1_024
"""How many of the latest fills and cancels are looked back at; bounds the work of each event."""


@dataclass(slots=True)
class WatchedOrder:
    """A child order: ``placed`` is the position of its intent, ``price`` None for a market order.

    ``rests`` says that its time in force let it wait in a book; IOC orders are never rests.
    """

    client_order_id: str
    side: Side
    price: Decimal | None
    rests: bool
    placed: int
    executed: bool = False
    ended: bool = False


class _Moment(NamedTuple):
    at: int
    position: int
    order: WatchedOrder


class _Layers:
    """Rests that stood against a fill of ours on the other side, and which were taken off since."""

    __slots__ = ("fill", "off", "rests")

    def __init__(self, fill: _Moment, rests: list[WatchedOrder]) -> None:
        self.fill = fill
        self.rests = {order.client_order_id: order for order in rests}
        self.off: list[_Moment] = []

    def levels_off(self) -> int:
        return len({each.order.price for each in self.off if not each.order.executed})


class DayFigures:
    """What of a symbol's day is told; the day itself may have been let go of."""

    __slots__ = (
        "_busiest",
        "_cancelled",
        "_limits",
        "counts",
        "messages_peak",
        "orders_cancelled",
        "orders_executed",
        "seen",
    )

    def __init__(self, thresholds: SurveillanceThresholds) -> None:
        self._limits = thresholds
        self._busiest: Occurrence | None = None
        self._cancelled: list[Occurrence] = []
        self.seen: dict[Pattern, list[Occurrence]] = {}
        self.counts: dict[Pattern, int] = {}
        self.messages_peak = 0
        self.orders_cancelled = 0
        self.orders_executed = 0

    def cancel_to_fill(self) -> tuple[Decimal, list[Occurrence]] | None:
        """Orders cancelled without execution per order with one, None where too few to judge."""
        if self.orders_cancelled < self._limits.cancels_min:
            return None
        ratio = Decimal(self.orders_cancelled) / max(self.orders_executed, 1)
        return ratio, self._cancelled

    def busiest_second(self) -> Occurrence | None:
        """The second with the most messages, None before the first."""
        return self._busiest

    def figures(self) -> DayFigures:
        """These alone, without what they were told from."""
        kept = DayFigures(self._limits)
        for name in DayFigures.__slots__:
            setattr(kept, name, getattr(self, name))
        return kept


class SymbolDay(DayFigures):
    """What happened, and what of it a supervisor would ask about."""

    __slots__ = ("_cancels", "_fills", "_layers", "_orders", "_resting", "_second")

    def __init__(self, thresholds: SurveillanceThresholds) -> None:
        super().__init__(thresholds)
        self._orders: dict[str, WatchedOrder] = {}
        self._resting: dict[str, WatchedOrder] = {}
        self._fills: deque[_Moment] = deque(maxlen=RECENT_MAX)
        self._cancels: deque[_Moment] = deque(maxlen=RECENT_MAX)
        self._layers: deque[_Layers] = deque(maxlen=RECENT_MAX)
        self._second: deque[tuple[int, int]] = deque()

    # -- what happens --------------------------------------------------------------------------

    def placed(self, order: WatchedOrder, at: int) -> None:
        """An order of ours was decided."""
        self._orders[order.client_order_id] = order
        if order.rests:
            self._resting[order.client_order_id] = order
        self.message(at, order.placed)

    def message(self, at: int, position: int) -> None:
        """Something was decided that goes to the venue; keeps the busiest second."""
        recent = self._second
        recent.append((at, position))
        while recent[0][0] <= at - NANOS:
            recent.popleft()
        if len(recent) > self.messages_peak:
            self.messages_peak = len(recent)
            self._busiest = Occurrence(at, tuple(place for _, place in recent)[:OCCURRENCES_MAX])

    def refused_self_cross(self, at: int, position: int) -> None:
        """A decision was refused because it could have traded with an order of ours."""
        self._note(Pattern.SELF_CROSS_ATTEMPT, at, (position,))

    def filled(self, client_order_id: str, at: int, position: int) -> None:
        """An execution of ours at the venue's time ``at``."""
        order = self._orders[client_order_id]
        if not order.executed:
            order.executed = True
            self.orders_executed += 1
        fill = _Moment(at, position, order)
        span = _ns(self._limits.opposite_fills_seconds)
        for other in self._opposite(self._fills, fill, span):
            self._note(Pattern.OPPOSITE_FILLS, at, (other.position, position))
        for cancel in self._opposite(self._cancels, fill, _ns(self._limits.fleeting_rest_seconds)):
            self._fleeting(cancel, fill)
        self._fills.append(fill)
        self._watch_layers(fill)

    def ended(self, client_order_id: str, at: int, position: int, *, cancelled: bool) -> None:
        """An order can trade no more; ``cancelled`` when it was taken off rather than expired."""
        order = self._orders[client_order_id]
        if order.ended:
            return
        order.ended = True
        self._resting.pop(client_order_id, None)
        if not cancelled or not order.rests:
            return
        cancel = _Moment(at, position, order)
        if not order.executed:
            self.orders_cancelled += 1
            if len(self._cancelled) < OCCURRENCES_MAX:
                self._cancelled.append(Occurrence(at, (order.placed, position)))
        for fill in self._opposite(self._fills, cancel, _ns(self._limits.fleeting_rest_seconds)):
            self._fleeting(cancel, fill)
        self._cancels.append(cancel)
        self._taken_off(cancel)

    # -- parts ---------------------------------------------------------------------------------

    def _note(self, pattern: Pattern, at: int, positions: tuple[int, ...]) -> None:
        self.counts[pattern] = self.counts.get(pattern, 0) + 1
        kept = self.seen.setdefault(pattern, [])
        if len(kept) < OCCURRENCES_MAX:
            kept.append(Occurrence(at, positions))

    def _opposite(self, moments: deque[_Moment], to: _Moment, span: int) -> list[_Moment]:
        """Those on the other side within ``span`` ns; the venue's times may arrive out of order."""
        return [
            other
            for other in moments
            if other.order.side is not to.order.side and abs(other.at - to.at) <= span
        ]

    def _fleeting(self, cancel: _Moment, fill: _Moment) -> None:
        positions = (cancel.order.placed, cancel.position, fill.position)
        self._note(Pattern.FLEETING_REST, max(cancel.at, fill.at), positions)

    def _watch_layers(self, fill: _Moment) -> None:
        rests = [order for order in self._resting.values() if order.side is not fill.order.side]
        if len({order.price for order in rests}) >= self._limits.layering_levels_min:
            self._layers.append(_Layers(fill, rests))

    def _taken_off(self, cancel: _Moment) -> None:
        span = _ns(self._limits.layering_seconds)
        for layers in list(self._layers):
            if cancel.order.client_order_id not in layers.rests:
                continue
            if cancel.at - layers.fill.at > span:
                self._layers.remove(layers)
                continue
            layers.off.append(cancel)
            if layers.levels_off() >= self._limits.layering_levels_min:
                self._layers.remove(layers)
                pairs = ((each.order.placed, each.position) for each in layers.off)
                positions = sorted({layers.fill.position, *chain.from_iterable(pairs)})
                self._note(Pattern.LAYERING, cancel.at, tuple(positions))


def _ns(seconds: Decimal) -> int:
    return int(seconds * NANOS)
