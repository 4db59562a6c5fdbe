"""The published cases of SEC Rule 606(b)(3)."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.projections.best_execution.rule606 import COLUMNS, fee_cents_per_100, fill_rate

from .vectors import cases, close, documents

D = Decimal


def rate(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    found = fill_rate(D(str(inputs["routed"])), D(str(inputs["executed"])))
    assert close(found, case["expected"])


def fee_cph(case: dict[str, Any]) -> None:
    fills = [(D(str(shares)), D(str(fee))) for shares, fee in case["inputs"]["fills"]]
    assert fee_cents_per_100(fills) == D(str(case["expected"]))


KINDS: dict[str, Callable[[dict[str, Any]], None]] = {"fill_rate": rate, "fee_cph": fee_cph}


@pytest.mark.parametrize(("case", "folder"), cases("rule606b3"))
def test_every_published_case_is_met(case: dict[str, Any], folder: Path) -> None:
    KINDS[case["kind"]](case)


def test_the_columns_are_those_of_the_rule_in_its_order(shared_dir: Path) -> None:
    for _, document in documents("rule606b3"):
        assert [column[1] for column in COLUMNS] == [
            column["ref"] for column in document["per_venue_columns"]
        ]
