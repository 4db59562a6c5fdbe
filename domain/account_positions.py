"""What an account knows of corporate actions, and of positions that nothing explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from . import events as e
from .corporate import (
    BY_HAND,
    SPLITS,
    CorporateAction,
    agrees,
    between,
    names_before,
    positions_after,
)
from .money import ZERO, plain
from .ports import Position

LAST_DATE: Final = "9999-12-31"


class Disagreeing(NamedTuple):
    """A symbol of which the broker reports another position than our record, in shares."""

    symbol: str
    expected: Decimal
    reported: Decimal


def unexplained_positions(
    own: Mapping[str, Decimal],
    reported: Mapping[str, Decimal],
    actions: Iterable[CorporateAction],
    since: str,
    upto: str,
) -> tuple[Disagreeing, ...]:
    """Where the broker's positions are not ours after the actions that took effect in between.

    Whole shares in the place of an expected fraction are explained by the split that made it.
    """
    effective = between(actions, since, upto)
    expected = positions_after(own, effective)
    split = {one.new_symbol or one.symbol for one in effective if one.kind in SPLITS}
    found = []
    for symbol in sorted(expected.keys() | reported.keys()):
        ours, theirs = expected.get(symbol, ZERO), reported.get(symbol, ZERO)
        if not agrees(ours, theirs, adjusted=symbol in split):
            found.append(Disagreeing(symbol, ours, theirs))
    return tuple(found)


class PositionStanding:
    """Recorded actions by id, unexplained positions by symbol, and what a person accepted.

    ``settled`` are the ids of actions that a person has settled. ``accepted`` is what positions may
    differ by within the open session, in shares.
    """

    def __init__(self) -> None:
        self.actions: dict[str, CorporateAction] = {}
        self.settled: set[str] = set()
        self.unexplained: dict[str, e.PositionUnexplained] = {}
        self.accepted: dict[str, Decimal] = {}

    def told(self, symbol: str, on: str = LAST_DATE) -> str:
        """What is open about a symbol on a date, in words; empty when nothing is."""
        found = self.unexplained.get(symbol)
        waiting = [f"{one.told()}, not settled" for one in self.awaiting(symbol, on)]
        if found is not None:
            ours, theirs = plain(found.expected), plain(found.reported)
            waiting.insert(0, f"{ours} by our record, {theirs} at the broker")
        return "; ".join(waiting)

    def awaiting(self, symbol: str, on: str = LAST_DATE) -> tuple[CorporateAction, ...]:
        """Actions in effect on a date that take a person to settle them, and wait for one."""
        if not self.actions:
            return ()
        known = between(self.actions.values(), "", on)
        mine = (one for one in known if one.kind in BY_HAND and one.symbol == symbol)
        return tuple(one for one in mine if one.action_id not in self.settled)

    @property
    def open_symbols(self) -> tuple[str, ...]:
        """Symbols in which something is not explained or not settled, whatever its date."""
        waits = {one.symbol for one in self.actions.values() if self.awaiting(one.symbol)}
        return tuple(sorted(self.unexplained.keys() | waits))

    def explained_by(self, upto: str) -> Iterator[tuple[e.PositionUnexplained, tuple[str, ...]]]:
        """What is explained by the actions known by now, with the ids of those that explain it."""
        waiting = [u for u in self.unexplained.values() if u.origin is e.BreakOrigin.OVERNIGHT]
        for since in sorted({each.since for each in waiting}):
            group = [each for each in waiting if each.since == since]
            last = max(each.session_date for each in group)
            effective = between(self.actions.values(), since, min(last, upto))
            left = unexplained_positions(
                {each.symbol: each.expected for each in group if each.expected},
                {each.symbol: each.reported for each in group if each.reported},
                effective,
                since,
                last,
            )
            open_still = {each.symbol for each in left}
            for each in group:
                ids = tuple(
                    one.action_id
                    for one in effective
                    if each.symbol in (one.symbol, one.new_symbol)
                )
                if each.symbol not in open_still and ids:
                    yield each, ids

    def blocks_to_carry(
        self, kills: Mapping[str, str], upto: str
    ) -> Iterator[tuple[str, str, str]]:
        """Blocks that a new name has to take over: scope, the old name, and the reason given."""
        for action in between(self.actions.values(), "", upto):
            if action.new_symbol is None:
                continue
            for old in (action.symbol, *names_before(action.symbol, self.actions.values(), upto)):
                scope = f"symbol:{action.new_symbol}"
                if f"symbol:{old}" in kills and scope not in kills:
                    yield scope, old, kills[f"symbol:{old}"]

    def apply(self, event: e.DomainEvent) -> None:
        """Bring the state forward by one event."""
        if isinstance(event, e.CorporateActionRecorded):
            self.actions[event.action.action_id] = event.action
            self.settled.discard(event.action.action_id)  # it was announced anew
        elif isinstance(event, e.CorporateActionSettled):
            self.settled.add(event.action_id)
        elif isinstance(event, e.PositionUnexplained):
            self.unexplained[event.symbol] = event
        elif isinstance(event, e.PositionExplained):
            self.unexplained.pop(event.symbol, None)
            if event.by is e.ExplainedBy.PERSON and event.origin is e.BreakOrigin.SESSION:
                moved = self.accepted.get(event.symbol, ZERO) + event.reported - event.expected
                self.accepted[event.symbol] = moved
        elif isinstance(event, e.SessionOpened):
            self.accepted.clear()  # its positions are the broker's


def position_records(positions: Mapping[str, Position]) -> tuple[e.PositionRecord, ...]:
    """Positions in the order of their symbols, as events store them."""
    return tuple(
        e.PositionRecord(symbol=p.symbol, quantity=p.quantity, market_value=p.market_value)
        for _, p in sorted(positions.items())
    )
