"""Official open and close from the sale conditions of a recording's prints, where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN = "conditions"
"""The column of a trades file: codes of one character, apart by nothing, spaces or commas."""


class Marked(NamedTuple):
    """A day's prints with their conditions; ``venue`` is where each happened, if that is known."""

    conditions: NDArray[np.object_]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    venue: NDArray[np.object_] | None

    def official(self, codes: Sequence[str], listed_on: str | None) -> Decimal | None:
        """The price of the print that is marked with one of ``codes``, None where none is.

        Prints of the exchange that the symbol is listed on go before others, the first code before
        the second, and then the larger before the smaller.
        """
        held = {text: _codes(text) for text in set(self.conditions.tolist())}
        best: tuple[tuple[bool, bool, float], float] | None = None
        marked = {text for text, found in held.items() if found.intersection(codes)}
        for row in np.flatnonzero([text in marked for text in self.conditions]):
            price, size = float(self.price[row]), float(self.size[row])
            if not (price > 0 and size > 0):
                continue
            listed = self.venue is not None and self.venue[row] == listed_on is not None
            rank = (bool(listed), codes[0] in held[self.conditions[row]], size)
            if best is None or rank > best[0]:
                best = rank, price
        return None if best is None else Decimal(repr(best[1]))


def conditions_of(trades: pa.Table) -> NDArray[np.object_] | None:
    """The conditions of each print as text, None where the recording has none."""
    if COLUMN not in trades.column_names:
        return None
    values: Any = trades.column(COLUMN).to_pylist()
    return np.array(["" if value is None else str(value) for value in values], dtype=object)


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", "").replace(" ", ""))
