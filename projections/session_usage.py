"""What one account has used of its limits in one session, kept as sums that a fill only adds to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from ..domain.limits import Limits, SymbolUsage, Usage, grid_up
from ..domain.money import ZERO
from ..domain.ports import MINUTE_NS, NANOS, Side
from ..domain.reservations import Held, Reservation
from .symbol_use import KeptSymbol, OwnShares, SymbolState, Timed, Unshown

record_of: Final = tuple.__new__
"""Makes a record in half the time that its class takes; every fill asks for several."""
_BUY: Final = Side.BUY
"""An attribute of an enumeration costs as much as a call, and every fill asks."""


class LimitsInForce(NamedTuple):
    """Limits with their author, the reason given, and when they came into force (ns UTC)."""

    limits: Limits
    author: str
    reason: str
    since: int


class Change(NamedTuple):
    """A change of what is held: trades, dollars, shares, dollars, on the grid of the counters."""

    trades: Decimal
    turnover: Decimal
    shares: Decimal
    power: Decimal

    def minus(self, part: Change) -> Change:
        """What is left of it without ``part``."""
        return Change(
            self.trades - part.trades,
            self.turnover - part.turnover,
            self.shares - part.shares,
            self.power - part.power,
        )


NO_CHANGE: Final = Change(ZERO, ZERO, ZERO, ZERO)


class Traded(NamedTuple):
    """Shares executed at ``at`` (the venue's time, ns UTC) and what they cost.

    Negative where the venue took executions back, which ``restating`` says; ``uncertain`` is how
    many more orders of unknown outcome there are.
    """

    at: int
    shares: Decimal
    notional: Decimal
    uncertain: int = 0
    restating: bool = False

    def change(self, reservation: Reservation) -> Change:
        """What an execution alone holds, apart from leaves and the trade slot."""
        cost = grid_up(self.notional)
        return Change(ZERO, cost, grid_up(self.shares), self.power(reservation))

    def power(self, reservation: Reservation) -> Decimal:
        """The buying power that an execution alone takes."""
        return grid_up(self.notional) if reservation.buying_power_usd > 0 else ZERO

    def gross(self) -> Traded:
        """The same without what was taken back, which is not headroom again (ruling 6)."""
        return self._replace(shares=max(self.shares, ZERO), notional=max(self.notional, ZERO))


class Admitted(NamedTuple):
    """An admission as its account sees it; ``at`` is ns UTC, ``price`` what sized it."""

    reservation: Reservation
    equity: Decimal
    price: Decimal
    content_hash: str
    at: int


@dataclass(slots=True)
class SessionUse:
    """Sums of one session; dollars, shares and trades, by what :class:`Usage` names them."""

    date: str
    equity: Decimal | None = None
    open: int | None = None
    close: int | None = None
    closed: bool = False
    trades: int = 0
    turnover: Decimal = ZERO
    reducing_trades: int = 0
    reducing_turnover: Decimal = ZERO
    power: Decimal = ZERO
    power_busted: Decimal = ZERO
    own: dict[str, OwnShares] = field(default_factory=dict)

    def add(self, change: Change, *, exempt: bool) -> None:
        """Add what an admission, a fill or an end changes in what is held."""
        trades, turnover, _, power = change
        if exempt:
            self.reducing_trades += int(trades) if trades else 0
            self.reducing_turnover += turnover
        else:
            self.trades += int(trades) if trades else 0
            self.turnover += turnover
        self.power += power

    def traded(self, symbol: str, side: Side, shares: Decimal) -> None:
        """Count executed shares, or with a negative number shares that the venue took back."""
        own = self.own.get(symbol)
        if own is None:
            own = self.own[symbol] = OwnShares()
        if side is _BUY:
            if shares > ZERO:
                own.bought += shares
            else:
                own.busted_bought -= shares
        elif shares > ZERO:
            own.sold += shares
        else:
            own.busted_sold -= shares


@dataclass(slots=True)
class KeptAccount:
    """What an :class:`AccountUse` goes on from."""

    limits: LimitsInForce | None
    kills: dict[str, str]
    sessions: dict[str, SessionUse]
    current: str
    equity: Decimal | None
    symbols: dict[str, KeptSymbol]
    power_leaves: Decimal
    power_unshown: list[Timed]
    recent: dict[str, int]
    admitted: list[int]


@dataclass(slots=True)
class KeptLimits:
    """What a ``DailyLimits`` goes on from, apart from what single instructions hold."""

    position: int
    names: dict[UUID, str]
    accounts: dict[UUID, KeptAccount]
    counters: dict[str, int]


class AccountUse:
    """One account: its limits, blocks, sessions, open shares and admission windows."""

    def __init__(self) -> None:
        self.limits: LimitsInForce | None = None
        self.kills: dict[str, str] = {}
        self.sessions: dict[str, SessionUse] = {}
        self.current = ""
        self.equity: Decimal | None = None
        self.symbols: dict[str, SymbolState] = {}
        self.power_leaves = ZERO
        self.power_unshown = Unshown()
        self.recent: dict[str, int] = {}
        self.admitted: deque[int] = deque()

    def block(self, scope: str, reason: str) -> int:
        """Block a scope; 1 when it was not blocked before, else 0."""
        added = scope not in self.kills
        self.kills[scope] = reason
        return int(added)

    def session(self, date: str) -> SessionUse:
        """The sums of a session, begun when first asked for."""
        found = self.sessions.get(date)
        if found is None:
            found = self.sessions[date] = SessionUse(date)
            if date > self.current:
                self.current = date
                for state in self.symbols.values():
                    state.cached = None
        return found

    def symbol(self, symbol: str) -> SymbolState:
        """What is open in a symbol, for changing."""
        found = self.symbols.get(symbol)
        if found is None:
            found = self.symbols[symbol] = SymbolState()
        found.cached = None
        return found

    def session_of(self, market_time: int, admitted_in: str) -> SessionUse:
        """The session that an execution belongs to: a later one that had opened by then, if any.

        Executions outside every session (a late report of the admission's own day) count where the
        instruction was admitted.
        """
        if admitted_in != self.current:
            for date in sorted(self.sessions, reverse=True):
                opened = self.sessions[date].open
                if date > admitted_in and opened is not None and market_time >= opened:
                    return self.sessions[date]
        return self.session(admitted_in)

    def restated(self, reservation: Reservation, traded: Traded) -> Traded:
        """Note what the venue took back and give what it added.

        What was taken back leaves the position and is not headroom again (ruling 6), so it is
        counted apart from the gross sums.
        """
        session = self.session_of(traded.at, reservation.session_date)
        if traded.shares < 0:
            session.traded(reservation.symbol, reservation.side, traded.shares)
            symbol = self.symbol(reservation.symbol)
            symbol.unshown.add(traded.at, reservation.side.sign * traded.shares)
        if traded.notional < 0 and reservation.buying_power_usd > 0:
            session.power_busted -= traded.notional
        return traded.gross()

    def positions_recorded(self, positions: Iterable[tuple[str, Decimal]]) -> None:
        """Take the broker's positions as recorded: own executions so far are in them."""
        known = dict(positions)
        for symbol in self.symbols.keys() | known.keys():
            state = self.symbol(symbol)
            state.base = known.get(symbol, ZERO)
            state.unshown.clear()
        self.power_unshown.clear()

    def admitted_at(self, content_hash: str, at: int) -> None:
        """Remember an admission for the duplicate and throttle windows; forget what is past."""
        limits = self.limits.limits if self.limits else Limits()
        oldest = at - limits.duplicate_window_seconds * NANOS
        while self.recent:
            first = next(iter(self.recent))
            if self.recent[first] > oldest:
                break
            del self.recent[first]
        self.recent.pop(content_hash, None)
        self.recent[content_hash] = at
        while self.admitted and self.admitted[0] <= at - MINUTE_NS:
            self.admitted.popleft()
        self.admitted.append(max(at, self.admitted[-1]) if self.admitted else at)

    def usage(self, date: str, *, shown: bool) -> Usage:
        """The session's usage; see ``DailyLimits.usage``."""
        session = self.sessions.get(date) or SessionUse(date)
        unshown = ZERO if shown else self.power_unshown.total
        return Usage(
            session_date=date,
            session_equity_usd=session.equity or ZERO,
            trades=session.trades,
            turnover_usd=session.turnover,
            reducing_trades=session.reducing_trades,
            reducing_turnover_usd=session.reducing_turnover,
            buying_power_used_usd=session.power,
            buying_power_reserved_usd=self.power_leaves + unshown + session.power_busted,
            symbols=self._symbols(session, shown=shown),
            recent=dict(self.recent),
            admitted_at=tuple(self.admitted),
            killed=frozenset(self.kills),
        )

    def state(self) -> object:
        """What is compared between live and rebuilt."""
        return {
            "limits": self.limits,
            "kills": self.kills,
            "sessions": self.sessions,
            "current": self.current,
            "equity": self.equity,
            "symbols": {name: symbol.state() for name, symbol in self.symbols.items()},
            "power_leaves": self.power_leaves,
            "power_unshown": self.power_unshown.items,
            "recent": self.recent,
            "admitted": tuple(self.admitted),
        }

    def kept(self) -> KeptAccount:
        """What to go on from; it shares its parts with this record."""
        return KeptAccount(
            self.limits,
            self.kills,
            self.sessions,
            self.current,
            self.equity,
            {name: symbol.kept() for name, symbol in self.symbols.items()},
            self.power_leaves,
            self.power_unshown.items,
            self.recent,
            list(self.admitted),
        )

    @classmethod
    def from_kept(cls, kept: KeptAccount) -> AccountUse:
        """The record that goes on from what was kept."""
        found = cls()
        found.limits, found.kills = kept.limits, kept.kills
        found.sessions, found.current = kept.sessions, kept.current
        found.equity, found.power_leaves = kept.equity, kept.power_leaves
        found.symbols = {name: SymbolState.from_kept(one) for name, one in kept.symbols.items()}
        found.power_unshown = Unshown(kept.power_unshown)
        found.recent, found.admitted = kept.recent, deque(kept.admitted)
        return found

    def _symbols(self, session: SessionUse, *, shown: bool) -> dict[str, SymbolUsage]:
        found: dict[str, SymbolUsage] = {}
        is_current = session.date == self.current
        for symbol, state in self.symbols.items():
            used = state.cached if is_current else None
            if used is None:
                used = state.usage(session.own.get(symbol, OwnShares()))
                if is_current:
                    state.cached = used
            if shown and used.unreflected:
                used = replace(used, unreflected=ZERO)
            found[symbol] = used
        return found


def change_of(before: Held, after: Held) -> Change:
    """The change from ``before`` to ``after``."""
    trades, turnover, shares, power = after
    trades_before, turnover_before, shares_before, power_before = before
    dollars = turnover - turnover_before
    same = power is turnover and power_before is turnover_before
    spent = dollars if same else power - power_before
    return record_of(Change, (trades - trades_before, dollars, shares - shares_before, spent))
