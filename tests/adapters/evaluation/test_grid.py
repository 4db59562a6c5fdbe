"""The grid of parent orders, and what is left out of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from fillwright.adapters.evaluation.grid import SIZES, parents_of, starts_of, within
from fillwright.adapters.exchange.tape import SymbolDay, load_symbol_day
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.ports import NANOS, Session, Side

from .conftest import DATE


@pytest.fixture(scope="module")
def day(folder: Path) -> SymbolDay:
    return load_symbol_day(folder, "ONE", DATE)


@pytest.fixture(scope="module")
def session() -> Session:
    found = ExchangeCalendar().session_on(DATE)
    assert found is not None
    return found


@pytest.mark.parametrize(("horizon", "starts"), [(300, 76), (1_800, 24), (7_200, 9)])
def test_parents_start_on_their_grid_between_0935_and_1555(
    session: Session, horizon: int, starts: int
) -> None:
    found = starts_of(within(session), horizon)
    assert len(found) == starts
    assert found[0] == session.open + 300 * NANOS
    assert found[-1] + horizon * NANOS <= session.close - 300 * NANOS


def test_each_window_has_both_sides_of_every_size(day: SymbolDay, session: Session) -> None:
    parents, skipped = parents_of(day, within(session))
    assert len(parents) == (76 + 24 + 9) * 3 * 2
    assert not skipped
    assert {p.side for p in parents} == {Side.BUY, Side.SELL}
    assert {p.size for p in parents} == set(SIZES)


def test_a_size_is_of_the_regular_volume_of_its_window_and_at_least_a_hundred(
    day: SymbolDay, session: Session
) -> None:
    parents, _ = parents_of(day, within(session), (300,), (Decimal("0.05"), Decimal("0.000001")))
    for parent in parents[:40]:
        inside = (day.t_ts >= parent.start) & (day.t_ts < parent.end) & day.regular
        volume = float(day.t_sz[inside].sum())
        expected = max(100, round(volume * float(parent.size)))
        assert abs(float(parent.quantity) - expected) <= 1
        vwap = float((day.t_sz[inside] * day.t_px[inside]).sum()) / volume
        assert parent.interval_vwap == pytest.approx(vwap)


def test_arrival_is_the_last_valid_quote_at_the_start(day: SymbolDay, session: Session) -> None:
    parent = parents_of(day, within(session), (300,))[0][0]
    row = day.quote_index(parent.start)
    assert parent.arrival_mid == pytest.approx((day.bid_px[row, 0] + day.ask_px[row, 0]) / 2)
    assert parent.half_spread_bps > 0


def test_windows_that_touch_a_gap_are_left_out_by_name(day: SymbolDay, session: Session) -> None:
    start = session.open + 3_600 * NANOS
    keep = (day.q_ts < start) | (day.q_ts > start + 600 * NANOS)
    books = {name: getattr(day, name)[keep] for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")}
    gappy = replace(day, q_ts=day.q_ts[keep], **books)
    parents, skipped = parents_of(gappy, within(session), (300,), (Decimal("0.05"),))
    assert len(skipped) == 1
    assert "no quotes for" in skipped[0].why
    assert skipped[0].parents + len(parents) == 76 * 2
    assert not [p for p in parents if p.start < start + 600 * NANOS and p.end > start + NANOS]


def test_windows_without_prints_and_sizes_above_the_volume_are_left_out(
    day: SymbolDay, session: Session
) -> None:
    first = starts_of(within(session), 300)[0]
    quiet = np.flatnonzero((day.t_ts < first) | (day.t_ts >= first + 300 * NANOS))
    cut = {name: getattr(day, name)[quiet] for name in ("t_px", "t_sz", "aggressor")}
    cut |= {name: getattr(day, name)[quiet] for name in ("lit", "regular")}
    silent = replace(day, t_ts=day.t_ts[quiet], venue=None, **cut)
    _, skipped = parents_of(silent, within(session), (300,), (Decimal("0.05"),))
    assert [(each.why, each.parents) for each in skipped] == [("nothing printed in the window", 2)]
    _, skipped = parents_of(day, within(session), (300,), (Decimal("1.5"),))
    assert skipped[0].why == "size 1.5 is more than the volume of the window"
    assert skipped[0].parents == 76 * 2
