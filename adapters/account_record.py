"""Putting something on an account's record from beside the engine, in a short transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from .. import __version__
from ..domain import events as e
from ..domain.account import TradingAccount
from ..domain.errors import InvalidInput, StoreError
from ..domain.ids import account_stream_id
from ..domain.killing import latch_key
from ..domain.ports import Clock
from ..domain.reservations import CounterUpdate
from .corporate_actions import Announced
from .storage.location import is_missing
from .storage.log import Log
from .storage.records import Conflict, CounterExceeded
from .supervision.permissions import use_break
from .timekeeping.clocks import SystemClock

TRIES_MAX: Final = 100
NAMED_WITHIN: Final = 50
"""Among so many first events is one that names the account."""


def account_of(log: Log, default: str) -> str:
    """The account that a log is of, ``default`` while it names none."""
    for recorded in log.events(upto=NAMED_WITHIN):
        if isinstance(recorded.event, e.SessionOpened | e.DecisionReceived):
            return recorded.event.account
    return default


class AccountRecord:
    """Appends to the record of the account of one store, engine or no engine (ruling 24)."""

    def __init__(self, store: str, account: str = "main", clock: Clock | None = None) -> None:
        """Look at the store; ``account`` is meant where its log names none.

        Raises:
            StoreError: there is no such store, or it cannot be read.
        """
        if is_missing(store):
            raise StoreError(f"{store}: there is no store; name the one that the engine writes")
        self.store, self._clock = store, clock or SystemClock()
        with Log.open(store, writer=False) as log:
            self.name = account_of(log, account)

    def append(self, act: Callable[[TradingAccount], object]) -> list[e.DomainEvent]:
        """Have ``act`` record on the account as it stands; gives what was appended.

        Blocks that it engages are latched in the same transaction. An engine that was faster has
        everything looked at again.

        Raises:
            StoreError: it cannot be written.
        """
        with Log.open(self.store, exclusive=False) as log:
            for _ in range(TRIES_MAX):
                history = log.stream(account_stream_id(self.name))
                account = TradingAccount.replay(self.name, history)
                act(account)
                events = account.collect_events()
                if not events:
                    return []
                counters = [
                    CounterUpdate(latch_key(account.id, event.scope), 1, None)
                    for event in events
                    if isinstance(event, e.KillSwitchEngaged)
                ]
                try:
                    log.append(_Recorded(list(events)), counters=counters)
                except (Conflict, CounterExceeded):
                    continue
                return events
        raise StoreError(f"{self.store}: the account's record changed at every try")

    def stamp(self, actor: str, causation: str) -> e.Stamp:
        """A stamp for events recorded now."""
        return e.Stamp(self._clock.now(), actor[:120], "account", f"{causation}/{__version__}")

    def record_actions(
        self, announced: Sequence[Announced], source: str, actor: str
    ) -> list[e.DomainEvent]:
        """Record corporate actions that are not on the record as they are announced."""
        stamp = self.stamp(actor, "actions")

        def act(account: TradingAccount) -> None:
            for each in announced:
                account.record_action(stamp, self.name, each.action, source, each.raw)

        return self.append(act)

    def accept_position(self, symbol: str, reason: str, person: str) -> list[e.DomainEvent]:
        """Take the broker's position for ours, and open corporate actions as settled, by hand.

        Raises:
            InvalidInput: nothing about the symbol is unexplained, or no person or reason is named.
            AccessDenied: where principals are set up, without the role or an approved change of
                scope ``position:SYMBOL``.
        """
        symbol, reason, person = symbol.strip().upper(), reason.strip(), person.strip()
        if not person or not reason:
            raise InvalidInput("person and reason", "empty", "who closes it, and why")
        self._check_unexplained(symbol)
        used = use_break(self.store, self.name, f"position:{symbol}", f"accept {symbol}")
        stamp = self.stamp(f"person:{used.name if used else person}", "accept")
        if used is not None:
            stamp = stamp._replace(causation_id=used.cause)

        def act(account: TradingAccount) -> None:
            account.accept_position(stamp, symbol, reason)
            account.settle_actions(stamp, self.name, symbol, reason)

        return self.append(act)

    def _check_unexplained(self, symbol: str) -> None:
        with Log.open(self.store, writer=False) as log:
            history = log.stream(account_stream_id(self.name))
            waiting = TradingAccount.replay(self.name, history).standing.open_symbols
        if symbol not in waiting:
            named = ", ".join(waiting) or "none is"
            raise InvalidInput("symbol", symbol, f"one that is not explained: {named}")


class _Recorded:
    def __init__(self, events: list[e.DomainEvent]) -> None:
        self._events = events

    def collect_events(self) -> list[e.DomainEvent]:
        """Take the events; a second call gives none."""
        events, self._events = self._events, []
        return events
