"""The words of SEC Rule 605 (17 CFR 242.605 as amended, Release 34-99679): buckets and columns.

Sources: the SEC staff's Order Execution Summary specification (public domain) for the summary, the
NMS plan's Exhibit A for the detailed file. Its ends of time buckets are read as inclusive below and
exclusive above.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ...domain.errors import InvalidInput

SIZE_BOUNDS_USD: Final = (0, 250, 1_000, 5_000, 10_000, 20_000, 50_000, 200_000)
"""Lower bounds of the buckets of order size (USD of the order), inclusive; also their codes."""
SIZE_CODES: Final = tuple(str(bound) for bound in SIZE_BOUNDS_USD)
COMBINED_SIZE: Final = "199999"
"""The summary's row over every size below 200,000 USD."""
SUMMARY_SIZES: Final = (*SIZE_CODES[:-1], COMBINED_SIZE, SIZE_CODES[-1])

TIME_BOUNDS_NS: Final = (
    0,
    100_000,
    1_000_000,
    10_000_000,
    1_000_000_000,
    10_000_000_000,
    30_000_000_000,
    300_000_000_000,
)
"""Lower bounds of the buckets of time from receipt to execution (ns), inclusive."""
TIME_COLUMNS: Final = (
    "CvrdOrderQtyto100microsec",
    "CvrdOrderQtyto1millisec",
    "CvrdOrderQtyto10millisec",
    "CvrdOrderQtyto1sec",
    "CvrdOrderQtyto10sec",
    "CvrdOrderQtyto30sec",
    "CvrdOrderQtyto5min",
    "CvrdOrderQtyOthr",
)

HORIZONS: Final[Mapping[str, str]] = MappingProxyType(
    {"50ms": "50millisec", "1s": "1sec", "15s": "15sec", "1min": "1min", "5min": "5min"}
)
"""Horizons of the realised spread: our name, and the file's."""


class CoveredType(StrEnum):
    """Order types of the detailed file: marketable, midpoint or better, IOC, stop."""

    MARKET = "MXXNN"
    MARKETABLE_LIMIT = "LYNNN"
    MARKETABLE_IOC = "LYNYN"
    MIDPOINT = "LNYNN"
    MIDPOINT_IOC = "LNYYN"
    NON_MARKETABLE = "LNNNN"
    NON_MARKETABLE_IOC = "LNNYN"
    STOP_MARKET = "MXXNY"
    STOP_MARKETABLE_LIMIT = "LYNNY"
    STOP_NON_MARKETABLE = "LNNNY"


SUMMARY_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {CoveredType.MARKET.value: "M", CoveredType.MARKETABLE_LIMIT.value: "ML"}
)
"""The two types that the summary covers, by the detailed file's code."""
EXECUTABLE_TYPES: Final = frozenset(
    kind.value for kind in CoveredType if kind.value[1] == "N" or kind.value[4] == "Y"
)
"""Types whose clock starts when they become executable: not marketable, or stops."""

SUMMARY_COLUMNS: Final = (
    "DsgntParticipant",
    "RprtEntityCd",
    "RptDate",
    "Sp500",
    "OrderSize",
    "OrderType",
    "AvgOrderQty",
    "AvgOrderSize",
    "ExctdOrderMidPtAvg",
    "PctExctdAtQuotOrBetter",
    "PctExctdPI",
    "WghtdAvgPctPI",
    "AvgEffctvSprdPct",
    "AvgPctQuotSprd",
    "AvgEFQPct",
    "AvgRealSprdPct15sec",
    "AvgRealSprdPct1min",
    "WghtdAvgExctnTime",
)

DETAILED_COLUMNS: Final = (
    "DsgntParticipant",
    "RprtEntityCd",
    "RptDate",
    "Symbol",
    "LotSizeFlag",
    "OrderSize",
    "OrderType",
    "CvrdOrderCnt",
    "CvrdOrderSize",
    "CvrdOrderQty",
    "CvrdOrderCnclQty",
    "CvrdOrderExctdQty",
    "CvrdOrderExctdAwayQty",
    *TIME_COLUMNS,
    *(f"AvgRealSprd{percent}{name}" for name in HORIZONS.values() for percent in ("", "Pct")),
    "ExctdOrderMidPtAvg",
    "ExctdOrderAvgQuotSprd",
    "AvgEffctvSprd",
    "AvgEffctvSprdPct",
    "AvgEFQPct",
    "ExctdPIOrdersQty",
    "ExctdPIOrdWghtdAvgAmtPerShare",
    "ExctdPIOrdWghtdAvgTime",
    "ExctdOrderAtQuotQty",
    "ExctdAtQuotOrdWghtdAvgTime",
    "ExctdOrderOutQuotQty",
    "ExctdOutQuotOrdWghtdAvgAmt",
    "ExctdOutQuotOrdWghtdAvgTime",
    "ExctdPIOrderRltvBestPrQty",
    "ExctdPIOrderRltvBestPrWghtdAvg",
    "ExctdOrderAtBestPrQty",
    "ExctdOrderOutBestPrQty",
    "ExctdOrderOutBestPrWghtdAvgAmt",
    "ExctdOrderSizeBnchmrkQty",
    "ExctdSIOutsizedQty",
    "FilledOrderCnt",
    "RegExctdOrderQty",
    "RegExctdOrderOnXchngQty",
    "FilledOrderWghtdAvgTime",
)
"""The 55 fields of the detailed file, in its order."""


def size_bucket(notional_usd: Decimal) -> str:
    """The code of the bucket that an order of this value (USD) is in.

    Raises:
        InvalidInput: a value that is not above 0.
    """
    if not notional_usd > 0:
        raise InvalidInput("notional_usd", notional_usd, "more than 0")
    return SIZE_CODES[bisect_right(SIZE_BOUNDS_USD, notional_usd) - 1]


def time_bucket(elapsed_ns: int) -> int:
    """Which of :data:`TIME_COLUMNS` an execution ``elapsed_ns`` after receipt counts in, from 0.

    Raises:
        InvalidInput: an execution before receipt.
    """
    if elapsed_ns < 0:
        raise InvalidInput("elapsed_ns", elapsed_ns, "0 or more")
    return bisect_right(TIME_BOUNDS_NS, elapsed_ns) - 1
