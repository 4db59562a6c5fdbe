"""Facts and decisions that the planning tests vary."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from fillwright.domain.decision import Decision, TradeAction
from fillwright.domain.limits import Limits, SymbolUsage, Usage
from fillwright.domain.market import MarketState, Quote, TradingStatus
from fillwright.domain.planning.facts import Facts, PlanningRules
from fillwright.domain.ports import NANOS, Account, AccountKind, Session

D = Decimal
OPEN = 1_381_239_000 * NANOS  # 2013-10-08 09:30 in New York
CLOSE = OPEN + 23_400 * NANOS
NOON = OPEN + 9_000 * NANOS
INSTRUCTION = UUID("00000000-0000-5000-8000-000000000001")

SESSION = Session("2013-10-08", OPEN, CLOSE)
NEXT_SESSION = Session("2013-10-09", OPEN + 86_400 * NANOS, CLOSE + 86_400 * NANOS)


def a_quote(bid: str = "99.99", ask: str = "100.01", at: int = NOON) -> Quote:
    return Quote(bid=D(bid), ask=D(ask), bid_size=D(500), ask_size=D(500), at=at)


def a_market(**changes: Any) -> MarketState:
    fields: dict[str, Any] = {
        "symbol": "IBM",
        "now": NOON,
        "status": TradingStatus.OPEN,
        "quote": a_quote(),
        "quote_age_ns": 0,
        "tick": D("0.01"),
        "lot": D(1),
        "last_price": D(100),
        "volume": D(1_000_000),
        "volatility_bps": None,
        "trend_bps": None,
        "average_daily_volume": None,
        "session_open": OPEN,
        "session_close": CLOSE,
        "source": "test",
    }
    return MarketState(**{**fields, **changes})


def an_account(equity: str = "1000000", buying_power: str = "1000000") -> Account:
    return Account(
        equity=D(equity),
        cash=D(buying_power),
        buying_power=D(buying_power),
        at=NOON,
        kind=AccountKind.MARGIN,
    )


def a_usage(symbol: SymbolUsage | None = None, **changes: Any) -> Usage:
    usage = Usage("2013-10-08", D(1_000_000), symbols={"IBM": symbol} if symbol else {})
    return replace(usage, **changes)


def some_facts(**changes: Any) -> Facts:
    """An open market at noon, IBM at 100.00, a million of equity, nothing held, nothing used."""
    fields: dict[str, Any] = {
        "account_id": "test",
        "account": an_account(),
        "session": SESSION,
        "now": NOON,
        "market": a_market(),
        "arrival_mid": D(100),
        "position": D(0),
        "usage": a_usage(),
        "limits": Limits(),
        "rules": PlanningRules(),
        "next_session": NEXT_SESSION,
        "identified": True,
        "loss_basis_usd": D(1_000_000),
    }
    return Facts(**{**fields, **changes})


def a_decision(action: str = "BUY", weight: str | None = "3", **changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "symbol": "IBM",
        "action": TradeAction(action),
        "target_weight": None if weight is None else D(weight),
    }
    return Decision(**{**fields, **changes})
