"""Which of our resting orders fills next."""

from __future__ import annotations

import heapq

from .book import Fill
from .desk import VenueOrder
from .scaled import NEVER


class RestingOrders:
    """All resting orders of one exchange, by the time of their next fill.

    The heap holds for each order a time before which it cannot fill. Only the order with the
    earliest one looks further ahead, until that is a fill or lies beyond the time asked about; an
    order that was cancelled is dropped when it comes up.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, VenueOrder]] = []

    def add(self, order: VenueOrder) -> None:
        """Take in an order that has come to rest, or has more to fill."""
        if order.rest is not None and order.rest.bound < NEVER:
            heapq.heappush(self._heap, (order.rest.bound, order.number, order))

    def next_fill_at(self, limit: int) -> int | None:
        """Time of the next fill if it is at most ``limit``; changes nothing that can be seen."""
        heap = self._heap
        while heap and heap[0][0] <= limit:
            bound, _, order = heap[0]
            rest = order.rest
            if rest is not None and rest.found and rest.bound == bound:
                return bound
            heapq.heappop(heap)
            if rest is not None and not rest.found:
                rest.look()
            self.add(order)
        return None

    def pop_fill(self) -> tuple[VenueOrder, Fill]:
        """Take the fill that :meth:`next_fill_at` has just found.

        Raises:
            RuntimeError: it has found none.
        """
        _, _, order = heapq.heappop(self._heap)
        if order.rest is None or not order.rest.found:
            raise RuntimeError("no fill was found")
        return order, order.rest.found.popleft()
