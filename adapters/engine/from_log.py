"""A start from the log alone: the desk folded again, and the stored counters held against it.

Over a long log this takes two steps. First the sums are told that another start would have found
kept, from as much of each event as they need; then the start goes on from those, so that what is
open is told from whole events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from ...domain.ids import account_stream_id
from ...domain.reasons import Anomalous
from ...projections.account_books import AccountBooks
from ...projections.daily_limits import DailyLimits
from ..storage.lean_reading import LEAN_FROM_EVENTS, lean_decoder
from ..storage.log import Log
from ..storage.records import Recorded, is_of
from .desk import Desk
from .keeping import Kept, begin
from .known import KnownInstructions, is_over

SEALED_EVERY: Final = 2_000
"""After how many events of a rebuild what has ended may leave memory again."""


def rebuild(desk: Desk, kept: Kept | None = None) -> None:
    """Fold the account's events into the desk's aggregates and projections.

    Only those behind what was ``kept``, if any. Those of other accounts that share the log are
    passed over: accounts know nothing of each other.
    """
    if kept is None and (head := desk.log.head().position) >= LEAN_FROM_EVENTS:
        kept = told(desk.log, desk.name, head)
    account_id = account_stream_id(desk.name)
    for index in (desk.active, desk.in_play, desk.touched, desk.open_orders):
        index.clear()
    begin(desk, kept)
    desk.own, desk.in_order, desk.unwritten = [], True, 0
    others: set[UUID] = set()
    folded = 0
    while (head := desk.log.head().position) > desk.seen:
        for raw in desk.log.raw_events_of(desk.name, desk.seen, head):
            recorded = Recorded(raw.position, desk.log.decode(raw), raw.hash)
            id = recorded.event.originator_id
            if id in others:
                continue
            if id == account_id:
                desk.account.apply(recorded.event)
            else:
                instruction = desk.instructions.take_recorded(recorded)
                if instruction is None:
                    others.add(id)
                    continue
                if is_over(instruction):
                    desk.instructions.has_ended(id)
            for view in (desk.usage, desk.books):
                view.pass_to(recorded.position - 1)
                view.apply(recorded)
            folded += 1
            if folded % SEALED_EVERY == 0:
                desk.seal_surplus()
        desk.seen = head
    for view in (desk.usage, desk.books):
        view.pass_to(desk.seen)
    # What the log says is in the stored counters already; only what comes now is to be added.
    desk.usage.take_counter_changes()
    for instruction in desk.instructions.held():
        desk.adopt(instruction)


def told(log: Log, account: str, upto: int) -> Kept:
    """What an engine of the account would have kept at a position of the log, told from it.

    Each instruction is let go of as soon as it is over, and told again from its own stream should
    something more happen to it.

    Raises:
        ProjectionStopped: the sums cannot follow the log.
        StoreError: an event cannot be read.
    """
    usage = DailyLimits(log.history)
    books = AccountBooks(usage.instruction, log.history)
    known, decode = KnownInstructions(account, log), lean_decoder(log)
    account_id, others = account_stream_id(account), set[UUID]()
    for raw in log.raw_events_of(account, 0, upto):
        recorded = Recorded(raw.position, decode(raw), raw.hash)
        id = recorded.event.originator_id
        if id in others:
            continue
        if id != account_id and known.before(recorded) is None:
            others.add(id)
            continue
        for view in (usage, books):
            view.pass_to(recorded.position - 1)
            view.apply(recorded)
        if id == account_id:
            continue
        instruction = known.hold(usage.instruction(id), recorded.position)
        if is_over(instruction):
            known.seal(instruction)
            usage.forget(id)
            books.forget(id)
    for view in (usage, books):
        view.pass_to(upto)
    return Kept(upto, usage.kept(account), books.kept(account), *known.to_start_from())


def compare_counters(desk: Desk) -> None:
    """Check the stored counters against the log; rebuild them when they differ (ruling 12)."""
    wrong = _wrong_counters(desk)
    if not wrong:
        return
    desk.log.reset_counters(_own(desk, desk.usage.counters()), desk.name)
    desk.account.note(
        desk.stamp("account", "start"),
        Anomalous.COUNTERS_DISAGREE,
        "; ".join(f"{key}: stored {a}, log {b}" for key, (a, b) in wrong.items()),
    )
    desk.touch(desk.account)


def counters_agree(desk: Desk) -> bool:
    """Whether the stored counters are what the desk has folded."""
    return not _wrong_counters(desk)


def _wrong_counters(desk: Desk) -> dict[str, tuple[int, int]]:
    stored, folded = _own(desk, desk.log.counters()), _own(desk, desk.usage.counters())
    return {
        key: (stored.get(key, 0), folded.get(key, 0))
        for key in sorted(stored.keys() | folded.keys())
        if stored.get(key, 0) != folded.get(key, 0)
    }


def _own(desk: Desk, counters: Mapping[str, int]) -> dict[str, int]:
    """The account's own counters; another's move while its own engine works it."""
    return {key: used for key, used in counters.items() if is_of(desk.name, key)}
