"""The books of a session: opened with the account's figures, closed when nothing is open."""

from __future__ import annotations

from typing import Protocol

from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.ports import NANOS
from ...domain.tightening import configured_limits
from ..supervising import is_supervised
from .desk import Desk
from .recovery import Recovery

CAPTURE_AFTER_NS = 300 * NANOS


class Capture(Protocol):
    """Writes market data used beside the store; gives the fields of ``MarketDataCaptured``."""

    def capture(self, symbol: str, from_ns: int, to_ns: int) -> list[dict[str, object]]:
        """Write the quotes and prints of the span; one result per kind."""
        ...


def capture_spans(instructions: list[Instruction]) -> dict[str, tuple[int, int]]:
    """From the first decision to five minutes after the last order, by symbol (ruling 22).

    An instruction that was done early is covered to the end of its planned window, since that is
    what its interval VWAP and TWAP are of.
    """
    spans: dict[str, tuple[int, int]] = {}
    for instruction in instructions:
        if instruction.plan is None:
            continue
        symbol = instruction.plan.symbol
        ended = max(instruction.ended_at or 0, instruction.plan.end_at)
        start, end = instruction.received_at, ended + CAPTURE_AFTER_NS
        known = spans.get(symbol)
        spans[symbol] = (min(known[0], start), max(known[1], end)) if known else (start, end)
    return spans


async def open_session(desk: Desk, limits: Limits) -> None:
    """Record the first account figures of a session before its first decision.

    Raises:
        BrokerUnavailable: the broker does not give them.
    """
    now_session = desk.calendar.session_at(desk.now) or desk.calendar.next_session(desk.now)
    opened = desk.account.session
    if opened is not None and opened.session_date == now_session.date:
        return
    stamp = desk.stamp("account", "session_open")
    desk.start_once()
    desk.account.open_session(
        stamp,
        desk.name,
        now_session,
        await desk.broker.account(),
        await desk.broker.positions(),
    )
    if is_supervised(desk.log):
        # What is in force comes from the log: configuration may only tighten it.
        limits = configured_limits(desk.account.limits, limits)
    desk.account.set_limits(stamp, limits, "configuration")
    desk.touch(desk.account)
    await desk.commit()


def record_capture(desk: Desk, capture: Capture | None, session_date: str) -> None:
    """Write and record the market data that the session's instructions used."""
    if capture is None:
        return
    stamp = desk.stamp("account", "session_close")
    mine = [i for i in desk.instructions.values() if i.session_date == session_date]
    for symbol, (start, end) in sorted(capture_spans(mine).items()):
        for fields in capture.capture(symbol, start, end):
            desk.account.captured_data(stamp, **fields)
    desk.touch(desk.account)


async def close_session(desk: Desk, recovery: Recovery, capture: Capture | None) -> None:
    """Record the market data used and the session's end, once, when nothing is open."""
    opened = desk.account.session
    if opened is None or opened.session_date in desk.account.closed_sessions or desk.active:
        return
    stamp = desk.stamp("account", "session_close")
    record_capture(desk, capture, opened.session_date)
    breaks = await recovery.position_breaks()
    own_open = [o for o in await desk.broker.open_orders() if o.client_order_id in desk.owner_of]
    account, positions = await desk.broker.account(), await desk.broker.positions()
    desk.account.close_session(stamp, desk.name, account, positions, len(own_open), tuple(breaks))
    desk.touch(desk.account)
    await desk.commit()
