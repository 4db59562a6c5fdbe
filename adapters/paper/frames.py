"""Bar lengths: ``1Min`` to ``59Min``, ``1Hour`` to ``23Hour``, ``1Day``, ``1Week``, ``1Month`` …"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from ...domain.ports import MINUTE_NS, NANOS
from ..exchange.tape import Int64Array
from .wire import NEW_YORK

HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
_FORM: Final = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)$")
_UNITS: Final = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_COUNT_MAX: Final = {"Min": 59, "Hour": 23, "Day": 1, "Week": 1, "Month": 12}
_MONTHS: Final = (1, 2, 3, 4, 6, 12)


@dataclass(frozen=True, slots=True)
class Timeframe:
    """``count`` times ``unit`` (Min, Hour, Day, Week, Month)."""

    count: int
    unit: str

    @property
    def is_daily(self) -> bool:
        """Whether bars are of days or longer, labelled with midnight at New York."""
        return self.unit not in ("Min", "Hour")

    @property
    def length_ns(self) -> int:
        """How long a bar of minutes or hours is."""
        return self.count * (MINUTE_NS if self.unit == "Min" else HOUR_NS)


def read_timeframe(text: str) -> Timeframe:
    """A bar length as clients write it.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.match(text)
    if found is None:
        raise ValueError(f"invalid timeframe: {text}")
    count, unit = int(found[1]), _UNITS.get(found[2], found[2])
    if not 1 <= count <= _COUNT_MAX[unit] or (unit == "Month" and count not in _MONTHS):
        raise ValueError(f"invalid timeframe: {text}")
    return Timeframe(count, unit)


def period_starts(times: Int64Array, frame: Timeframe) -> Int64Array:
    """The start of the bar that each time belongs to."""
    if not frame.is_daily:
        starts: Int64Array = times // frame.length_ns * frame.length_ns
        return starts
    # Days are few: look each one up once.
    days, place = np.unique(times // DAY_NS, return_inverse=True)
    labels = np.array([_day_start(int(day) * DAY_NS, frame) for day in days], dtype=np.int64)
    chosen: Int64Array = labels[place]
    return chosen


def _day_start(at: int, frame: Timeframe) -> int:
    # Regular sessions lie within one UTC day, whose noon is on the same date at New York.
    day = datetime.fromtimestamp(at // NANOS + 12 * 3_600, NEW_YORK).date()
    if frame.unit == "Week":
        day -= timedelta(days=day.weekday())
    elif frame.unit == "Month":
        day = day.replace(month=(day.month - 1) // frame.count * frame.count + 1, day=1)
    midnight = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    return int(midnight.timestamp()) * NANOS
