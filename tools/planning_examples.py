"""A hand-written example of what a decision was planned from."""

from __future__ import annotations

from decimal import Decimal

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.market import MarketState
from fillwright.domain.planning.inputs import (
    CashInput,
    PlanningInputs,
    SessionInput,
    UsageInput,
)
from fillwright.domain.ports import AccountKind

D = Decimal


def planning_inputs(market: MarketState, date: str, opens: int, closes: int) -> PlanningInputs:
    """The inputs of a decision made in a session of the given hours (ns UTC)."""
    return PlanningInputs(
        now=market.now,
        equity=D("1000000.00"),
        buying_power=D("1560000.00"),
        position=D(2200),
        arrival_mid=D("100.00"),
        market=market,
        session=SessionInput(date=date, open=opens, close=closes, is_half_day=False),
        next_session=None,
        usage=UsageInput(
            session_date=date,
            session_equity_usd=D("1000000.00"),
            trades=3,
            turnover_usd=D("90000.00"),
            reducing_trades=0,
            reducing_turnover_usd=D(0),
            buying_power_used_usd=D("90000.00"),
            buying_power_reserved_usd=D("10000.00"),
            equal_admitted_at=None,
            admitted_in_last_minute=1,
            killed=("symbol:GME",),
            buy_leaves=D(100),
            sell_leaves=D(0),
            unreflected=D(-50),
            bought=D(900),
            sold=D(50),
            busted_bought=D(0),
            busted_sold=D(0),
            unsettled=False,
        ),
        timing_strategy=ExecutionStrategy.TWAP,
        timing_slippage_bps=D("1.5"),
        timing_release_at=None,
        timing_rule="open_avoidance_passed",
        symbol_known=True,
        identified=True,
        admitted=False,
        volume_curve=(9, 6, 5, 4, 5, 7, 10),
        shortable=None,
        locate=None,
        price_test=None,
        order_size=D(800),
        note="netted against an opposite decision",
        account_kind=AccountKind.CASH,
        cash=CashInput(
            settled_usd=D("780000.00"),
            unsettled_usd=D("52000.00"),
            settles_on="2026-03-03",
            unpaid_shares=D(120),
            unpaid_until="2026-03-03",
        ),
        former_names=("NB",),
    )
