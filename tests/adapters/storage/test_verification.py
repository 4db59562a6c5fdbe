"""What is wrong with a stored event, in a sentence."""

import pytest

from fillwright.adapters.storage.verification import fault_at


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
