"""A log folded in parts, each by a process of its own, and put together in the order of the log.

Instructions do not know each other, so each part folds those whose ids fall to it. What an event of
an instruction moves outside of it - limits of its account, refusals, anomalies - it hands out as an
effect, and one :class:`Whole` applies the effects of all parts by position, with the accounts' own
events in their places. The result is that of :class:`.all_views.AllViews`, which tests hold it to.

Effects are tuples of plain values, because they go from process to process in great numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from ..domain.instruction import Instruction
from ..domain.reasons import Anomalous
from ..domain.reservations import Reservation
from .all_views import AllViews
from .blotter import Blotter
from .daily_limits import DailyLimits
from .holding import Holding
from .instruction_events import ACCOUNT_EVENTS
from .reconciliation import Noted, Reconciliation
from .runner import History, RecordedEvent
from .sealed import Sealed
from .session_usage import Admitted, Change, Traded, record_of

PARTS_MAX: Final = 8

Effect = tuple[Any, ...]
"""Position, what to do, and with what; see ``Whole``."""
NAMED, RESERVED, ADMITTED, TRADED, MOVED, REFUSED, NOTED, RELEASED = range(8)


def part_of(originator: str, parts: int) -> int:
    """The part that folds an aggregate, by its id in hex."""
    return ord(originator[-1]) % parts


class Folded(NamedTuple):
    """What a part comes to: the ids that it still holds, and the sums of what it let go of."""

    held: list[int]
    sealed: tuple[Sealed, ...]


class Part(AllViews):
    """The instructions of one part; what they move outside is taken away window by window.

    What an instruction holds follows its executions at the end of a window or when it is let go
    of: it depends on their sums alone, and what it adds to are sums that nobody reads meanwhile.
    """

    def __init__(self, history: History) -> None:
        self.effects: list[Effect] = []
        super().__init__(history)

    def _limits(self, history: History | None, sealed: Sealed | None) -> DailyLimits:
        limits = _PartLimits(history, sealed, self)
        self._follow_up = limits.follow_up
        return limits

    def _blotter(self, history: History | None, sealed: Sealed | None) -> Blotter:
        return _PartBlotter(self, history, sealed)

    def _reconciliation(self, history: History | None) -> Reconciliation:
        return _PartReconciliation(history, self)

    def let_go(self, id: UUID) -> bool:
        """As ``AllViews.let_go``; the whole is told of it."""
        goes = super().let_go(id)
        if goes:
            self.emit(RELEASED, id.int)
        return goes

    def emit(self, *effect: Any) -> None:
        """Hand out an effect of the event at hand."""
        self.effects.append((self.position, *effect))

    def take_effects(self) -> list[Effect]:
        """What was moved since the last call, in the order of positions.

        Raises:
            ProjectionStopped: what an instruction holds cannot be told.
        """
        try:
            self._follow_up()
        except Exception as error:
            raise self.limits.stop(self.position, error) from error
        effects, self.effects = self.effects, []
        return effects

    def folded(self) -> Folded:
        """What is still held, and the sums of the rest."""
        return Folded([id.int for id in self.limits.holdings()], self.sums)


class _PartLimits(DailyLimits):
    def __init__(self, history: History | None, sealed: Sealed | None, part: Part) -> None:
        super().__init__(history, sealed)
        self._part = part
        self._told: set[str] = set()
        self._reserved: dict[int, Reservation] = {}
        self._behind: dict[Holding, None] = {}

    def named(self, account: str) -> None:
        if account not in self._told:
            self._told.add(account)
            self._part.emit(NAMED, account)

    def _reserve(self, reservation: Reservation, holding: Holding) -> int:
        id = holding.instruction.id.int
        if self._reserved.get(id) is not reservation:
            self._reserved[id] = reservation
            self._part.emit(RESERVED, id, _plain(reservation))
        return id

    def admitted(self, admitted: Admitted, holding: Holding) -> None:
        reservation, equity, price, hash, at = admitted
        self._reserved.pop(holding.instruction.id.int, None)
        id = self._reserve(reservation, holding)
        self._part.emit(ADMITTED, id, str(equity), str(price), hash, at)

    def traded(self, reservation: Reservation, traded: Traded, holding: Holding) -> None:
        at, shares, notional, uncertain, restating = traded
        id = self._reserve(reservation, holding)
        told = (self._part.position, TRADED, id, at, str(shares), str(notional))
        self._part.effects.append((*told, uncertain, restating))

    def progressed(self, holding: Holding, reservation: Reservation) -> None:
        self._behind[holding] = None

    def follow_up(self) -> None:
        """Bring what is held to the progress of all that executed since the last call."""
        for holding in self._behind:
            self._catch_up(holding)
        self._behind.clear()

    def _catch_up(self, holding: Holding) -> None:
        reservation = holding.instruction.reservation
        if reservation is not None:
            self._true_up(holding, reservation)

    def moved(self, reservation: Reservation, change: Change, holding: Holding) -> None:
        id = self._reserve(reservation, holding)
        self._part.effects.append((self._part.position, MOVED, id, *map(str, change)))

    def forget(self, id: UUID) -> None:
        holding = self._holdings.get(id)
        if holding is not None and holding in self._behind:
            del self._behind[holding]
            self._catch_up(holding)
        self._reserved.pop(id.int, None)
        super().forget(id)


class _PartBlotter(Blotter):
    def __init__(self, part: Part, history: History | None, sealed: Sealed | None) -> None:
        super().__init__(part.limits.instruction, history, sealed)
        self._part = part

    def refused(self, account: str, at: int) -> None:
        self._part.emit(REFUSED, account, at)

    def _alone(self) -> Blotter:
        return Blotter()


class _PartReconciliation(Reconciliation):
    def __init__(self, history: History | None, part: Part) -> None:
        super().__init__(history)
        self._part = part

    def note(self, stream: UUID, noted: Noted) -> None:
        self._part.emit(NOTED, stream.int, noted.kind.value, *noted[1:])


def _plain(reservation: Reservation) -> bytes:
    return reservation.model_dump_json().encode()


_often: Final = lru_cache(maxsize=1_024)(Decimal)
"""A Decimal of a text that comes again and again: changes of none, round numbers of shares."""


class Whole:
    """All views, put together from the effects of parts and the accounts' own events."""

    def __init__(self, history: History) -> None:
        self.views = AllViews(history)
        self._held: dict[int, tuple[Reservation, Holding]] = {}
        self._unfolded: Final = Instruction(UUID(int=0))
        views = self.views
        self._accounts: Final = {
            kind: [
                (view, handler)
                for view in (views.limits, views.blotter, views.reconciliation)
                if (handler := view.HANDLERS.get(kind)) is not None
            ]
            for kind in ACCOUNT_EVENTS
        }
        self._todo: Final[tuple[Callable[..., None], ...]] = (
            self._named,
            self._reserved,
            self._admitted,
            self._traded,
            self._moved,
            self._refused,
            self._noted,
            self._released,
        )

    def follow(self, items: Iterable[tuple[Any, ...]], upto: int, hash: bytes) -> None:
        """Apply effects and :class:`Recorded` events of accounts, sorted, up to a position.

        Raises:
            ProjectionStopped: a projection cannot follow.
        """
        todo = self._todo
        reconciliation = self.views.reconciliation
        for item in items:
            if type(item) is not tuple:
                self._of_account(cast("RecordedEvent", item))
                continue
            reconciliation.position = item[0] - 1
            todo[item[1]](*item[2:])
        for view in (self.views.limits, self.views.blotter, reconciliation):
            view.position, view.head_hash = upto, hash

    def _of_account(self, recorded: RecordedEvent) -> None:
        for view, handler in self._accounts[type(recorded.event)]:
            view.position = recorded.position - 1
            try:
                handler(view, recorded.event)
            except Exception as error:
                raise view.stop(recorded.position, error) from error

    def finish(self, parts: Iterable[Folded]) -> AllViews:
        """The views with what the parts hold, told again, and the sums of what they let go of."""
        views = self.views
        for part in parts:
            for mine, theirs in zip(views.sums, part.sealed, strict=True):
                mine.merge(theirs)
            views.tell_again(UUID(int=id) for id in part.held)
        return views

    # -- effects -------------------------------------------------------------------------------

    def _named(self, account: str) -> None:
        self.views.limits.named(account)
        self.views.reconciliation.named(account)

    def _reserved(self, id: int, reservation: bytes) -> None:
        told = Reservation.model_validate_json(reservation)
        self._held[id] = told, Holding(self._unfolded)

    def _admitted(self, id: int, equity: str, price: str, hash: str, at: int) -> None:
        reservation, holding = self._held[id]
        admitted = Admitted(reservation, Decimal(equity), Decimal(price), hash, at)
        self.views.limits.admitted(admitted, holding)

    def _traded(
        self, id: int, at: int, shares: str, notional: str, uncertain: int, restating: bool
    ) -> None:
        reservation, holding = self._held[id]
        told = (at, _often(shares), Decimal(notional), uncertain, restating)
        self.views.limits.traded(reservation, record_of(Traded, told), holding)

    def _moved(self, id: int, trades: str, turnover: str, shares: str, power: str) -> None:
        reservation, holding = self._held[id]
        cost = Decimal(turnover)
        spent = cost if power == turnover else Decimal(power)
        change = record_of(Change, (_often(trades), cost, _often(shares), spent))
        self.views.limits.moved(reservation, change, holding)

    def _refused(self, account: str, at: int) -> None:
        self.views.blotter.refused(account, at)

    def _noted(self, stream: int, kind: str, detail: str, subject: str, at: int) -> None:
        noted = Noted(Anomalous(kind), detail, subject, at)
        self.views.reconciliation.note(UUID(int=stream), noted)

    def _released(self, id: int) -> None:
        self._held.pop(id, None)
