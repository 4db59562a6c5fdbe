"""The lifecycle of a child order: FIX OrdStatus by precedence, Alpaca's words, and the unknown."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from ..errors import IllegalTransition
from ..lifecycle import LATE, Row, compile_table, machine_of, rows


class OrderState(StrEnum):
    """Where a child order stands: FIX OrdStatus, Alpaca's words, and our own ``indeterminate``."""

    INTENDED = "intended"
    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    INDETERMINATE = "indeterminate"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"


class OrderTrigger(StrEnum):
    """What moves a child order: our own steps, then reports, then what shows afterwards.

    A ``show_`` trigger is a request answered, terms changed or executions restated: the order then
    shows the highest state, by FIX precedence, of those it is still in.
    """

    SEND = "send"
    WITHDRAW = "withdraw"
    LOSE = "lose"
    PEND_NEW = "pend_new"
    ACCEPT = "accept"
    BID = "bid"
    HOLD = "hold"
    ACKNOWLEDGE = "acknowledge"
    FILL_PART = "fill_part"
    FILL_ALL = "fill_all"
    STOP = "stop"
    SUSPEND = "suspend"
    FINISH_DAY = "finish_day"
    CALCULATE = "calculate"
    PEND_CANCEL = "pend_cancel"
    PEND_REPLACE = "pend_replace"
    CANCEL = "cancel"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    REJECT = "reject"
    SHOW_PENDING_NEW = "show_pending_new"
    SHOW_ACCEPTED = "show_accepted"
    SHOW_ACCEPTED_FOR_BIDDING = "show_accepted_for_bidding"
    SHOW_HELD = "show_held"
    SHOW_NEW = "show_new"
    SHOW_PARTIALLY_FILLED = "show_partially_filled"
    SHOW_FILLED = "show_filled"
    SHOW_STOPPED = "show_stopped"
    SHOW_SUSPENDED = "show_suspended"
    SHOW_DONE_FOR_DAY = "show_done_for_day"
    SHOW_CALCULATED = "show_calculated"
    SHOW_PENDING_CANCEL = "show_pending_cancel"
    SHOW_PENDING_REPLACE = "show_pending_replace"
    SHOW_INDETERMINATE = "show_indeterminate"
    SHOW_CANCELED = "show_canceled"
    SHOW_EXPIRED = "show_expired"
    SHOW_REPLACED = "show_replaced"
    SHOW_REJECTED = "show_rejected"


_O = OrderState
_R = OrderTrigger

UNACKNOWLEDGED: Final = frozenset(
    {_O.INTENDED, _O.PENDING_NEW, _O.ACCEPTED, _O.ACCEPTED_FOR_BIDDING, _O.HELD, _O.INDETERMINATE}
)
"""States before the venue works the order."""

UNCONFIRMED: Final = frozenset({_O.INTENDED, _O.PENDING_NEW, _O.INDETERMINATE})
"""States in which the broker has not said that it has the order."""

ORDER_ENDED: Final = frozenset({_O.CANCELED, _O.EXPIRED, _O.REPLACED, _O.REJECTED})
"""States in which the venue has said that the order can trade no more."""

PRECEDENCE: Final[Mapping[OrderState, int]] = MappingProxyType(
    {
        _O.PENDING_CANCEL: 12,
        _O.PENDING_REPLACE: 11,
        _O.DONE_FOR_DAY: 10,
        _O.CALCULATED: 9,
        _O.FILLED: 8,
        _O.STOPPED: 7,
        _O.SUSPENDED: 6,
        _O.CANCELED: 5,
        _O.EXPIRED: 5,
        _O.REPLACED: 5,
        _O.PARTIALLY_FILLED: 4,
        _O.REJECTED: 2,
        _O.NEW: 2,
        _O.PENDING_NEW: 2,
        _O.ACCEPTED: 2,
        _O.ACCEPTED_FOR_BIDDING: 2,
        _O.HELD: 2,
        _O.INTENDED: 2,
        _O.INDETERMINATE: 2,
    }
)
"""FIX OrdStatus precedence: an order that is in several states at once shows the highest."""

_BEFORE = tuple(state for state in OrderState if state in UNACKNOWLEDGED)
_UNCONFIRMED = tuple(state for state in OrderState if state in UNCONFIRMED)
_ENDED = tuple(state for state in OrderState if state in ORDER_ENDED)
_MASKS = (_O.PENDING_CANCEL, _O.PENDING_REPLACE)
_DAY_OVER = (_O.DONE_FOR_DAY, _O.CALCULATED)
_OPEN = tuple(state for state in OrderState if state not in ORDER_ENDED)
_WORKED = tuple(state for state in OrderState if state not in UNACKNOWLEDGED)
_ENDED_WITHOUT_REFUSAL = (_O.CANCELED, _O.EXPIRED, _O.REPLACED)

_ACKNOWLEDGEMENTS: Final = (
    (_R.PEND_NEW, _O.PENDING_NEW, "the broker has it and routes it"),
    (_R.ACCEPT, _O.ACCEPTED, "received, not yet routed"),
    (_R.BID, _O.ACCEPTED_FOR_BIDDING, "received by the exchanges, being priced"),
    (_R.HOLD, _O.HELD, "held off the book until its condition is met"),
)

_ENDINGS: Final = (
    (_R.CANCEL, _O.CANCELED, "cancelled, asked for or not"),
    (_R.EXPIRE, _O.EXPIRED, "its time in force ran out"),
    (_R.SUPERSEDE, _O.REPLACED, "the broker put another order in its place"),
    (_R.REJECT, _O.REJECTED, "refused, by desk or exchange, nothing executed"),
)

_SHOWN_OPEN: Final = tuple(state for state in _OPEN if state is not _O.INTENDED)


def _without(states: tuple[OrderState, ...], *left_out: OrderState) -> tuple[OrderState, ...]:
    return tuple(state for state in states if state not in left_out)


def show(state: OrderState) -> OrderTrigger:
    """The trigger under which an order comes to show ``state`` when others fall away."""
    return _SHOW[state]


_SHOW: Final = {state: OrderTrigger(f"show_{state}") for state in (*_SHOWN_OPEN, *_ENDED)}

ORDER_ROWS: Final[tuple[Row[OrderState, OrderTrigger], ...]] = (
    *rows([_O.INTENDED], _R.SEND, _O.PENDING_NEW, "handed to the broker"),
    *rows(
        [_O.PENDING_NEW, _O.INDETERMINATE],
        _R.SEND,
        None,
        "sent again under the same client id: the broker's duplicate check makes it at most once",
    ),
    *rows([_O.INTENDED], _R.WITHDRAW, _O.CANCELED, "never sent, so it cannot trade"),
    *rows(
        _UNCONFIRMED,
        _R.LOSE,
        _O.INDETERMINATE,
        "sent, outcome unknown: its shares stay reserved until the broker's evidence",
    ),
    *rows(
        _without(tuple(OrderState), *_UNCONFIRMED),
        _R.LOSE,
        None,
        "the broker has it already; only a request's answer was lost",
    ),
    *(
        row
        for trigger, target, why in _ACKNOWLEDGEMENTS
        for row in (
            *rows(_BEFORE, trigger, target, why),
            *rows(_WORKED, trigger, None, "late: an acknowledgement takes nothing back"),
        )
    ),
    *rows(_BEFORE, _R.ACKNOWLEDGE, _O.NEW, "the venue works it"),
    *rows(
        [_O.PENDING_CANCEL],
        _R.ACKNOWLEDGE,
        _O.NEW,
        "accepted before the cancel is dealt with (FIX matrix B.1.d); the request stays open",
    ),
    *rows(
        _without(_WORKED, _O.PENDING_CANCEL),
        _R.ACKNOWLEDGE,
        None,
        "late: an acknowledgement takes nothing back",
    ),
    *rows(
        [*_BEFORE, _O.NEW, _O.PARTIALLY_FILLED],
        _R.FILL_PART,
        _O.PARTIALLY_FILLED,
        "an execution, before or after the acknowledgement",
    ),
    *rows(
        [_O.STOPPED, _O.SUSPENDED, *_DAY_OVER, *_MASKS],
        _R.FILL_PART,
        None,
        "executed quantity grows under a state of higher precedence",
    ),
    *rows(_ENDED_WITHOUT_REFUSAL, _R.FILL_PART, None, LATE),
    *rows(
        [_O.REJECTED],
        _R.FILL_PART,
        _O.PARTIALLY_FILLED,
        "it trades, so it was not refused: what is left of it counts again",
    ),
    *rows(
        [*_BEFORE, _O.NEW, _O.PARTIALLY_FILLED, _O.STOPPED, _O.SUSPENDED],
        _R.FILL_ALL,
        _O.FILLED,
        "all of it executed",
    ),
    *rows([_O.FILLED], _R.FILL_ALL, None, "more than all: the venue's overfill, kept in full"),
    *rows(
        [*_DAY_OVER, *_MASKS],
        _R.FILL_ALL,
        None,
        "executed quantity grows under a state of higher precedence",
    ),
    *rows(_ENDED, _R.FILL_ALL, _O.FILLED, "late, and all of it: filled takes precedence"),
    *rows(
        [*_BEFORE, _O.NEW, _O.PARTIALLY_FILLED, _O.SUSPENDED, _O.STOPPED],
        _R.STOP,
        _O.STOPPED,
        "a trade is guaranteed and has not happened yet",
    ),
    *rows([_O.FILLED, *_DAY_OVER, *_MASKS], _R.STOP, None, "under a state of higher precedence"),
    *rows(
        [*_BEFORE, _O.NEW, _O.PARTIALLY_FILLED, _O.SUSPENDED],
        _R.SUSPEND,
        _O.SUSPENDED,
        "not eligible for trading for now",
    ),
    *rows(
        [_O.FILLED, _O.STOPPED, *_DAY_OVER, *_MASKS],
        _R.SUSPEND,
        None,
        "under a state of higher precedence",
    ),
    *rows(
        _without(_OPEN, *_MASKS),
        _R.FINISH_DAY,
        _O.DONE_FOR_DAY,
        "no more today; only a good-till order trades again",
    ),
    *rows(_MASKS, _R.FINISH_DAY, None, "under a state of higher precedence"),
    *rows(
        _without(_OPEN, *_MASKS, _O.DONE_FOR_DAY),
        _R.CALCULATE,
        _O.CALCULATED,
        "complete for the day, settlement being calculated",
    ),
    *rows([*_MASKS, _O.DONE_FOR_DAY], _R.CALCULATE, None, "under a state of higher precedence"),
    *rows(_OPEN, _R.PEND_CANCEL, _O.PENDING_CANCEL, "the broker is dealing with a cancel"),
    *rows(
        _without(_OPEN, _O.PENDING_CANCEL),
        _R.PEND_REPLACE,
        _O.PENDING_REPLACE,
        "the broker is dealing with a replace; the old terms hold until it is done",
    ),
    *rows([_O.PENDING_CANCEL], _R.PEND_REPLACE, None, "under a state of higher precedence"),
    *(row for trigger, target, why in _ENDINGS for row in rows(_OPEN, trigger, target, why)),
    *(
        row
        for state in _SHOWN_OPEN
        for row in rows(
            _OPEN, _SHOW[state], state, "an answer or restatement leaves this the highest state"
        )
    ),
    *(
        row
        for state in _ENDED
        for row in rows(
            [_O.FILLED, state],
            _SHOW[state],
            state,
            "an execution restated after the end; the order does not open again",
        )
    ),
    *rows(
        _ENDED,
        _R.SHOW_FILLED,
        _O.FILLED,
        "an execution corrected after the end to all of it: filled takes precedence",
    ),
    *rows(
        [_O.REJECTED],
        _R.SHOW_PARTIALLY_FILLED,
        _O.PARTIALLY_FILLED,
        "a correction tells of a trade, so it was not refused",
    ),
)

ORDER_TABLE: Final = compile_table(ORDER_ROWS)
"""State after (state, trigger) of a child order; an absent pair is an anomaly, never a refusal."""


def next_order_state(state: OrderState, trigger: OrderTrigger) -> OrderState:
    """The state of a child order after ``trigger``.

    Raises:
        IllegalTransition: when there is no such row.
    """
    target = ORDER_TABLE.get((state, trigger))
    if target is None:
        raise IllegalTransition(f"an order that is {state} cannot {trigger}")
    return target


def can_order(state: OrderState, trigger: OrderTrigger) -> bool:
    """Whether there is a row for ``trigger`` in ``state``."""
    return (state, trigger) in ORDER_TABLE


@cache
def order_machine() -> Any:
    """The child order's lifecycle as one shared ``transitions.Machine`` without a model."""
    return machine_of(OrderState, ORDER_ROWS, OrderState.INTENDED)
