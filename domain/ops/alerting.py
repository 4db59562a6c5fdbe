"""Records of alerts: raised, cleared, and told to whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from .base import OpsRecord, Sha256Hex

SHORT = 120
SUBJECT_MAX = 200
DETAIL_MAX = 500
CHANGES = "^(raised|cleared)$"


class AlertRaised(OpsRecord):
    """Something began that a person should look at; on record once until it is cleared.

    ``alert`` is computed from ``kind``, ``subject`` and ``about`` (what of the subject it is), so
    that the same condition is recognised after a restart. ``observed`` and ``threshold`` are in
    ``unit``, null where there is no such number. ``since`` is when it began and ``market_time``
    what the engine's clock showed when it was noticed, both ns UTC.
    """

    TOPIC: ClassVar[str] = "AlertRaised"

    alert: Sha256Hex
    kind: Annotated[str, Field(max_length=SHORT)]
    severity: Annotated[str, Field(pattern="^(critical|warning|info)$")]
    subject: Annotated[str, Field(max_length=SUBJECT_MAX)]
    about: Annotated[str, Field(max_length=SHORT)]
    observed: Decimal | None
    threshold: Decimal | None
    unit: Annotated[str, Field(max_length=SHORT)]
    since: int | None
    market_time: int
    detail: Annotated[str, Field(max_length=DETAIL_MAX)]


class AlertCleared(OpsRecord):
    """What an alert was about is over; ``raised_at`` is the position of its record in this stream.

    If it comes again, that is another alert.
    """

    TOPIC: ClassVar[str] = "AlertCleared"

    alert: Sha256Hex
    raised_at: Annotated[int, Field(ge=1)]
    market_time: int


class AlertNotified(OpsRecord):
    """A channel took a notice of an alert, or did not take it for the reason in ``problem``.

    ``change`` says of what: that it was ``raised`` or ``cleared``. ``attempts`` counts how often it
    was sent; 0 where it was held back. Addresses and passwords are never part of it.
    """

    TOPIC: ClassVar[str] = "AlertNotified"

    alert: Sha256Hex
    raised_at: Annotated[int, Field(ge=1)]
    change: Annotated[str, Field(pattern=CHANGES)]
    channel: Annotated[str, Field(max_length=SHORT)]
    attempts: Annotated[int, Field(ge=0, le=100)]
    delivered: bool
    problem: Annotated[str, Field(max_length=SUBJECT_MAX)] = ""
