"""Where our record and the broker's disagree now, and what odd things nobody has settled yet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from ..domain import events as e
from ..domain.ids import account_stream_id
from ..domain.reasons import Anomalous
from .instruction_events import ACCOUNT_EVENTS, INSTRUCTION_EVENTS
from .runner import Handler, History, Projection

SETTLED_BY_AGREEMENT: Final = frozenset(
    {
        Anomalous.ORDER_REPORT,
        Anomalous.UNKNOWN_ORDER,
        Anomalous.POSITION_BREAK,
        Anomalous.COUNTERS_DISAGREE,
    }
)
"""Anomalies that a later reconciliation without a break explains away."""

PRELIMINARY: Final = "preliminary"
FINAL: Final = "final"

NOTES: Final = frozenset({Anomalous.CURRENT_WEIGHT_DISAGREES, Anomalous.DATA_QUALITY})
"""Anomalies that are only worth knowing; they do not outlive their session."""


class OpenBreak(NamedTuple):
    """A difference that the last comparison still showed; ``since`` is when it first did."""

    account: str
    difference: e.Break
    since: int


class OpenAnomaly(NamedTuple):
    """An anomaly that nothing has settled; ``subject`` is an instruction, order or symbol."""

    position: int
    account: str
    kind: Anomalous
    subject: str
    detail: str
    at: int


class Noted(NamedTuple):
    """What an anomaly's event says, and of what; ``at`` is when (ns UTC)."""

    kind: Anomalous
    detail: str
    subject: str
    at: int


SETTLED_BY_A_PERSON: Final = frozenset(
    {Anomalous.OVERFILL, Anomalous.STRATEGY_OVERREACH, Anomalous.USAGE_OVER_CAP}
)
"""What nothing but a person's word settles."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The last time our record was compared with the broker's (ns UTC)."""

    at: int
    trigger: str
    orders_compared: int
    fills_compared: int
    breaks: int


class SessionStanding(NamedTuple):
    """Whether a session is final; ``sha256`` is that of the last statement it was held against."""

    is_final: bool
    breaks: int = 0
    sha256: str = ""


class _Account:
    def __init__(self) -> None:
        self.breaks: dict[e.Break, int] = {}
        self.anomalies: list[OpenAnomaly] = []
        self.kills: dict[str, tuple[str, int]] = {}
        self.last: Comparison | None = None
        self.settled: set[tuple[Anomalous, str]] = set()
        self.sessions: dict[str, SessionStanding] = {}
        self.unexplained: dict[str, tuple[e.Break, int]] = {}

    def compared(self, breaks: Iterable[e.Break], at: int) -> None:
        """Keep what is still different with its first time; agreement settles anomalies."""
        self.breaks = {found: self.breaks.get(found, at) for found in breaks}
        if not self.breaks:
            self.drop(SETTLED_BY_AGREEMENT)

    def drop(self, kinds: frozenset[Anomalous]) -> None:
        """Take anomalies of these kinds as settled."""
        self.anomalies = [open for open in self.anomalies if open.kind not in kinds]


class Reconciliation(Projection):
    """Open breaks, unsettled anomalies and blocks of every account in the log.

    An anomaly is settled by a later comparison without a break when it is of a kind that agreement
    explains; a mere note ends with its session; an overfill, a strategy that overreached or usage
    over a cap stays until a person has settled it.
    """

    name: ClassVar[str] = "reconciliation"
    version: ClassVar[int] = 3

    def __init__(self, history: History | None = None) -> None:
        super().__init__()
        self._history = history
        self._accounts: dict[UUID, _Account] = {}
        self._names: dict[UUID, str] = {}
        self._home: dict[UUID, UUID] = {}

    def breaks(self) -> tuple[OpenBreak, ...]:
        """Differences that the last comparison of each account showed, or that nothing explains."""
        return tuple(
            OpenBreak(self._name(stream), difference, since)
            for stream, account in self._accounts.items()
            for difference, since in (*account.breaks.items(), *account.unexplained.values())
        )

    def _unexplained(self, event: e.PositionUnexplained) -> None:
        if event.origin is e.BreakOrigin.SESSION:
            return  # the comparison that found it shows it
        ours, theirs = str(event.expected), str(event.reported)
        difference = e.Break(kind="position", symbol=event.symbol, ours=ours, theirs=theirs)
        unexplained = self._account(event.originator_id).unexplained
        unexplained[event.symbol] = (difference, event.record_time)

    def _explained(self, event: e.PositionExplained) -> None:
        self._account(event.originator_id).unexplained.pop(event.symbol, None)

    def anomalies(self) -> tuple[OpenAnomaly, ...]:
        """Unsettled anomalies, in the order of the log."""
        found = (open for account in self._accounts.values() for open in account.anomalies)
        return tuple(sorted(found))

    def is_settled(self, kind: Anomalous, subjects: Collection[str]) -> bool:
        """Whether a person settled such anomalies of one of these, and none came after."""
        found = {
            subject
            for account in self._accounts.values()
            for settled, subject in account.settled
            if settled is kind and subject in subjects
        }
        waiting = {one.subject for one in self.anomalies() if one.kind is kind}
        return bool(found) and not waiting & set(subjects)

    def kills(self) -> tuple[tuple[str, str, str, int], ...]:
        """Blocks in force as (account, scope, reason, since)."""
        return tuple(
            (self._name(stream), scope, reason, since)
            for stream, account in self._accounts.items()
            for scope, (reason, since) in account.kills.items()
        )

    def last_comparison(self, account: str) -> Comparison | None:
        """The last comparison with the broker, None before the first."""
        found = self._accounts.get(account_stream_id(account))
        return found.last if found else None

    def sessions(self) -> dict[tuple[str, str], SessionStanding]:
        """Whether each session is final, by account and date; final only by its statement."""
        return {
            (self._name(stream), date): standing
            for stream, account in self._accounts.items()
            for date, standing in account.sessions.items()
        }

    def _statement(self, event: e.StatementReconciled) -> None:
        sessions = self._account(event.originator_id).sessions
        before = sessions.get(event.session_date)
        signed = before is not None and before.is_final and before.sha256 == event.sha256
        sessions[event.session_date] = SessionStanding(
            event.is_clean or signed, event.breaks_total, event.sha256
        )

    def _signed_off(self, event: e.SessionSignedOff) -> None:
        sessions = self._account(event.originator_id).sessions
        sessions[event.session_date] = SessionStanding(True, event.breaks_total, event.sha256)

    def _name(self, stream: UUID) -> str:
        return self._names.get(stream, str(stream))

    def _account(self, stream: UUID) -> _Account:
        return self._accounts.setdefault(stream, _Account())

    def _session_opened(self, event: e.SessionOpened) -> None:
        self._names[event.originator_id] = event.account
        account = self._account(event.originator_id)
        account.drop(NOTES)
        account.sessions.setdefault(event.session_date, SessionStanding(False))

    def _reconciled(self, event: e.Reconciled) -> None:
        account = self._account(event.originator_id)
        account.compared(event.breaks, event.record_time)
        account.last = Comparison(
            event.record_time,
            event.trigger,
            event.orders_compared,
            event.fills_compared,
            len(event.breaks),
        )

    def _session_closed(self, event: e.SessionClosed) -> None:
        self._account(event.originator_id).compared(event.breaks, event.record_time)

    def _killed(self, event: e.KillSwitchEngaged) -> None:
        kills = self._account(event.originator_id).kills
        kills[event.scope] = (event.reason, event.record_time)

    def _revived(self, event: e.KillSwitchReleased) -> None:
        self._account(event.originator_id).kills.pop(event.scope, None)

    def _account_anomaly(self, event: e.AccountAnomaly) -> None:
        stream = event.originator_id
        subject = event.symbol or self._name(stream)
        self.note(stream, Noted(event.kind, event.detail, subject, event.record_time))

    def _settled(self, event: e.AnomalySettled) -> None:
        account = self._account(event.originator_id)
        account.anomalies = [one for one in account.anomalies if one.position != event.place]
        account.settled.add((event.kind, event.subject))

    def _received(self, event: e.DecisionReceived) -> None:
        self._home[event.originator_id] = self.named(event.account)

    def named(self, account: str) -> UUID:
        """Know an account that an instruction names; gives its stream."""
        stream = account_stream_id(account)
        self._names[stream] = account
        return stream

    def _instruction_anomaly(self, event: e.InstructionAnomaly) -> None:
        subject = event.client_order_id or str(event.originator_id)
        noted = Noted(event.kind, event.detail, subject, event.record_time)
        self.note(self._home_of(event.originator_id), noted)

    def _home_of(self, id: UUID) -> UUID:
        """The account of an instruction; one that was let go of is looked up in its stream."""
        if id not in self._home and self._history is not None:
            for recorded in self._history(id, 2):
                if isinstance(recorded.event, e.DecisionReceived):
                    return account_stream_id(recorded.event.account)
        return self._home[id]

    def forget(self, id: UUID) -> None:
        """Let go of an instruction; needs a ``history`` to tell it again from."""
        self._home.pop(id, None)

    def note(self, stream: UUID, noted: Noted) -> None:
        """Keep an anomaly of an account, of the event after ``position``."""
        kind, detail, subject, at = noted
        self._account(stream).anomalies.append(
            OpenAnomaly(self.position + 1, self._name(stream), kind, subject, detail, at)
        )

    def homes(self) -> dict[UUID, UUID]:
        """The account's stream of each instruction that is held."""
        return self._home

    def state(self) -> object:
        """Breaks, anomalies, blocks and last comparisons."""
        return {
            "breaks": self.breaks(),
            "anomalies": self.anomalies(),
            "settled": {
                self._name(id): sorted(account.settled)
                for id, account in self._accounts.items()
                if account.settled
            },
            "kills": self.kills(),
            "sessions": [(*key, *standing) for key, standing in self.sessions().items()],
            "last": {self._name(id): account.last for id, account in self._accounts.items()},
        }

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {
        e.SessionOpened: _session_opened,
        e.Reconciled: _reconciled,
        e.SessionClosed: _session_closed,
        e.PositionUnexplained: _unexplained,
        e.PositionExplained: _explained,
        e.StatementReconciled: _statement,
        e.SessionSignedOff: _signed_off,
        e.KillSwitchEngaged: _killed,
        e.KillSwitchReleased: _revived,
        e.AccountAnomaly: _account_anomaly,
        e.AnomalySettled: _settled,
        e.DecisionReceived: _received,
        e.InstructionAnomaly: _instruction_anomaly,
    }
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = (
        frozenset(ACCOUNT_EVENTS) | frozenset(INSTRUCTION_EVENTS)
    ) - HANDLERS.keys()


class ToldSession(NamedTuple):
    """What figures of an account's session are worth: ``standing`` is preliminary or final.

    Final is what agrees with the broker's statement of the day, or was signed off in spite of its
    ``breaks``; ``statement`` is the SHA-256 of the last one, empty where there was none yet.
    """

    account: str
    session_date: str
    standing: str
    breaks: int
    statement: str


def told_sessions(told: Reconciliation, covers: Callable[[str], bool]) -> tuple[ToldSession, ...]:
    """Each session that ``covers`` names, by date and account, preliminary or final."""
    found = (
        ToldSession(account, date, FINAL if one.is_final else PRELIMINARY, one.breaks, one.sha256)
        for (account, date), one in told.sessions().items()
        if covers(date)
    )
    return tuple(sorted(found, key=lambda one: (one.session_date, one.account)))


def standing_note(within: Sequence[ToldSession]) -> str:
    """Whether what is said of these sessions is preliminary or final, in one line."""
    open_still = sorted({one.session_date for one in within if one.standing == PRELIMINARY})
    if within and not open_still:
        agreed = "agree with the broker's statements, or are signed off"
        return f"final: all {len(within)} sessions {agreed}"
    shown = ", ".join(open_still[:5]) + (" …" if len(open_still) > 5 else "")
    which = f": {shown}" if shown else ""
    return (
        f"preliminary: {len(open_still)} of {len(within)} sessions are not reconciled with the "
        f"broker's statement{which}"
    )
