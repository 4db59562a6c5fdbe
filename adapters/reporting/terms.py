"""What can be configured of reports."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...domain.market import Record
from ...projections.best_execution.reporter import Capacity, Reporter


class ReportingSettings(Record):
    """In what capacity reports are made, and what regulatory files need to be told.

    Outside ``broker_dealer`` and ``market_center`` those files are statistics on own flow, and
    carry the codes of the SEC's sample unless others are given. ``sp500`` are the symbols that were
    in the S&P 500 on the first of the month; ``directed`` says that clients direct their orders.
    """

    capacity: Capacity = Capacity.OWN_FLOW
    designated_participant: Annotated[str, Field(pattern=r"^[A-Z]$")] = "S"
    entity: Annotated[str, Field(pattern=r"^[A-Z]{1,12}$")] = "SAMPLE"
    sp500: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = ()
    directed: bool = False

    @property
    def reporter(self) -> Reporter:
        """The same as reports take it."""
        return Reporter(
            self.capacity,
            self.designated_participant,
            self.entity,
            frozenset(self.sp500),
            self.directed,
        )
