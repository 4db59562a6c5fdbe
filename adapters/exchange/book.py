"""How our own orders fill against a recorded book: rules M3, M4 and M5 of the fill model.

Our orders never move the recorded market, so a resting order's fills depend on nothing but the
recording and the order itself. :class:`Rest` therefore looks ahead as far as it likes and keeps
what it found; a cancel merely forgets the fills that lie after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from .scaled import NEVER, ScaledDay

MEMORY_NS: Final = 5_000_000_000
"""How long what our takers took is missing from the book; a take exactly this old still is."""
LOOK_FIRST_NS: Final = 8_000_000_000
"""How far a fresh rest looks ahead; each further look is :data:`LOOK_GROWTH` times as long."""
LOOK_GROWTH: Final = 3


class Fill(NamedTuple):
    """Part of an order done: time in ns, size and price in units of 1e-8."""

    at: int
    size: int
    price: int


_Coming = list[tuple[int, int, bool, int]]
"""Prints to come: row, the first quote after it, whether it is through our price, its amount."""


class TakerSide:
    """Takes liquidity from one side of one symbol's book (M3); ``sign`` is the taker's side."""

    def __init__(self, scaled: ScaledDay, sign: int) -> None:
        self._scaled = scaled
        self._view = scaled.view(sign)
        self._taken: deque[tuple[int, int]] = deque()
        self._taken_total = 0

    def touch(self, at: int) -> int | None:
        """The signed price a taker meets first, None without a quote on that side."""
        row = self._scaled.quote_row(at)
        price = int(self._view.far[row]) if row >= 0 else NEVER
        return None if price >= NEVER else price

    def preview(self, size: int, limit: int | None, at: int) -> list[Fill]:
        """What :meth:`take` would fill, changing nothing.

        Up to ``size`` units at ``limit`` (a signed price) or better, all of them without a limit.
        What we took in the last 5 s is skipped first; beyond the visible book further levels
        follow. Nothing fills when that side has no quote.
        """
        row = self._scaled.quote_row(at)
        if row < 0 or self._view.far[row] >= NEVER:
            return []
        skip = self._missing(at)
        fills: list[Fill] = []
        left = size
        for price, shown in self._ladder(row):
            if left <= 0 or (limit is not None and price > limit):
                break
            skipped = min(skip, shown)
            skip -= skipped
            part = min(left, shown - skipped)
            if part:
                fills.append(Fill(at, part, self._view.sign * price))
                left -= part
        return fills

    def take(self, size: int, limit: int | None, at: int) -> list[Fill]:
        """Fill as :meth:`preview` says, and remember what was taken."""
        fills = self.preview(size, limit, at)
        taken = sum(fill.size for fill in fills)
        if taken:
            self._taken.append((at, taken))
            self._taken_total += taken
        return fills

    def _missing(self, at: int) -> int:
        while self._taken and self._taken[0][0] < at - MEMORY_NS:
            self._taken_total -= self._taken.popleft()[1]
        return self._taken_total

    def _ladder(self, row: int) -> Iterator[tuple[int, int]]:
        """Signed price and size of each level, the visible ones first, then the extension."""
        view, scaled = self._view, self._scaled
        last = int(view.far[row])
        for price, shown in zip(view.far_px[row].tolist(), view.far_sz[row].tolist(), strict=True):
            if shown > 0:
                last = price
                yield price, shown
        spread = int(view.far[row]) - int(view.own[row])
        tick = scaled.tick
        # A fifth of the spread, rounded up to a tick; without an own side there is no spread.
        step = max(tick, -(-spread // (5 * tick)) * tick) if spread < NEVER // 2 else tick
        while view.sign > 0 or last + step <= -tick:
            last += step
            yield last, scaled.ext_level_size
        # A sell has walked down to the lowest price there can be: the rest goes there.
        yield -tick, NEVER


class Rest:
    """A limit order resting in the queue, and its fills as far as it has looked ahead.

    Args:
        price: signed price (times the side's sign) in units.
        size: what is left to fill, in units.
        display: displayed part of ``size``; further tranches join at the back of the queue.
        at: when it came to rest; prints and quotes up to and including this time are past.
        end: it looks no further; fills are before this time.
    """

    __slots__ = (
        "_display",
        "_end",
        "_left",
        "_look_ns",
        "_next_print",
        "_next_quote",
        "_price",
        "_queue",
        "_scaled",
        "_shown",
        "_view",
        "found",
        "looked_to",
    )

    def __init__(
        self,
        scaled: ScaledDay,
        sign: int,
        *,
        price: int,
        size: int,
        display: int | None,
        at: int,
        end: int,
    ) -> None:
        self._scaled = scaled
        self._view = scaled.view(sign)
        self._price = price
        self._left = size
        self._display = display or size
        self._shown = min(self._display, size)
        row = scaled.quote_row(at)
        self._queue = self._ahead(row)
        self._next_quote = row + 1
        self._next_print = int(self._view.prints.ts.searchsorted(at, side="right"))
        self._end = end
        self._look_ns = LOOK_FIRST_NS
        self.found: deque[Fill] = deque()
        """Fills found ahead and not yet taken by the owner, in time order."""
        self.looked_to = at
        """Every fill up to here is found."""

    @property
    def bound(self) -> int:
        """No further fill comes before this time; exact when something is found."""
        return self.found[0].at if self.found else self.looked_to + 1

    def look(self) -> None:
        """Look ahead one stretch further, each longer than the one before.

        The stretch belongs to the order and not to the question asked, so that the work is
        linear in the order's life however often and in whatever steps time is advanced.
        """
        view = self._view
        to = min(self.looked_to + self._look_ns, self._end - 1)
        quotes = int(view.q_ts.searchsorted(to, side="right"))
        prints = int(view.prints.ts.searchsorted(to, side="right"))
        while self._left and (self._next_quote < quotes or self._next_print < prints):
            self._pass(quotes, prints)
        at_end = to >= self._end - 1
        past_all = quotes >= len(view.q_ts) and prints >= len(view.prints.ts)
        self.looked_to = NEVER if at_end or past_all or not self._left else to
        self._look_ns *= LOOK_GROWTH

    def _ahead(self, row: int) -> int:
        """Units ahead of an order that joins at our price under the quote in ``row``."""
        view, price = self._view, self._price
        if row < 0 or price > view.own[row]:
            return 0
        levels = view.own_px[row].tolist()
        for level, shown in zip(levels, view.own_sz[row].tolist(), strict=True):
            if level == price:
                return int(shown)
        deepest = min((level for level in levels if level > -NEVER), default=NEVER)
        # Between two visible levels nothing is shown; behind them all, an unseen level stands.
        return self._scaled.ext_level_size if price < deepest else 0

    def _quote_rows(self, end: int) -> list[int]:
        """Rows of coming quotes that can shorten the queue or fill us."""
        view, price, start = self._view, self._price, self._next_quote
        own = view.own[start:end]
        if self._queue == 0:
            rows = (own < price) & (view.far[start:end] <= price)
        else:
            sizes = np.where(own == price, view.own_size[start:end], NEVER)
            sizes[own < price] = 0
            lowest = np.minimum.accumulate(sizes)
            rows = sizes < self._queue
            rows[1:] &= lowest[1:] < lowest[:-1]
        return (np.flatnonzero(rows) + start).tolist()

    def _print_rows(self, end: int) -> _Coming:
        """Coming prints at our price, from takers of the other side, or through it."""
        prints, price, start = self._view.prints, self._price, self._next_print
        px = prints.px[start:end]
        rows = np.flatnonzero((px < price) | ((px == price) & prints.at_price[start:end])) + start
        through = prints.px[rows] < price
        amounts = np.where(through, prints.sz[rows], prints.share[rows])
        before = prints.quote_row[rows]
        return list(
            zip(rows.tolist(), before.tolist(), through.tolist(), amounts.tolist(), strict=True)
        )

    def _pass(self, quotes: int, prints: int) -> None:
        """Run through what is coming, prints before quotes at equal times.

        Ends early when the set of events that matter has changed: the queue has emptied, or a new
        tranche has joined at the back. Ends for good at ``quotes`` and ``prints``.
        """
        had_queue = self._queue > 0
        quote_rows = iter(self._quote_rows(quotes))
        quote = next(quote_rows, NEVER)
        for trade, before, through, amount in self._print_rows(prints):
            while quote < before:
                if self._on_quote(quote) or (self._queue == 0) is had_queue:
                    return
                quote = next(quote_rows, NEVER)
            if not through and amount < self._queue:
                # By far the most frequent case: the queue ahead of us gets shorter.
                self._queue -= amount
            elif (
                self._on_print(trade, before - 1, through, amount)
                or (self._queue == 0) is had_queue
            ):
                return
        while quote < NEVER:
            if self._on_quote(quote) or (self._queue == 0) is had_queue:
                return
            quote = next(quote_rows, NEVER)
        self._next_quote, self._next_print = quotes, prints

    def _on_print(self, trade: int, row: int, through: bool, amount: int) -> bool:
        """One print, with quote ``row`` before it; True when the order or its queue is new."""
        self._next_print, self._next_quote = trade + 1, max(self._next_quote, row + 1)
        if not through:
            available = amount - self._queue
            self._queue = max(0, -available)
        else:
            available = amount
        return self._fill(int(self._view.prints.ts[trade]), available, row)

    def _on_quote(self, row: int) -> bool:
        """One quote; True when the order or its queue is new."""
        view = self._view
        self._next_quote = row + 1
        self._next_print = max(self._next_print, int(view.print_row[row]))
        if view.own[row] == self._price:
            self._queue = min(self._queue, int(view.own_size[row]))
            return False
        self._queue = 0
        available = int(view.far_size[row]) if view.far[row] <= self._price else 0
        return self._fill(int(view.q_ts[row]), available, row)

    def _fill(self, at: int, available: int, row: int) -> bool:
        """Fill whole lots of what is shown; True when nothing is left or a new tranche joins."""
        lot = self._scaled.lot
        size = min(self._shown, available) // lot * lot
        if size <= 0:
            return False
        self.found.append(Fill(at, size, self._view.sign * self._price))
        self._shown -= size
        self._left -= size
        if self._shown:
            return False
        self._shown = min(self._display, self._left)
        self._queue = self._ahead(row)
        return True
