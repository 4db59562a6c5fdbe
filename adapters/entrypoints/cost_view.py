"""Cost analysis in a few lines: totals by currency, and what is wrong with the data."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ...domain.money import BPS, ZERO

if TYPE_CHECKING:
    import polars as pl

PARTS: Final = (
    ("delay", "delay_cost"),
    ("spread", "spread_cost"),
    ("impact", "impact_cost"),
    ("timing", "timing_cost"),
    ("opportunity", "opportunity_cost"),
    ("fees", "fees"),
)
"""The Wagner split as it is shown, by column."""


def by_currency(instructions: pl.DataFrame) -> Iterator[str]:
    """The shortfall and its parts of each currency, over the instructions that have all of them.

    The parts are rounded so that they add up to the total (see ``projections.tca.cents``).
    """
    import polars as pl

    from ...projections.tca.cents import in_cents

    columns = [column for _, column in PARTS]
    for (currency,), group in instructions.group_by("currency", maintain_order=True):
        whole = group.drop_nulls(["shortfall", *columns])
        yield (
            f"{currency or 'currency not named'}: {group.height} instructions, "
            f"{group['fills'].sum()} fills; shortfall known of {whole.height}"
        )
        if not whole.height:
            continue
        sums = [Decimal(whole[column].sum()) for column in columns]
        cents = in_cents(sums)
        paper, total = Decimal(whole["paper_value"].sum()), sum(cents, ZERO)
        bps = f", {sum(sums, ZERO) / paper * BPS:.2f} bps of {paper:.2f}" if paper else ""
        yield f"  shortfall {total:.2f}{bps}"
        for (name, _), amount in zip(PARTS, cents, strict=True):
            yield f"    {name:12}{amount:14.2f}"
        completed = group.filter(pl.col("executed") >= pl.col("quantity")).height
        yield f"  filled in full: {completed} of {group.height}"


def problem_counts(problems: pl.DataFrame) -> Iterator[str]:
    """How often each problem was met, and what follows from it."""
    from ...projections.tca.problems import PROBLEM_NAMES

    counts = problems.group_by("problem").len().sort("problem")
    for name, count in counts.iter_rows():
        yield f"{name} ({count}): {PROBLEM_NAMES[name]}"
