"""Lifecycles as data: rows with their reasons, and what is made of them.

The tables that the engine dispatches through, the ``transitions`` machines, the page
``docs/lifecycle.md`` and its diagrams all come from the same rows. The tables are compiled at
import because a look-up costs a tenth of a microsecond where a machine costs ten or more; a machine
is built only when somebody asks for one, and a test holds the two equal on every pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar

from .errors import invariant

LATE: Final = "the market may do what we would forbid: recorded, flagged, never dropped"

StateT = TypeVar("StateT", bound=StrEnum)
TriggerT = TypeVar("TriggerT", bound=StrEnum)


class Row(NamedTuple, Generic[StateT, TriggerT]):
    """One allowed step and the reason that it is allowed."""

    source: StateT
    trigger: TriggerT
    target: StateT
    why: str


def rows(
    sources: Iterable[StateT], trigger: TriggerT, target: StateT | None, why: str
) -> tuple[Row[StateT, TriggerT], ...]:
    """Spell out one row for each source; a target of None stays where it is."""
    return tuple(Row(source, trigger, target or source, why) for source in sources)


def compile_table(
    table_rows: Iterable[Row[StateT, TriggerT]],
) -> Mapping[tuple[StateT, TriggerT], StateT]:
    """The state after each allowed (state, trigger); two rows for one pair are a bug."""
    table: dict[tuple[StateT, TriggerT], StateT] = {}
    for row in table_rows:
        invariant(
            (row.source, row.trigger) not in table, f"two rows for {row.source}, {row.trigger}"
        )
        table[row.source, row.trigger] = row.target
    return MappingProxyType(table)


def machine_of(states: type[StrEnum], table_rows: Iterable[Row[Any, Any]], initial: StrEnum) -> Any:
    """One shared ``transitions.Machine`` of these rows, without a model."""
    # Imported here: 20 ms that a run which only dispatches through the tables need not pay.
    from transitions import Machine

    return Machine(
        model=None,
        states=[str(state) for state in states],
        transitions=[
            {"trigger": str(row.trigger), "source": str(row.source), "dest": str(row.target)}
            for row in table_rows
        ],
        initial=str(initial),
        auto_transitions=False,
    )
