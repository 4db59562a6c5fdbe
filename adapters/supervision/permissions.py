"""What an engine and the kill switch ask control before they act; no answer is no."""

from __future__ import annotations

import getpass
from typing import Final, NamedTuple

from ...domain.errors import StoreError
from ...domain.ops.control import ChangeKind
from ...domain.principals import AccessDenied, Channel, Submitter
from .supervising import Caller, cause_of, supervisor_of

LIVE_SCOPE: Final = "account"
RUN: Final = "run"
RUN_LIVE: Final = "run --live"


class Used(NamedTuple):
    """In whose name an approved change was used, and what an event says that it caused."""

    name: str
    cause: str


def check_release(
    store: str | None, account: str, scope: str, caller: Caller | None = None
) -> str | None:
    """Refuse a release early that nobody has approved; uses nothing, gives who releases.

    Raises:
        AccessDenied: no approved change covers it; on the record.
        StoreError: that cannot be read.
    """
    supervisor = supervisor_of(store, caller)
    if supervisor is None:
        return None
    with supervisor:
        me, command = supervisor.require("release"), f"release {scope}"
        if supervisor.state.usable(ChangeKind.RELEASE_KILL, account, scope, supervisor.now) is None:
            why = f"another person has to approve it: changes propose release --scope {scope}"
            supervisor.deny(AccessDenied(me.name, command, why))
        return me.name


def use_release(
    store: str | None, account: str, scope: str, caller: Caller | None = None
) -> Used | None:
    """Use the approved change that a release takes.

    None where no principals are set up and a person is named instead.

    Raises:
        AccessDenied: there is none.
    """
    supervisor = supervisor_of(store, caller)
    if supervisor is None:
        return None
    with supervisor:
        name = supervisor.require("release").name
        used = supervisor.use(ChangeKind.RELEASE_KILL, account, scope, f"release {scope}")
        return Used(name, cause_of(used.id))


def use_break(
    store: str | None, account: str, scope: str, command: str, caller: Caller | None = None
) -> Used | None:
    """Use the approved change that closing a break by hand takes.

    None where no principals are set up and a person is named instead.

    Raises:
        AccessDenied: the caller lacks the role, or nobody else has approved it; on the record.
        StoreError: that cannot be read.
    """
    supervisor = supervisor_of(store, caller)
    if supervisor is None:
        return None
    with supervisor:
        me = supervisor.require(command.partition(" ")[0])
        if supervisor.state.usable(ChangeKind.CLOSE_BREAK, account, scope, supervisor.now) is None:
            why = f"another person has to approve it: changes propose break --scope {scope}"
            supervisor.deny(AccessDenied(me.name, command, why))
        used = supervisor.use(ChangeKind.CLOSE_BREAK, account, scope, command)
        return Used(me.name, cause_of(used.id))


def name_of(store: str, caller: Caller | None = None) -> str | None:
    """The name of the caller's principal, None where there is none or it cannot be read."""
    try:
        supervisor = supervisor_of(store, caller)
        if supervisor is None:
            return None
        with supervisor:
            return supervisor.me.name
    except (AccessDenied, StoreError):
        return None


def person_of(store: str, said: str) -> str:
    """Who the record says it was: the caller's principal, whoever it says it is.

    Where no principals are set up it is who was named, else the user of the process.
    """
    return name_of(store) or said.strip() or getpass.getuser()


def check_command(store: str, command: str) -> None:
    """Refuse a command that its caller may not run; anybody may where no principals are set up.

    Raises:
        AccessDenied: it may not; on the record.
        StoreError: that cannot be read.
    """
    supervisor = supervisor_of(store)
    if supervisor is not None:
        with supervisor:
            supervisor.require(command)


def admit_engine(
    store: str | None, account: str, *, is_live: bool, caller: Caller | None = None
) -> Submitter | None:
    """Ask whether this process may trade an account; live takes a permission that stands.

    Gives in whose name it hands in what names nobody else, None where no principals are set up.

    Raises:
        AccessDenied: its principal may not, or live is not permitted now; on the record.
        StoreError: that cannot be read.
    """
    supervisor = supervisor_of(store, caller)
    if supervisor is None:
        return None
    with supervisor:
        me = supervisor.grant(RUN_LIVE if is_live else RUN, account)
        if is_live:
            supervisor.use(ChangeKind.LIVE, account, LIVE_SCOPE, RUN_LIVE)
        return Submitter(principal=me.name, person=me.person, channel=Channel.LIBRARY)


def submitter_here(store: str | None, caller: Caller | None = None) -> Submitter | None:
    """In whose name a command hands in decisions, None where no principals are set up.

    Raises:
        AccessDenied: its caller is none of them; on the record.
        StoreError: that cannot be read.
    """
    supervisor = supervisor_of(store, caller)
    if supervisor is None:
        return None
    with supervisor:
        me = supervisor.me
        return Submitter(principal=me.name, person=me.person, channel=Channel.COMMAND_LINE)
