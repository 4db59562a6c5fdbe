"""Busts and corrections: what executions stand as, from the messages about them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

BUST = "trade_bust"
CORRECT = "trade_correct"
KINDS = ("trade", BUST, CORRECT)

Problem = tuple[str, str, str | None, str]
"""Name, table, id and detail."""


def effective_fills(fills: pl.DataFrame) -> tuple[pl.DataFrame, list[Problem]]:
    """Fills as they stand after every bust and correction, in the order of the rows.

    A busted execution is gone. A corrected one keeps its name and time and takes the quantity,
    price and fee of the correction, where those are given. A bust or correction may name the
    execution or an earlier correction of it; one that names neither is a problem.
    """
    kinds = fills["kind"].fill_null("trade")
    if (kinds == "trade").all():
        return fills, []
    problems: list[Problem] = []
    numbered = fills.with_row_index("_row")
    is_trade = kinds == "trade"
    odd = ~kinds.is_in(KINDS)
    for name, kind in numbered.filter(odd).select("fill_id", "kind").iter_rows():
        problems.append(("unknown_kind", "fills", name, f"kind {kind}: left out"))
    trades = numbered.filter(is_trade)
    first = trades.unique("fill_id", keep="first", maintain_order=True)
    rows: dict[str, int] = dict(zip(first["fill_id"], first["_row"], strict=True))
    changes: dict[int, dict[str, object]] = {}
    gone: set[int] = set()
    for change in numbered.filter(kinds.is_in([BUST, CORRECT])).iter_rows(named=True):
        row = rows.get(change["ref_fill_id"] or "")
        if row is None:
            what = f"{change['kind']} of {change['ref_fill_id']}, which is not there"
            problems.append(("unmatched_restatement", "fills", change["fill_id"], what))
            continue
        rows.setdefault(change["fill_id"], row)
        if change["kind"] == BUST:
            gone.add(row)
        else:
            gone.discard(row)
            new = {name: change[name] for name in ("quantity", "price", "fee")}
            changes.setdefault(row, {}).update(
                (name, value) for name, value in new.items() if value is not None
            )
    kept = trades.filter(~pl.col("_row").is_in(list(gone)))
    return _changed(kept, changes).drop("_row"), problems


def _changed(fills: pl.DataFrame, changes: dict[int, dict[str, object]]) -> pl.DataFrame:
    if not changes:
        return fills
    schema = {name: fills.schema[name] for name in ("quantity", "price", "fee")}
    new = pl.DataFrame(
        list(_rows(changes)), schema={"_row": fills.schema["_row"], **schema}, orient="row"
    )
    joined = fills.join(new, on="_row", how="left", suffix="_new", maintain_order="left")
    return joined.with_columns(
        pl.coalesce(f"{name}_new", name).alias(name) for name in schema
    ).drop(f"{name}_new" for name in schema)


def _rows(changes: dict[int, dict[str, object]]) -> Iterator[tuple[object, ...]]:
    for row, new in changes.items():
        yield row, new.get("quantity"), new.get("price"), new.get("fee")
