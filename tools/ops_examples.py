"""A hand-written example of every record of the second stream."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillwright.domain import ops
from fillwright.domain.principals import Principal, PrincipalKind, Role
from fillwright.domain.stopping import OnStop

from .event_examples import DIGEST, NOW, ORDER


def _head() -> dict[str, Any]:
    return {
        "record_time": NOW,
        "actor": "compliance",
        "log_position": 1_204,
        "log_hash": DIGEST,
    }


def _control() -> list[ops.OpsRecord]:
    kim = Principal(name="kim", person="kim.lee", roles=(Role.RISK,), user="kim")
    bot = Principal(
        name="pm-7",
        person="kim.lee",
        kind=PrincipalKind.AGENT,
        roles=(Role.READ, Role.SUBMIT),
        token_sha256=DIGEST,
    )
    return [
        ops.PrincipalsInForce(**_head(), principals=(kim, bot), change=DIGEST),
        ops.AccessGranted(**_head(), command="run --live", person="kim.lee", account="paper-1"),
        ops.AccessRefused(**_head(), command="release account", why="it takes the role risk"),
        ops.ChangeProposed(
            **_head(),
            change=DIGEST,
            kind=ops.ChangeKind.LIMITS,
            account="paper-1",
            scope="trades_max_per_day",
            content='{"from":{"trades_max_per_day":50},"set":{"trades_max_per_day":80}}',
            person="kim.lee",
            reason="index rebalance",
            expires_at=NOW + 3_600_000_000_000,
            is_tightening=False,
        ),
        ops.ChangeApproved(**_head(), change=DIGEST, person="ada", reason="seen the list"),
        ops.ChangeRejected(**_head(), change=DIGEST, person="ada", reason="not today"),
        ops.ChangeApplied(**_head(), change=DIGEST, command="put in force"),
        ops.RetentionInForce(
            **_head(), days=2_192, legal_holds=("account:paper-1", "symbol:KO"), change=DIGEST
        ),
        ops.StrategyApproved(
            **_head(),
            strategy="vwap",
            version=3,
            parameters=DIGEST,
            model=None,
            evidence=DIGEST[::-1],
            evidence_name="vwap-2026-q1",
            go_live_at=NOW,
            change=DIGEST,
            proposer="rob",
            approver="kim",
        ),
    ]


def _supervised() -> list[ops.OpsRecord]:
    return [
        ops.ExceptionAssigned(
            **_head(), exception=DIGEST, owner="kim", due_at=NOW, reason="knows the symbol"
        ),
        ops.ExceptionClosed(
            **_head(),
            exception=DIGEST,
            kind=ops.ExceptionKind.BREAK,
            disposition=ops.Disposition.CORRECTED,
            text="a transfer that the broker booked late",
            person="ada",
            originators=("rob",),
            positions=(204, 211),
            closed_by_hand=True,
        ),
        ops.ExceptionEscalated(
            **_head(), exception=DIGEST, level=1, to="role:compliance", due_at=NOW
        ),
        ops.ClockMeasured(
            **_head(),
            source="NTP, by the kernel (adjtimex)",
            offset_ns=-181_000,
            uncertainty_ns=71_500_000,
            alert_ms=50,
            offset_ms_max=1_000,
            health=ops.ClockHealth.ALERT,
        ),
    ]


def ops_examples() -> list[ops.OpsRecord]:
    """One example of every record."""
    return [
        ops.VerificationDone(
            **_head(),
            from_position=1_000,
            outcome="failed",
            first_bad_position=1_117,
            what="altered: its hash does not fit what is stored",
        ),
        ops.Anchored(
            **_head(),
            root=DIGEST[::-1],
            frontier=(DIGEST, DIGEST[::-1], DIGEST, DIGEST),
            note=f"fillwright/main\n1204\n...\nhead {DIGEST}\ntime {NOW}\n\n— fillwright/main …\n",
            anchor="file:///srv/anchor/main.anchor",
            time_stamped=True,
        ),
        ops.ReportIssued(
            **_head(),
            kind="best-execution",
            from_session="2024-11-01",
            to_session="2024-11-29",
            parameters='{"sp500":[]}',
            code_version="0.2.0",
            report=DIGEST,
            segments=(DIGEST[::-1],),
            supersedes=DIGEST[::-1],
        ),
        ops.ReviewRecorded(
            **_head(),
            report=DIGEST,
            from_session="2024-10-01",
            to_session="2024-12-31",
            symbol="IBM",
            order_type=None,
            factors=(("speed", "no change"), ("price improvement", "better than last quarter")),
            decision="keep",
            subject="review:kim",
            sealed_reason="c2VhbGVk",
        ),
        *_control(),
        *_supervised(),
        ops.CommentaryWritten(
            **_head(),
            report=DIGEST,
            model="example-1",
            input=DIGEST[::-1],
            subject="commentary",
            sealed_prompt="c2VhbGVk",
            sealed_text="c2VhbGVkIHRvbw==",
            refused="97 is not in the report",
        ),
        *_alerts(),
        *_stops(),
    ]


def _alerts() -> list[ops.OpsRecord]:
    return [
        ops.AlertRaised(
            **_head(),
            alert=DIGEST,
            kind="limit_nearly_used",
            severity="warning",
            subject="main:2024-11-29",
            about="daily_turnover",
            observed=Decimal("231250.75"),
            threshold=Decimal(250_000),
            unit="usd",
            since=None,
            market_time=NOW,
            detail="daily_turnover is nearly used",
        ),
        ops.AlertCleared(**_head(), alert=DIGEST, raised_at=17, market_time=NOW),
        ops.AlertNotified(
            **_head(),
            alert=DIGEST,
            raised_at=17,
            change="raised",
            channel="webhook",
            attempts=3,
            delivered=False,
            problem="the server answered 503",
        ),
    ]


def _stops() -> list[ops.OpsRecord]:
    return [
        ops.StopRequested(
            **_head(),
            account="main",
            signal="SIGTERM",
            policy=OnStop.CANCEL,
            seconds_max=30,
            decisions_withdrawn=2,
        ),
        ops.EngineStopped(
            **_head(),
            account="main",
            policy=OnStop.CANCEL,
            in_time=False,
            cancelled=(f"{ORDER[:-1]}1",),
            left_open=(ORDER,),
            instructions_open=1,
            problem="the broker cannot be asked",
        ),
    ]
