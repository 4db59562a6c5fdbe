"""Corporate actions and symbol changes, and what they do to shares, volumes, prices and names.

All take effect before the open of their ex-date (a symbol change on its effective date). Nothing
recorded is rewritten: what was before the ex-date keeps its figures, and whoever compares across
the date adjusts them by these functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from .decision import SYMBOL_PATTERN
from .market import Record
from .money import ONE, ZERO, plain

DATE: Final = r"^\d{4}-\d{2}-\d{2}$"

Symbol = Annotated[str, Field(pattern=SYMBOL_PATTERN)]
Rate = Annotated[Decimal, Field(gt=0, le=100_000, allow_inf_nan=False)]


class ActionKind(StrEnum):
    """What a company did."""

    SPLIT = "split"
    REVERSE_SPLIT = "reverse_split"
    CASH_DIVIDEND = "cash_dividend"
    SYMBOL_CHANGE = "symbol_change"
    MERGER = "merger"
    SPIN_OFF = "spin_off"
    REORGANIZATION = "reorganization"
    """Any other exchange of shares: unit splits, rights, removals."""


BY_HAND: Final = frozenset({ActionKind.MERGER, ActionKind.SPIN_OFF, ActionKind.REORGANIZATION})
"""What becomes of a position here is not computed: a person settles it."""
SPLITS: Final = frozenset({ActionKind.SPLIT, ActionKind.REVERSE_SPLIT})


class CorporateAction(Record):
    """One action as announced; dates are ISO.

    A split makes ``new_rate`` shares of ``old_rate``; a dividend pays ``cash_per_share`` (account
    currency) to who held the shares before ``ex_date``, on ``payable_date`` where it is known. With
    ``new_symbol`` the shares trade under that name from ``ex_date`` on; a split may say one too.
    ``other_symbol`` is the other company's in a merger, spin-off or reorganization.
    """

    action_id: Annotated[str, Field(min_length=1, max_length=100)]
    kind: ActionKind
    symbol: Symbol
    ex_date: Annotated[str, Field(pattern=DATE)]
    new_symbol: Symbol | None = None
    new_rate: Rate | None = None
    old_rate: Rate | None = None
    cash_per_share: Annotated[Decimal | None, Field(gt=0, le=100_000)] = None
    payable_date: Annotated[str | None, Field(pattern=DATE)] = None
    other_symbol: Symbol | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        rates = self.new_rate is not None and self.old_rate is not None
        if self.kind in SPLITS and not rates:
            raise ValueError("a split says new_rate and old_rate")
        if rates and self.kind not in SPLITS:
            raise ValueError("only a split has rates")
        if rates and (self.ratio > 1) is not (self.kind is ActionKind.SPLIT):
            raise ValueError("a split makes more shares of one, a reverse split fewer")
        if (self.cash_per_share is not None) is not (self.kind is ActionKind.CASH_DIVIDEND):
            raise ValueError("a cash dividend, and nothing else, says cash_per_share")
        if self.kind is ActionKind.SYMBOL_CHANGE and self.new_symbol is None:
            raise ValueError("a symbol change says new_symbol")
        if self.kind in BY_HAND and self.new_symbol is not None:
            raise ValueError("a merger, spin-off or reorganization renames nothing")
        if self.other_symbol is not None and self.kind not in BY_HAND:
            raise ValueError("only a merger, spin-off or reorganization says other_symbol")
        if self.new_symbol == self.symbol:
            raise ValueError("new_symbol is another one than symbol")
        return self

    @property
    def ratio(self) -> Decimal:
        """Shares after the action for one share before."""
        if self.new_rate is None or self.old_rate is None:
            return ONE
        return self.new_rate / self.old_rate

    def told(self) -> str:
        """The action in words."""
        renamed = f", from then on {self.new_symbol}" if self.new_symbol else ""
        if self.kind in SPLITS and self.new_rate and self.old_rate:
            rates = f"{plain(self.new_rate)} for {plain(self.old_rate)}"
            return f"{self.symbol}: {rates} {self.kind.value} on {self.ex_date}{renamed}"
        if self.cash_per_share:
            paid = f"{plain(self.cash_per_share)} a share"
            return f"{self.symbol}: dividend of {paid}, ex {self.ex_date}"
        other = f" with {self.other_symbol}" if self.other_symbol else ""
        return f"{self.symbol}: {self.kind.value}{other} on {self.ex_date}{renamed}"


def between(
    actions: Iterable[CorporateAction], after: str, upto: str
) -> tuple[CorporateAction, ...]:
    """The actions that take effect after one date and up to another, in order of effect.

    On one date splits and dividends come first: they are announced under the old name.
    """
    found = [one for one in actions if after < one.ex_date <= upto]
    return tuple(
        sorted(
            found,
            key=lambda one: (one.ex_date, one.kind is ActionKind.SYMBOL_CHANGE, one.action_id),
        )
    )


def shares_after(shares: Decimal, action: CorporateAction) -> Decimal:
    """Exactly how many shares become of ``shares``, a fraction included."""
    if action.new_rate is None or action.old_rate is None:
        return shares
    return shares * action.new_rate / action.old_rate


def positions_after(
    positions: Mapping[str, Decimal], actions: Iterable[CorporateAction]
) -> dict[str, Decimal]:
    """Exact positions after actions that are in order of effect; raw ones are left as they are.

    Symbol changes of one date happen at once, so that two companies may exchange their names.
    """
    held = {symbol: shares for symbol, shares in positions.items() if shares}
    for _, group in groupby(actions, key=lambda one: one.ex_date):
        ratios: dict[str, list[CorporateAction]] = {}
        for action in group:
            ratios.setdefault(action.symbol, []).append(action)
        moved: dict[str, Decimal] = {}
        for symbol, shares in held.items():
            name = symbol
            for action in ratios.get(symbol, ()):
                shares = shares_after(shares, action)
                name = action.new_symbol or name
            moved[name] = moved.get(name, ZERO) + shares
        held = {symbol: shares for symbol, shares in moved.items() if shares}
    return held


def agrees(expected: Decimal, reported: Decimal, *, adjusted: bool) -> bool:
    """Whether a reported position is the expected one.

    After a split a broker may pay a fraction of a share in cash, or round it up: ``adjusted``
    allows the whole shares next to an expected fraction, and nothing else.
    """
    if expected == reported:
        return True
    floor = expected.to_integral_value(rounding=ROUND_FLOOR)
    return adjusted and expected != floor and reported in (floor, floor + 1)


def names_before(symbol: str, actions: Iterable[CorporateAction], upto: str) -> tuple[str, ...]:
    """Earlier names of what trades as ``symbol`` on the date, latest first; not itself."""
    names: list[str] = []
    name = symbol
    for _, group in groupby(reversed(between(actions, "", upto)), key=lambda one: one.ex_date):
        earlier = next((one.symbol for one in group if one.new_symbol == name), None)
        if earlier is not None:
            names.append(earlier)
            name = earlier
    return tuple(dict.fromkeys(each for each in names if each != symbol))


def name_now(symbol: str, actions: Iterable[CorporateAction], upto: str, since: str = "") -> str:
    """What trades on the date of what traded as ``symbol`` on ``since``; the same if unchanged."""
    name = symbol
    for _, group in groupby(between(actions, since, upto), key=lambda one: one.ex_date):
        changed = (one.new_symbol for one in group if one.symbol == name and one.new_symbol)
        name = next(changed, None) or name
    return name


def all_names(symbol: str, actions: Iterable[CorporateAction]) -> frozenset[str]:
    """Every name that changes of symbols link to ``symbol``, earlier and later ones, with itself.

    A name that another company takes over later links the two: whoever asks for all names wants
    none left out.
    """
    changes = [(one.symbol, one.new_symbol) for one in actions if one.new_symbol is not None]
    names, found = frozenset[str](), frozenset({symbol})
    while found != names:
        names = found
        found = names.union(*(pair for pair in changes if not names.isdisjoint(pair)))
    return names


def volume_factor(
    names: Iterable[str], actions: Iterable[CorporateAction], on: str, asked: str
) -> Decimal:
    """What a volume of the date ``on`` is multiplied by to be in shares of the date ``asked``."""
    known = frozenset(names)
    factor = ONE
    for action in between(actions, on, asked):
        if action.symbol in known:
            factor *= action.ratio
    return factor


def close_after(
    close: Decimal, symbol: str, actions: Iterable[CorporateAction], on: str, asked: str
) -> Decimal:
    """A close of the date ``on`` as a price of ``asked``: splits divide, dividends come off."""
    name = symbol
    for action in between(actions, on, asked):
        if action.symbol != name:
            continue
        if action.cash_per_share is not None:
            close -= action.cash_per_share
        elif action.new_rate is not None and action.old_rate is not None:
            close = close * action.old_rate / action.new_rate
        name = action.new_symbol or name
    return close
