"""The books of a session: opened with the account's figures, closed when nothing is open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from ...domain import events as e
from ...domain.account_positions import unexplained_positions
from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.ports import NANOS, Account, Position, Session
from ...domain.settlement import settlement_of
from ...domain.tightening import configured_limits, following
from ..supervision.supervising import is_supervised
from .comparing import gives_positions
from .corporate_facts import record_announced
from .desk import Desk
from .recovery import Recovery

CAPTURE_AFTER_NS = 300 * NANOS
CONFIGURATION = "configuration"


class Capture(Protocol):
    """Writes market data used beside the store; gives the fields of ``MarketDataCaptured``."""

    def capture(self, symbol: str, from_ns: int, to_ns: int) -> list[dict[str, object]]:
        """Write the quotes and prints of the span; one result per kind."""
        ...


async def open_session(desk: Desk, limits: Limits) -> None:
    """Record the first account figures of a session before its first decision.

    Raises:
        BrokerUnavailable: the broker does not give them.
    """
    now_session = desk.calendar.session_at(desk.now) or desk.calendar.next_session(desk.now)
    opened, status = desk.account.session, desk.account.status
    is_open = opened is not None and opened.session_date == now_session.date
    if is_open and status is not None and status.session_date == now_session.date:
        return
    account = await desk.broker_account()
    for permit in desk.permits:
        await asyncio.to_thread(permit.renew)
    stamp = desk.stamp("account", "session_open")
    desk.start_once()
    record_status(desk, account, now_session)
    if is_open:
        return  # an older version opened it; the status goes with the next commit
    book = desk.books.book(desk.name)
    before, own = book.today, dict(book.positions)
    positions = await desk.broker.positions()
    desk.account.open_session(
        stamp,
        desk.name,
        now_session,
        account,
        positions,
    )
    in_force = desk.account.limits
    # Where principals are set up what is in force comes from the log: configuration may only
    # tighten it. A single owner's configuration is what it says.
    is_record = is_supervised(desk.log)
    limits = configured_limits(in_force, limits) if is_record else following(in_force, limits)
    desk.account.set_limits(stamp, limits, CONFIGURATION)
    await record_announced(desk, {*own, *positions}, before, now_session.date)
    if before and gives_positions(desk.broker):
        _compare_overnight(desk, before, own, positions)
    desk.touch(desk.account)
    await desk.commit()


def take_configured(desk: Desk) -> None:
    """Put in force what configuration asks for at a start that is tighter, within an open session.

    Once: what is loosened after the start, by two persons, stands. A session that opens takes what
    is configured by itself.
    """
    account, asked = desk.account, desk.configured
    if asked is None or account.session is None or account.limits is None:
        return
    today = desk.calendar.session_at(desk.now) or desk.calendar.next_session(desk.now)
    least = configured_limits(account.limits, asked)
    if account.session.session_date != today.date or least == account.limits:
        desk.configured = None
        return
    desk.start_once()
    account.set_limits(desk.stamp("account", "start"), least, CONFIGURATION)
    desk.touch(account)


def _compare_overnight(
    desk: Desk, before: str, own: Mapping[str, Decimal], positions: Mapping[str, Position]
) -> None:
    """Record what the broker's positions differ by from ours, and carry blocks to new names."""
    opened = desk.account.session
    if opened is None:
        return
    stamp = desk.stamp("account", "session_open")
    reported = {symbol: held.quantity for symbol, held in positions.items()}
    actions = desk.account.standing.actions.values()
    today = opened.session_date
    found = unexplained_positions(own, reported, actions, before, today)
    origin = e.BreakOrigin.OVERNIGHT
    desk.account.positions_differ(stamp, desk.name, today, before, found, origin)
    desk.account.carry_blocks(stamp, today)


def record_status(desk: Desk, account: Account, session: Session) -> None:
    """Record what kind of account it is and when trades settle, where that is not recorded."""
    settles = settlement_of(desk.calendar, session)
    desk.account.record_status(
        desk.stamp("account", "account_record"),
        account=desk.name,
        session_date=session.date,
        kind=account.kind,
        multiplier=account.multiplier,
        settles_on=settles.on,
        settlement_days=settles.cycle_days,
        source="broker" if desk.rules.account_kind is None else "configuration",
        currency=account.currency or desk.rules.currency,
    )
    desk.touch(desk.account)


def _waits_for_later(instruction: Instruction, close: int) -> bool:
    """Whether nothing of it can trade before a later session, for which it is deferred."""
    release = instruction.release_at
    return release is not None and release >= close and not instruction.released


def record_capture(desk: Desk, capture: Capture | None, session_date: str) -> None:
    """Write and record the market data that the session's instructions used (ruling 22).

    That is from the first decision to five minutes after the last order, by symbol. An instruction
    that was done early is covered to the end of its planned window, since that is what its interval
    VWAP and TWAP are of.
    """
    if capture is None:
        return
    stamp = desk.stamp("account", "session_close")
    for symbol, one in sorted(desk.instructions.moved(session_date).items()):
        for fields in capture.capture(symbol, one.since, one.until + CAPTURE_AFTER_NS):
            desk.account.captured_data(stamp, **fields)
    desk.touch(desk.account)


async def close_session(desk: Desk, recovery: Recovery, capture: Capture | None) -> None:
    """Record the market data used and the session's end, once, when nothing is open.

    Raises:
        BrokerUnavailable: the broker cannot be asked; nothing is recorded then.
    """
    opened = desk.account.session
    if opened is None or opened.session_date in desk.account.closed_sessions:
        return
    if any(not _waits_for_later(i, opened.close) for i in desk.active.values()):
        return
    breaks = await recovery.position_breaks()
    at_broker = await desk.broker.open_orders()
    own_open = [o for o in at_broker if desk.owner_of(o.client_order_id) is not None]
    account, positions = await desk.broker.account(), await desk.broker.positions()
    stamp = desk.stamp("account", "session_close")
    record_capture(desk, capture, opened.session_date)
    desk.account.close_session(stamp, desk.name, account, positions, len(own_open), tuple(breaks))
    desk.touch(desk.account)
    await desk.commit()
