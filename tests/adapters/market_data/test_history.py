"""Average volume and volume curves come from earlier whole days only."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.exchange.tape import MarketFolderError
from fillwright.adapters.market_data.history import BARS_FILE, BarHistory, Bars
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.ports import NANOS, Session
from fillwright.domain.strategies.schedule import U_SHAPED_CURVE

MINUTE = 60 * NANOS
CALENDAR = ExchangeCalendar()


def session_on(day: str) -> Session:
    session = CALENDAR.session_on(day)
    assert session is not None
    return session


def bars_of(volumes: dict[str, float], minutes: int = 390) -> Bars:
    """Bars of equal volume over the first ``minutes`` of each day."""
    ts: list[int] = []
    volume: list[float] = []
    for day, total in volumes.items():
        start = session_on(day).open
        ts += [start + k * MINUTE for k in range(minutes)]
        volume += [total / minutes] * minutes
    return Bars(np.array(ts, dtype=np.int64), np.array(volume))


HISTORY = BarHistory(
    {"ABC": bars_of({"2013-10-03": 100_000, "2013-10-04": 300_000, "2013-10-07": 9e9})}, CALENDAR
)


def test_the_average_volume_is_of_earlier_days() -> None:
    assert HISTORY.average_daily_volume("ABC", "2013-10-07") == 200_000
    assert HISTORY.average_daily_volume("ABC", "2013-10-04") == 100_000
    assert HISTORY.average_daily_volume("ABC", "2013-10-03") is None
    assert HISTORY.average_daily_volume("XYZ", "2013-10-07") is None


def test_days_too_long_ago_say_nothing() -> None:
    # 90 days after 2013-10-04 is 2014-01-02.
    history = BarHistory({"ABC": bars_of({"2013-10-04": 300_000})}, CALENDAR)
    assert history.average_daily_volume("ABC", "2014-01-02") == 300_000
    assert history.average_daily_volume("ABC", "2014-01-03") is None


def test_at_most_twenty_days_are_averaged() -> None:
    days = [s for d in range(1, 32) if (s := CALENDAR.session_on(f"2013-10-{d:02}")) is not None]
    volumes = {each.date: 1_000.0 * k for k, each in enumerate(days)}
    history = BarHistory({"ABC": bars_of(volumes)}, CALENDAR)
    last = sorted(volumes.values())[-20:]
    assert history.average_daily_volume("ABC", "2013-11-01") == round(sum(last) / 20)


def test_a_day_that_was_not_recorded_whole_is_left_out() -> None:
    whole = BarHistory({"ABC": bars_of({"2013-10-04": 1000}, minutes=361)}, CALENDAR)
    assert whole.average_daily_volume("ABC", "2013-10-07") == 1000
    part = BarHistory({"ABC": bars_of({"2013-10-04": 1000}, minutes=360)}, CALENDAR)
    assert part.average_daily_volume("ABC", "2013-10-07") is None


def test_without_history_the_curve_is_the_default_u() -> None:
    curve = HISTORY.volume_curve("XYZ", session_on("2013-10-07"))
    assert len(curve) == 390
    assert sum(curve) == pytest.approx(1)
    assert sum(curve[:30]) == pytest.approx(U_SHAPED_CURVE[0] / sum(U_SHAPED_CURVE))
    assert curve[0] > curve[200] < curve[-1]


def test_on_a_half_day_the_curve_is_squeezed_into_its_session() -> None:
    half = session_on("2013-11-29")
    curve = HISTORY.volume_curve("XYZ", half)
    assert len(curve) == 210
    assert sum(curve) == pytest.approx(1)


def test_the_curve_is_the_mean_shape_of_earlier_days() -> None:
    curve = HISTORY.volume_curve("ABC", session_on("2013-10-07"))
    assert curve == pytest.approx([1 / 390] * 390)


@given(st.integers(min_value=1, max_value=32))
def test_buckets_are_whole_weights_of_which_none_is_zero(buckets: int) -> None:
    weights = HISTORY.volume_buckets("XYZ", session_on("2013-10-07"), buckets)
    assert len(weights) == buckets
    assert min(weights) >= 1
    assert sum(weights) == pytest.approx(10_000, abs=buckets)


def test_too_many_buckets_are_refused() -> None:
    for buckets in (0, 33):
        with pytest.raises(ValueError, match="buckets must be 1 to 32"):
            HISTORY.volume_buckets("XYZ", session_on("2013-10-07"), buckets)


def test_the_estimate_of_the_day_goes_from_history_to_what_printed() -> None:
    session = session_on("2013-10-07")
    assert HISTORY.day_volume_estimate("ABC", session, session.open, Decimal(0)) == 200_000
    half = session.open + 195 * MINUTE
    # Half the day gone at twice the usual pace: 200,000 + 0.5 * (200,000 + 0.5 * 200,000).
    assert HISTORY.day_volume_estimate("ABC", session, half, Decimal(200_000)) == 350_000
    assert HISTORY.day_volume_estimate("ABC", session, session.close, Decimal(123)) == 123


def test_without_history_the_estimate_is_the_pace() -> None:
    session = session_on("2013-10-07")
    assert HISTORY.day_volume_estimate("XYZ", session, session.open, Decimal(0)) is None
    assert HISTORY.day_volume_estimate("XYZ", session, session.close, Decimal(500)) == 500
    share = U_SHAPED_CURVE[0] / sum(U_SHAPED_CURVE)
    early = HISTORY.day_volume_estimate("XYZ", session, session.open + 30 * MINUTE, Decimal(1000))
    assert float(early or 0) == pytest.approx(1000 / share, rel=1e-3)


@given(
    st.integers(min_value=0, max_value=390 * 60),
    st.integers(min_value=0, max_value=10**9),
    st.sampled_from(["ABC", "XYZ"]),
)
def test_the_estimate_is_never_less_than_what_has_printed(
    second: int, volume: int, symbol: str
) -> None:
    session = session_on("2013-10-07")
    now = session.open + second * NANOS
    estimate = HISTORY.day_volume_estimate(symbol, session, now, Decimal(volume))
    assert estimate is None or estimate >= volume


def test_a_folder_without_bars_has_no_history(tmp_path: Path) -> None:
    history = BarHistory.from_folder(tmp_path, CALENDAR)
    assert history.average_daily_volume("ABC", "2013-10-07") is None


def test_unreadable_bars_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / BARS_FILE).write_bytes(b"not parquet")
    with pytest.raises(MarketFolderError, match=BARS_FILE):
        BarHistory.from_folder(tmp_path, CALENDAR)
    pq.write_table(pa.table({"ts_ns": [1]}), tmp_path / BARS_FILE)
    with pytest.raises(MarketFolderError, match=BARS_FILE):
        BarHistory.from_folder(tmp_path, CALENDAR)


def test_bars_are_also_found_beside_the_folder_of_ticks(market_dir: Path) -> None:
    history = BarHistory.from_folder(market_dir / "core", CALENDAR)
    assert history.average_daily_volume("IBM", "2013-10-07") == 2_729_707


def test_half_days_and_holes_in_recorded_bars_are_read(market_dir: Path) -> None:
    history = BarHistory.from_folder(market_dir, CALENDAR)
    curve = history.volume_curve("GOOG", session_on("2015-12-28"))
    assert len(curve) == 390
    assert sum(curve) == pytest.approx(1)
