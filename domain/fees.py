"""What trading US equities costs beside the price: dated rates, and exact charges from them.

A charge has one rate from a date on until the next. The built-in table holds what was announced;
configuration adds to it or puts another rate in the place of one with the same date. A rate of None
is one that is not known: what would need it is None as well, never zero.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from .errors import InvalidInput
from .market import Record
from .money import CENT, ZERO

MILLION: Final = Decimal(1_000_000)
DATE: Final = r"^\d{4}-\d{2}-\d{2}$"


class Charge(StrEnum):
    """What is charged: ``sec`` and ``taf`` on sells, the others on both sides."""

    COMMISSION = "commission"
    SEC = "sec"
    TAF = "taf"
    CAT = "cat"


class Rounding(StrEnum):
    """Over what a charge is added up before it is rounded up to the cent.

    A broker that accrues over the day rounds once a day; one that charges each trade rounds each.
    """

    EXECUTION = "execution"
    ORDER = "order"
    DAY = "day"


SELLS_ONLY: Final = frozenset({Charge.SEC, Charge.TAF})


class FeeRate(Record):
    """A rate from ``since`` (YYYY-MM-DD) on; ``source`` says where it was read.

    ``rate`` is USD per million of proceeds for ``sec`` and per share for the others, None where it
    is not known. ``max_per_execution`` caps one execution's charge, in USD.
    """

    charge: Charge
    since: Annotated[str, Field(pattern=DATE)]
    rate: Annotated[Decimal | None, Field(ge=-1, le=1_000)]
    max_per_execution: Annotated[Decimal | None, Field(ge=0)] = None
    source: Annotated[str, Field(max_length=300)] = ""


def _sec(since: str, rate: str, source: str) -> FeeRate:
    return FeeRate(charge=Charge.SEC, since=since, rate=Decimal(rate), source=source)


def _taf(since: str, rate: str | None, most: str | None, source: str) -> FeeRate:
    return FeeRate(
        charge=Charge.TAF,
        since=since,
        rate=None if rate is None else Decimal(rate),
        max_per_execution=None if most is None else Decimal(most),
        source=source,
    )


def _cat(since: str, rate: str | None, source: str) -> FeeRate:
    known = None if rate is None else Decimal(rate)
    return FeeRate(charge=Charge.CAT, since=since, rate=known, source=source)


_REMEMBERED: Final = "date not read in a source; check before relying on its edge"
_SCHEDULE_2020: Final = "FINRA SR-FINRA-2020-032, fee increase schedule"

_ORDERS: Final = "SEC's annual Section 31 order, as told by a dated table read out of the orders"
_NEXT_60: Final = "date: 60 days after the appropriation"
_CAT_ALERTS: Final = "CAT Fee Alerts 2026-1 and 2026-2 of 2026-04-01 and SR-FINRA-2026-010, as told"

BUILT_IN: Final = (
    _sec("2012-04-01", "22.40", f"SEC press release 2012-232; {_REMEMBERED}"),
    _sec(
        "2013-05-25",
        "17.40",
        f"FINRA information notice 2014-03-03; {_NEXT_60} of 2013-03-26, SEC release 34-69449",
    ),
    _sec("2014-03-18", "22.10", "FINRA information notice 2014-03-03"),
    _sec("2015-02-14", "18.40", f"rate and {_REMEMBERED}"),
    _sec("2016-02-16", "21.80", f"FINRA information notice 2016-03-15; {_REMEMBERED}"),
    _sec(
        "2017-07-04",
        "23.10",
        f"FINRA information notice 2018-05-07; {_NEXT_60} of 2017-05-05, FR 2017-11555",
    ),
    _sec("2018-05-22", "13.00", "FINRA information notice 2018-05-07"),
    _sec("2019-04-16", "20.70", "SEC fee rate advisory 2 for fiscal year 2019"),
    _sec("2020-02-18", "22.10", "SEC fee rate advisory 2 for fiscal year 2020"),
    _sec("2021-02-25", "5.10", "SEC fee rate advisory 2 for fiscal year 2021"),
    _sec("2022-05-14", "22.90", _ORDERS),
    _sec("2023-02-27", "8.00", f"{_ORDERS}; {_NEXT_60} of 2022-12-29, SEC release 34-96724"),
    _sec("2024-05-22", "27.80", f"{_ORDERS}; rate: FINRA information notice 2025-04-24"),
    _sec("2025-05-14", "0", "FINRA information notice 2025-04-24"),
    _sec("2026-04-04", "20.60", "SEC release 34-104909, fee rate advisory 2026-2, as told"),
    _taf("2012-03-01", "0.000095", "4.75", "FINRA regulatory notice 12-06"),
    _taf("2012-07-01", "0.000119", "5.95", f"{_SCHEDULE_2020}; {_REMEMBERED}"),
    _taf("2022-01-01", "0.000130", "6.49", _SCHEDULE_2020),
    _taf("2023-01-01", "0.000145", "7.27", _SCHEDULE_2020),
    _taf("2024-01-01", "0.000166", "8.30", _SCHEDULE_2020),
    _taf("2026-01-01", "0.000195", "9.79", "FINRA SR-FINRA-2024-019, fee schedule"),
    _taf("2026-10-01", "0", "0", "SR-FINRA-2026-021, SEC release 34-106409, as told: a pause"),
    _taf("2027-01-01", None, None, "sources differ on the rate after the pause: configure it"),
    _cat("2012-01-01", "0", "nothing was charged before CAT Fee 2024-1"),
    _cat("2024-09-01", "0.000035", "CAT NMS Plan, FAQ V6, and FINRA Rule 6897: CAT Fee 2024-1"),
    _cat("2024-10-01", "0.000048", "CAT NMS Plan, FAQ V6: and Historical CAT Assessment 1"),
    _cat("2025-01-01", None, "CAT Fee 2025-1 not read: configure it"),
    _cat("2025-07-01", "0.0000265", "Alpaca, regulatory fees: 2025-2, historical and recovery"),
    _cat("2025-12-01", "0", "CAT fee alerts, as told: none invoiced after November's"),
    _cat("2026-05-01", "0.000003", f"{_CAT_ALERTS}: 2026-1 and Historical 1A"),
    _cat("2027-01-01", None, "CAT Fee 2026-1 ends with 2026: configure what follows"),
)
"""Rates as announced. CAT is per executed equivalent share; a share of an NMS stock is one."""


class Charges(NamedTuple):
    """What one execution is charged, in USD and not rounded; None where the rate is not known."""

    commission: Decimal | None
    sec: Decimal | None
    taf: Decimal | None
    cat: Decimal | None


class FeeSchedule:
    """The rates of every charge by date."""

    def __init__(self, rates: Iterable[FeeRate] = (), base: Iterable[FeeRate] = BUILT_IN) -> None:
        """A table with ``rates`` added to ``base``; of the same charge and date the later wins."""
        table = {(rate.charge, rate.since): rate for rate in (*base, *rates)}
        self.rates = tuple(table[key] for key in sorted(table))
        self._by_charge = {
            charge: [rate for rate in self.rates if rate.charge is charge] for charge in Charge
        }

    def on(self, charge: Charge, date: str) -> FeeRate:
        """The rate in force on a date (YYYY-MM-DD); no commission unless one is configured.

        Raises:
            InvalidInput: the table does not go so far back.
        """
        rates = self._by_charge[charge]
        place = bisect_right([rate.since for rate in rates], date)
        if place:
            return rates[place - 1]
        if charge is Charge.COMMISSION:
            return FeeRate(charge=charge, since="0001-01-01", rate=ZERO, source="none")
        begins = f"{rates[0].since} or later" if rates else "none: the table has no rates"
        raise InvalidInput("date", date, f"{begins}, where {charge} rates begin")

    def charges(self, *, date: str, is_sell: bool, quantity: Decimal, price: Decimal) -> Charges:
        """What one execution is charged by its date, exactly.

        SEC Section 31: rate per million times proceeds, on sells. FINRA TAF: rate times shares, on
        sells, with its cap per execution. CAT and commission: rate times shares.

        Raises:
            InvalidInput: the table does not go so far back.
        """

        def amount(charge: Charge) -> Decimal | None:
            if charge in SELLS_ONLY and not is_sell:
                return ZERO
            rate = self.on(charge, date)
            if rate.rate is None:
                return None
            basis = quantity * price / MILLION if charge is Charge.SEC else quantity
            exact = basis * rate.rate
            most = rate.max_per_execution
            return exact if most is None else min(exact, most)

        return Charges(*(amount(charge) for charge in Charge))

    def expected(
        self, *, date: str, is_sell: bool, quantity: Decimal, price: Decimal
    ) -> Decimal | None:
        """What executing all of it at once would be charged, exactly and so before rounding.

        None where a rate of it is not known, or the table does not go so far back: then nothing is
        expected, which is not the same as nothing to pay.
        """
        try:
            found = self.charges(date=date, is_sell=is_sell, quantity=quantity, price=price)
        except InvalidInput:
            return None
        return sum((one for one in found if one is not None), ZERO) if None not in found else None

    def estimate(self, *, date: str, is_sell: bool, quantity: Decimal, price: Decimal) -> Decimal:
        """What an execution is expected to cost in fees, up to the cent; unknown rates left out."""
        found = self.charges(date=date, is_sell=is_sell, quantity=quantity, price=price)
        return sum((up_to_cent(one) for one in found if one), ZERO)


def up_to_cent(amount: Decimal) -> Decimal:
    """The next whole cent, as the SEC's and FINRA's fees are passed on."""
    return amount.quantize(CENT, rounding=ROUND_CEILING)
