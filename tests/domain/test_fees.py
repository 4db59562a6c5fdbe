"""Fees follow a dated table, exactly, and an unknown rate is never taken for zero."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.settings import Settings
from fillwright.domain.errors import InvalidInput
from fillwright.domain.fees import BUILT_IN, Charge, FeeRate, FeeSchedule, Rounding

D = Decimal
TABLE = FeeSchedule()


@pytest.mark.parametrize(
    ("charge", "date", "rate"),
    [
        (Charge.SEC, "2024-05-21", "8.00"),
        (Charge.SEC, "2024-05-22", "27.80"),
        (Charge.SEC, "2025-05-13", "27.80"),
        (Charge.SEC, "2025-05-14", "0"),
        (Charge.SEC, "2026-04-03", "0"),
        (Charge.SEC, "2026-04-04", "20.60"),
        (Charge.TAF, "2023-12-31", "0.000145"),
        (Charge.TAF, "2024-01-01", "0.000166"),
        (Charge.TAF, "2026-01-01", "0.000195"),
        (Charge.TAF, "2026-10-01", "0"),
        (Charge.CAT, "2024-08-31", "0"),
        (Charge.CAT, "2024-10-01", "0.000048"),
        (Charge.CAT, "2025-11-28", "0.0000265"),
        (Charge.CAT, "2026-04-30", "0"),
        (Charge.CAT, "2026-05-01", "0.000003"),
        (Charge.COMMISSION, "2024-10-01", "0"),
    ],
)
def test_a_rate_holds_from_its_date_to_the_next(charge: Charge, date: str, rate: str) -> None:
    assert TABLE.on(charge, date).rate == D(rate)


def test_a_sale_is_charged_exactly_and_a_purchase_only_what_is_on_both_sides() -> None:
    sale = TABLE.charges(date="2024-10-01", is_sell=True, quantity=D(1000), price=D("50.25"))
    assert sale.sec == D("27.80") * D(50_250) / D(1_000_000)
    assert sale.taf == D("0.166")
    assert sale.cat == D("0.048")
    buy = TABLE.charges(date="2024-10-01", is_sell=False, quantity=D(1000), price=D("50.25"))
    assert (buy.sec, buy.taf, buy.cat) == (0, 0, D("0.048"))


def test_the_cap_of_an_execution_holds() -> None:
    sale = TABLE.charges(date="2024-10-01", is_sell=True, quantity=D(60_000), price=D(1))
    assert sale.taf == D("8.30")


def test_an_unknown_rate_gives_an_unknown_charge() -> None:
    found = TABLE.charges(date="2025-03-03", is_sell=True, quantity=D(100), price=D(10))
    assert found.cat is None
    assert found.sec is not None


def test_what_is_expected_is_the_sum_of_the_charges_and_unknown_where_one_is() -> None:
    terms: dict[str, Any] = {"is_sell": True, "quantity": D(1000), "price": D("50.25")}
    assert TABLE.expected(date="2024-10-01", **terms) == D("1.39695") + D("0.166") + D("0.048")
    assert TABLE.expected(date="2025-03-03", **terms) is None, "CAT Fee 2025-1 is not known"
    assert TABLE.expected(date="2010-01-04", **terms) is None, "the table begins later"
    assert FeeSchedule(base=()).expected(date="2024-10-01", **terms) is None, "no table"


def test_a_date_before_the_table_is_refused_naming_where_it_begins() -> None:
    with pytest.raises(InvalidInput, match="2012-04-01 or later"):
        TABLE.on(Charge.SEC, "2011-12-31")


def test_configuration_adds_rates_and_replaces_those_of_the_same_date() -> None:
    settings = Settings.read(
        {
            "fees": {
                "commission_per_share": "0.0035",
                "rounding": "execution",
                "rates": [
                    {"charge": "cat", "since": "2025-01-01", "rate": "0.00003"},
                    {"charge": "taf", "since": "2024-01-01", "rate": "0.0002"},
                ],
            }
        }
    )
    table = settings.fees.schedule()
    assert settings.fees.rounding is Rounding.EXECUTION
    assert table.on(Charge.CAT, "2025-03-03").rate == D("0.00003")
    assert table.on(Charge.TAF, "2024-06-01").rate == D("0.0002")
    assert table.on(Charge.COMMISSION, "2024-06-01").rate == D("0.0035")


def test_a_configured_rate_of_no_known_charge_is_refused() -> None:
    with pytest.raises(InvalidInput, match="fees"):
        Settings.read({"fees": {"rates": [{"charge": "gst", "since": "2026-01-01", "rate": 1}]}})


def test_every_built_in_rate_names_its_source() -> None:
    assert all(rate.source for rate in BUILT_IN)


def test_the_simulated_venue_charges_the_rates_of_its_day() -> None:
    assert Fees.of_schedule(TABLE, "2024-06-12") == Fees.us_equities()
    then = Fees.of_schedule(TABLE, "2013-10-08")
    assert (then.sec_per_million, then.taf_per_share) == (D("17.40"), D("0.000119"))


@given(
    st.integers(1, 10**6).map(D),
    st.integers(1, 10**7).map(lambda n: D(n) / 10_000),
    st.sampled_from(["2024-06-12", "2024-10-01", "2025-08-01"]),
    st.booleans(),
)
def test_an_estimate_is_each_charge_up_to_the_next_cent(
    quantity: Decimal, price: Decimal, date: str, is_sell: bool
) -> None:
    terms = {"date": date, "is_sell": is_sell, "quantity": quantity, "price": price}
    exact = sum(one for one in TABLE.charges(**terms) if one is not None)
    estimate = TABLE.estimate(**terms)
    assert 0 <= estimate - exact < D("0.04")
    assert estimate == estimate.quantize(D("0.01"))


def test_a_table_may_begin_with_another_commission() -> None:
    rate = FeeRate(charge=Charge.COMMISSION, since="2024-01-01", rate=D("0.01"))
    table = FeeSchedule([rate])
    assert table.on(Charge.COMMISSION, "2023-12-31").rate == 0
    assert table.on(Charge.COMMISSION, "2024-01-01").rate == D("0.01")
