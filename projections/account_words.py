"""What events of an account's status, positions and statements say to a reader."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ..domain import events as e
from ..domain.fills_told import FillsKnown
from ..domain.money import ZERO, plain

Observed = tuple[tuple[str, str], ...]


class Told(NamedTuple):
    """What happened, why, and the values seen when it was decided."""

    what: str
    why: str = ""
    observed: Observed = ()


def _status(event: e.AccountStatusRecorded) -> Told:
    seen = () if event.multiplier is None else (("multiplier", plain(event.multiplier)),)
    what = f"{event.account} is a {event.kind.value} account"
    why = f"by the {event.source}'s word" if event.source == "broker" else f"by {event.source}"
    settles = (("trades settle on", event.settles_on),)
    money = () if event.currency is None else (("currency", event.currency),)
    return Told(what, why, (*settles, *seen, *money))


def _instrument(event: e.InstrumentRecorded) -> Told:
    named = event.instrument
    flags = ("tradable", "fractionable", "shortable", "easy_to_borrow")
    said = tuple((name, str(getattr(named, name)).lower()) for name in flags)
    return Told(f"{named.symbol} is asset {named.asset_id} of {named.broker}", "", said)


def _action(event: e.CorporateActionRecorded) -> Told:
    return Told(f"corporate action recorded: {event.action.told()}", event.source)


def _settled(event: e.CorporateActionSettled) -> Told:
    return Told(f"corporate action {event.action_id} of {event.symbol} settled", event.reason)


def _reconciled(event: e.Reconciled) -> Told:
    seen = [
        (difference.kind, f"ours {difference.ours}, the broker's {difference.theirs}")
        for difference in event.breaks
    ]
    what = f"compared {event.orders_compared} orders and {event.fills_compared} fills: " + (
        f"{len(seen)} breaks" if seen else "agreed"
    )
    known = FillsKnown(event.fills_known_until, event.fills_source, event.fills_note)
    fills = [("fills", known.words)] if known.words else []
    return Told(what, event.trigger, (*seen, *fills))


def _figures(event: e.PositionUnexplained | e.PositionExplained) -> Observed:
    return (("by our record", plain(event.expected)), ("at the broker", plain(event.reported)))


def _unexplained(event: e.PositionUnexplained) -> Told:
    why = "between sessions" if event.origin is e.BreakOrigin.OVERNIGHT else "within the session"
    return Told(f"position in {event.symbol} is not explained", why, _figures(event))


def _explained(event: e.PositionExplained) -> Told:
    by = event.by.value.replace("_", " ")
    named = f" {', '.join(event.action_ids)}" if event.action_ids else ""
    what = f"position in {event.symbol} explained by {by}{named}"
    return Told(what, event.reason, _figures(event))


def _fees(event: e.FeesTruedUp) -> Told:
    booked = sum((line.booked for line in event.lines), ZERO)
    seen = tuple(
        (line.charge, f"booked {plain(line.booked)}, estimated {_known(line.estimated)}")
        for line in event.lines
    )
    return Told(f"fees of {event.session_date} booked: {plain(booked)}", "", seen)


def _known(amount: Decimal | None) -> str:
    return "unknown" if amount is None else plain(amount)


def _statement(event: e.StatementReconciled) -> Told:
    what = f"session {event.session_date} held against the broker's statement"
    missing = f", without {', '.join(event.missing)}" if event.missing else ""
    found = "agreed" if event.is_clean else f"{event.breaks_total} breaks{missing}"
    seen = tuple(
        (f"{b.kind} {b.subject}", f"ours {b.ours}, theirs {b.theirs}") for b in event.breaks
    )
    return Told(f"{what}: {found}", event.source, seen)


def _signed_off(event: e.SessionSignedOff) -> Told:
    return Told(f"session {event.session_date} signed off as final", event.reason)


def _anomaly_settled(event: e.AnomalySettled) -> Told:
    what = f"{event.kind.value} of {event.subject} (event {event.place}) settled by a person"
    return Told(f"{what}: {event.disposition.value}", event.reason)


def _cash_moved(event: e.CashMoved) -> Told:
    what = "came into the account" if event.amount_usd > 0 else "left the account"
    return Told(f"{abs(event.amount_usd):,.2f} USD {what} ({event.kind})", event.movement_id)


WORDS: Final[dict[type[e.DomainEvent], Callable[[Any], Told]]] = {
    e.AccountStatusRecorded: _status,
    e.InstrumentRecorded: _instrument,
    e.CorporateActionRecorded: _action,
    e.Reconciled: _reconciled,
    e.CorporateActionSettled: _settled,
    e.PositionUnexplained: _unexplained,
    e.PositionExplained: _explained,
    e.FeesTruedUp: _fees,
    e.StatementReconciled: _statement,
    e.SessionSignedOff: _signed_off,
    e.AnomalySettled: _anomaly_settled,
    e.CashMoved: _cash_moved,
}
