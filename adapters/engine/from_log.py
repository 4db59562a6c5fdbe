"""A start from the log alone: the desk folded again, and the stored counters held against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from ...domain.ids import account_stream_id
from ...domain.reasons import Anomalous
from ..storage.records import is_of
from .desk import Desk
from .keeping import Kept, begin
from .known import is_over

SEALED_EVERY: Final = 2_000
"""After how many events of a rebuild what has ended may leave memory again."""


def rebuild(desk: Desk, kept: Kept | None = None) -> None:
    """Fold the account's events into the desk's aggregates and projections.

    Only those behind what was ``kept``, if any. Those of other accounts that share the log are
    passed over: accounts know nothing of each other.
    """
    account_id = account_stream_id(desk.name)
    for index in (desk.active, desk.in_play, desk.touched, desk.open_orders):
        index.clear()
    begin(desk, kept)
    desk.own, desk.in_order, desk.unwritten = [], True, 0
    others: set[UUID] = set()
    folded = 0
    while (head := desk.log.head().position) > desk.seen:
        for recorded in desk.log.events_of(desk.name, desk.seen, head):
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
