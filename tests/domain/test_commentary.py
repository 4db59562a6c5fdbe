"""A commentary may name the report's numbers, told as people tell them, and no others."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.commentary import leaves, unsupported_number

D = Decimal
REPORT = {
    "sessions": ["2024-06-12"],
    "totals": {"filled": 15, "notional": "295139.06", "fees": None, "done": True},
    "rows": [["twap", D("6.698503")], ["vwap", D("-5.2876")], ["completion", D("0.9391")]],
    "log": {"head_hash": "02e0229274"},
}
KNOWN = list(leaves(REPORT))


@pytest.mark.parametrize(
    "words",
    [
        "A calm day.",
        "15 filled, worth 295,139.06 USD.",
        "TWAP cost 6.7 bps, or 6.70, or 7; VWAP gained 5.29 and cost −5.3 bps.",
        "Completion was 93.9 %, that is 0.94.",
        "On 2024-06-12 all was well.",
    ],
)
def test_numbers_of_the_report_may_be_rounded_grouped_or_told_in_percent(words: str) -> None:
    assert unsupported_number(words, KNOWN) is None


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("16 filled.", "16"),
        ("It cost 6.8 bps.", "6.8"),
        ("Worth 295,140 USD.", "295,140"),
        ("Completion was 95 %.", "95"),
        ("15 filled at 97 % speed.", "97"),
        ("Next year we save 2000.", "2000"),
    ],
)
def test_a_number_that_the_report_does_not_have_is_named(words: str, wrong: str) -> None:
    assert unsupported_number(words, KNOWN) == wrong


@given(st.decimals("-1000000", "1000000", places=4), st.integers(0, 4))
def test_every_number_of_a_report_may_be_told_rounded(value: Decimal, places: int) -> None:
    half_up = value.quantize(D(1).scaleb(-places), ROUND_HALF_UP)
    assert unsupported_number(f"It was {half_up}.", [value]) is None
    assert unsupported_number(f"It was {value:,}.", [value]) is None


@given(st.decimals("1", "1000000", places=2), st.decimals("1", "1000000", places=2))
def test_another_number_is_never_taken_for_one_of_the_report(one: Decimal, two: Decimal) -> None:
    if two not in (one, one * 100):
        assert unsupported_number(f"It was {two:.2f}.", [one]) is not None
