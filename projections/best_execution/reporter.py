"""Who reports, and in what capacity."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Capacity(StrEnum):
    """In what capacity the user trades: it decides what a report is."""

    OWN_FLOW = "own_flow"
    BROKER_DEALER = "broker_dealer"
    MARKET_CENTER = "market_center"


class Reporter(NamedTuple):
    """Who reports: capacity, codes of the files, and the symbols of the S&P 500 (Rule 605).

    ``directed`` says that customers direct their orders (Rule 606).
    """

    capacity: Capacity = Capacity.OWN_FLOW
    participant: str = "S"
    entity: str = "SAMPLE"
    sp500: frozenset[str] = frozenset()
    directed: bool = False


OWN_FLOW: Final = Reporter()
"""Who reports unless configuration says otherwise."""

OWN_FLOW_LABEL: Final = (
    "Statistics on own flow in the form of {rule}: not a regulatory report, since the capacity "
    "configured is own flow, not that of a broker-dealer or market center."
)
REPORT_LABEL: Final = "{rule}, made in the capacity of {capacity}."


def label_for(rule: str, reporter: Reporter) -> str:
    """What a report in the form of a rule says it is."""
    if reporter.capacity is Capacity.OWN_FLOW:
        return OWN_FLOW_LABEL.format(rule=rule)
    return REPORT_LABEL.format(rule=rule, capacity=reporter.capacity.value.replace("_", " "))
