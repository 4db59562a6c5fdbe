"""Control over a store by its second stream: who calls, what it may do, and what two decide.

Each decision is made on the records as they are and written only if none came between, so that
however many processes decide at once, it is as if one did after the other.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, NoReturn, TypeVar

from ... import __version__
from ...domain.errors import InvalidInput, StoreError
from ...domain.ops.base import OpsRecord
from ...domain.ops.control import ChangeKind
from ...domain.ports import Clock
from ...domain.principals import REMOTE, AccessDenied, Channel, Principal, Role
from ...domain.retention import RetentionRules
from ...domain.supervision import Moment, Supervision
from ...domain.supervision.changes import Change
from ..closing import Closing
from ..storage.location import is_missing
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..storage.records import Conflict
from ..timekeeping.clocks import SystemClock

TOKEN_VARIABLE: Final = "FILLWRIGHT_TOKEN"
TOKEN_CHARACTERS_MIN: Final = 20
DECIDE_TRIES_MAX: Final = 100
TOPICS: Final = frozenset(
    {
        "PrincipalsInForce",
        "AccessGranted",
        "AccessRefused",
        "ChangeProposed",
        "ChangeApproved",
        "ChangeRejected",
        "ChangeApplied",
        "StrategyApproved",
        "RetentionInForce",
        "ExceptionAssigned",
        "ExceptionClosed",
        "ExceptionEscalated",
    }
)
"""The records that control is decided from."""

ResultT = TypeVar("ResultT")
Decide = Callable[[Supervision, Principal, Moment], Sequence[OpsRecord]]


class Caller(NamedTuple):
    """Who calls, as this machine knows it: the hash of a token where one is given, else the user.

    The token itself is nowhere kept, so that nothing can show it.
    """

    user: str
    token_sha256: str | None = None
    channel: Channel = Channel.COMMAND_LINE

    @classmethod
    def with_token(cls, token: str, channel: Channel = Channel.COMMAND_LINE) -> Caller:
        """Who has this token; an empty one is nobody's."""
        return cls("", token_hash(token) if token else None, channel)


def caller_here() -> Caller:
    """The caller of this process: the token in FILLWRIGHT_TOKEN, and the user as the system says.

    The user is that of the process and not of an environment variable, which anybody can set.
    """
    import pwd

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid-{os.getuid()}"
    token = os.environ.get(TOKEN_VARIABLE)
    return Caller(user, token_hash(token) if token else None)


def token_hash(token: str) -> str:
    """What is kept of a token; tokens are long and random, so a plain hash does."""
    return hashlib.sha256(token.encode()).hexdigest()


def cause_of(change: str) -> str:
    """What an event names as its cause that an approved change made."""
    return f"change/{change[:24]}/{__version__}"


def is_supervised(log: Log) -> bool:
    """Whether principals are set up in the store of an open log."""
    with OpsLog.of(log) as ops:
        return ops.has("PrincipalsInForce")


def retention_of(log: Log, configured: RetentionRules) -> RetentionRules:
    """How long the records of an open log are kept: the stricter of its record and configuration.

    Raises:
        StoreError: the record cannot be read.
    """
    with OpsLog.of(log) as ops:
        records = ops.records(0, ops.head().position, TOPICS)
        return Supervision.of(one.record for one in records).kept_by(configured)


class Supervisor(Closing):
    """Decides in the name of one caller over one store; close it, or use it as a context."""

    def __init__(
        self, store: str, caller: Caller | None = None, clock: Clock | None = None
    ) -> None:
        """Open the second stream; ``caller`` is by default who runs this process.

        Raises:
            StoreError: there is no such store, or it cannot be read.
        """
        self.store = store
        self._caller = caller if caller is not None else caller_here()
        self._clock = clock if clock is not None else SystemClock()
        self._ops = OpsLog.open(store)
        self._state, self._seen = Supervision(), 0

    @property
    def state(self) -> Supervision:
        """The state of control as of now."""
        head = self._ops.head().position
        for recorded in self._ops.records(self._seen, head, TOPICS):
            self._state.apply(recorded.record)
        self._seen = head
        return self._state

    @property
    def me(self) -> Principal:
        """The principal of the caller; raises AccessDenied, on the record, when there is none."""
        return self._denied_on_record(lambda state, when: self._recognise(state))

    @property
    def is_known(self) -> bool:
        """Whether the caller is somebody; asking is not put on the record."""
        try:
            self._recognise(self.state)
        except AccessDenied:
            return False
        return True

    @property
    def now(self) -> int:
        """The time by which changes expire, ns UTC: never before the last record of control."""
        return self.state.moment(self._clock.now(), 0, "0" * 64).at

    def require(self, command: str) -> Principal:
        """Give the caller's principal if it may run a command.

        Raises:
            AccessDenied: it may not; that it asked is on the record.
        """

        state = self.state
        try:
            me = self._recognise(state, command)
            state.require(me, command, self._caller.channel)
        except AccessDenied as denied:
            self._put_on_record(denied, state, self._moment(state))
            raise
        return me

    def grant(self, command: str, account: str) -> Principal:
        """As :meth:`require`, and put on the record who runs an engine from here on."""
        me = self.require(command)
        self.decide(lambda state, by, when: (state.granted(by, command, account, when),))
        return me

    def deny(self, denied: AccessDenied) -> NoReturn:
        """Put a refusal on the record and raise it."""

        def refuse(state: Supervision, when: Moment) -> NoReturn:
            raise denied

        self._denied_on_record(refuse)
        raise denied

    def decide(self, make: Decide) -> tuple[OpsRecord, ...]:
        """Have records made of the state as it is, and write them, all or none.

        Raises:
            AccessDenied: they may not be made; that it was asked is on the record.
            InvalidInput: what was asked is none.
            StoreError: they cannot be written.
        """

        def attempt(state: Supervision, when: Moment) -> tuple[OpsRecord, ...]:
            made = tuple(make(state, self._recognise(state), when))
            self._ops.append(*made, expected=self._seen)
            return made

        for _ in range(DECIDE_TRIES_MAX):
            try:
                return self._denied_on_record(attempt)
            except Conflict:
                continue
        raise StoreError(f"{self.store}: another record came first at every try")

    def use(self, kind: ChangeKind, account: str, scope: str, command: str) -> Change:
        """Use the approved change of exactly this kind, account and scope.

        Raises:
            AccessDenied: there is none that is approved, in time and not used.
        """
        used: list[Change] = []

        def apply(state: Supervision, me: Principal, when: Moment) -> Sequence[OpsRecord]:
            found = state.usable(kind, account, scope, when.at)
            if found is None:
                why = (
                    f"no approved change of kind {kind.value}, account {account}, scope {scope}: "
                    "propose it, and have another person approve it"
                )
                raise AccessDenied(me.name, command, why)
            used[:] = [found]
            return (state.apply_change(me, found.id, command, when),)

        self.decide(apply)
        return used[0]

    def begin(self, principals: Sequence[Principal]) -> None:
        """Set up the first principals of a store, among them the one who does it.

        Raises:
            AccessDenied: there are some already.
            InvalidInput: the caller would be locked out, or the controls could not work with them.
        """
        trial = Supervision()
        trial.principals = {one.name: one for one in principals}
        try:
            me = self._recognise(trial)
        except AccessDenied:
            me = None
        if me is None or Role.ADMIN not in me.roles:
            given = self._caller.token_sha256
            observed = f"user {self._caller.user}" if given is None else "this token"
            raise InvalidInput("principals", observed, "a set in which you are an admin")
        name = me.name
        self.decide(lambda state, _, when: (state.set_first(principals, name, when),))

    # -- parts ---------------------------------------------------------------------------------

    def _recognise(self, state: Supervision, command: str = "recognise") -> Principal:
        user, token, channel = self._caller
        if channel in REMOTE and (token is None or not state.is_set_up):
            who = f"a client by {channel.value}"
            why = "it gave no token" if token is None else "no principals are set up"
            raise AccessDenied(who, command, why)
        try:
            return state.recognise(user, token)
        except AccessDenied as denied:
            raise AccessDenied(denied.principal, command, denied.why) from None

    def _denied_on_record(self, make: Callable[[Supervision, Moment], ResultT]) -> ResultT:
        state = self.state
        when = self._moment(state)
        try:
            return make(state, when)
        except AccessDenied as denied:
            self._put_on_record(denied, state, when)
            raise

    def _put_on_record(self, denied: AccessDenied, state: Supervision, when: Moment) -> None:
        """Denied all the same where that cannot be written, as on a read-only disk."""
        try:
            self._ops.append(state.refusal(denied, when))
        except StoreError as error:
            denied.add_note(f"not on the record: {error}")

    def _moment(self, state: Supervision) -> Moment:
        with Log.open(self.store, writer=False) as log:
            head = log.head()
        return state.moment(self._clock.now(), head.position, head.hash.hex())

    def close(self) -> None:
        """Let go of the store; a second call does nothing."""
        self._ops.close()


def supervisor_of(store: str | None, caller: Caller | None = None) -> Supervisor | None:
    """The supervisor of a store where principals are set up; None of any other.

    Raises:
        StoreError: whether there are any cannot be read.
    """
    if store is None or is_missing(store):
        return None
    with OpsLog.open(store, writer=False) as ops:
        if not ops.has("PrincipalsInForce"):
            return None
    return Supervisor(store, caller)
