"""Whatever is sent, in whatever steps time passes: fills add up and the account agrees."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.journal import Journal
from fillwright.adapters.exchange.scaled import from_units
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.exchange.terms import Faults, Terms
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

S = 1_000_000_000
RandomDay = Callable[[int], SymbolDay]
Step = tuple[int, str, int, int, int, int]
Plan = tuple[int, list[Step]]
FREE = Terms(check_buying_power=False, short_selling=True)


def order(
    name: str,
    side: Side,
    shares: int,
    limit: Decimal | None,
    tif: TimeInForce,
    display: Decimal | None = None,
) -> OrderRequest:
    """An order for ABC; without a limit it is a market order."""
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    return OrderRequest(name, "ABC", side, Decimal(shares), kind, tif, limit, display)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A market seed and steps ``(second, kind, sign, shares, offset in ticks, display)``."""
    step = st.tuples(
        st.integers(1, 580),
        st.sampled_from(["market", "limit", "iceberg", "ioc", "cancel"]),
        st.sampled_from([1, -1]),
        st.integers(1, 3_000),
        st.integers(-4, 4),
        st.integers(1, 400),
    )
    return draw(st.integers(0, 5_000)), sorted(draw(st.lists(step, min_size=1, max_size=12)))


def commands(day: SymbolDay, steps: list[Step]) -> list[tuple[int, SubmitOrder | CancelOrder]]:
    result: list[tuple[int, SubmitOrder | CancelOrder]] = []
    for number, (second, kind, sign, shares, offset, display) in enumerate(steps):
        at = second * S
        if kind == "cancel":
            result.append((at, CancelOrder(f"o{shares % (number + 1)}", None)))
            continue
        row = day.quote_index(at)
        touch = Decimal(str(round(float(day.bid_px[max(row, 0), 0]), 2)))
        limit = None if kind == "market" else touch + offset * day.tick
        tif = TimeInForce.IOC if kind in ("market", "ioc") else TimeInForce.DAY
        shown = Decimal(display) if kind == "iceberg" else None
        side = Side.BUY if sign > 0 else Side.SELL
        result.append((at, SubmitOrder(order(f"o{number}", side, shares, limit, tif, shown))))
    return result


def check(day: SymbolDay, exchange: Exchange, reports: list[ExecutionReport], end: int) -> None:
    """Fills add up, never exceed, trade at possible prices, and make the account."""
    cash, position = Decimal(0), Decimal(0)
    filled: dict[str, Decimal] = {}
    for report in reports:
        assert report.leaves_qty is None or report.leaves_qty >= 0
        if report.kind is not ReportKind.TRADE:
            continue
        assert report.last_qty is not None
        assert report.last_price is not None
        name = report.client_order_id
        filled[name] = filled.get(name, Decimal(0)) + report.last_qty
        found = exchange.find_order(name)
        assert found is not None
        assert report.last_qty > 0
        assert report.last_qty % day.lot == 0
        assert report.last_price % day.tick == 0
        assert report.cum_qty == filled[name] <= found.quantity
        if report.limit_price is not None:
            assert found.side.sign * (report.last_price - report.limit_price) <= 0
        position += found.side.sign * report.last_qty
        cash -= found.side.sign * report.last_qty * report.last_price
    for found in exchange.orders():
        assert found.filled_qty == filled.get(found.client_order_id, 0)
    held = exchange.positions(end)
    assert (held["ABC"].quantity if held else 0) == position
    assert exchange.account(end).cash - exchange.terms.cash == cash


@settings(max_examples=80, deadline=None)
@given(plan=plans())
def test_any_stepping_of_time_gives_the_same_reports(random_day: RandomDay, plan: Plan) -> None:
    seed, steps = plan
    day = random_day(seed)
    end = 700 * S
    terms = Terms(cash=Decimal(0), check_buying_power=False, short_selling=True, close_at=690 * S)
    straight, stepped = Exchange([day], terms), Exchange([day], terms)
    seen: list[ExecutionReport] = []
    for at, command in commands(day, steps):
        straight.handle([command], at)
        while (due := stepped.next_report_at(at)) is not None:
            reports = stepped.drain(due)
            assert reports
            assert {report.market_time for report in reports} == {due}
            seen += reports
        stepped.handle([command], at)
    while (due := stepped.next_report_at()) is not None:
        seen += stepped.drain(due)
    assert seen == straight.drain(end)
    assert not any(found.is_open for found in straight.orders())
    check(day, straight, seen, end)


@settings(max_examples=40, deadline=None)
@given(plan=plans(), second=st.integers(1, 600))
def test_nothing_fills_after_a_cancel(random_day: RandomDay, plan: Plan, second: int) -> None:
    seed, steps = plan
    day = random_day(seed)
    exchange = Exchange([day], FREE)
    for at, command in commands(day, [step for step in steps if step[0] <= second]):
        exchange.handle([command], at)
    exchange.next_report_at()
    names = [found.client_order_id for found in exchange.orders()]
    for name in names:
        exchange.cancel(name, second * S)
    reports = exchange.drain(900 * S)
    fills = [r for r in reports if r.kind is ReportKind.TRADE]
    assert all(report.market_time <= second * S for report in fills)
    assert exchange.account(900 * S).buying_power == exchange.account(900 * S).cash


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 5_000), display=st.integers(1, 500), shares=st.integers(1, 4_000))
def test_an_iceberg_never_fills_more_at_once_than_it_shows(
    random_day: RandomDay, seed: int, display: int, shares: int
) -> None:
    day = random_day(seed)
    scaled = Exchange([day], FREE).market("ABC")
    price = from_units(int(scaled.buy.own[scaled.quote_row(10 * S)]))
    exchange = Exchange([day], FREE)
    request = order("a", Side.BUY, shares, price, TimeInForce.DAY, Decimal(display))
    exchange.submit(request, 10 * S)
    added = [r for r in exchange.drain(900 * S) if r.liquidity == "added"]
    assert all(r.last_qty is not None and r.last_qty <= display for r in added)
    check(day, exchange, exchange.reports_since(["a"], 900 * S), 900 * S)


@settings(max_examples=40, deadline=None)
@given(plan=plans(), faulty=st.booleans())
def test_running_a_journal_again_gives_the_same_reports_and_account(
    random_day: RandomDay, plan: Plan, faulty: bool
) -> None:
    seed, steps = plan
    day, end = random_day(seed), 900 * S
    faults = Faults(seed, 0.2, 0.2, 0.2, 2 * S, 0.2) if faulty else Faults()
    terms = Terms(Decimal(100_000), close_at=690 * S, short_selling=True, faults=faults)
    journal = Journal()
    first = Exchange([day], terms, journal=journal)
    for at, command in commands(day, steps):
        first.handle([command], at)
    again = Exchange([day], terms, journal=journal)
    assert again.now == first.now
    names = [found.client_order_id for found in first.orders()]
    assert again.reports_since(names, end) == first.reports_since(names, end)
    assert again.account(end) == first.account(end)
    assert again.positions(end) == first.positions(end)
    assert again.orders() == first.orders()
