"""A hand-written example of every event of an instruction.

Golden stored bytes, the event catalogue in ``docs/events.md`` and the store's benchmark are made
from these and from ``account_examples``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillwright.domain import events as e
from fillwright.domain.decision import (
    Decision,
    ExecutionStrategy,
    ExecutionUrgency,
    Style,
    TradeAction,
)
from fillwright.domain.ids import account_stream_id, client_order_id, instruction_id
from fillwright.domain.market import MarketState, PriceBand, Quote, TradingState, TradingStatus
from fillwright.domain.plan import PlanTerms, StrategyParameters
from fillwright.domain.planning.estimate import Estimate
from fillwright.domain.ports import ExecutionReport, OrderType, ReportKind, Side, TimeInForce
from fillwright.domain.principals import Channel, Submitter
from fillwright.domain.reasons import (
    Anomalous,
    Check,
    EndReason,
    NothingReason,
    OnBound,
    Reason,
    Refusal,
)
from fillwright.domain.reservations import Reservation
from fillwright.domain.strategies.contract import InstructionView, OrderView

from .planning_examples import planning_inputs

ACCOUNT: Final = "paper-1"
SESSION: Final = "2026-03-02"
OPEN: Final = 1_772_461_800_000_000_000
CLOSE: Final = OPEN + 23_400_000_000_000
NOW: Final = OPEN + 1_800_000_000_000
SECOND: Final = 1_000_000_000
D = Decimal

INSTRUCTION: Final = instruction_id(ACCOUNT, "pm-7:2026-03-02:17")
STREAM: Final = account_stream_id(ACCOUNT)
ORDER: Final = client_order_id(INSTRUCTION, 0)
DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

QUOTE: Final = Quote(
    bid=D("99.99"), ask=D("100.01"), bid_size=D(1200), ask_size=D(900), at=NOW - SECOND
)

MARKET: Final = MarketState(
    symbol="BAC",
    now=NOW,
    status=TradingStatus.OPEN,
    quote=QUOTE,
    quote_age_ns=SECOND,
    tick=D("0.01"),
    lot=D(1),
    last_price=D("100.00"),
    volume=D(1_250_000),
    volatility_bps=D("3.75"),
    trend_bps=D("-1.2"),
    average_daily_volume=D(40_000_000),
    session_open=OPEN,
    session_close=CLOSE,
    source="example",
    trading=TradingState(
        band=PriceBand(lower=D("95.00"), upper=D("105.00"), at=NOW - 30 * SECOND),
        price_test=False,
        round_lot=D(100),
    ),
)

PLAN: Final = PlanTerms(
    symbol="BAC",
    side=Side.BUY,
    quantity=D(800),
    strategy=ExecutionStrategy.TWAP,
    style=Style.SMART,
    urgency=ExecutionUrgency.MEDIUM,
    start_at=NOW,
    end_at=NOW + 7_200 * SECOND,
    final_phase_at=NOW + 7_080 * SECOND,
    tick=D("0.01"),
    arrival_mid=D("100.00"),
    bound_bps=D(10),
    bound_price=D("100.10"),
    on_bound=OnBound.REST,
    participation_cap=D("0.1"),
    parameters=StrategyParameters(volume_curve=(9, 6, 5, 4, 5, 7, 10)),
    seed=4_711,
    expected_slippage_bps=D("1.5"),
)

VIEW: Final = InstructionView(
    executed=D(300),
    exposure=D(400),
    placed=1,
    orders=(
        OrderView(
            client_order_id=ORDER,
            quantity=D(400),
            executed=D(300),
            leaves=D(100),
            limit_price=D("100.00"),
            time_in_force=TimeInForce.DAY,
            display_quantity=None,
            placed_at=NOW,
            acknowledged=True,
            cancel_requested=False,
            uncertain=False,
        ),
    ),
    volume_at_start=D(1_250_000),
    last_placed_at=NOW,
)

PROVENANCE: Final = e.Provenance(
    strategy="twap",
    version=1,
    rule="slice_due",
    now=NOW,
    plan=PLAN,
    view=VIEW,
    market=MARKET,
    wake_at=NOW + 900 * SECOND,
)

CHECKS: Final = (
    Check(name="daily_trades", passed=True, value=D(4), bound=D(50), unit="trades"),
    Check(
        name="daily_turnover",
        passed=True,
        value=D("80000.00"),
        bound=D("250000.00"),
        unit="usd",
        limit_version=3,
        note="reserved with the plan",
    ),
)

REFUSAL: Final = Refusal(
    reason=Reason.DAILY_TURNOVER,
    field="target_weight",
    observed="260000.00",
    allowed="at most 250000.00",
    would_pass="2.4",
    message="the session's turnover would pass 25 % of equity",
)


def report(kind: ReportKind, **fields: Any) -> ExecutionReport:
    """A broker's message about the example order."""
    return ExecutionReport(
        kind=kind,
        client_order_id=ORDER,
        market_time=NOW + SECOND,
        receive_time=NOW + SECOND + 1_250_000,
        venue_order_id="v-81",
        order_qty=D(400),
        order_status=kind.value,
        raw={"event": kind.value, "qty": "400", "legs": None, "seq": 12, "flags": ["a", True]},
        **fields,
    )


def trade(kind: ReportKind, **fields: Any) -> ExecutionReport:
    """A broker's message about an execution of the example order."""
    return report(
        kind,
        last_qty=D(300),
        last_price=D("100.0050"),
        cum_qty=D(300),
        leaves_qty=D(100),
        limit_price=D("100.00"),
        fee=D("0.60"),
        liquidity="added",
        venue="XNYS",
        **fields,
    )


def head(*, account: bool = False, version: int = 3) -> dict[str, Any]:
    """The fields that every event has."""
    return {
        "originator_id": STREAM if account else INSTRUCTION,
        "originator_version": version,
        "record_time": NOW + 2 * SECOND,
        "actor": "engine/0.1.0",
        "correlation_id": str(STREAM if account else INSTRUCTION),
        "causation_id": "decision:pm-7:2026-03-02:17",
        "market_time": NOW + SECOND,
        "receive_time": NOW + SECOND + 1_250_000,
    }


def reported(event_class: type[e.OrderReported], message: ExecutionReport) -> e.OrderReported:
    """An event that keeps a broker's message."""
    return event_class(**head(), report=message)


DECISION: Final = e.DecisionReceived(
    **head(version=1),
    account=ACCOUNT,
    session_date=SESSION,
    decision_id="pm-7:2026-03-02:17",
    content_hash=DIGEST,
    decision=Decision(
        symbol="BAC",
        action=TradeAction.BUY,
        target_weight=D("3.0"),
        current_weight=D("2.2"),
        confidence=8,
        urgency=ExecutionUrgency.MEDIUM,
        window_seconds=7_200,
        strategy=ExecutionStrategy.TWAP,
        decided_at=NOW - SECOND,
    ),
    arrival=QUOTE,
    arrival_mid=D("100.00"),
    subject="decision:pm-7:2026-03-02:17",
    sealed_text="c2VhbGVkIGV4YW1wbGUgdGV4dA==",
    submitted_by=Submitter(principal="pm-7", person="kim.lee", channel=Channel.API),
)

ASSESSED: Final = e.DecisionAssessed(
    **head(version=2),
    inputs=planning_inputs(MARKET, SESSION, OPEN, CLOSE),
)

PLANNED: Final = e.InstructionPlanned(
    **head(version=2),
    plan=PLAN,
    checks=CHECKS,
    reservation=Reservation(
        account=ACCOUNT,
        session_date=SESSION,
        symbol="BAC",
        side=Side.BUY,
        quantity=D(800),
        price=D("100.10"),
        turnover_usd=D("80080.00"),
        buying_power_usd=D("80080.00"),
    ),
    equity=D("1000000.00"),
    position=D(2200),
    price=D("100.00"),
    limit_version=3,
    timing_rules=("open_avoidance_passed",),
    volume=D(1_250_000),
    notes=("rounded toward the current position",),
    estimate=Estimate(
        cost_bps=D("3.5000"),
        half_spread_bps=D("0.5000"),
        impact_bps=D("3.0000"),
        risk_bps=D("28.4605"),
        adv_fraction=D("0.000640"),
        volatility_bps=D("4.5"),
        fees=D("1.112000"),
    ),
)

INTENDED: Final = e.OrderIntended(
    **head(version=4),
    client_order_id=ORDER,
    ordinal=0,
    symbol="BAC",
    side=Side.BUY,
    quantity=D(400),
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    limit_price=D("100.00"),
    display_quantity=None,
    provenance=PROVENANCE,
)

FILLED: Final = e.InstructionFilled(
    **head(version=9),
    executed=D(800),
    average_price=D("100.00375"),
    fees=D("1.60"),
    slippage_bps=D("0.375"),
)


def _reports() -> list[e.DomainEvent]:
    return [
        reported(e.OrderReported, report(ReportKind.PENDING_CANCEL, text="cancel pending")),
        reported(e.OrderAcknowledged, report(ReportKind.NEW, leaves_qty=D(400))),
        reported(e.OrderRejected, report(ReportKind.REJECTED, text="insufficient buying power")),
        reported(e.OrderFilled, trade(ReportKind.TRADE, execution_id="x-1")),
        reported(e.OrderCanceled, report(ReportKind.CANCELED, cum_qty=D(300), leaves_qty=D(0))),
        reported(e.OrderExpired, report(ReportKind.EXPIRED, cum_qty=D(300), leaves_qty=D(0))),
        reported(e.OrderReplaced, report(ReportKind.REPLACED, cum_qty=D(300))),
        reported(
            e.FillBusted, trade(ReportKind.TRADE_BUST, execution_id="x-9", ref_execution_id="x-1")
        ),
        reported(
            e.FillCorrected,
            trade(ReportKind.TRADE_CORRECT, execution_id="x-10", ref_execution_id="x-1"),
        ),
        reported(e.OrderIndeterminate, report(ReportKind.UNKNOWN_OUTCOME, text="timeout")),
    ]


def instruction_examples() -> list[e.DomainEvent]:
    """One example of every event of an instruction."""
    return [
        DECISION,
        ASSESSED,
        PLANNED,
        e.ReleaseDeferred(**head(), release_at=OPEN, rule="market_closed"),
        e.InstructionRejected(**head(), refusals=(REFUSAL,), checks=CHECKS),
        e.NothingToDo(**head(), reason=NothingReason.ALREADY_AT_TARGET, note="3.0 % held"),
        e.InstructionReleased(**head(), release_mid=D("100.00")),
        e.InstructionReplanned(
            **head(),
            plan=PLAN,
            rule="checked_again",
            volume=D(1_250_000),
            checks=CHECKS,
            reservation=PLANNED.reservation,
        ),
        e.StrategySwitched(
            **head(),
            previous=ExecutionStrategy.TWAP,
            plan=PLAN,
            rule="behind_schedule",
            observed="lag 40 %",
            threshold="lag 25 %",
            market=MARKET,
        ),
        e.InstructionSuspended(
            **head(), cause="luld_pause", since=NOW - SECOND, mid=D("100.00"), remaining=D(500)
        ),
        e.InstructionResumed(
            **head(), stopped_ns=300 * SECOND, mid=D("100.30"), remaining=D(500), cost=D("150.00")
        ),
        e.InstructionEndRequested(
            **head(),
            reason=EndReason.LIMITS,
            check=Check(
                name="order_value",
                passed=False,
                value=D("84000.00"),
                bound=D("50000"),
                unit="USD",
                limit_version=4,
                note="admitted under version 3",
            ),
        ),
        e.InstructionEscalated(**head(), bound_price=D("100.10"), completing_price=D("100.14")),
        INTENDED,
        e.OrderCancelRequested(
            **head(), client_order_id=ORDER, rule="repeg", provenance=PROVENANCE
        ),
        *_reports(),
        FILLED,
        e.InstructionCancelled(
            **head(),
            reason=EndReason.SLIPPAGE_BOUND,
            executed=D(300),
            average_price=D("100.005"),
            fees=D("0.60"),
            slippage_bps=D("0.5"),
            completing_price=D("100.14"),
        ),
        e.InstructionAnomaly(
            **head(), kind=Anomalous.OVERFILL, detail="executed 900 of 800", client_order_id=ORDER
        ),
    ]
