"""A decision as it comes in: its bytes, how it is read, and the quote it is measured at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ...domain.errors import InvalidInput
from ...domain.intake import Intake, read_decision
from ...domain.market import MarketState, Quote, TradingStatus
from ...domain.ports import NANOS
from ...domain.principals import Submitter
from ...domain.reasons import Reason, Refusal
from .desk import Desk


@dataclass(frozen=True, slots=True)
class Arrival:
    """A decision as it came: its raw fields or bytes, an id that a file gave it, and by whom.

    ``taken_at`` is when it was first looked at (ns UTC): what has no id is named by it, so that it
    has the same name when it is looked at again. ``refusals`` are what whoever hands it in knows to
    be wrong with it.
    """

    raw: Mapping[str, object] | bytes
    file_id: str | None = None
    by: Submitter | None = None
    taken_at: int = 0
    refusals: tuple[Refusal, ...] = ()


def read_arrival(arrival: Arrival, desk: Desk) -> Intake | tuple[Refusal, ...]:
    """The decision that came, or why it cannot be read."""
    if arrival.refusals:
        return arrival.refusals
    if isinstance(arrival.raw, bytes):
        # The bytes may hold personal text, so the refusal only says how many there are (ruling 23).
        observed = f"{len(arrival.raw)} bytes that are no JSON object"
        return (
            Refusal(
                reason=Reason.UNREADABLE,
                field="decision",
                observed=observed,
                allowed="a JSON object",
                message=f"The decision could not be read: {observed}.",
            ),
        )
    return read_decision(arrival.raw, rules=desk.rules.intake)


def refusal_of(wrong: InvalidInput) -> Refusal:
    """What is wrong with a decision as the refusal of it."""
    return Refusal(
        reason=Reason.INVALID_DECISION,
        field=wrong.field,
        observed=str(wrong.value),
        allowed=wrong.allowed,
        message=str(wrong),
    )


def raw_bytes(raw: Mapping[str, object] | bytes) -> bytes:
    """What came, as bytes."""
    return raw if isinstance(raw, bytes) else json.dumps(raw, sort_keys=True, default=str).encode()


def refusal_of_reuse(decision_id: str) -> Refusal:
    """The refusal of an id that a decision with other content has."""
    return Refusal(
        reason=Reason.DECISION_ID_REUSED,
        field="decision_id",
        observed=decision_id,
        allowed="an id that no other decision of this account has had",
        would_pass="a new decision_id",
        message=f"decision_id {decision_id!r} belongs to a decision with other content.",
    )


def arrival_quote(market: MarketState, desk: Desk) -> tuple[Quote | None, str]:
    """The quote that arrival is measured at, or None with the reason (ruling 2)."""
    if market.status is not TradingStatus.OPEN:
        return None, f"symbol is {market.status.value}"
    quote = market.quote
    if quote is None:
        return None, "no quote"
    if not quote.is_two_sided:
        return None, "quote locked or crossed"
    oldest = desk.limits.quote_age_seconds_max * NANOS
    if market.quote_age_ns is None or market.quote_age_ns > oldest:
        return None, "quote stale"
    return quote, ""


def session_date(desk: Desk) -> str:
    """The date of the next session."""
    return desk.calendar.next_session(desk.now).date
