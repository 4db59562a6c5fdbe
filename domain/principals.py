"""Who may do what: principals, roles, and the roles that each command asks for.

Everything is denied that is not allowed here. A principal is a name that a person, an agent or a
service acts under; ``person`` is the human being behind it, who answers for an agent. Two names of
one person count as one wherever two are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, model_validator

from .errors import FillwrightError, InvalidInput
from .market import Record

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
PRINCIPALS_MAX: Final = 1_000
PERSONS_MIN: Final = 2
SINGLE_OWNER: Final = "owner"
"""Stands for whoever has the store while no principals are set up."""


class Role(StrEnum):
    """What a principal may do; each also reads."""

    READ = "read"
    SUBMIT = "submit"
    TRADE = "trade"
    RISK = "risk"
    COMPLIANCE = "compliance"
    ADMIN = "admin"


class PrincipalKind(StrEnum):
    """What acts under the name."""

    PERSON = "person"
    AGENT = "agent"
    SERVICE = "service"


AGENT_ROLES: Final = frozenset({Role.READ, Role.SUBMIT})
"""All that an agent may have, whoever grants it."""
SERVICE_ROLES: Final = frozenset({Role.READ, Role.SUBMIT, Role.TRADE})
"""A service runs an engine; it neither sets rules nor approves."""
_MAY_HAVE: Final = {
    PrincipalKind.AGENT: AGENT_ROLES,
    PrincipalKind.SERVICE: SERVICE_ROLES,
    PrincipalKind.PERSON: frozenset(Role),
}


class Channel(StrEnum):
    """By which way a decision or a command came in."""

    COMMAND_LINE = "command_line"
    LIBRARY = "library"
    API = "api"
    MCP = "mcp"


REMOTE: Final = frozenset({Channel.API, Channel.MCP})
"""Ways on which only a token says who calls: the user of the process is the server's own."""
CHANNEL_ROLES: Final = {Channel.MCP: AGENT_ROLES}
"""What a way gives at most, whoever calls: behind MCP is a model, whatever token it was given."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Submitter(Record):
    """The principal that submitted a decision, the human being behind it, and the way it came."""

    principal: Name
    person: Name
    channel: Channel

    @property
    def told(self) -> str:
        """All of it in words."""
        return f"{self.principal} (person {self.person}, by {self.channel.value})"


class Principal(Record):
    """One name with its roles and how it is recognised.

    ``user`` is a user of the operating system, ``token_sha256`` the hash of an API token; one of
    them at least. ``person`` identifies the human being, the same for all of one's names.
    """

    name: Name
    person: Name
    kind: PrincipalKind = PrincipalKind.PERSON
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    token_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Principal:
        beyond = sorted(set(self.roles) - _MAY_HAVE[self.kind])
        if beyond:
            allowed = ", ".join(sorted(_MAY_HAVE[self.kind]))
            raise ValueError(f"{self.kind.value} {self.name} may only have the roles {allowed}")
        if self.user is None and self.token_sha256 is None:
            raise ValueError(f"{self.name} needs a user or a token to be recognised by")
        return self

    @property
    def identity(self) -> str:
        """The human being, however the name is written."""
        return self.person.casefold()

    def has_any(self, roles: Iterable[Role]) -> bool:
        """Whether it has one of these roles; every principal reads."""
        return any(role in self.roles or role is Role.READ for role in roles)


class AccessDenied(FillwrightError):
    """A principal may not do what it asked for; it is on the record."""

    def __init__(self, principal: str, command: str, why: str) -> None:
        super().__init__(f"{principal} may not do this ({command}): {why}")
        self.principal = principal
        self.command = command
        self.why = why


_READ: Final = (Role.READ,)
DESK: Final = (Role.TRADE, Role.RISK, Role.COMPLIANCE, Role.ADMIN)
_CONTROL: Final = (Role.RISK, Role.COMPLIANCE)

CLIENT_COMMANDS: Final[Mapping[str, tuple[Role, ...]]] = {
    "submit": (Role.SUBMIT, Role.TRADE),
    "preview": _READ,
    "outcome": _READ,
    "cancel": DESK,
}
"""What a client of a server may ask for beside ``kill``."""
COMMANDS: Final[Mapping[str, tuple[Role, ...]]] = {
    **CLIENT_COMMANDS,
    "changes list": _READ,
    "exceptions list": _READ,
    "exceptions assign": _CONTROL,
    "exceptions close": _CONTROL,
    "exceptions escalate": DESK,
    "principals list": _READ,
    "alerts": _READ,
    "audit-pack": _READ,
    "books": _READ,
    "strategies list": _READ,
    "strategies propose": DESK,
    "chains": _READ,
    "check": _READ,
    "config": _READ,
    "doctor": _READ,
    "events": _READ,
    "explain": _READ,
    "export": _READ,
    "limits": _READ,
    "mirror": _READ,
    "monitor": _READ,
    "prove": _READ,
    "query": _READ,
    "reconcile": _READ,
    "replay": _READ,
    "report": _READ,
    "show": _READ,
    "status": _READ,
    "store info": _READ,
    "surveillance": _READ,
    "tca": _READ,
    "verify": _READ,
    "run": (Role.SUBMIT, Role.TRADE),
    "run --live": (Role.TRADE,),
    "serve": (Role.SUBMIT, Role.TRADE),
    "serve --live": (Role.TRADE,),
    "month": (Role.SUBMIT, Role.TRADE),
    "demo": (Role.SUBMIT, Role.TRADE),
    "kill": DESK,
    "release": DESK,
    "changes propose": DESK,
    "changes approve": (*_CONTROL, Role.ADMIN),
    "changes apply": DESK,
    "changes reject": DESK,
    "principals set": (Role.ADMIN,),
    "actions": (Role.TRADE, *_CONTROL),
    "actions FILE": _CONTROL,
    "reconcile --statement": DESK,
    "reconcile --statement again": _CONTROL,
    "accept": _CONTROL,
    "review": (Role.COMPLIANCE, Role.RISK),
    "redact": (Role.COMPLIANCE,),
    "checkpoint": (Role.TRADE, Role.COMPLIANCE, Role.ADMIN),
    "store compact": (Role.ADMIN,),
    "store backup": (Role.ADMIN,),
    "store restore": (Role.ADMIN,),
    "store migrate": (Role.ADMIN,),
}
"""By command, the roles of which one is enough. A command that is not here is denied to all."""


def why_not(
    principal: Principal, command: str, channel: Channel = Channel.COMMAND_LINE
) -> str | None:
    """Why a principal may not run a command, None when it may; what is not listed is denied."""
    needed = COMMANDS.get(command)
    if needed is None:
        return "no role allows it"
    at_most = CHANNEL_ROLES.get(channel)
    if at_most is not None and not at_most & set(needed):
        return f"{channel.value} gives {' and '.join(sorted(at_most))} only"
    if principal.has_any(needed if at_most is None else sorted(at_most & set(needed))):
        return None
    return f"it takes the role {' or '.join(needed)}"


def check_principals(principals: Sequence[Principal]) -> None:
    """Refuse a set of principals under which the controls could not work.

    Raises:
        InvalidInput: a name, user or token is there twice, or there are not two persons with the
            role admin, so that nobody could approve what the other proposes.
    """
    if len(principals) > PRINCIPALS_MAX:
        raise InvalidInput("principals", len(principals), f"at most {PRINCIPALS_MAX}")
    for field in ("name", "user", "token_sha256"):
        seen = [getattr(one, field) for one in principals]
        named = [value.casefold() for value in seen if value is not None]
        twice = sorted({value for value in named if named.count(value) > 1})
        if twice:
            shown = "a token" if field == "token_sha256" else twice[0]
            raise InvalidInput(field, shown, "each of one principal only")
    admins = {one.identity for one in principals if Role.ADMIN in one.roles}
    if len(admins) < PERSONS_MIN:
        observed = f"{len(admins)} persons with the role admin"
        raise InvalidInput("principals", observed, f"at least {PERSONS_MIN}: one approves another")


def is_tightening(before: Sequence[Principal], after: Sequence[Principal]) -> bool:
    """Whether a new set of principals only takes something away from the one in force."""
    known = {one.name: one for one in before}
    for one in after:
        old = known.get(one.name)
        if old is None or not set(one.roles) <= set(old.roles):
            return False
        if one.model_copy(update={"roles": old.roles}) != old:
            return False
    return True
