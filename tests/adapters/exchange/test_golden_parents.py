"""The fill model against a golden file made by two other implementations.

Policies are driven straight on the exchange here, without engine or strategies.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.scaled import ScaledDay, from_units
from fillwright.adapters.exchange.tape import load_symbol_day
from fillwright.adapters.exchange.terms import Terms
from fillwright.domain.money import cumulative_target
from fillwright.domain.ports import (
    NANOS,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    TimeInForce,
)

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("FILLWRIGHT_SHARED_DIR") or ROOT.parent / "shared")
FOLDER = Path(os.environ.get("FILLWRIGHT_MARKET_DIR") or SHARED / "data")
GOLDEN = FOLDER / "golden_parents.csv"
TOLERANCE = Decimal("0.000001")
NO_LIMITS = Terms(check_buying_power=False, short_selling=True)

needs_golden = pytest.mark.skipif(
    not GOLDEN.is_file(), reason=f"shared data not present: no golden_parents.csv in {FOLDER}"
)


@dataclass(frozen=True)
class Row:
    """One line of the golden file."""

    symbol: str
    date: str
    start: int
    seconds: int
    side: Side
    size: Decimal
    policy: str
    avg_px: Decimal
    passive: Decimal
    taker: Decimal
    final_cross: Decimal


def golden_rows(policy: str) -> list[Row]:
    """The golden file's rows of one policy."""
    with GOLDEN.open(newline="") as file:
        return [
            Row(
                symbol=line["symbol"],
                date=line["date"],
                start=int(line["t0_ns"]),
                seconds=int(line["H_s"]),
                side=Side.BUY if int(line["side"]) > 0 else Side.SELL,
                size=Decimal(line["size"]),
                policy=line["policy"],
                avg_px=Decimal(line["avg_px"]),
                passive=Decimal(line["passive_qty"]),
                taker=Decimal(line["taker_qty"]),
                final_cross=Decimal(line["final_cross_qty"]),
            )
            for line in csv.DictReader(file)
            if line["policy"] == policy
        ]


@cache
def market(symbol: str, date: str) -> ScaledDay:
    """One prepared symbol-day, shared by all rows."""
    return ScaledDay(load_symbol_day(FOLDER, symbol, date))


@dataclass
class Parent:
    """A parent order at work: ``left`` is neither filled nor sent as a cross."""

    row: Row
    exchange: Exchange
    left: Decimal
    sent: int = 0
    crosses: set[str] = field(default_factory=set)
    working: Decimal = Decimal(0)
    price: Decimal | None = None
    passive: Decimal = Decimal(0)
    taker: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)
    final_cross: Decimal = Decimal(0)

    def touch(self, at: int) -> Decimal:
        """The price a passive order joins at ``at``."""
        view = self.exchange.market(self.row.symbol).view(self.row.side.sign)
        row = self.exchange.market(self.row.symbol).quote_row(at)
        return from_units(self.row.side.sign * int(view.own[row]))

    def settle(self, at: int) -> None:
        """Book everything reported up to ``at``."""
        for report in self.exchange.drain(at):
            assert report.kind is not ReportKind.REJECTED, report.text
            if report.kind is ReportKind.TRADE:
                assert report.last_qty is not None
                assert report.last_price is not None
                self.notional += report.last_qty * report.last_price
                if report.liquidity == "added":
                    self.passive += report.last_qty
                else:
                    self.taker += report.last_qty
                if report.client_order_id not in self.crosses:
                    self.left -= report.last_qty
                    self.working -= report.last_qty

    def cross(self, quantity: Decimal, at: int) -> None:
        """Send a market order, which always fills in full."""
        self._send(quantity, None, at)
        self.crosses.add(f"o{self.sent}")
        self.left -= quantity

    def rest(self, quantity: Decimal, at: int, price: Decimal) -> None:
        """Rest ``quantity`` at ``price``, in place of what rests already."""
        self.withdraw(at)
        self._send(quantity, price, at)
        self.working, self.price = quantity, price

    def withdraw(self, at: int) -> None:
        """Cancel what rests."""
        if self.working:
            self.exchange.cancel(f"o{self.sent}", at)
        self.working = Decimal(0)

    def _send(self, quantity: Decimal, price: Decimal | None, at: int) -> None:
        self.sent += 1
        is_market = price is None
        request = OrderRequest(
            client_order_id=f"o{self.sent}",
            symbol=self.row.symbol,
            side=self.row.side,
            quantity=quantity,
            order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
            time_in_force=TimeInForce.IOC if is_market else TimeInForce.DAY,
            limit_price=price,
        )
        self.exchange.submit(request, at)


def slices(parent: Parent, count: int) -> None:
    """``count`` equal market slices, each at the first decision time when it is due."""
    row, sent = parent.row, Decimal(0)
    for number in range(count):
        target = cumulative_target(row.size, number + 1, count)
        due = row.start + math.ceil(number * row.seconds / count) * NANOS
        parent.cross(target - sent, due)
        sent = target


def rest_until(
    parent: Parent, start: int, count: int, due: Decimal, tranche: Decimal, fixed: Decimal | None
) -> None:
    """Keep up to ``tranche`` of ``due`` shares at the touch (or a fixed price) for a while.

    What is left of ``due`` after ``count`` seconds is withdrawn and crossed.
    """
    goal = parent.left - due
    end = start + count * NANOS
    for now in range(start, end, NANOS):
        parent.settle(now)
        if parent.left == goal:
            break
        price = parent.touch(now) if fixed is None else fixed
        if not parent.working or price != parent.price:
            parent.rest(min(tranche, parent.left - goal), now, price)
    parent.settle(end)
    parent.withdraw(end)
    parent.final_cross = parent.left - goal
    if parent.final_cross:
        parent.cross(parent.final_cross, end)


def peg_cross(parent: Parent) -> None:
    """All shown, pegged, the rest crossed."""
    row = parent.row
    rest_until(parent, row.start, row.seconds, row.size, row.size, None)


def iceberg(parent: Parent) -> None:
    """A tenth at a time at the touch of the first decision; the next when one is gone."""
    row = parent.row
    fixed = parent.touch(row.start)
    rest_until(parent, row.start, row.seconds, row.size, tenth(row.size), fixed)


def iceberg_peg(parent: Parent) -> None:
    """A tenth at a time, pegged; a repeg shows a full tenth again."""
    row = parent.row
    rest_until(parent, row.start, row.seconds, row.size, tenth(row.size), None)


def tenth(size: Decimal) -> Decimal:
    """Ten per cent, rounded up."""
    return Decimal(math.ceil(size / 10))


def linear_then_cross(parent: Parent) -> None:
    """Each minute's slice rests pegged, what is short at the minute's end is crossed."""
    row = parent.row
    minutes = row.seconds // 60
    for minute in range(minutes):
        due = cumulative_target(row.size, minute + 1, minutes)
        due -= cumulative_target(row.size, minute, minutes)
        rest_until(parent, row.start + minute * 60 * NANOS, 60, due, due, None)


POLICIES: dict[str, Callable[[Parent], None]] = {
    "MARKET": lambda parent: slices(parent, 1),
    "TWAP8": lambda parent: slices(parent, 8),
    "TWAP60s": lambda parent: slices(parent, parent.row.seconds // 60),
    "PEG_CROSS": peg_cross,
    "ICEBERG": iceberg,
    "ICEBERG_PEG": iceberg_peg,
    "LTC60s": linear_then_cross,
}


def disagreement(row: Row) -> str | None:
    """Run one row; None when the model gives what the file says."""
    exchange = Exchange([market(row.symbol, row.date)], NO_LIMITS)
    parent = Parent(row, exchange, left=row.size)
    POLICIES[row.policy](parent)
    parent.settle(row.start + (row.seconds + 1) * NANOS)
    average = parent.notional / row.size
    quantities = (parent.passive, parent.taker, parent.final_cross)
    expected = (row.passive, row.taker, row.final_cross)
    if abs(average - row.avg_px) <= TOLERANCE and quantities == expected:
        return None
    name = f"{row.symbol} {row.date} {row.start} {row.side} {row.size}"
    return f"{name}: {average:.8f} {quantities}, expected {row.avg_px} {expected}"


@needs_golden
@pytest.mark.parametrize("policy", list(POLICIES))
def test_every_golden_parent_is_reproduced(
    policy: str, record_property: Callable[[str, object], None]
) -> None:
    rows = golden_rows(policy)
    wrong = [text for text in map(disagreement, rows) if text]
    record_property("rows_that_agree", f"{policy}: {len(rows) - len(wrong)} of {len(rows)}")
    assert not wrong, f"{len(wrong)} of {len(rows)} rows disagree\n" + "\n".join(wrong)
