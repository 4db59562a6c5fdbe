"""A hand-written example of every event of an account."""

from __future__ import annotations

from typing import Any, Final

from fillwright.domain import events as e
from fillwright.domain.corporate import ActionKind, CorporateAction
from fillwright.domain.fees import Charge, FeeRate
from fillwright.domain.ids import redaction_id
from fillwright.domain.instruments import Instrument
from fillwright.domain.limits import Limits
from fillwright.domain.planning.facts import PlanningRules
from fillwright.domain.ports import AccountKind, Side
from fillwright.domain.reasons import Anomalous, Disposition
from fillwright.domain.statement import LineBreak
from fillwright.domain.switching import SwitchingRules

from .event_examples import ACCOUNT, CLOSE, DIGEST, INSTRUCTION, OPEN, ORDER, SESSION, D, head

POSITION: Final = e.PositionRecord(symbol="BAC", quantity=D(-50), market_value=D("-5000.00"))
SUBJECT: Final = f"{ACCOUNT}:pm-7:2026-03-02:17"
BREAK: Final = e.Break(kind="leaves", symbol="BAC", client_order_id=ORDER, ours="100", theirs="0")


def _redacted() -> e.SubjectRedacted:
    own = head(account=True) | {"originator_id": redaction_id(SUBJECT), "originator_version": 1}
    return e.SubjectRedacted(
        **own,
        subject=SUBJECT,
        instruction_id=INSTRUCTION,
        reason="asked for by the person it is about",
        retention_days=2_192,
    )


def _statement_examples(own: dict[str, Any]) -> list[e.DomainEvent]:
    """Of end-of-day statements."""
    return [
        e.FeesTruedUp(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            lines=(e.TruedUp(charge="sec", estimated=D("1.13"), booked=D("1.12")),),
        ),
        e.StatementReconciled(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            source="json",
            sha256=DIGEST,
            trades_compared=12,
            positions_compared=1,
            closing_cash=D("699996.75"),
            missing=(),
            breaks_total=1,
            breaks=(
                LineBreak(kind="cash", subject="closing", ours="699997.00", theirs="699996.75"),
            ),
        ),
        e.SessionSignedOff(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            sha256=DIGEST,
            breaks_total=1,
            reason="a fee of 0.25 that the broker has promised to give back",
        ),
    ]


def _corporate_examples(own: dict[str, Any]) -> list[e.DomainEvent]:
    return [
        e.CorporateActionRecorded(
            **own,
            account=ACCOUNT,
            action=CorporateAction(
                action_id="189bd849",
                kind=ActionKind.SPLIT,
                symbol="BAC",
                ex_date="2026-03-02",
                new_rate=D(2),
                old_rate=D(1),
            ),
            source="file:actions.json",
            raw='{"id": "189bd849", "new_rate": 2, "old_rate": 1, "symbol": "BAC"}',
        ),
        e.CorporateActionSettled(
            **own,
            account=ACCOUNT,
            symbol="BAC",
            action_id="82e602f6",
            reason="shares of the new company booked by the broker, checked",
        ),
    ]


def _standing_examples(own: dict[str, Any]) -> list[e.DomainEvent]:
    """Of the kind of account, corporate actions, and positions that are not explained."""
    return [
        e.AccountStatusRecorded(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            kind=AccountKind.MARGIN,
            multiplier=D(2),
            settles_on="2026-03-03",
            settlement_days=1,
            source="broker",
            currency="USD",
        ),
        e.InstrumentRecorded(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            instrument=Instrument(
                broker="alpaca",
                asset_id="b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
                symbol="BAC",
                exchange="NYSE",
                tradable=True,
                fractionable=True,
                shortable=True,
                easy_to_borrow=True,
                currency="USD",
                tick=D("0.01"),
                round_lot=D(100),
            ),
        ),
        *_corporate_examples(own),
        e.PositionUnexplained(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            symbol="BAC",
            expected=D(-25),
            reported=D(-50),
            since="2026-02-27",
            origin=e.BreakOrigin.OVERNIGHT,
        ),
        e.PositionExplained(
            **own,
            account=ACCOUNT,
            symbol="BAC",
            expected=D(-25),
            reported=D(-50),
            origin=e.BreakOrigin.OVERNIGHT,
            by=e.ExplainedBy.CORPORATE_ACTION,
            action_ids=("189bd849",),
        ),
    ]


def _settled(own: dict[str, Any]) -> e.AnomalySettled:
    return e.AnomalySettled(
        **own,
        account=ACCOUNT,
        place=17,
        kind=Anomalous.OVERFILL,
        subject="fw-example-1",
        disposition=Disposition.ACCEPTED,
        reason="kept: within the day's plan",
    )


def _cash(own: dict[str, Any]) -> e.DomainEvent:
    return e.CashMoved(
        **own,
        account=ACCOUNT,
        session_date=SESSION,
        movement_id="20260302143000000::5f596936-6f23-4cef-bdf1-3806aae57dbf",
        kind="CSW",
        amount_usd=D("-25000.00"),
    )


def _foreign(own: dict[str, Any]) -> e.DomainEvent:
    return e.ForeignExecution(
        **own,
        account=ACCOUNT,
        session_date=SESSION,
        symbol="BAC",
        side=Side.SELL,
        quantity=D(100),
        price=D("10.02"),
        execution_id="20260302143000000::a1",
        venue_order_id="61e69015-8549-4bfd-b9c3-01e75843f47d",
    )


SEC_RATE: Final = FeeRate(
    charge=Charge.SEC,
    since="2024-05-22",
    rate=D("27.80"),
    source="FINRA information notice 2025-04-24",
)
RULES: Final = PlanningRules(fee_rates=(SEC_RATE,))


def _compared_example(own: dict[str, Any]) -> e.DomainEvent:
    return e.Reconciled(
        **own,
        trigger="reconnect",
        orders_compared=3,
        fills_compared=12,
        breaks=(BREAK,),
        fills_known_until=OPEN,
        fills_source="activity_events",
        fills_note="1 fills are not on our record",
    )


def account_examples() -> list[e.DomainEvent]:
    """One example of every event of an account."""
    own = head(account=True)
    return [
        _redacted(),
        e.EngineStarted(
            **own,
            code_version="0.1.0",
            clock_source="system",
            clock_offset_ns=-1_250_000,
            broker="simulated",
            mode="paper",
            seed=7,
        ),
        e.RulesInForce(**own, planning=RULES, switching=SwitchingRules(), rejects_max=3),
        e.SessionOpened(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            open=OPEN,
            close=CLOSE,
            equity=D("1000000.00"),
            cash=D("780000.00"),
            buying_power=D("1560000.00"),
            positions=(POSITION,),
        ),
        *_standing_examples(own),
        *_statement_examples(own),
        e.LimitChanged(**own, limits=Limits(version=3, restricted=("GME",)), reason="new mandate"),
        e.KillSwitchEngaged(**own, scope="symbol:BAC", reason="bad prints"),
        e.KillSwitchReleased(**own, scope="symbol:BAC", reason="feed repaired"),
        _compared_example(own),
        e.SessionClosed(
            **own,
            account=ACCOUNT,
            session_date=SESSION,
            open_orders=0,
            equity=D("1000412.50"),
            cash=D("699997.00"),
            positions=(POSITION,),
            breaks=(),
        ),
        e.MarketDataCaptured(
            **own,
            symbol="BAC",
            from_ns=OPEN,
            to_ns=CLOSE,
            source="example",
            feed="consolidated",
            kind="quotes",
            sha256=DIGEST,
            rows=200_000,
            gaps=1,
            official_open=D("99.80"),
            official_close=None,
        ),
        _foreign(own),
        _cash(own),
        e.AccountAnomaly(
            **own,
            kind=Anomalous.USAGE_OVER_CAP,
            detail="turnover is over its cap",
            symbol="BAC",
            value=D("250100.00"),
            bound=D("250000.00"),
        ),
        _settled(own),
    ]
