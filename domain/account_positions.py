"""What an account knows of corporate actions, and of positions that nothing explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from . import events as e
from .corporate import SPLITS, CorporateAction, agrees, between, names_before, positions_after
from .money import ZERO, plain
from .ports import Position


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

    ``accepted`` is what positions may differ by within the open session, in shares.
    """

    def __init__(self) -> None:
        self.actions: dict[str, CorporateAction] = {}
        self.unexplained: dict[str, e.PositionUnexplained] = {}
        self.accepted: dict[str, Decimal] = {}

    def told(self, symbol: str) -> str:
        """What is not explained about a symbol, in words; empty when all is."""
        found = self.unexplained.get(symbol)
        if found is None:
            return ""
        return f"{plain(found.expected)} by our record, {plain(found.reported)} at the broker"

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
