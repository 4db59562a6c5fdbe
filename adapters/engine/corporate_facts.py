"""What recorded corporate actions say about a decision: other names, and ex-dates crossed."""

from __future__ import annotations

from ...domain.corporate import between, name_now, names_before
from ...domain.instruction import Instruction
from ...domain.planning.facts import NO_NAMES, NameFacts
from .desk import Desk


def name_facts(desk: Desk, symbol: str, date: str) -> NameFacts:
    """What a symbol was called before the date, and what it is called by then."""
    actions = desk.account.standing.actions.values()
    if not actions:
        return NO_NAMES
    now = name_now(symbol, actions, date)
    return NameFacts(names_before(symbol, actions, date), "" if now == symbol else now)


def crossed_ex_date(desk: Desk, instruction: Instruction, symbol: str) -> bool:
    """Whether a corporate action took effect since the decision came; nothing is carried."""
    session = desk.calendar.session_at(desk.now)
    if session is None:
        return False
    known = desk.account.standing.actions.values()
    crossed = between(known, instruction.session_date, session.date)
    return any(symbol in (one.symbol, one.new_symbol) for one in crossed)
