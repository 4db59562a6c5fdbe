"""The venue: reports, account, checks, fees, halts, the close and faults."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.exchange.terms import Faults, Fees, Halt, Outage, Terms
from fillwright.domain.ports import (
    CancelOrder,
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    SubmitOrder,
    TimeInForce,
)

D = Decimal
S = 1_000_000_000
LATENCY = 50_000_000
MakeDay = Callable[..., SymbolDay]
QUOTE = (0, 9.99, 100, 10.01, 200)
FREE = Terms(check_buying_power=False, short_selling=True)


def order(
    name: str = "a", side: Side = Side.BUY, quantity: str = "100", **more: Any
) -> OrderRequest:
    """A market order, or with ``limit`` a DAY limit order."""
    limit = more.get("limit")
    default = TimeInForce.IOC if limit is None else TimeInForce.DAY
    return OrderRequest(
        client_order_id=name,
        symbol=more.get("symbol", "ABC"),
        side=side,
        quantity=Decimal(quantity),
        order_type=more.get("type", OrderType.MARKET if limit is None else OrderType.LIMIT),
        time_in_force=more.get("tif", default),
        limit_price=None if limit is None else Decimal(limit),
        display_quantity=more.get("display"),
    )


def kinds(reports: list[ExecutionReport]) -> list[str]:
    return [report.kind.value for report in reports]


def refusal(exchange: Exchange, request: OrderRequest, at: int = 0) -> str:
    """The text an order is refused with."""
    exchange.submit(request, at)
    (report,) = exchange.drain(at + LATENCY)
    assert report.kind is ReportKind.REJECTED
    assert report.leaves_qty == 0
    return report.text or ""


# Reports


def test_a_market_order_arrives_after_the_latency_and_fills_in_full(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.submit(order(quantity="350"), 7)
    assert exchange.drain(7 + LATENCY - 1) == []
    assert exchange.next_report_at() == 7 + LATENCY
    new, first, second = exchange.drain(7 + LATENCY)
    assert (new.kind, new.market_time, new.leaves_qty) == (ReportKind.NEW, 7 + LATENCY, D(350))
    assert (first.last_qty, first.last_price) == (D(200), D("10.01"))
    assert (first.cum_qty, first.leaves_qty, first.order_status) == (
        D(200),
        D(150),
        "partially_filled",
    )
    assert (second.last_qty, second.last_price) == (D(150), D("10.02"))
    assert (second.cum_qty, second.leaves_qty, second.order_status) == (D(350), D(0), "filled")
    assert [first.execution_id, second.execution_id] == ["a:1", "a:2"]
    assert (first.liquidity, first.venue, first.fee) == ("removed", "SIM", D(0))
    assert exchange.next_report_at() is None


def test_a_day_market_order_fills_as_an_ioc_one_does(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.submit(order(tif=TimeInForce.DAY), 0)
    assert kinds(exchange.drain(S)) == ["new", "trade"]


def test_a_marketable_limit_takes_first_and_then_rests(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE], [(S, 10.00, 30, -1)])], FREE)
    exchange.submit(order(quantity="250", limit="10.01"), 0)
    new, taken, added = exchange.drain(2 * S)
    assert (new.limit_price, taken.last_qty, taken.liquidity) == (D("10.01"), D(200), "removed")
    assert (added.last_qty, added.last_price, added.liquidity) == (D(30), D("10.01"), "added")
    assert added.market_time == S


def test_what_an_ioc_limit_cannot_take_expires_at_once(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.submit(order(quantity="250", limit="10.01", tif=TimeInForce.IOC), 0)
    *_, last = reports = exchange.drain(S)
    assert kinds(reports) == ["new", "trade", "expired"]
    assert (last.cum_qty, last.leaves_qty, last.market_time) == (D(200), D(0), LATENCY)


def test_a_cancel_is_effective_at_once_even_before_arrival(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.submit(order(), 0)
    exchange.cancel("a", LATENCY - 1)
    assert kinds(exchange.drain(S)) == ["canceled"]


def test_a_cancel_after_the_look_ahead_still_prevents_the_fill(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE], [(3 * S, 9.98, 500, -1)])], FREE)
    exchange.submit(order(limit="9.99"), 0)
    exchange.drain(S)
    assert exchange.next_report_at() == 3 * S
    exchange.cancel("a", 3 * S - 1)
    assert kinds(exchange.drain(9 * S)) == ["canceled"]
    assert exchange.positions(9 * S) == {}


def test_at_the_same_time_a_fill_comes_before_a_cancel(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE], [(3 * S, 9.98, 500, -1)])], FREE)
    exchange.submit(order(limit="9.99"), 0)
    exchange.cancel("a", 3 * S)
    assert kinds(exchange.drain(9 * S)) == ["new", "trade", "cancel_rejected"]


def test_cancelling_what_is_not_there_is_rejected(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.cancel("nothing", 0)
    (report,) = exchange.drain(0)
    assert (report.kind, report.text) == (ReportKind.CANCEL_REJECTED, "unknown order")


def test_a_duplicate_client_order_id_is_rejected_and_changes_nothing(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.handle([SubmitOrder(order()), SubmitOrder(order(quantity="7"))], 0)
    assert [(r.kind.value, dict(r.raw)) for r in exchange.drain(0)] == [
        ("rejected", {"duplicate": True})
    ]
    assert kinds(exchange.drain(S)) == ["new", "trade"]
    assert exchange.positions(S)["ABC"].quantity == 100
    assert kinds(exchange.reports_since(["a"], S)) == ["new", "trade"]


def test_own_orders_do_not_trade_with_each_other(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.submit(order("rest", Side.SELL, limit="10.00"), 0)
    exchange.submit(order("take", quantity="50"), S)
    trades = [r for r in exchange.drain(9 * S) if r.kind is ReportKind.TRADE]
    assert [(r.client_order_id, r.last_price) for r in trades] == [("take", Decimal("10.01"))]


def test_time_does_not_go_back(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.advance(S)
    with pytest.raises(ValueError, match="cannot go back"):
        exchange.submit(order(), S - 1)


def test_without_latency_an_order_arrives_when_it_is_sent(make_day: MakeDay) -> None:
    terms = Terms(latency_ns=0, check_buying_power=False)
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order(), 5)
    assert kinds(exchange.drain(5)) == ["new", "trade"]


def test_orders_can_be_looked_up_by_client_id(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], FREE)
    exchange.submit(order(limit="9.99"), 3)
    found = exchange.find_order("a")
    assert found is not None
    assert (found.status, found.is_open, found.submitted_at) == ("pending_new", True, 3)
    exchange.cancel("a", S)
    assert [(o.status, o.is_open) for o in exchange.orders()] == [("canceled", False)]
    assert exchange.find_order("b") is None


# Checks


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (order(symbol="XYZ"), "unknown symbol XYZ"),
        (order(quantity="0"), "quantity must be above 0"),
        (order(quantity="-5"), "quantity must be above 0"),
        (order(quantity="NaN"), "quantity must be above 0"),
        (order(quantity="1.5"), "not a multiple of the lot"),
        (order(quantity="30000001"), "more than this market can ever fill"),
        (order(limit="9.995"), "not a multiple of the tick"),
        (order(limit="0"), "limit price must be above 0"),
        (order(type=OrderType.LIMIT), "needs a limit price"),
        (order(limit="9.99", type=OrderType.MARKET), "has no limit price"),
        (order(limit="9.99", display=Decimal(0)), "display quantity must be above 0"),
        (order(tif=TimeInForce.OPG), "no auctions without a session"),
        (order(tif=TimeInForce.CLS), "no auctions without a session"),
    ],
)
def test_a_malformed_order_is_rejected(
    make_day: MakeDay, request_: OrderRequest, text: str
) -> None:
    assert text in refusal(Exchange([make_day([QUOTE])], FREE), request_)


def test_a_market_order_without_a_quote_is_rejected(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([(S, 9.99, 100, 10.01, 200)])], FREE)
    assert refusal(exchange, order()) == "no quote to trade against"


def test_orders_outside_the_session_are_rejected_and_rests_expire(make_day: MakeDay) -> None:
    terms = Terms(open_at=S, close_at=10 * S, check_buying_power=False)
    exchange = Exchange([make_day([QUOTE], [(10 * S, 9.90, 500, -1)])], terms)
    assert "before the open" in refusal(exchange, order("early"))
    exchange.submit(order("rest", limit="9.99"), 2 * S)
    assert kinds(exchange.drain(3 * S)) == ["new"]
    assert exchange.next_report_at() == 10 * S
    (expired,) = exchange.drain(11 * S)
    assert (expired.kind, expired.market_time) == (ReportKind.EXPIRED, 10 * S)
    assert "after the close" in refusal(exchange, order("late"), 11 * S)


def test_buys_beyond_buying_power_are_rejected(make_day: MakeDay) -> None:
    terms = Terms(cash=Decimal("3004"), fees=Fees(commission_per_share=Decimal("0.01")))
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order("open", quantity="200", limit="9.99"), 0)
    exchange.drain(S)
    assert exchange.account(S).buying_power == Decimal("1006")
    assert "insufficient buying power" in refusal(exchange, order("b", quantity="101"), S)
    exchange.submit(order("c", quantity="100"), 2 * S)
    assert kinds(exchange.drain(3 * S)) == ["new", "trade"]
    exchange.cancel("open", 3 * S)
    assert exchange.account(3 * S).buying_power == Decimal("2002")


def test_a_market_buy_is_checked_against_what_it_will_pay(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], Terms(cash=Decimal("3003.99")))
    assert "insufficient buying power" in refusal(exchange, order(quantity="300"))


def test_a_sell_beyond_the_position_is_rejected(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], Terms(positions={"ABC": Decimal(100)}))
    exchange.submit(order("open", Side.SELL, "60", limit="10.01"), 0)
    exchange.drain(S)
    assert "short selling is off" in refusal(exchange, order("b", Side.SELL, "41"), S)
    exchange.submit(order("c", Side.SELL, "40"), 2 * S)
    assert kinds(exchange.drain(3 * S)) == ["new", "trade"]


# Account and fees


def test_cash_positions_and_equity_follow_the_fills(make_day: MakeDay) -> None:
    exchange = Exchange([make_day([QUOTE])], Terms(cash=Decimal(10_000)))
    exchange.submit(order(), 0)
    account = exchange.account(S)
    assert account.cash == Decimal("8999.00")
    assert account.equity == Decimal("9999.00")
    position = exchange.positions(S)["ABC"]
    assert (position.quantity, position.market_value) == (D(100), D(1000))
    exchange.submit(order("b", Side.SELL), S)
    assert exchange.account(2 * S).equity == exchange.account(2 * S).cash == Decimal("9998.00")
    assert exchange.positions(2 * S) == {}


def test_fees_are_charged_on_each_execution() -> None:
    fees = Fees.us_equities(commission_per_share=Decimal("0.005"))
    buy = fees.charge(is_sell=False, quantity=Decimal(1000), price=Decimal(20))
    assert buy == 5
    # 20,000 × 27.80 / 1e6 = 0.556 → 0.56; 1,000 × 0.000166 = 0.166 → 0.17
    sell = fees.charge(is_sell=True, quantity=Decimal(1000), price=Decimal(20))
    assert sell == Decimal("5.73")
    capped = Fees.us_equities().charge(is_sell=True, quantity=Decimal(100_000), price=Decimal(1))
    assert capped == Decimal("2.78") + Decimal("8.30")
    assert Fees().charge(is_sell=True, quantity=Decimal(1000), price=Decimal(20)) == 0


def test_a_fee_is_reported_and_taken_from_cash(make_day: MakeDay) -> None:
    terms = Terms(cash=Decimal(0), short_selling=True, fees=Fees.us_equities())
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order("a", Side.SELL), 0)
    _, trade = exchange.drain(S)
    assert trade.fee == Decimal("0.05")
    assert exchange.account(S).cash == Decimal("998.95")


def test_negative_fees_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Fees(commission_per_share=Decimal("-0.01"))


# Halts


def test_orders_that_arrive_in_a_halt_are_rejected(make_day: MakeDay) -> None:
    terms = Terms(check_buying_power=False, halts=(Halt("ABC", S, 5 * S),))
    exchange = Exchange([make_day([QUOTE])], terms)
    assert refusal(exchange, order(), 2 * S) == "trading is halted"
    assert exchange.is_halted("ABC", S)
    assert not exchange.is_halted("ABC", 5 * S)


def test_or_they_are_held_until_trading_resumes(make_day: MakeDay) -> None:
    halts = (Halt("ABC", S, 5 * S),)
    terms = Terms(check_buying_power=False, halts=halts, hold_in_halt=True)
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order(), 2 * S)
    assert kinds(exchange.drain(4 * S)) == ["accepted"]
    assert exchange.next_report_at() == 5 * S
    assert kinds(exchange.drain(5 * S)) == ["new", "trade"]


def test_rests_do_not_fill_in_a_halt_but_can_be_cancelled(make_day: MakeDay) -> None:
    terms = Terms(check_buying_power=False, halts=(Halt("ABC", S, 5 * S),))
    exchange = Exchange([make_day([QUOTE], [(2 * S, 9.90, 500, -1)])], terms)
    exchange.submit(order(limit="9.99"), 0)
    exchange.cancel("a", 3 * S)
    assert kinds(exchange.drain(9 * S)) == ["new", "canceled"]


# Faults


def test_a_venue_may_reject_and_always_the_same_orders(make_day: MakeDay) -> None:
    faults = Faults(seed=4, reject_probability=0.5)
    terms = Terms(check_buying_power=False, faults=faults)

    def rejected(names: list[str]) -> set[str]:
        exchange = Exchange([make_day([QUOTE])], terms)
        for number, name in enumerate(names):
            exchange.submit(order(name, quantity="1"), number * 10 * S)
        reports = exchange.drain(10_000 * S)
        return {r.client_order_id for r in reports if r.kind is ReportKind.REJECTED}

    names = [f"n{number}" for number in range(40)]
    assert 8 < len(rejected(names)) < 32
    assert rejected(names) == rejected(names[::-1])


def test_reports_may_come_twice(make_day: MakeDay) -> None:
    terms = Terms(check_buying_power=False, faults=Faults(duplicate_probability=1))
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order(), 0)
    assert kinds(exchange.drain(S)) == ["new", "new", "trade", "trade"]
    assert exchange.positions(S)["ABC"].quantity == 100


def test_reports_may_come_late(make_day: MakeDay) -> None:
    terms = Terms(check_buying_power=False, faults=Faults(late_probability=1, late_ns=3 * S))
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order(), 0)
    assert exchange.drain(LATENCY + 3 * S - 1) == []
    assert exchange.next_report_at() == LATENCY + 3 * S
    new, trade = exchange.drain(LATENCY + 3 * S)
    assert (new.market_time, trade.receive_time) == (LATENCY, LATENCY + 3 * S)


def test_a_missing_report_is_there_when_asked_for(make_day: MakeDay) -> None:
    terms = Terms(check_buying_power=False, faults=Faults(missing_probability=1))
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.submit(order(), 0)
    assert exchange.drain(9 * S) == []
    assert kinds(exchange.reports_since(["a", "b"], 9 * S)) == ["new", "trade"]


@pytest.mark.parametrize("accepted", [False, True])
def test_in_an_outage_the_outcome_is_unknown(make_day: MakeDay, accepted: bool) -> None:
    outage = Outage(S, 2 * S, accepted)
    terms = Terms(check_buying_power=False, faults=Faults(outages=(outage,)))
    exchange = Exchange([make_day([QUOTE])], terms)
    exchange.handle([SubmitOrder(order()), CancelOrder("b", None)], S)
    unknown = [r for r in exchange.drain(S) if r.kind is ReportKind.UNKNOWN_OUTCOME]
    assert [(r.client_order_id, r.raw["request"]) for r in unknown] == [
        ("a", "submit"),
        ("b", "cancel"),
    ]
    assert (exchange.find_order("a") is not None) is accepted
    exchange.submit(order(), 2 * S)
    expected = ["new", "trade"]
    assert kinds(exchange.reports_since(["a"], 9 * S)) == expected
    assert exchange.positions(9 * S)["ABC"].quantity == 100


def test_faults_are_bounded() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Faults(missing_probability=1.5)
    with pytest.raises(ValueError, match="late_ns"):
        Faults(late_ns=-1)
    with pytest.raises(ValueError, match="end after it starts"):
        Halt("ABC", 2, 2)
    with pytest.raises(ValueError, match="latency_ns"):
        Terms(latency_ns=-1)
    with pytest.raises(ValueError, match="close after it opens"):
        Terms(open_at=2, close_at=1)
