"""What corporate actions, and positions that none explains, say about decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import structlog

from ...domain import events as e
from ...domain.account_positions import Disagreeing
from ...domain.corporate import between, name_now, names_before
from ...domain.errors import BrokerUnavailable
from ...domain.instruction import Instruction
from ...domain.money import ZERO
from ...domain.planning.facts import NO_NAMES, NameFacts
from ..corporate_actions import ActionsFile, AnnouncesActions
from .comparing import gives_positions
from .desk import Desk

_logger = structlog.get_logger(__name__)


async def record_announced(desk: Desk, symbols: Iterable[str], since: str, today: str) -> None:
    """Put on record what market data announce of the symbols; without an answer nothing is new.

    A position that an action has changed is then not explained, which holds what adds risk.
    """
    named = sorted(set(symbols))
    if not named or not isinstance(desk.market, AnnouncesActions):
        return
    try:
        found = await desk.market.corporate_actions(named, since or today, today)
    except BrokerUnavailable as error:
        _logger.warning("corporate actions", problem=str(error)[:200])
        return
    _record(desk, found)


def record_known(desk: Desk, symbol: str) -> None:
    """Put on record what market data know to be announced of a symbol that is used."""
    if isinstance(desk.market, AnnouncesActions):
        _record(desk, desk.market.announced(symbol))


def _record(desk: Desk, found: ActionsFile) -> None:
    for each in found.announced:
        stamp = desk.stamp("account", "actions")
        desk.account.record_action(stamp, desk.name, each.action, found.source, each.raw)


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


def hold_breaks(desk: Desk, trigger: str, breaks: Sequence[e.Break]) -> None:
    """Hold positions that disagree as unexplained until they agree or a person closes them."""
    stamp = desk.stamp("account", trigger)
    opened = desk.account.session
    if opened is None or not gives_positions(desk.broker):
        return
    began = {each.symbol: each.quantity for each in opened.positions}
    found = []
    for one in breaks:
        if one.kind == "position" and one.symbol:
            ours, theirs = Decimal(one.ours), Decimal(one.theirs)
            start = began.get(one.symbol, ZERO)
            # Between the session's start and our record the broker may only be behind.
            if not min(start, ours) <= theirs <= max(start, ours):
                found.append(Disagreeing(one.symbol, ours, theirs))
    date, origin = opened.session_date, e.BreakOrigin.SESSION
    desk.account.positions_agree(stamp, [one.symbol for one in found])
    desk.account.positions_differ(stamp, desk.name, date, date, found, origin)
