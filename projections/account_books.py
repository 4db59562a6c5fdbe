"""Cash and shares of every account by our own record: settled, not settled, not paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from ..domain import events as e
from ..domain.account_positions import PositionStanding
from ..domain.corporate import between
from ..domain.ids import account_stream_id
from ..domain.instruction import Instruction
from ..domain.money import ZERO
from ..domain.settlement import AccountBook, CashFacts
from .instruction_book import Shared
from .instruction_events import (
    ACCOUNT_EVENTS,
    END_EVENTS,
    FOLLOWED_EVENTS,
    INSTRUCTION_EVENTS,
    REPORT_EVENTS,
)
from .runner import VERSION_ABOVE_ALL, Handler, History, Projection


@dataclass(slots=True)
class KeptBooks:
    """What :class:`AccountBooks` goes on from, apart from what the accounts' own streams say."""

    position: int
    names: dict[UUID, str]
    books: dict[UUID, AccountBook]


class AccountBooks(Projection):
    """The book of each account in the log.

    With ``shared`` it folds no instruction of its own: whoever gives them has applied each event
    before it comes here. With ``history`` it need not remember what each had traded before.
    """

    name: ClassVar[str] = "account_books"
    version: ClassVar[int] = 1

    def __init__(self, shared: Shared | None = None, history: History | None = None) -> None:
        super().__init__()
        self._shared = shared
        self._history = history
        self._own: dict[UUID, Instruction] = {}
        self._books: dict[UUID, AccountBook] = {}
        self._names: dict[UUID, str] = {}
        self._status_of: dict[UUID, e.AccountStatusRecorded] = {}
        self._standing: dict[UUID, PositionStanding] = {}
        self._traded: dict[UUID, tuple[Decimal, Decimal]] = {}

    def accounts(self) -> tuple[str, ...]:
        """The accounts that the log names, sorted."""
        return tuple(sorted(self._names.values()))

    def status(self, account: str) -> e.AccountStatusRecorded | None:
        """The kind of account as last recorded, None before it was."""
        return self._status_of.get(account_stream_id(account))

    def standing(self, account: str) -> PositionStanding:
        """Corporate actions known and positions not explained; for reading only."""
        return self._standing.get(account_stream_id(account)) or PositionStanding()

    def book(self, account: str) -> AccountBook:
        """The account's book as it stands; empty before its first session. For reading only."""
        return self._books.get(account_stream_id(account)) or AccountBook()

    def cash_facts(self, account: str, symbol: str) -> CashFacts | None:
        """What a decision about ``symbol`` needs to know of the cash, None before any session."""
        book = self._books.get(account_stream_id(account))
        return None if book is None or not book.today else book.facts(symbol)

    def _book(self, stream: UUID, name: str = "") -> AccountBook:
        if name:
            self._names[stream] = name
        return self._books.setdefault(stream, AccountBook())

    def _status(self, event: e.AccountStatusRecorded) -> None:
        self._status_of[event.originator_id] = event
        self._begin(event, event.settles_on)

    def _begin(self, event: e.AccountStatusRecorded | e.SessionOpened, settles_on: str) -> None:
        book = self._book(event.originator_id, event.account)
        known = self._position_standing(event).actions.values()
        if book.today and book.today != event.session_date:
            book.take_actions(between(known, book.today, event.session_date))
        book.open(event.session_date, settles_on)

    def _position_standing(self, event: e.DomainEvent) -> PositionStanding:
        return self._standing.setdefault(event.originator_id, PositionStanding())

    def _of_positions(self, event: e.DomainEvent) -> None:
        self._position_standing(event).apply(event)

    def _explained(self, event: e.PositionExplained) -> None:
        self._of_positions(event)
        if event.by is e.ExplainedBy.PERSON and event.origin is e.BreakOrigin.SESSION:
            book = self._book(event.originator_id, event.account)
            book.accept(event.symbol, event.reported - event.expected)

    def _opened(self, event: e.SessionOpened) -> None:
        self._of_positions(event)
        book = self._book(event.originator_id, event.account)
        if book.today != event.session_date:
            self._begin(event, "")  # an older log does not say when its trades settle
        book.take_statement(event.cash, {p.symbol: p.quantity for p in event.positions})

    def _received(self, event: e.DecisionReceived) -> None:
        self._traded[event.originator_id] = (ZERO, ZERO)
        if self._shared is None:
            self._own[event.originator_id] = Instruction(event.originator_id)
            self._own[event.originator_id].apply(event)

    def _followed(self, event: e.DomainEvent) -> None:
        if self._shared is None:
            self._own[event.originator_id].apply(event)

    def _reported(self, event: e.OrderReported) -> None:
        id = event.originator_id
        self._followed(event)
        instruction = self._own[id] if self._shared is None else self._shared(id)
        plan = instruction.plan
        now = (instruction.executed, instruction.notional)
        before = self._traded_before(event)
        if plan is None or now == before:
            return
        self._traded[id] = now
        book = self._book(account_stream_id(instruction.account), instruction.account)
        book.trade(plan.symbol, plan.side, now[0] - before[0], now[1] - before[1])
        book.charge(event.report.fee)

    def _traded_before(self, event: e.DomainEvent) -> tuple[Decimal, Decimal]:
        """Shares and notional of an instruction before an event."""
        id = event.originator_id
        known = self._traded.get(id)
        if known is not None or self._history is None:
            return known or (ZERO, ZERO)
        told = Instruction(id)
        for recorded in self._history(id, event.originator_version):
            told.apply(recorded.event)
        return told.executed, told.notional

    def forget(self, id: UUID) -> None:
        """Let go of an instruction; needs a ``history`` to tell it again from."""
        self._traded.pop(id, None)

    def kept(self, account: str) -> KeptBooks:
        """What to go on from with one account; it shares its parts, so use it at once."""
        stream = account_stream_id(account)
        names = {stream: account} if stream in self._names else {}
        books = {stream: self._books[stream]} if stream in self._books else {}
        return KeptBooks(self.position, names, books)

    @classmethod
    def from_kept(cls, kept: KeptBooks, shared: Shared, history: History) -> AccountBooks:
        """The projection that goes on from what was kept and what the accounts' streams say."""
        found = cls(shared, history)
        found.position, found._names, found._books = kept.position, kept.names, kept.books
        for stream in kept.books:
            for recorded in history(stream, VERSION_ABOVE_ALL):
                if recorded.position <= kept.position:
                    found._stand(recorded.event)
        return found

    def _stand(self, event: e.DomainEvent) -> None:
        """Follow what is known of an account apart from its book."""
        if isinstance(event, e.AccountStatusRecorded):
            self._status_of[event.originator_id] = event
        self._position_standing(event).apply(event)

    def state(self) -> object:
        """Every book by the account's name."""
        return {
            self._names.get(stream, str(stream)): {
                "today": book.today,
                "settles_on": book.settles_on,
                "settled": book.settled,
                "unsettled": book.unsettled,
                "positions": book.positions,
                "unpaid": book.unpaid,
                "kind": self._status_of[stream].kind if stream in self._status_of else None,
                **self._told(stream),
            }
            for stream, book in self._books.items()
        }

    def _told(self, stream: UUID) -> dict[str, object]:
        standing = self._standing.get(stream) or PositionStanding()
        return {
            "actions": [
                action.told() for action in between(standing.actions.values(), "", "9999-12-31")
            ],
            "unexplained": {symbol: standing.told(symbol) for symbol in standing.open_symbols},
        }

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {
        e.AccountStatusRecorded: _status,
        e.CorporateActionRecorded: _of_positions,
        e.CorporateActionSettled: _of_positions,
        e.PositionUnexplained: _of_positions,
        e.PositionExplained: _explained,
        e.SessionOpened: _opened,
        e.DecisionReceived: _received,
        e.InstructionPlanned: _followed,
        **dict.fromkeys(FOLLOWED_EVENTS, _followed),
        **dict.fromkeys(END_EVENTS, _followed),
        **dict.fromkeys(REPORT_EVENTS, _reported),
    }
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = (
        frozenset(ACCOUNT_EVENTS) | frozenset(INSTRUCTION_EVENTS)
    ) - HANDLERS.keys()
