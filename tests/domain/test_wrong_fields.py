"""What a record refuses is said in our words: field, value, range and entry."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.corporate_actions import read_actions
from fillwright.adapters.inputs.statements import read_statement
from fillwright.domain.errors import InvalidInput
from fillwright.domain.limits import Limits
from fillwright.domain.supervision.effects import read_principals
from fillwright.domain.tightening import with_changes

PYDANTIC = ("Input should", "Field required", "Value error", "Extra inputs", "String should")


def said(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    text = str(error.value)
    assert not any(words in text for words in PYDANTIC), text
    return text


KIM: dict[str, Any] = {"name": "kim", "person": "kim", "roles": ["risk"], "user": "kim"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"roles": ["king"]}, "principals 2: roles.1: 'king' is not allowed; allowed: a list of"),
        ({"roles": None}, "principals 2: roles: 'None' is not allowed; allowed: a list of read, "),
        ({"kind": "robot"}, "allowed: person or agent or service"),
        ({"name": "a b"}, "principals 2: name: 'a b' is not allowed; allowed: text matching"),
        (
            {"token": "secret"},
            "token: 'an unknown field' is not allowed; allowed: one of the fields",
        ),
        ({"user": None}, "kim needs a user or a token to be recognised by"),
        (
            {"token_sha256": "abc"},
            "token_sha256: 'abc' is not allowed; allowed: text matching",
        ),
        ({"kind": "agent"}, "agent kim may only have the roles read, submit"),
    ],
)
def test_a_principal_that_is_none_is_told_by_entry_field_and_range(
    changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        read_principals({"principals": [KIM, {**KIM, **changed}]})
    assert words in said(error)


def test_a_secret_under_a_wrong_name_is_not_shown() -> None:
    with pytest.raises(InvalidInput) as error:
        read_principals({"principals": [{**KIM, "token": "very secret"}]})
    assert "very secret" not in said(error)


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput) as error:
        read_principals({"principals": [{"name": "kim"}]})
    assert "principals 1: person: 'nothing' is not allowed; allowed: text matching" in said(error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trades_max_per_day": -1}, "limits: trades_max_per_day: '-1' is not allowed"),
        ({"trades_max_per_day": "many"}, "allowed: a whole number from 0 to"),
        ({"allow_short": "perhaps"}, "allowed: true or false"),
        ({"position_pct_max": Decimal(2_000)}, "allowed: a number from 0 to"),
    ],
)
def test_a_limit_out_of_its_range_is_told_with_it(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        with_changes(Limits(), changes)
    assert words in said(error)


def test_an_entry_of_a_file_of_actions_is_told_by_number_and_field(tmp_path: Path) -> None:
    file = tmp_path / "actions.json"
    row = {"symbol": "KO", "rate": 0.4, "ex_date": "2024-06-13", "id": "one"}
    file.write_text(
        json.dumps({"corporate_actions": {"cash_dividends": [row, {**row, "ex_date": "June"}]}})
    )
    with pytest.raises(InvalidInput) as error:
        read_actions(file)
    assert "record 2: ex_date: 'June' is not allowed; allowed: text matching" in said(error)
    file.write_text(json.dumps({"corporate_actions": {"cash_dividends": [{**row, "rate": -1}]}}))
    with pytest.raises(InvalidInput) as error:
        read_actions(file)
    assert "record 1: cash_per_share: '-1' is not allowed; allowed: a number above 0" in said(error)


def test_a_line_of_a_statement_is_told_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "statement.json"
    line = {"symbol": "KO", "quantity": "5"}
    whole = {"session_date": "2024-06-12", "positions": [line, {**line, "quantity": "many"}]}
    file.write_text(json.dumps(whole))
    with pytest.raises(InvalidInput) as error:
        read_statement(file)
    assert "positions.2.quantity: 'many' is not allowed; allowed: a number" in said(error)
