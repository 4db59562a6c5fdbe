"""The lifecycle of an instruction, and the door to that of a child order (``orders.states``)."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any, Final

from .errors import IllegalTransition
from .lifecycle import LATE, Row, compile_table, machine_of, rows
from .orders.states import (
    ORDER_ENDED,
    ORDER_ROWS,
    ORDER_TABLE,
    PRECEDENCE,
    OrderState,
    OrderTrigger,
    can_order,
    next_order_state,
    order_machine,
)

__all__ = [
    "INSTRUCTION_ROWS",
    "INSTRUCTION_TABLE",
    "INSTRUCTION_TERMINAL",
    "ORDER_ENDED",
    "ORDER_ROWS",
    "ORDER_TABLE",
    "PRECEDENCE",
    "InstructionState",
    "InstructionTrigger",
    "OrderState",
    "OrderTrigger",
    "Row",
    "can",
    "can_order",
    "instruction_machine",
    "next_instruction_state",
    "next_order_state",
    "order_machine",
]


class InstructionState(StrEnum):
    """Where an instruction stands. A terminal state keeps its name whatever the market adds."""

    PLANNED = "planned"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    NO_CHANGE = "no_change"
    REJECTED = "rejected"


class InstructionTrigger(StrEnum):
    """What moves an instruction."""

    REFUSE = "refuse"
    NOTHING_TO_DO = "nothing_to_do"
    RELEASE = "release"
    FILL_PART = "fill_part"
    FILL_ALL = "fill_all"
    CANCEL = "cancel"
    ALL_ORDERS_REFUSED = "all_orders_refused"
    LATE_FILL = "late_fill"
    BUST = "bust"
    CORRECT = "correct"


_I = InstructionState
_T = InstructionTrigger

INSTRUCTION_TERMINAL: Final = frozenset({_I.FILLED, _I.CANCELLED, _I.NO_CHANGE, _I.REJECTED})
"""States that end an instruction: no command of ours leaves them."""

INSTRUCTION_ROWS: Final[tuple[Row[InstructionState, InstructionTrigger], ...]] = (
    *rows([_I.PLANNED], _T.REFUSE, _I.REJECTED, "a check failed; the reason is on the event"),
    *rows([_I.PLANNED], _T.NOTHING_TO_DO, _I.NO_CHANGE, "the computed quantity is zero"),
    *rows([_I.PLANNED], _T.RELEASE, _I.WORKING, "the first child order is intended"),
    *rows(
        [_I.WORKING, _I.PARTIALLY_FILLED],
        _T.FILL_PART,
        _I.PARTIALLY_FILLED,
        "an execution, less than all",
    ),
    *rows([_I.WORKING, _I.PARTIALLY_FILLED], _T.FILL_ALL, _I.FILLED, "all of it executed"),
    *rows(
        [_I.PLANNED, _I.WORKING, _I.PARTIALLY_FILLED],
        _T.CANCEL,
        _I.CANCELLED,
        "ended before all traded and every child proven dead; executed quantity stays",
    ),
    *rows(
        [_I.WORKING],
        _T.ALL_ORDERS_REFUSED,
        _I.REJECTED,
        "the broker refused every child order and nothing executed",
    ),
    *rows(
        [_I.WORKING, _I.PARTIALLY_FILLED],
        _T.BUST,
        None,
        "an execution was cancelled; the quantity falls, nothing is traded to replace it",
    ),
    *rows([_I.WORKING, _I.PARTIALLY_FILLED], _T.CORRECT, None, "an execution was restated"),
    *rows([_I.FILLED, _I.CANCELLED, _I.REJECTED, _I.NO_CHANGE], _T.LATE_FILL, None, LATE),
    *rows([_I.FILLED, _I.CANCELLED, _I.REJECTED, _I.NO_CHANGE], _T.BUST, None, LATE),
    *rows([_I.FILLED, _I.CANCELLED, _I.REJECTED, _I.NO_CHANGE], _T.CORRECT, None, LATE),
)

INSTRUCTION_TABLE: Final = compile_table(INSTRUCTION_ROWS)
"""State after (state, trigger); a pair that is absent is not allowed."""


def next_instruction_state(
    state: InstructionState, trigger: InstructionTrigger
) -> InstructionState:
    """The state after ``trigger``.

    Raises:
        IllegalTransition: when the lifecycle does not allow it.
    """
    target = INSTRUCTION_TABLE.get((state, trigger))
    if target is None:
        raise IllegalTransition(f"an instruction that is {state} cannot {trigger}")
    return target


def can(state: InstructionState, trigger: InstructionTrigger) -> bool:
    """Whether the lifecycle allows ``trigger`` in ``state``."""
    return (state, trigger) in INSTRUCTION_TABLE


@cache
def instruction_machine() -> Any:
    """The instruction's lifecycle as one shared ``transitions.Machine`` without a model."""
    return machine_of(InstructionState, INSTRUCTION_ROWS, InstructionState.PLANNED)
