"""The closed list of what can be wrong with the data, and the table that names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

PROBLEM_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad_side": "the side is neither buy nor sell; the instruction is left out",
        "zero_quantity": "the quantity is not above zero; the row is left out",
        "duplicate_id": "a row with this name came before; the later one is left out",
        "order_without_instruction": "its instruction is not there; the order is left out",
        "fill_without_order": "its order or instruction is not there; the fill is left out",
        "fill_without_price": "no price above zero; no money is given for its instruction",
        "currency_mix": "a fill in another currency; no money is given for its instruction",
        "unknown_kind": "a fill of unknown kind; it is left out",
        "unmatched_restatement": "a bust or correction of an execution that is not there",
        "halt_without_mid": "no mid before or after a halt; its cost is not told apart",
        "overfill": "more executed than ordered; what is beyond counts as executed",
        "fill_outside_order": "a fill before its instruction arrived or after it ended",
        "no_decision_price": "no decision price; no shortfall is given",
        "no_arrival_price": "no arrival price; no arrival cost is given",
        "no_release_price": "no price at release; delay and trading cost are not told apart",
        "no_end_price": "a part did not execute and has no price; no shortfall is given",
        "no_quotes": "no quotes of its symbol; no spreads, mark-outs or TWAP",
        "missing_quotes": "fills without a two-sided quote; their spread and impact are null",
        "no_prints": "no prints of its symbol; no VWAP, PWP or participation",
        "window_not_covered": "data end before the planned window does; its VWAP and TWAP are null",
        "session_unknown": "its session is not there; no open, close or previous close",
        "session_without_close": "its session has no official close; nothing is held against it",
        "session_without_open": "its session has no official open; nothing is held against it",
        "crossed_quotes": "quotes that are crossed or have no price; they give no mid",
        "unknown_fee": "fills whose fee is not known; no money with fees is given",
        "missing_segment": "captured market data that cannot be read",
    }
)
"""Each problem and what follows from it."""

SCHEMA: Final = {"problem": pl.String, "table": pl.String, "id": pl.String, "detail": pl.String}


class Problems:
    """Collects problems; a figure is null because of one, never wrong."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str | None, str]] = []

    def add(self, problem: str, table: str, id: str | None, detail: str = "") -> None:
        """One problem of one row, or of a whole table."""
        self._rows.append((problem, table, id, detail or PROBLEM_NAMES[problem]))

    def add_all(
        self, problem: str, table: str, ids: Iterable[str | None], details: Iterable[str] = ()
    ) -> None:
        """One problem of many rows."""
        given = list(details)
        names = list(ids)
        for id, detail in zip(names, given or [""] * len(names), strict=True):
            self.add(problem, table, id, detail)

    def extend(self, rows: Iterable[tuple[str, str, str | None, str]]) -> None:
        """Problems found elsewhere."""
        self._rows.extend(rows)

    def table(self) -> pl.DataFrame:
        """All of them, by name, table and id."""
        frame = pl.DataFrame(self._rows, schema=SCHEMA, orient="row")
        return frame.sort("problem", "table", "id", maintain_order=True)
