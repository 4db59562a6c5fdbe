"""Each pre-trade control has a case that trips it and one just below it that passes.

The list of controls is the shared one where it is there, and the project's own list otherwise; a
control that is not here, or here and not there, fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from fillwright.adapters.engine.comparing import position_breaks
from fillwright.domain import events as e
from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.guard import CANCELS_KEPT
from fillwright.domain.limits import Limits
from fillwright.domain.market import TradingStatus
from fillwright.domain.order_terms import Phase, not_offered
from fillwright.domain.planning.facts import Refused, ShortFacts
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.ports import NANOS, Position
from fillwright.domain.principals import Principal, Role, why_not
from fillwright.domain.reasons import Reason
from fillwright.domain.violations import STEP_ORDERS_MAX, Violation
from tests.domain.planning_cases import (
    INSTRUCTION,
    NOON,
    a_decision,
    a_market,
    a_quote,
    a_usage,
    an_account,
    some_facts,
)
from tests.domain.strategies.cases import market_of, plan_of, step_at, view_of
from tests.domain.test_guard import cross_of, guarded, rest_of
from tests.domain.test_order_terms import request_of

D = Decimal


class Case(NamedTuple):
    """What the control says to an order at its bound, and to one just past it."""

    passes: Callable[[], bool]
    trips: Callable[[], bool]


def refuses(reason: Reason, decision: Any = None, **facts: Any) -> Callable[[], bool]:
    """Whether planning refuses for this reason."""

    def found() -> bool:
        made = plan_decision(decision or a_decision(), some_facts(**facts), INSTRUCTION)
        return isinstance(made, Refused) and reason in [r.reason for r in made.refusals]

    return found


def admits(reason: Reason, decision: Any = None, **facts: Any) -> Callable[[], bool]:
    """Whether planning has nothing against it for this reason."""
    check = refuses(reason, decision, **facts)
    return lambda: not check()


def cut(violation: Violation, *places: Any, **around: Any) -> Callable[[], bool]:
    """Whether the guard cuts a step for this."""
    return lambda: violation in guarded(*places, **around).violations


def kept(violation: Violation, *places: Any, **around: Any) -> Callable[[], bool]:
    """Whether the guard leaves a step alone in this."""
    return lambda: not cut(violation, *places, **around)()


def principal(role: Role) -> Principal:
    return Principal(name="kim", person="kim", roles=(role,), user="kim")


def breaks(theirs: int) -> bool:
    """Whether a position that the broker reports differs from our record of 100 shares."""
    opened = e.SessionOpened.model_construct(
        session_date="2013-10-08",
        positions=(e.PositionRecord(symbol="IBM", quantity=D(100), market_value=D(0)),),
    )
    reported = {"IBM": Position("IBM", D(theirs), D(0))}
    return bool(list(position_breaks(opened, {}, reported, {})))


TWAP = ExecutionStrategy.TWAP
SIZED = a_decision(weight=None, order_size=D(100))
SELL = a_decision("SELL", None, order_size=D(100))
POV = plan_of(ExecutionStrategy.POV, participation_cap=D("0.1"), quantity=D(1000))
VOLUME = view_of().model_copy(update={"volume_at_start": D(0)})
BOUND = plan_of(TWAP, bound_price=D("100.05"), bound_bps=D(5))
MINUTE = (NOON - NANOS,) * 10
WAS_A_MILLION = {"loss_basis_usd": D(1_000_000), "limits": Limits(daily_loss_pct_max=D(5))}
SHORT = {"limits": Limits(allow_short=True)}


def priced(limit: str) -> Any:
    return SIZED.model_copy(update={"limit_price": D(limit), "max_slippage_bps": None})


def sent_by_pov(volume: int) -> Decimal:
    return sum((p.quantity for p in step_at(POV, VOLUME, market_of(volume=volume), 5).places), D(0))


CASES: Final[dict[str, Case]] = {
    "MAX_ORDER_QTY": Case(
        admits(Reason.ORDER_QUANTITY, SIZED, limits=Limits(order_quantity_max=D(100))),
        refuses(Reason.ORDER_QUANTITY, SIZED, limits=Limits(order_quantity_max=D(99))),
    ),
    "MAX_ORDER_NOTIONAL": Case(
        admits(Reason.ORDER_VALUE, SIZED, limits=Limits(order_value_usd_max=D(10_010))),
        refuses(Reason.ORDER_VALUE, SIZED, limits=Limits(order_value_usd_max=D("10_009"))),
    ),
    "PRICE_COLLAR": Case(
        admits(
            Reason.PRICE_COLLAR,
            priced("101"),
            limits=Limits(collar_bps_max=D(100)),
        ),
        refuses(
            Reason.PRICE_COLLAR,
            priced("101.01"),
            limits=Limits(collar_bps_max=D(100)),
        ),
    ),
    "REFERENCE_SANE": Case(
        admits(Reason.NO_PRICE, SIZED, market=a_market(quote=a_quote("99.99", "100.00"))),
        refuses(Reason.NO_PRICE, SIZED, market=a_market(quote=a_quote("100.00", "100.00"))),
    ),
    "MESSAGE_RATE": Case(
        kept(Violation.MESSAGE_BUDGET, cross_of("100"), messages_left=CANCELS_KEPT + 1),
        cut(Violation.MESSAGE_BUDGET, cross_of("100"), messages_left=CANCELS_KEPT),
    ),
    # A strategy may be executed so often a day; more takes a person who raises the limit.
    "REPEATED_EXECUTION": Case(
        admits(Reason.DAILY_TRADES, SIZED, usage=a_usage(trades=49)),
        refuses(Reason.DAILY_TRADES, SIZED, usage=a_usage(trades=50)),
    ),
    "DUPLICATE_ORDER": Case(
        admits(
            Reason.DUPLICATE,
            SIZED,
            identified=False,
            usage=a_usage(recent={SIZED.content_hash(): NOON - 60 * NANOS}),
        ),
        refuses(
            Reason.DUPLICATE,
            SIZED,
            identified=False,
            usage=a_usage(recent={SIZED.content_hash(): NOON - 60 * NANOS + 1}),
        ),
    ),
    "CREDIT_CAPITAL": Case(
        admits(Reason.BUYING_POWER, SIZED, account=an_account(buying_power="10_010")),
        refuses(Reason.BUYING_POWER, SIZED, account=an_account(buying_power="10_009")),
    ),
    "MAX_POSITION": Case(
        admits(Reason.POSITION_SIZE, SIZED, position=D(400)),
        refuses(Reason.POSITION_SIZE, SIZED, position=D(401)),
    ),
    # What was a million at the close before may lose just less than 5 %.
    "DAILY_LOSS": Case(
        admits(Reason.DAILY_LOSS, SIZED, account=an_account("950_000.01"), **WAS_A_MILLION),
        refuses(Reason.DAILY_LOSS, SIZED, account=an_account("950_000"), **WAS_A_MILLION),
    ),
    "RESTRICTED_LIST": Case(
        admits(Reason.RESTRICTED, SIZED, limits=Limits(restricted=("BAC",))),
        refuses(Reason.RESTRICTED, SIZED, limits=Limits(restricted=("IBM",))),
    ),
    "ENTITLEMENT": Case(
        lambda: why_not(principal(Role.TRADE), "run --live") is None,
        lambda: why_not(principal(Role.SUBMIT), "run --live") is not None,
    ),
    "SHORT_SALE": Case(
        admits(Reason.SHORT_SALE, SELL, short=ShortFacts(None, "L-1", False), **SHORT),
        refuses(Reason.SHORT_SALE, SELL, short=ShortFacts(None, "L-1", None), **SHORT),
    ),
    "SESSION_STATE": Case(
        admits(Reason.SYMBOL_HALTED, SIZED, market=a_market(status=TradingStatus.OPEN)),
        refuses(Reason.SYMBOL_HALTED, SIZED, market=a_market(status=TradingStatus.UNKNOWN)),
    ),
    "INSTRUMENT_STATIC": Case(
        lambda: (
            not_offered("alpaca", request_of(), Phase.REGULAR) is None
            and kept(Violation.OFF_TICK, rest_of("100", "99.99"))()
        ),
        cut(Violation.OFF_TICK, rest_of("100", "99.995")),
    ),
    # What is due follows the volume: a share more than the cap is never sent.
    "PARTICIPATION": Case(
        lambda: sent_by_pov(1_000) == 100,
        lambda: sent_by_pov(1_009) == 100,
    ),
    "PARENT_BOUND": Case(
        kept(Violation.OVER_FREE, rest_of("400"), view=view_of(600)),
        lambda: (
            cut(Violation.OVER_FREE, rest_of("401"), view=view_of(600))()
            and cut(Violation.PAST_BOUND, rest_of("100", "100.06"), plan=BOUND)()
            and kept(Violation.PAST_BOUND, rest_of("100", "100.05"), plan=BOUND)()
        ),
    ),
    "SELF_MATCH": Case(
        kept(Violation.SELF_CROSS, rest_of("100", "99.99"), opposite_limits=(D("100.00"),)),
        cut(Violation.SELF_CROSS, rest_of("100", "100.00"), opposite_limits=(D("100.00"),)),
    ),
    "MAX_OPEN_ORDERS": Case(
        kept(Violation.TOO_MANY_ORDERS, *[rest_of("1")] * STEP_ORDERS_MAX),
        cut(Violation.TOO_MANY_ORDERS, *[rest_of("1")] * (STEP_ORDERS_MAX + 1)),
    ),
    "KILL_SWITCH": Case(
        admits(Reason.KILLED, SIZED, usage=a_usage(killed=frozenset({"symbol:BAC"}))),
        refuses(Reason.KILLED, SIZED, usage=a_usage(killed=frozenset({"symbol:IBM"}))),
    ),
    "POST_TRADE_RECON": Case(lambda: not breaks(100), lambda: breaks(101)),
}

ELSEWHERE: Final[dict[str, str]] = {
    "CANCEL_ON_DISCONNECT": "orders are cancelled when the engine is told to stop, and when the "
    "feed has been gone for 30 s; no broker here cancels when its client is gone",
    "MONITOR_ALERT": "alerts are measured from the event on by the monitor's own tests",
}
"""Controls that no single order trips, and what is done about them."""

OWN: Final = sorted(CASES.keys() | ELSEWHERE.keys())


@pytest.mark.parametrize("control", sorted(CASES))
def test_a_control_trips_past_its_bound_and_passes_at_it(control: str) -> None:
    case = CASES[control]
    assert case.passes(), f"{control}: what is just allowed was refused"
    assert case.trips(), f"{control}: what is just past the bound was let through"


def test_every_control_of_the_shared_list_is_here(shared_dir: Path) -> None:
    listed = json.loads((shared_dir / "vectors" / "pretrade_controls.json").read_text())
    assert sorted(control["id"] for control in listed["controls"]) == OWN
