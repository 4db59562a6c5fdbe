"""What is wrong with a stored event, in a sentence."""

import pytest

from fillwright.adapters.storage.chain import GENESIS
from fillwright.adapters.storage.records import RawRecorded
from fillwright.adapters.storage.verification import fault_at, fault_of


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("altered: no fit", "the event at position 7 is altered: no fit"),
        ("cannot be read: damaged", "the event at position 7 cannot be read: damaged"),
        ("the row that says where the log ends is missing",) * 2,
    ],
)
def test_a_fault_is_told_as_a_sentence(what: str, said: str) -> None:
    assert fault_at(what, 7) == said


@pytest.mark.parametrize(
    "wrong", [{"state": "text"}, {"topic": 7}, {"originator_id": "no id"}, {"hash": None}]
)
def test_a_column_of_another_type_is_said_in_words(wrong: dict[str, object]) -> None:
    good = RawRecorded(1, "0" * 32, 1, "Topic.v1", b"{}", bytes(32))
    said = fault_of(good._replace(**wrong), 1, GENESIS)  # type: ignore[arg-type]
    assert said.startswith("altered: ")
    assert ("has another type or form than is ever stored" in said) == ("hash" not in wrong)
