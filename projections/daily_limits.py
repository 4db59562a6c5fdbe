"""What is used of the limits, per account and exchange session, told from the log (ruling 12).

The engine admits against the live instance of this projection; the counters of the store are a
cache of it. It follows every fill whatever the caps say: usage over a cap is shown, never refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from ..domain import events as e
from ..domain.ids import account_stream_id
from ..domain.instruction import Instruction
from ..domain.killing import latch_key
from ..domain.limits import MICRO, Limits, Usage, grid_up
from ..domain.money import ZERO
from ..domain.reservations import NOTHING_HELD, Reservation, counter_keys, held, turnover_key
from .counters import Counters
from .holding import Holding
from .home import Home
from .instruction_events import ACCOUNT_EVENTS, FOLLOWED_EVENTS, REPORT_EVENTS
from .over_caps import OverCap, positions_over, used_of_caps
from .runner import VERSION_ABOVE_ALL, Handler, History, Projection
from .sealed import Sealed
from .session_usage import (
    NO_CHANGE,
    AccountUse,
    Admitted,
    Change,
    KeptLimits,
    LimitsInForce,
    SessionUse,
    Traded,
    change_of,
    record_of,
)


class DailyLimits(Projection):
    """Usage of limits, counters, limits in force and blocks of every account in the log.

    With ``history`` it need not hold every instruction: one that it does not know is told again
    from its own stream when something more happens to it. With ``sealed`` its state says of those
    that it let go of what their sums are.
    """

    name: ClassVar[str] = "daily_limits"
    version: ClassVar[int] = 1

    def __init__(self, history: History | None = None, sealed: Sealed | None = None) -> None:
        super().__init__()
        self.sealed = sealed
        self.at_hand: Instruction | None = None
        self._history = history
        self._accounts: dict[UUID, AccountUse] = {}
        self._names: dict[UUID, str] = {}
        self._by_name: dict[str, AccountUse] = {}
        self._holdings: dict[UUID, Holding] = {}
        self._counters = Counters()

    # -- reading -------------------------------------------------------------------------------

    def accounts(self) -> tuple[str, ...]:
        """The accounts that the log names."""
        return tuple(sorted(self._names.values()))

    def usage(self, account: str, session_date: str | None = None, *, shown: bool = False) -> Usage:
        """What ``account`` has used in a session, by default its latest.

        ``shown`` says that the caller asked the broker for position and buying power after all that
        is recorded here, so that own executions are in them; by order and not by time, because the
        broker's clock is not ours. Else they are held against the last positions in the log.
        """
        state = self._account(account)
        return state.usage(session_date or state.current, shown=shown)

    def limits_in_force(self, account: str) -> LimitsInForce | None:
        """The limits of ``account`` with author and time; None before the first are set."""
        return self._account(account).limits

    def limits(self, account: str) -> Limits:
        """The limits of ``account``, the defaults before the first are set."""
        current = self._account(account).limits
        return current.limits if current else Limits()

    def instruction(self, id: UUID) -> Instruction:
        """An instruction as this projection has folded it; for reading only."""
        return self._holding(id, VERSION_ABOVE_ALL).instruction

    def position_of(self, account: str, symbol: str) -> Decimal:
        """The last position the broker reported and own executions since, in signed shares."""
        state = self._account(account).symbols.get(symbol)
        return state.position if state else ZERO

    def sessions(self, account: str) -> tuple[str, ...]:
        """The session dates in which something happened, oldest first."""
        return tuple(sorted(self._account(account).sessions))

    def counters(self) -> dict[str, int]:
        """Every counter that is not zero, in millionths, under the keys of ``counter_keys``."""
        return self._counters.those()

    def take_counter_changes(self) -> dict[str, int]:
        """What the counters have changed by since the last call, for the store's cache of them.

        Not part of the state: a rebuilt projection has taken none.
        """
        return self._counters.take_changes()

    def over_cap(self, account: str, session_date: str | None = None) -> tuple[OverCap, ...]:
        """The limits of which more is used than allowed now; empty when all is within.

        A position is measured by the last price and equity that a quantity was computed from.
        """
        over = [use for use in self.uses(account, session_date) if use.used > use.allowed]
        return (*over, *positions_over(account, self._account(account), self.limits(account)))

    def uses(self, account: str, session_date: str | None = None) -> tuple[OverCap, ...]:
        """What a session has used of each limit that it counts against, by default the latest."""
        state = self._account(account)
        return used_of_caps(account, state, session_date or state.current, self.limits(account))

    # -- events of the account -----------------------------------------------------------------

    def _account(self, account: str) -> AccountUse:
        return self._accounts.get(account_stream_id(account)) or AccountUse()

    def _by_stream(self, stream: UUID) -> AccountUse:
        found = self._accounts.get(stream)
        if found is None:
            found = self._accounts[stream] = AccountUse()
        return found

    def _named(self, account: str) -> AccountUse:
        found = self._by_name.get(account)
        if found is None:
            stream = account_stream_id(account)
            self._names[stream] = account
            found = self._by_name[account] = self._by_stream(stream)
        return found

    def _session_opened(self, event: e.SessionOpened) -> None:
        account = self._named(event.account)
        session = account.session(event.session_date)
        if session.open is None:
            session.open, session.close = event.open, event.close
        if session.equity is None:
            session.equity = event.equity
        account.equity = event.equity
        account.positions_recorded((p.symbol, p.quantity) for p in event.positions)

    def _session_closed(self, event: e.SessionClosed) -> None:
        account = self._named(event.account)
        account.session(event.session_date).closed = True
        account.equity = event.equity
        account.positions_recorded((p.symbol, p.quantity) for p in event.positions)

    def _foreign(self, event: e.ForeignExecution) -> None:
        """What others execute in the account is turnover too (ruling 12), and no trade of ours."""
        notional = grid_up(event.quantity * event.price)
        self._named(event.account).session(event.session_date).turnover += notional
        self._counters.add(turnover_key(event.account, event.session_date), int(notional * MICRO))

    def _limit_changed(self, event: e.LimitChanged) -> None:
        account = self._by_stream(event.originator_id)
        account.limits = LimitsInForce(event.limits, event.actor, event.reason, event.record_time)

    def _killed(self, event: e.KillSwitchEngaged) -> None:
        added = self._by_stream(event.originator_id).block(event.scope, event.reason)
        self._counters.add(latch_key(event.originator_id, event.scope), added)

    def _revived(self, event: e.KillSwitchReleased) -> None:
        lifted = self._by_stream(event.originator_id).kills.pop(event.scope, None) is not None
        self._counters.add(latch_key(event.originator_id, event.scope), -int(lifted))

    # -- events of an instruction --------------------------------------------------------------

    def _received(self, event: e.DecisionReceived) -> None:
        self.named(event.account)
        instruction = Instruction(event.originator_id)
        instruction.apply(event)
        self._holdings[event.originator_id] = Holding(instruction)

    def _followed(self, event: e.DomainEvent) -> None:
        self._holding_of(event).instruction.apply(event)

    def _planned(self, event: e.InstructionPlanned) -> None:
        holding = self._holding_of(event)
        holding.instruction.apply(event)
        reservation = event.reservation
        hash = holding.instruction.content_hash
        self.admitted(
            Admitted(reservation, event.equity, event.price, hash, event.record_time), holding
        )
        self._true_up(holding, reservation)

    def _replanned(self, event: e.InstructionReplanned) -> None:
        """Give back what was reserved and take what is reserved instead, if anything is."""
        holding = self._holding_of(event)
        before, after = holding.instruction.reservation, event.reservation
        holding.instruction.apply(event)
        if before is not None and after is not None:
            freed, holding.held = change_of(holding.held, NOTHING_HELD), NOTHING_HELD
            self.moved(before, freed, holding)
            holding.home = None
            self._true_up(holding, after)

    def _ended(self, event: e.DomainEvent) -> None:
        holding = self._holding_of(event)
        holding.instruction.apply(event)
        reservation = holding.instruction.reservation
        if reservation is not None:
            self._true_up(holding, reservation)

    def _restated(self, event: e.OrderReported) -> None:
        self._reported(event, restating=True)

    def _reported(self, event: e.OrderReported, *, restating: bool = False) -> None:
        holding = self._holding_of(event)
        instruction, report = holding.instruction, event.report
        orders, name = instruction.orders, report.client_order_id
        before = orders.get(name)
        shares, notional = instruction.executed, instruction.notional
        instruction.apply(event)
        reservation = instruction.reservation
        if before is None or reservation is None:
            return
        uncertain = orders[name].is_indeterminate - before.is_indeterminate
        executed, spent = instruction.executed, instruction.notional
        if executed == shares and spent == notional and not uncertain:
            return
        holding.uncertain += uncertain
        shares, notional = executed - shares, spent - notional
        told = (report.market_time, shares, notional, uncertain, restating)
        traded: Traded = record_of(Traded, told)
        if restating:
            _, shares, notional, *_ = traded.gross()
        holding.executed += shares
        holding.notional += notional
        self.traded(reservation, traded, holding)
        self.progressed(holding, reservation)

    def _holding_of(self, event: e.DomainEvent) -> Holding:
        found = self._holdings.get(event.originator_id)
        if found is None:
            found = self._holding(event.originator_id, event.originator_version)
        self.at_hand = found.instruction
        return found

    def _holding(self, id: UUID, before: int) -> Holding:
        """What an instruction held, told by the same code in a projection that sees it alone."""
        if id not in self._holdings and self._history is not None:
            alone = DailyLimits()
            for recorded in self._history(id, before):
                alone.HANDLERS[type(recorded.event)](alone, recorded.event)
            self._holdings[id] = alone._holdings[id]
            if self.sealed is not None:
                self.sealed.take(id, alone._holdings[id].facts())
        return self._holdings[id]

    def _true_up(self, holding: Holding, reservation: Reservation) -> None:
        """Bring what is held to what the progress says."""
        before, after = holding.held, held(reservation, holding.progress())
        if after != before:
            holding.held = after
            self.moved(reservation, change_of(before, after), holding)

    # -- what an instruction moves in its account ----------------------------------------------

    def named(self, account: str) -> None:
        """Know an account that an instruction names."""
        self._named(account)

    def admitted(self, admitted: Admitted, holding: Holding) -> None:
        """Count an admission in its account."""
        reservation = admitted.reservation
        account = self._named(reservation.account)
        session = account.session(reservation.session_date)
        if session.equity is None:
            session.equity = admitted.equity
        account.equity = admitted.equity
        account.symbol(reservation.symbol).price = admitted.price
        account.admitted_at(admitted.content_hash, admitted.at)

    def progressed(self, holding: Holding, reservation: Reservation) -> None:
        """Let what is held follow what was executed: here at once, in parts once a window."""
        self._true_up(holding, reservation)

    def moved(self, reservation: Reservation, change: Change, holding: Holding) -> None:
        """Count a change of what is held, where the instruction was admitted."""
        home = self._home(reservation, holding)
        home.moved(change)
        self._add_to(home.session, home.keys, change, home)

    def traded(self, reservation: Reservation, traded: Traded, holding: Holding) -> None:
        """Count executions, which count where they happened."""
        home = self._home(reservation, holding)
        if traded.restating:
            traded = home.account.restated(reservation, traded)
        session = home.traded(traded)
        if session is not home.session:
            executed = traded.change(reservation)
            self._add_to(session, counter_keys(reservation, session.date), executed, home)
            self._add_to(home.session, home.keys, NO_CHANGE.minus(executed), home)

    def _home(self, reservation: Reservation, holding: Holding) -> Home:
        home = holding.home
        if home is None or home.of is not self:
            home = holding.home = Home(self, self._named(reservation.account), reservation)
        return home

    def _add_to(
        self, session: SessionUse, keys: tuple[str, ...], change: Change, home: Home
    ) -> None:
        session.add(change, exempt=home.exempt)
        self._counters.count(keys, change)

    # -- keeping less than all -----------------------------------------------------------------

    def forget(self, id: UUID) -> None:
        """Let go of an instruction; needs a ``history`` to tell it again from."""
        holding = self._holdings.pop(id, None)
        if holding is not None and self.sealed is not None:
            self.sealed.add(id, holding.facts())

    def holdings(self) -> dict[UUID, Holding]:
        """What each instruction that is held holds."""
        return self._holdings

    def recall(self, ids: Iterable[UUID]) -> None:
        """Hold all these instructions again, in this order, before any others."""
        told = {id: self._holding(id, VERSION_ABOVE_ALL) for id in ids}
        self._holdings = told | self._holdings

    def kept(self, account: str) -> KeptLimits:
        """What to go on from with one account; it shares its parts, so use it at once."""
        stream = account_stream_id(account)
        names = {stream: account} if stream in self._names else {}
        accounts = {stream: self._accounts[stream].kept()} if stream in self._accounts else {}
        latches = latch_key(stream, "")
        counters = self._counters.those(
            lambda key: key.startswith(latches) or key.partition(":")[2].startswith(f"{account}:")
        )
        return KeptLimits(self.position, names, accounts, counters)

    @classmethod
    def from_kept(cls, kept: KeptLimits, history: History) -> DailyLimits:
        """The projection that goes on from what was kept."""
        found = cls(history)
        found.position = kept.position
        found._names, found._counters = kept.names, Counters(kept.counters)
        found._accounts = {id: AccountUse.from_kept(one) for id, one in kept.accounts.items()}
        found._by_name = {name: found._by_stream(id) for id, name in kept.names.items()}
        return found

    # -- the runner's side ---------------------------------------------------------------------

    def state(self) -> object:
        """Accounts with sessions and windows, holdings, and counters."""
        return {
            "accounts": {
                self._names.get(stream, str(stream)): account.state()
                for stream, account in self._accounts.items()
            },
            "holdings": {id: holding.state() for id, holding in self._holdings.items()},
            "counters": self.counters(),
            **(self.sealed.told() if self.sealed else {}),
        }

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {
        e.SessionOpened: _session_opened,
        e.ForeignExecution: _foreign,
        e.SessionClosed: _session_closed,
        e.LimitChanged: _limit_changed,
        e.KillSwitchEngaged: _killed,
        e.KillSwitchReleased: _revived,
        e.DecisionReceived: _received,
        e.InstructionPlanned: _planned,
        e.InstructionRejected: _ended,
        e.NothingToDo: _ended,
        e.InstructionFilled: _ended,
        e.InstructionCancelled: _ended,
        **dict.fromkeys(FOLLOWED_EVENTS, _followed),
        e.InstructionReplanned: _replanned,
        **dict.fromkeys(REPORT_EVENTS, _reported),
        e.FillBusted: _restated,
        e.FillCorrected: _restated,
    }
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = frozenset(ACCOUNT_EVENTS) - HANDLERS.keys()
