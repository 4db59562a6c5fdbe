"""The limits report and the exceptions report: what bound trading, and what went otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from ..alerts import Alert
from ..canonical import canonical_bytes
from ..daily_limits import DailyLimits
from ..instruction_book import Followed
from ..reconciliation import Reconciliation, ToldSession
from ..reports import RefusedDecision, refused_decision, session_limits
from .document import Column, Key, Table
from .facts import RowMembers

REFUSED_MAX: Final = 5_000


def limits_tables(
    limits: DailyLimits, sessions: Sequence[str], entries: Iterable[Followed]
) -> list[Table]:
    """What each account used of each limit in each session, and what went over its cap."""
    by_session: dict[Key, list[str]] = {}
    for entry in entries:
        of = (entry.instruction.account, entry.session_date)
        by_session.setdefault(of, []).append(str(entry.instruction.id))
    rows, over = [], []
    members: dict[Key, Key] = {}
    for account in limits.accounts():
        for date in sessions:
            if date not in limits.sessions(account):
                continue
            told = session_limits(limits, account, date)
            for use in told.uses:
                key = (account, date, use.limit)
                members[key] = tuple(by_session.get((account, date), ()))
                fraction = use.fraction
                rows.append(
                    (
                        *key,
                        use.used,
                        use.allowed,
                        None if fraction is None else fraction.quantize(Decimal("0.000001")),
                        use.unit,
                        told.limit_version,
                        told.limit_author,
                    )
                )
            for cap in told.over_cap:
                over.append((account, date, *cap))
    columns = (
        Column("account", "account", "text", "account"),
        Column("session", "session", "text", "exchange session"),
        Column("limit", "limit", "text", "which limit"),
        Column("used", "used", "figure", "what is used of it, in its unit"),
        Column("allowed", "allowed", "figure", "its cap, in its unit"),
        Column("fraction", "used share", "ratio", "used over allowed"),
        Column("unit", "unit", "text", "unit of used and allowed"),
        Column("version", "version", "count", "version of the limits in force"),
        Column("author", "set by", "text", "who set them"),
    )
    return [
        Table(
            "limits",
            "Limits by account and session",
            columns,
            tuple(rows),
            keys=3,
            members=RowMembers(members),
        ),
        Table("over_cap", "Over the cap", OVER_COLUMNS, tuple(over), keys=4),
    ]


def standing_table(sessions: Sequence[ToldSession]) -> Table:
    """Whether what is said of each session is preliminary or final."""
    columns = (
        Column("account", "account", "text", "account"),
        Column("session", "session", "text", "exchange session"),
        Column("standing", "standing", "text", "preliminary, or final: agreed or signed off"),
        Column("breaks", "breaks", "count", "what differed from the broker's statement"),
        Column("statement", "statement", "text", "SHA-256 of that statement; empty: none yet"),
    )
    rows = tuple((*one[:-1], one.statement or None) for one in sessions)
    return Table("sessions", "Sessions, preliminary or final", columns, rows, keys=2)


OVER_COLUMNS: Final = (
    Column("account", "account", "text", "account"),
    Column("session", "session", "text", "exchange session"),
    Column("limit", "limit", "text", "which limit"),
    Column("subject", "of", "text", "what it is of"),
    Column("used", "used", "figure", "what was used"),
    Column("allowed", "allowed", "figure", "what was allowed"),
    Column("unit", "unit", "text", "unit of both"),
)


def refused_table(entries: Iterable[Followed]) -> Table:
    """Every decision that was refused, with each reason and the numbers behind it."""
    rows = []
    members: dict[Key, Key] = {}
    for entry in entries:
        if not entry.instruction.refusals:
            continue
        told = refused_decision(entry)
        for number, refusal in enumerate(told.refusals):
            key = (str(told.instruction_id), str(number))
            members[key] = (key[0],)
            by = "broker" if told.by_broker else "fillwright"
            rows.append((*key, *_of(told), str(refusal.reason), by, refusal.message))
    columns = (
        Column("instruction_id", "instruction", "text", "id"),
        Column("number", "n", "text", "which of its reasons"),
        Column("decision_id", "decision", "text", "the decision's id"),
        Column("symbol", "symbol", "text", "symbol"),
        Column("action", "action", "text", "what was asked"),
        Column("at", "at", "ns", "when it was refused, ns UTC"),
        Column("reason", "reason", "text", "from the closed list"),
        Column("by", "refused by", "text", "us or the broker"),
        Column("message", "why", "text", "with observed and allowed values"),
    )
    note = "" if len(rows) <= REFUSED_MAX else f"the first {REFUSED_MAX} of {len(rows)}"
    return Table(
        "refused",
        "Refused decisions",
        columns,
        tuple(rows[:REFUSED_MAX]),
        keys=2,
        note=note,
        members=RowMembers(members),
    )


def _of(told: RefusedDecision) -> tuple[str, str, str, int]:
    return told.decision_id, told.symbol, told.action, told.at


def exceptions_tables(
    entries: Sequence[Followed],
    reconciliation: Reconciliation,
    alerts: Sequence[Alert],
    reasons: Mapping[str, int],
) -> list[Table]:
    """Refusals, ends other than filled, anomalies, breaks and everything to look at."""
    ends = Table(
        "ends",
        "Ended for a reason",
        (
            Column("reason", "reason", "text", "from the closed list"),
            Column("instructions", "instructions", "count", "how many"),
        ),
        tuple(sorted(reasons.items())),
    )
    return [
        refused_table(entries),
        ends,
        _anomalies(entries),
        _breaks(reconciliation),
        _alerts(alerts),
    ]


def _alerts(alerts: Sequence[Alert]) -> Table:
    found = [
        (
            str(n),
            alert.kind.value,
            alert.severity.value,
            alert.subject,
            alert.observed,
            alert.threshold,
            alert.unit,
            alert.since,
            alert.detail,
        )
        for n, alert in enumerate(alerts)
    ]
    return Table(
        "alerts",
        "To look at",
        (
            Column("number", "n", "text", "which"),
            Column("kind", "kind", "text", "what it is about"),
            Column("severity", "severity", "text", "how soon"),
            Column("subject", "subject", "text", "what it concerns"),
            Column("observed", "observed", "figure", "what was seen, in its unit"),
            Column("threshold", "threshold", "figure", "from where on"),
            Column("unit", "unit", "text", "unit"),
            Column("since", "since", "ns", "ns UTC"),
            Column("detail", "detail", "text", "what it means"),
        ),
        tuple(found),
    )


def _breaks(reconciliation: Reconciliation) -> Table:
    return Table(
        "breaks",
        "Differences between own record and broker's",
        (
            Column("number", "n", "text", "which"),
            Column("account", "account", "text", "account"),
            Column("difference", "difference", "text", "what differs"),
            Column("since", "since", "ns", "first seen, ns UTC"),
        ),
        tuple(
            (str(n), each.account, canonical_bytes(each.difference).decode(), each.since)
            for n, each in enumerate(reconciliation.breaks())
        ),
    )


def _anomalies(entries: Sequence[Followed]) -> Table:
    return Table(
        "anomalies",
        "What the market did and we would not",
        (
            Column("instruction_id", "instruction", "text", "id"),
            Column("number", "n", "text", "which"),
            Column("anomaly", "anomaly", "text", "from the closed list"),
            Column("detail", "detail", "text", "what was seen"),
        ),
        tuple(
            (str(entry.instruction.id), str(n), str(note.kind), note.detail)
            for entry in entries
            for n, note in enumerate(entry.anomalies)
        ),
        keys=2,
        members=RowMembers(
            {
                (str(entry.instruction.id), str(n)): (str(entry.instruction.id),)
                for entry in entries
                for n, _ in enumerate(entry.anomalies)
            }
        ),
    )
