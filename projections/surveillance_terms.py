"""The words of surveillance: patterns, thresholds with their units, and what is found."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

OCCURRENCES_MAX: Final = 1_000
"""How many occurrences of one pattern a symbol-day keeps with their events; all are counted."""


class Pattern(StrEnum):
    """What a supervisor asks about first; each is a question, never a verdict."""

    SELF_CROSS_ATTEMPT = "self_cross_attempt"
    OPPOSITE_FILLS = "opposite_fills"
    CANCEL_TO_FILL = "cancel_to_fill"
    FLEETING_REST = "fleeting_rest"
    MESSAGE_RATE = "message_rate"
    LAYERING = "layering"


@dataclass(frozen=True, slots=True)
class SurveillanceThresholds:
    """From where on a pattern is shown. Spans are seconds of the venue's time.

    ``opposite_fills_seconds``: a buy and a sell of ours this close together.
    ``fleeting_rest_seconds``: a rest taken off this close to an opposite fill of ours.
    ``cancel_to_fill_max``: orders cancelled without an execution for each order that has one;
    judged from ``cancels_min`` cancelled orders on.
    ``messages_per_second_max``: orders and cancels decided within any one second.
    ``layering_levels_min`` rests at as many prices on one side, none of them executed, all taken
    off within ``layering_seconds`` after a fill of ours on the other side.
    """

    opposite_fills_seconds: Decimal = Decimal(1)
    fleeting_rest_seconds: Decimal = Decimal(1)
    cancel_to_fill_max: Decimal = Decimal(20)
    cancels_min: int = 20
    messages_per_second_max: int = 10
    layering_levels_min: int = 3
    layering_seconds: Decimal = Decimal(10)


DEFAULT_SURVEILLANCE: Final = SurveillanceThresholds()


class Occurrence(NamedTuple):
    """One time a pattern was seen: when (ns UTC), and the positions of the events behind it."""

    at: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A pattern in one symbol on one day of one account.

    ``observed`` is the figure that passed ``threshold``, both in ``unit``; ``count`` how often it
    was seen, of which the first ``OCCURRENCES_MAX`` are in ``occurrences``.
    """

    pattern: Pattern
    account: str
    symbol: str
    session_date: str
    observed: Decimal
    threshold: Decimal
    unit: str
    count: int
    occurrences: tuple[Occurrence, ...]
