"""The instructions of an account: those at hand in memory, the rest in the log alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from ...domain import events as e
from ...domain.errors import StoreDamaged
from ...domain.instruction import Instruction
from ...domain.money import ZERO
from ...projections.runner import VERSION_ABOVE_ALL
from ..storage.log import Log
from ..storage.records import Recorded

ENDED_HELD_MAX: Final = 2_000
"""How many ended instructions stay in memory; older ones are told again from the log."""


@dataclass(slots=True)
class Moved:
    """What sealed instructions of one session did in one symbol.

    ``shares`` is signed, ``since`` the first receipt and ``until`` the last end or end of a planned
    window (ns UTC).
    """

    session_date: str
    symbol: str
    shares: Decimal
    since: int
    until: int


class KnownInstructions(Mapping[UUID, Instruction]):
    """Every instruction of one account by its id.

    Those that ended long ago are sealed: only their number and the sums that a session's books need
    are kept, and each is read again from its stream of the log when it is asked for, and held from
    then on. Iteration is in the order of receipt, and holds nothing that was not held before.
    ``order`` is the order of receipt of those held, which settles every tie: positions in the log,
    of the first event or of the last one of the admission.
    """

    def __init__(self, account: str, log: Log) -> None:
        self._account = account
        self._log = log
        self.order: dict[UUID, int] = {}
        self._held: dict[UUID, Instruction] = {}
        self._ended: deque[UUID] = deque()
        self._moved: dict[tuple[str, str], Moved] = {}
        self.sealed = 0

    def begin(
        self,
        position: int = 0,
        sealed: int = 0,
        moved: Sequence[Moved] = (),
        still_open: Sequence[UUID] = (),
    ) -> None:
        """Start anew behind ``position``, with what :meth:`to_start_from` gave there.

        Raises:
            StoreDamaged: the log does not have one that was open.
        """
        self._held.clear()
        self._ended.clear()
        self.order.clear()
        self.sealed = sealed
        self._moved = {(one.session_date, one.symbol): one for one in moved}
        for id in still_open:
            history = [one for one in self._history(id) if one.position <= position]
            if not history:
                raise StoreDamaged(f"the log has no instruction {id} at position {position}")
            self._told(id, history)

    # -- a mapping -----------------------------------------------------------------------------

    def __getitem__(self, id: UUID) -> Instruction:
        """The instruction; KeyError when the account has none of that id."""
        found = self._held.get(id)
        if found is None and self.sealed:
            found = self._unseal(id)
        if found is None:
            raise KeyError(id)
        return found

    def hold(self, instruction: Instruction, position: int) -> Instruction:
        """Hold one that is new or held already; ``position`` is where the log is now."""
        self._held[instruction.id] = instruction
        self.order.setdefault(instruction.id, position)
        return instruction

    def __len__(self) -> int:
        """How many there are, sealed ones too."""
        return len(self._held) + self.sealed

    def __iter__(self) -> Iterator[UUID]:
        """Ids in the order of receipt."""
        return (instruction.id for instruction in self._in_order(newest_first=False))

    def values(self) -> Iterator[Instruction]:  # type: ignore[override]
        """All in the order of receipt; sealed ones are read from the log one by one."""
        return self._in_order(newest_first=False)

    def newest_first(self) -> Iterator[Instruction]:
        """All, the last received first."""
        return self._in_order(newest_first=True)

    def held(self) -> Iterator[Instruction]:
        """Those in memory, in no order."""
        return iter(list(self._held.values()))

    def is_held(self, id: UUID) -> bool:
        """Whether it is in memory."""
        return id in self._held

    def _in_order(self, *, newest_first: bool) -> Iterator[Instruction]:
        order = self.order
        held = sorted(self._held.values(), key=lambda i: order[i.id], reverse=newest_first)
        if not self.sealed:
            yield from held
            return
        streams = self._log.streams()
        recorded = {id for _, id in streams}
        waiting = [instruction for instruction in held if instruction.id not in recorded]
        if newest_first:
            yield from waiting
        for _, id in reversed(streams) if newest_first else streams:
            found = self._held.get(id) or self._read(id)
            if found is not None:
                yield found
        if not newest_first:
            yield from waiting

    # -- sealing -------------------------------------------------------------------------------

    def take_recorded(self, recorded: Recorded) -> Instruction | None:
        """Follow one event of the log; None for one of another account."""
        found = self.before(recorded)
        if found is not None:
            found.apply(recorded.event)
        return found

    def before(self, recorded: Recorded) -> Instruction | None:
        """The instruction of an event of the log as it is to be before it; None of others."""
        event = recorded.event
        id = event.originator_id
        found = self._held.get(id)
        if found is not None:
            return found
        if event.originator_version > 1:
            return self._unseal(id, event.originator_version)
        if not isinstance(event, e.DecisionReceived) or event.account != self._account:
            return None
        return self.hold(Instruction(id), recorded.position)

    def has_ended(self, id: UUID) -> None:
        """Know that an instruction may be sealed, once there are too many like it."""
        self._ended.append(id)

    def seal_surplus(self) -> list[UUID]:
        """Seal the oldest ended ones above the number that stays; all must be durable."""
        sealed = []
        while len(self._ended) > ENDED_HELD_MAX:
            id = self._ended.popleft()
            instruction = self._held.get(id)
            if instruction is not None and is_over(instruction):
                self.seal(instruction)
                sealed.append(id)
        return sealed

    def seal(self, instruction: Instruction) -> None:
        """Keep of one that is held and over only what its session's books need."""
        _add(self._moved, instruction)
        del self._held[instruction.id]
        del self.order[instruction.id]
        self.sealed += 1

    def to_start_from(self) -> tuple[int, list[Moved], list[UUID]]:
        """With all that is over sealed: how many, their sums, and the ids of the rest."""
        moved = {
            key: Moved(one.session_date, one.symbol, one.shares, one.since, one.until)
            for key, one in self._moved.items()
        }
        count, rest = self.sealed, []
        for _, id in sorted((place, id) for id, place in self.order.items()):
            instruction = self._held[id]
            if is_over(instruction):
                count += 1
                _add(moved, instruction)
            else:
                rest.append(id)
        return count, list(moved.values()), rest

    def moved(self, session_date: str) -> dict[str, Moved]:
        """What all instructions of a session did so far, by symbol."""
        found = {
            (date, symbol): Moved(date, symbol, one.shares, one.since, one.until)
            for (date, symbol), one in self._moved.items()
            if date == session_date
        }
        for instruction in self._held.values():
            if instruction.session_date == session_date:
                _add(found, instruction)
        return {symbol: one for (_, symbol), one in found.items()}

    def _told(self, id: UUID, history: list[Recorded]) -> Instruction:
        instruction = self.hold(Instruction(id), history[0].position)
        for recorded in history:
            instruction.apply(recorded.event)
        return instruction

    def _unseal(self, id: UUID, before: int = VERSION_ABOVE_ALL) -> Instruction | None:
        """Hold a sealed one again, as it was before a version."""
        history = self._history(id, before)
        if not history:
            return None
        instruction = self._told(id, history)
        self.sealed -= 1
        _add(self._moved, instruction, sign=-1)
        if is_over(instruction):
            self._ended.append(id)
        return instruction

    def _read(self, id: UUID) -> Instruction | None:
        history = self._history(id)
        return Instruction.replay(one.event for one in history) if history else None

    def _history(self, id: UUID, before: int = VERSION_ABOVE_ALL) -> list[Recorded]:
        """Its events, none when the account has no such instruction."""
        history = self._log.history(id, before)
        first = history[0].event if history else None
        if isinstance(first, e.DecisionReceived) and first.account == self._account:
            return history
        return []


def moved_by(instructions: Iterable[Instruction], session_date: str) -> dict[str, Moved]:
    """What instructions of a session did, by symbol."""
    found: dict[tuple[str, str], Moved] = {}
    for instruction in instructions:
        if instruction.session_date == session_date:
            _add(found, instruction)
    return {symbol: one for (_, symbol), one in found.items()}


def is_over(instruction: Instruction) -> bool:
    """Whether nothing more is expected of it, and nothing of it waits to be recorded."""
    return instruction.is_done and not instruction.live and not instruction.has_news


def _add(moved: dict[tuple[str, str], Moved], instruction: Instruction, sign: int = 1) -> None:
    """Count one instruction in the sums, or with -1 take it out; spans only ever grow."""
    plan = instruction.plan
    if plan is None:
        return
    since = instruction.received_at
    until = max(instruction.ended_at or 0, plan.end_at)
    key = (instruction.session_date, plan.symbol)
    one = moved.get(key)
    if one is None:
        one = moved[key] = Moved(*key, ZERO, since, until)
    one.shares += sign * plan.side.sign * instruction.executed
    one.since, one.until = min(one.since, since), max(one.until, until)
