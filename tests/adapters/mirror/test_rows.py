"""Columns of amounts are made as a whole, and hold what each amount alone would give."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.mirror.rows import Rows
from fillwright.domain.errors import StoreError

GRID = Decimal("1e-18")
AMOUNTS = st.one_of(
    st.none(),
    st.decimals(min_value=-(10**15), max_value=10**15, allow_nan=False, places=4),
    st.decimals(min_value=-1, max_value=1, allow_nan=False, places=22),
    st.sampled_from([Decimal("1.50000000000000000000000"), Decimal("5e-19"), Decimal("1E+3")]),
)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=30))
def test_an_amount_is_on_the_grid_and_its_row_says_whether_it_was_rounded(
    amounts: list[tuple[Decimal | None, Decimal | None]],
) -> None:
    rows = Rows(len(amounts))
    for position, (executed, fees) in enumerate(amounts, start=1):
        rows.add({"position": position, "executed": executed, "fees": fees})
    table = rows.table()
    with localcontext() as context:
        context.prec = 60
        wanted = [
            [None if one is None else one.quantize(GRID, ROUND_HALF_EVEN) for one in pair]
            for pair in amounts
        ]
    assert table["executed"].to_pylist() == [pair[0] for pair in wanted]
    assert table["fees"].to_pylist() == [pair[1] for pair in wanted]
    assert table["rounded"].to_pylist() == [
        list(pair) != on_grid for pair, on_grid in zip(amounts, wanted, strict=True)
    ]


@pytest.mark.parametrize("amount", ["1e20", "-123456789012345678901", "Infinity"])
def test_an_amount_beyond_the_columns_is_named_with_its_place(amount: str) -> None:
    rows = Rows(2)
    rows.add({"position": 7, "fees": Decimal("99999999999999999999.9")})
    rows.add({"position": 8, "fees": Decimal(amount)})
    with pytest.raises(StoreError, match="position 8 has fees"):
        rows.table()
