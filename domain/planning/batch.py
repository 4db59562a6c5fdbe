"""The order in which the decisions of one batch are admitted, and the netting of opposite ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ..decision import Decision
from ..money import ZERO, plain
from ..ports import Side
from ..reasons import NothingReason
from .facts import Facts
from .sizing import Sized, size_decision


@dataclass(frozen=True, slots=True)
class BatchStep:
    """One decision of a batch in its turn; ``index`` is its place in the batch as given.

    ``order_size`` replaces what the decision alone would trade, ``nothing`` says that netting left
    nothing of it; both None: plan it as it is.
    """

    index: int
    decision: Decision
    order_size: Decimal | None = None
    nothing: NothingReason | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    step: BatchStep
    sized: Sized | None
    reducing: bool
    cost_usd: Decimal


def order_batch(decisions: Sequence[Decision], facts: Mapping[str, Facts]) -> tuple[BatchStep, ...]:
    """Order a batch for admission: highest confidence first, otherwise as given.

    When the batch's buys cost more than the buying power that is free, what only reduces a
    position goes first, so that its proceeds come in. One buy and one sell of the same symbol are
    netted: the larger keeps the difference, the smaller becomes ``NothingReason.NETTED``; with more
    than one on a side the later ones meet the self-cross check (ruling 14). ``facts`` are by
    symbol; decisions of other symbols keep their place by confidence.
    """
    entries = [_entry(i, decision, facts) for i, decision in enumerate(decisions)]
    entries = _netted(entries)
    cost = sum((e.cost_usd for e in entries if e.step.nothing is None), ZERO)
    is_short = bool(facts) and cost > min(_free(f) for f in facts.values())
    entries.sort(
        key=lambda e: (is_short and not e.reducing, -e.step.decision.confidence, e.step.index)
    )
    return tuple(entry.step for entry in entries)


def _free(facts: Facts) -> Decimal:
    free = facts.account.buying_power - facts.usage.buying_power_reserved_usd
    return free if free.is_finite() else ZERO


def _entry(index: int, decision: Decision, by_symbol: Mapping[str, Facts]) -> _Entry:
    step = BatchStep(index, decision)
    facts = by_symbol.get(decision.symbol)
    sizing = size_decision(decision, facts) if facts is not None else None
    if facts is None or not isinstance(sizing, Sized):
        return _Entry(step, None, False, ZERO)
    own = facts.usage.of(decision.symbol)
    toward_zero = facts.held * sizing.side.sign < 0
    reducing = toward_zero and sizing.quantity + own.leaves(sizing.side) <= abs(facts.held)
    quote = facts.quote
    pays = sizing.side is Side.BUY and not reducing and quote is not None
    cost = sizing.quantity * quote.ask if pays and quote is not None else ZERO
    return _Entry(step, sizing, reducing, cost)


def _netted(entries: Sequence[_Entry]) -> list[_Entry]:
    by_symbol: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.sized is not None:
            by_symbol.setdefault(entry.step.decision.symbol, []).append(place)
    result = list(entries)
    for places in by_symbol.values():
        if len(places) == 2:
            first, second = (entries[place] for place in places)
            result[places[0]], result[places[1]] = _net(first, second)
    return result


def _net(first: _Entry, second: _Entry) -> tuple[_Entry, _Entry]:
    one, other = first.sized, second.sized
    if one is None or other is None or one.side is other.side:
        return first, second
    note = f"netted in the batch: {_said(one)} against {_said(other)}"
    left = one.quantity - other.quantity
    return _remainder(first, one, left, note), _remainder(second, other, -left, note)


def _remainder(entry: _Entry, sized: Sized, left: Decimal, note: str) -> _Entry:
    if left <= 0:
        step = replace(entry.step, nothing=NothingReason.NETTED, note=note)
        return replace(entry, step=step, cost_usd=ZERO)
    step = replace(entry.step, order_size=left, note=note)
    return replace(entry, step=step, cost_usd=entry.cost_usd * left / sized.quantity)


def _said(sized: Sized) -> str:
    return f"{sized.side} {plain(sized.quantity)}"
