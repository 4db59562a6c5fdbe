"""What the corporate actions of a paper server's file have made of its market and account.

An action takes effect before the open of its ex-date, as a broker books it: a split has other
shares at another price, a symbol change another name for the same asset. Of mergers, spin-offs
and other exchanges of shares nothing is booked, and dividends are not paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ...domain.corporate import (
    CorporateAction,
    between,
    close_after,
    name_now,
    names_before,
    positions_after,
)
from ..corporate_actions import actions_of
from ..market_data.instruments import InstrumentSpec
from .adjusting import Booked
from .announcements import Listed


@dataclass(frozen=True, slots=True)
class Effects:
    """The actions up to a session's date; ``before`` is the date of the session before it."""

    actions: tuple[CorporateAction, ...]
    before: str
    date: str

    @classmethod
    def of(cls, listed: Listed, before: str, date: str) -> Effects:
        """Those of a file in Alpaca's form; what cannot be read has no effect."""
        read = actions_of([{"corporate_actions": listed}], "file")
        return cls(tuple(one.action for one in read.announced), before, date)

    def positions(self, held: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """What the shares held at the close before have become; fractions of a share are kept."""
        return positions_after(held, between(self.actions, self.before, self.date))

    def specs(self, instruments: Sequence[InstrumentSpec]) -> list[InstrumentSpec]:
        """Generated instruments under today's names, and at prices after every split."""
        return [
            replace(
                spec,
                symbol=name_now(spec.symbol, self.actions, self.date),
                price=float(self._price(spec)),
                asset_id=spec.symbol,
            )
            for spec in instruments
        ]

    def booked(self, *, in_todays_shares: bool) -> Booked:
        """What bars of earlier days are adjusted for; see :class:`Booked`."""
        return Booked(self.actions, self.date, in_todays_shares)

    def first_name(self, symbol: str) -> str:
        """The earliest name of what trades under a symbol, which its asset's id is made of."""
        names = names_before(symbol, self.actions, self.date)
        return names[-1] if names else symbol

    def _price(self, spec: InstrumentSpec) -> Decimal:
        splits = [one for one in self.actions if one.cash_per_share is None]
        return close_after(Decimal(str(spec.price)), spec.symbol, splits, "", self.date)
