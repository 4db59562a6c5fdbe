"""Records of an engine that was told to stop."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ..stopping import OnStop
from .base import OpsRecord

NAMED_MAX = 10_000
ClientOrderId = Annotated[str, Field(max_length=128)]


class StopRequested(OpsRecord):
    """The engine of an account was told to stop by a signal, and takes no decision any more.

    ``policy`` is what becomes of open orders, ``seconds_max`` how long that may take, and
    ``decisions_withdrawn`` how many had not arrived yet and are not taken.
    """

    TOPIC: ClassVar[str] = "StopRequested"

    account: Annotated[str, Field(max_length=64)]
    signal: Annotated[str, Field(max_length=16)]
    policy: OnStop
    seconds_max: Annotated[int, Field(ge=0)]
    decisions_withdrawn: Annotated[int, Field(ge=0)]


class EngineStopped(OpsRecord):
    """The engine has stopped; what it left is named.

    ``cancelled`` are own orders that the broker proved dead since, ``left_open`` those that may
    still trade, as the policy wants or because their end was not proven in time (``in_time``
    false). ``instructions_open`` go on at the next start.
    """

    TOPIC: ClassVar[str] = "EngineStopped"

    account: Annotated[str, Field(max_length=64)]
    policy: OnStop
    in_time: bool
    cancelled: Annotated[tuple[ClientOrderId, ...], Field(max_length=NAMED_MAX)]
    left_open: Annotated[tuple[ClientOrderId, ...], Field(max_length=NAMED_MAX)]
    instructions_open: Annotated[int, Field(ge=0)]
    problem: Annotated[str, Field(max_length=500)] = ""
