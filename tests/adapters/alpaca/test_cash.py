"""Which of an account's activities are cash that came or went."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillwright.adapters.brokers.alpaca.cash import movement_of
from fillwright.domain.ports import CashMovement

ROW: dict[str, Any] = {
    "activity_type": "CSW",
    "created_at": "2021-05-10T14:01:04.650275Z",
    "currency": "USD",
    "date": "2021-05-10",
    "id": "20210510000000000::5f596936-6f23-4cef-bdf1-3806aae57dbf",
    "net_amount": "-25.50",
    "status": "executed",
}
AT = 1_620_655_264_650_275_000


def test_a_deposit_a_withdrawal_and_a_cash_journal_are_movements() -> None:
    assert movement_of(ROW) == CashMovement(ROW["id"], "CSW", Decimal("-25.50"), AT)
    for kind in ("CSD", "JNLC"):
        found = movement_of(ROW | {"activity_type": kind, "net_amount": "1000"})
        assert found == CashMovement(ROW["id"], kind, Decimal(1000), AT)


@pytest.mark.parametrize(
    "changed",
    [
        {"activity_type": "DIV"},
        {"activity_type": "FEE"},
        {"activity_type": "FILL"},
        {"status": "canceled"},
        {"net_amount": "0"},
        {"net_amount": "much"},
        {"created_at": None},
        {"id": ""},
    ],
)
def test_results_and_what_does_not_say_when_or_how_much_are_none(changed: dict[str, Any]) -> None:
    assert movement_of(ROW | changed) is None
