"""Tables by the class of an event."""

import pytest

from fillwright.domain import events as e
from fillwright.domain.instruction_fold import APPLIERS


class Part:
    """What was read of an event."""

    PART_OF = e.OrderFilled


class PartOfNothing:
    """What was read of an event that a table does not know."""

    PART_OF = e.SessionOpened


def test_what_was_read_in_part_is_found_as_its_event() -> None:
    table = e.ByKind({e.OrderFilled: "filled", e.OrderRejected: "rejected"})
    assert table[Part] == table[e.OrderFilled] == "filled"  # type: ignore[index]
    assert APPLIERS[Part] is APPLIERS[e.OrderFilled]  # type: ignore[index]


@pytest.mark.parametrize("kind", [e.SessionOpened, PartOfNothing, str])
def test_what_a_table_does_not_know_it_does_not_find(kind: type) -> None:
    table = e.ByKind({e.OrderFilled: "filled"})
    with pytest.raises(KeyError):
        table[kind]
    assert kind not in table
