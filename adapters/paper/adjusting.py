"""What corporate actions do to the bars before them, as a request asks (``adjustment``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, NamedTuple

import numpy as np

from ...domain.corporate import SPLITS, CorporateAction, between, names_before
from ...domain.money import ONE
from ...domain.ports import NANOS
from ..exchange.tape import Float64Array, Int64Array
from .wire import NEW_YORK

ADJUSTMENTS: Final = ("raw", "split", "dividend", "spin-off", "all")


class Adjusted(NamedTuple):
    """Which actions bars are adjusted for. Spin-offs need a price that no announcement says."""

    splits: bool = False
    dividends: bool = False

    @classmethod
    def read(cls, text: str) -> Adjusted:
        """What ``adjustment`` asks for: names separated by commas, ``raw`` where there is none.

        Raises:
            ValueError: a name is unknown.
        """
        asked = set(text.split(",")) if text else set[str]()
        if not asked <= set(ADJUSTMENTS):
            raise ValueError(f"invalid adjustment: {text[:40]}")
        every = "all" in asked
        return cls(every or "split" in asked, every or "dividend" in asked)


@dataclass(frozen=True, slots=True)
class Booked:
    """Actions that have taken effect up to a session's ``date``.

    ``in_todays_shares`` says that stored bars are adjusted for splits already, as those are that a
    generated market makes up; those of a market folder are as they were traded.
    """

    actions: tuple[CorporateAction, ...] = ()
    date: str = ""
    in_todays_shares: bool = False

    def factors(
        self, symbol: str, ts: Int64Array, close: Float64Array, wanted: Adjusted
    ) -> tuple[Float64Array, Float64Array]:
        """What prices and volumes of stored minute bars are multiplied by to be as wanted.

        A split divides the prices before its ex-date by its ratio and multiplies volumes by it. A
        dividend takes off the share of the close before that it is; volumes stay.
        """
        prices, shares = np.ones(len(ts)), np.ones(len(ts))
        for action in self._of(symbol):
            count = int(ts.searchsorted(_midnight(action.ex_date), side="left"))
            if not count:
                continue
            if action.kind in SPLITS and wanted.splits is not self.in_todays_shares:
                ratio = float(action.ratio if wanted.splits else ONE / action.ratio)
                prices[:count] /= ratio
                shares[:count] *= ratio
            elif action.cash_per_share is not None and wanted.dividends:
                before = float(close[count - 1]) * self._stored_in(symbol, action.ex_date)
                prices[:count] *= max(1 - float(action.cash_per_share) / before, 0)
        return prices, shares

    def _of(self, symbol: str) -> Iterator[CorporateAction]:
        names = {symbol, *names_before(symbol, self.actions, self.date)}
        return (one for one in between(self.actions, "", self.date) if one.symbol in names)

    def _stored_in(self, symbol: str, on: str) -> float:
        """What a stored price is multiplied by to be one of a share on a date."""
        ratio = ONE
        for action in self._of(symbol):
            if action.kind not in SPLITS:
                continue
            # A dividend is paid on the shares of its ex-date: a split of that day is before it.
            if self.in_todays_shares and action.ex_date > on:
                ratio *= action.ratio
            elif not self.in_todays_shares and action.ex_date == on:
                ratio /= action.ratio
        return float(ratio)


def _midnight(day: str) -> int:
    at = datetime.combine(date.fromisoformat(day), time(), NEW_YORK)
    return int(at.timestamp()) * NANOS
