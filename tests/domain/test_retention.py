"""What is kept, until when, and what is held beyond that."""

import pytest
from pydantic import ValidationError

from fillwright.domain.retention import NS_PER_DAY, RetentionRules


def test_retention_ends_so_many_days_after_the_record() -> None:
    assert RetentionRules(days=3).kept_until(5) == 5 + 3 * NS_PER_DAY
    assert RetentionRules().days >= 6 * 365


@pytest.mark.parametrize(
    ("holds", "held"),
    [
        ((), None),
        (("*",), "*"),
        (("account:main",), "account:main"),
        (("account:other",), None),
        (("symbol:KO", "decision:pm-1"), "symbol:KO"),
        (("decision:pm-1",), "decision:pm-1"),
        (("decision:pm-2",), None),
        (("symbol:PEP",), None),
    ],
)
def test_a_hold_is_of_everything_an_account_a_symbol_or_a_decision(
    holds: tuple[str, ...], held: str | None
) -> None:
    assert RetentionRules(legal_holds=holds).held_by("main", "pm-1", {"KO"}) == held


def test_a_decision_that_could_not_be_read_has_no_symbol_to_be_held_by() -> None:
    rules = RetentionRules(legal_holds=("symbol:KO",))
    assert rules.held_by("main", "pm-1", ()) is None


@pytest.mark.parametrize("hold", ["", "KO", "symbol:", "person:kim", "**"])
def test_what_is_no_hold_is_refused(hold: str) -> None:
    with pytest.raises(ValidationError):
        RetentionRules(legal_holds=(hold,))
    with pytest.raises(ValidationError):
        RetentionRules(days=-1)
