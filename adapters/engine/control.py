"""The kill switch at work: what this process is told, and what others put on the record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from ...domain.errors import InvalidInput, StoreError
from ...domain.instruction import Instruction
from ...domain.killing import read_scope, scopes_covering
from ..storage.latch import Latched
from ..storage.records import Conflict
from ..storage.records import Recorded as Stored
from ..supervision.permissions import check_release, use_release
from .desk import Desk
from .overtaken import Overtaken
from .recovery import Recovery
from .working import Working

LOOK_SECONDS: Final = 0.25
"""How often, in real time, the latch and the store's head are looked at between batches."""


class Control:
    """Engages and releases blocks, and notices those of other processes."""

    def __init__(
        self, desk: Desk, working: Working, recovery: Recovery, interrupt: Callable[[], None]
    ) -> None:
        self._desk, self._working, self._recovery = desk, working, recovery
        self._interrupt = interrupt
        self._overtaken = Overtaken(desk)
        recovery.overtake = self._overtaken.attend
        self._looked = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # -- asked for here ------------------------------------------------------------------------

    async def kill(self, scope: str, reason: str, actor: str) -> list[Instruction]:
        """Block in memory, cancel, then record; gives the instructions that it covers.

        Raises:
            StoreError: it cannot be recorded; it is blocked all the same, in a file beside the
                store, and the cancels are out.
        """
        desk = self._desk
        scope = read_scope(scope)
        desk.start_once()
        desk.account.engage_kill(desk.stamp("account", "kill", actor=actor), scope, reason)
        desk.touch(desk.account)
        covered = self._cancel_covered({scope})
        await desk.send_cancels()
        if not desk.jobs:
            try:
                await desk.commit()
            except Conflict:
                raise
            except StoreError:
                self._latch(Latched(desk.name, scope, reason, actor, desk.now))
                raise
        return covered

    async def release(self, scope: str, reason: str, actor: str) -> None:
        """Lift a block; needs a person and a clean reconciliation; revives nothing.

        Where principals are set up it uses an approved change, in the name of this process' user
        or token.

        Raises:
            AccessDenied: no other person has approved it.
            InvalidInput: somebody else than a person asks, an own order is open or of unknown
                outcome, or positions disagree with the broker's.
        """
        self.attend(at_once=True)
        desk = self._desk
        scope = read_scope(scope)
        if not actor.startswith("person:"):
            raise InvalidInput("actor", actor, "person:NAME; a person releases the kill switch")
        store = desk.gate.store if desk.gate is not None else None
        check_release(store, desk.name, scope)
        breaks = await self._recovery.reconcile("kill_release")
        await desk.commit()
        still_open = sum(len(instruction.live) for instruction in desk.active.values())
        if breaks or still_open:
            found = f"{still_open} own orders open, {len(breaks)} positions that disagree"
            raise InvalidInput("kill switch", found, "no open order and agreed positions")
        used, cause = use_release(store, desk.name, scope), "kill"
        if used is not None:
            actor, cause = f"person:{used.name}", used.cause
        if desk.gate is not None:
            desk.gate.file.remove(desk.name, scope)
        desk.account.release_kill(desk.stamp("account", cause, actor=actor), scope, reason)
        desk.touch(desk.account)
        await desk.commit()

    def _latch(self, latched: Latched) -> None:
        gate = self._desk.gate
        if gate is not None and gate.is_shared:
            gate.file.add(latched)

    # -- put on the record elsewhere -----------------------------------------------------------

    def attend(self, *, at_once: bool = False) -> bool:
        """Take in blocks, releases and limits of other processes; whether there were any blocks.

        Raises:
            Conflict: they came between what is being recorded here; the caller reloads.
        """
        has_changed = self._take_in(at_once=at_once)
        self._overtaken.attend()
        return has_changed

    def _take_in(self, *, at_once: bool) -> bool:
        gate = self._desk.gate
        if gate is None or not gate.is_shared:
            return False
        now = time.monotonic()
        if not (at_once or self._file_has_news()) and now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        before = set(self._desk.account.kills)
        self._take_foreign()
        self._take_file()
        engaged = self._desk.account.kills.keys() - before
        for instruction in self._covered(set(engaged)):
            self._desk.wake(instruction, self._desk.now)
        return set(self._desk.account.kills) != before

    def _take_foreign(self) -> None:
        desk = self._desk
        desk.seen, desk.own = _joined(desk.seen, desk.own)
        head = desk.log.head().position
        if head == desk.seen:
            return
        for raw in list(desk.log.raw_events_of(desk.name, desk.seen, head)):
            if not any(first <= raw.position <= last for first, last in desk.own):
                self._follow(Stored(raw.position, desk.log.decode(raw), raw.hash))
                desk.seen = raw.position
        desk.seen = head
        desk.own = [written for written in desk.own if written[1] > head]

    def _follow(self, recorded: Stored) -> None:
        desk, event = self._desk, recorded.event
        is_own = event.originator_id == desk.account.id
        if not is_own and event.originator_id not in desk.instructions:
            return  # nothing of another account that shares the log is folded
        if not is_own or event.originator_version != desk.account.version + 1:
            raise Conflict(
                f"position {recorded.position} was written by another process while this one "
                "recorded on its own; everything is looked at anew"
            )
        desk.account.apply(event)
        if any(first > recorded.position for first, _ in desk.own):
            desk.in_order = False  # what was recorded here after it was folded before it
        desk.project(event)
        desk.unwritten -= 1
        desk.usage.take_counter_changes()  # the other process has counted it

    def _take_file(self) -> None:
        """Put on the record what could be latched in the file only."""
        desk, gate = self._desk, self._desk.gate
        for latched in gate.file.read(desk.name) if gate is not None else ():
            if latched.scope not in desk.account.kills:
                desk.start_once()
                stamp = desk.stamp("account", "kill file", actor=latched.actor[:120])
                desk.account.engage_kill(stamp, latched.scope, latched.reason)
                desk.touch(desk.account)

    def _cancel_covered(self, scopes: set[str]) -> list[Instruction]:
        found = list(self._covered(scopes))
        for instruction in found:
            if instruction.live:
                self._working.cancel_all(instruction, "kill_switch")
        return found

    def _covered(self, scopes: set[str]) -> Iterator[Instruction]:
        for instruction in list(self._desk.active.values()):
            plan, decision = instruction.plan, instruction.decision
            symbol = plan.symbol if plan else decision.symbol if decision else ""
            covering = scopes_covering(symbol, plan.strategy.value if plan else "")
            if scopes & set(covering):
                yield instruction

    # -- while the engine waits ----------------------------------------------------------------

    def watch(self) -> None:
        """Interrupt the engine's waiting when something was put on the record elsewhere."""
        gate = self._desk.gate
        if gate is not None and gate.is_shared and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def unwatch(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self.has_news():
            self._looked = 0.0
            self._interrupt()
        self.watch()

    def _file_has_news(self) -> bool:
        desk, gate = self._desk, self._desk.gate
        latched = gate.file.read(desk.name) if gate is not None else ()
        return any(one.scope not in desk.account.kills for one in latched)

    def has_news(self) -> bool:
        """Whether the latch file or the log holds what is not known here."""
        desk, gate = self._desk, self._desk.gate
        if gate is None or not gate.is_shared:
            return False
        if self._file_has_news():
            return True
        try:
            # What is own behind a gap does not hide what another process wrote into the gap.
            return desk.log.head().position > _joined(desk.seen, desk.own)[0]
        except StoreError:
            return False  # sending asks again, and is refused if it cannot be known


def _joined(seen: int, own: list[tuple[int, int]]) -> tuple[int, list[tuple[int, int]]]:
    """Up to where all is known, with the own ranges that follow at once, and the others."""
    rest = []
    for first, last in own:
        if first == seen + 1:
            seen = last
        else:
            rest.append((first, last))
    return seen, rest
