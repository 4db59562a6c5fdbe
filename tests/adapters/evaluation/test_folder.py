"""Folders of other shapes: names, lists, markets without a session, unusual columns."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from fillwright.adapters.evaluation.findings import Skipped
from fillwright.adapters.evaluation.folder import Ready, listed, read_day, unlisted
from fillwright.adapters.evaluation.grid import parents_of
from fillwright.adapters.evaluation.parallel import Request, evaluate
from fillwright.adapters.evaluation.policies import policies_named
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.exchange.tape import MarketFolderError, load_symbol_day
from fillwright.adapters.timekeeping.calendar import AlwaysOpenCalendar, ExchangeCalendar
from fillwright.domain.ports import NANOS

from .conftest import DATE

Change = Callable[[pa.Table], pa.Table]
HOUR_NS = 3_600 * NANOS


def copied(folder: Path, tmp_path: Path, name: str = "market") -> Path:
    copy = tmp_path / name
    shutil.copytree(folder, copy)
    return copy


def rewritten(market: Path, kind: str, change: Change, symbol: str = "WIDE") -> None:
    path = market / "core" / f"{kind}_{symbol}_{DATE}.parquet"
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def with_column(name: str, convert: Callable[[Any], Any]) -> Change:
    def change(table: pa.Table) -> pa.Table:
        at = table.column_names.index(name)
        return table.set_column(at, name, convert(table.column(name)))

    return change


def entries_changed(market: Path, **changes: Any) -> None:
    path = market / "instruments.json"
    entries = [{**each, **changes} for each in json.loads(path.read_text())]
    path.write_text(json.dumps([{k: v for k, v in e.items() if v is not None} for e in entries]))


def read(market: Path) -> Ready | Skipped:
    return read_day(market, "WIDE", DATE, ExchangeCalendar(), named=False)


def test_a_folder_lists_its_own_days_whatever_it_is_called(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = copied(folder, tmp_path)
    both = [("ONE", DATE), ("WIDE", DATE)]
    assert listed(market) == listed(market / "core") == both
    (market / "core").rename(market / "others")
    assert listed(market / "others") == both
    monkeypatch.chdir(market / "others")
    assert listed(Path()) == both
    assert load_symbol_day(Path(), "WIDE", DATE).symbol == "WIDE"


def test_a_folder_of_one_symbol_day_is_enough(folder: Path, tmp_path: Path) -> None:
    market = tmp_path / "alone"
    market.mkdir()
    for path in (folder / "core").glob("*_WIDE_*"):
        shutil.copy(path, market)
    entries = json.loads((folder / "instruments.json").read_text())
    own = [each for each in entries if each["symbol"] == "WIDE"]
    (market / "instruments.json").write_text(json.dumps(own))
    found = evaluate(
        Request(market, tuple(policies_named([])), horizons=(7_200,), sizes=(Decimal("0.01"),)),
        1,
    )
    assert found.parents == len(found.outcomes) == 9 * 2
    assert not found.skipped


def test_files_that_are_not_listed_are_reported_by_name(folder: Path, tmp_path: Path) -> None:
    market = copied(folder, tmp_path)
    for kind in ("quotes", "trades"):
        known = market / "core" / f"{kind}_WIDE_{DATE}.parquet"
        shutil.copy(known, market / "core" / f"{kind}_NEW.X_{DATE}.parquet")
    named = [str(each) for each in unlisted(market / "core", listed(market / "core"))]
    assert named == [f"NEW.X {DATE}: instruments.json does not list it"]


def cut_and_moved(start: int, length_ns: int, by_ns: int) -> Change:
    def change(table: pa.Table) -> pa.Table:
        ts = table.column("ts_ns")
        kept = table.filter(pc.and_(pc.greater_equal(ts, start), pc.less(ts, start + length_ns)))
        return with_column("ts_ns", lambda ts: pc.add(ts, by_ns))(kept)

    return change


def test_what_trades_outside_the_session_is_worked_round_the_clock(
    folder: Path, tmp_path: Path
) -> None:
    market = copied(folder, tmp_path)
    session = ExchangeCalendar().session_on(DATE)
    assert session is not None
    for kind in ("quotes", "trades"):
        rewritten(market, kind, cut_and_moved(session.open, 720 * NANOS, -8 * HOUR_NS))
    ready = read(market)
    assert isinstance(ready, Ready)
    assert isinstance(ready.calendar, AlwaysOpenCalendar)
    parents, skipped = parents_of(ready.day, ready.stretch, (300, 1_800), (Decimal("0.05"),))
    assert [str(each) for each in skipped] == [f"WIDE {DATE}: no window of 1800 s fits"]
    assert len(parents) == 4
    assert parents[0].start == -(-int(ready.day.q_ts[0]) // NANOS) * NANOS
    request = Request(market, tuple(policies_named(["adaptive"])), ("WIDE",), horizons=(300,))
    outcomes = evaluate(request, 1).outcomes
    assert len(outcomes) == 4 * 3 * 2
    assert all(outcome.completion == 1 for outcome in outcomes)
    assert any(outcome.passive for outcome in outcomes if outcome.policy == "adaptive")


@pytest.mark.parametrize(
    "convert",
    [
        lambda ts: ts.cast(pa.timestamp("ns", "UTC")),
        lambda ts: ts.cast(pa.uint64()),
        lambda ts: ts.cast(pa.timestamp("ns")),
    ],
)
def test_times_of_other_types_are_the_same_times(
    folder: Path, tmp_path: Path, convert: Callable[[Any], Any]
) -> None:
    market = copied(folder, tmp_path)
    for kind in ("quotes", "trades"):
        rewritten(market, kind, with_column("ts_ns", convert))
    again = load_symbol_day(market, "WIDE", DATE)
    assert again.fingerprint == load_symbol_day(folder, "WIDE", DATE).fingerprint


def test_times_in_microseconds_are_not_taken_for_nanoseconds(folder: Path, tmp_path: Path) -> None:
    market = copied(folder, tmp_path)
    coarse = with_column(
        "ts_ns", lambda ts: ts.cast(pa.timestamp("ns")).cast(pa.timestamp("us"), safe=False)
    )
    rewritten(market, "quotes", coarse)
    ready = read(market)
    assert isinstance(ready, Ready)
    assert ready.session.open <= int(ready.day.q_ts[-1]) <= ready.session.close


def test_whole_prices_single_precision_and_levels_unsaid_are_read(
    folder: Path, tmp_path: Path
) -> None:
    market = copied(folder, tmp_path)
    rewritten(market, "quotes", with_column("bid_sz", lambda sizes: sizes.cast(pa.int32())))
    rewritten(market, "trades", with_column("sz", lambda sizes: sizes.cast(pa.float32())))
    entries_changed(market, levels=None)
    again = load_symbol_day(market, "WIDE", DATE)
    assert again.fingerprint == load_symbol_day(folder, "WIDE", DATE).fingerprint


@pytest.mark.parametrize(
    ("kind", "name", "convert", "message"),
    [
        ("trades", "lit", lambda v: pa.array(["false"] * len(v)), "lit is not bool"),
        ("trades", "aggressor", lambda v: pa.array([0.5] * len(v)), "aggressor is not int8"),
        ("quotes", "bid_px", lambda v: pa.array([float("inf")] * len(v)), "bid_px is not float64"),
        ("quotes", "ts_ns", lambda v: pa.array([float("nan")] * len(v)), "ts_ns is not int64"),
        ("quotes", "ask_sz", lambda v: pa.array(["many"] * len(v)), "ask_sz is not float64"),
        ("trades", "px", lambda v: v.cast(pa.string()), "px is not float64: it holds text"),
        ("quotes", "bid_px", lambda v: pc.multiply(v, 1e9), "bid_px is above 10,000,000 at row 0"),
        ("quotes", "ask_sz", lambda v: pc.multiply(v, 1e12), "ask_sz is above 90,000,000,000"),
        ("trades", "sz", lambda v: pc.multiply(v, 1e9), "t_sz adds up to more than"),
        ("quotes", "ts_ns", lambda v: pc.divide(v, NANOS), "they lie from 1970-01-01 00:00:01"),
    ],
)
def test_columns_that_would_have_to_be_guessed_are_named(
    folder: Path,
    tmp_path: Path,
    kind: str,
    name: str,
    convert: Callable[[Any], Any],
    message: str,
) -> None:
    market = copied(folder, tmp_path)
    rewritten(market, kind, with_column(name, convert))
    found = read(market)
    assert isinstance(found, Skipped)
    assert message in found.why


def test_levels_that_cannot_be_are_named(folder: Path, tmp_path: Path) -> None:
    market = copied(folder, tmp_path)
    entries_changed(market, levels="many")
    with pytest.raises(MarketFolderError, match="levels must be 1 to 50, not 'many'"):
        load_symbol_day(market, "WIDE", DATE)


def test_rows_that_cannot_be_believed_are_counted_by_name(folder: Path, tmp_path: Path) -> None:
    market = copied(folder, tmp_path)

    def crossed(table: pa.Table) -> pa.Table:
        bids = table.column("bid_px").to_numpy().copy()
        bids[2_000:2_003] = table.column("ask_px").to_numpy()[2_000:2_003] + 0.01
        return with_column("bid_px", lambda _: pa.array(bids))(table)

    def worthless(table: pa.Table) -> pa.Table:
        prices, sizes = (table.column(each).to_numpy().copy() for each in ("px", "sz"))
        prices[5], prices[6], sizes[7] = float("nan"), -1, 0
        changed = with_column("px", lambda _: pa.array(prices))(table)
        return with_column("sz", lambda _: pa.array(sizes))(changed)

    rewritten(market, "quotes", crossed)
    rewritten(market, "trades", worthless)
    ready = read(market)
    assert isinstance(ready, Ready)
    assert [str(each) for each in ready.left_out] == [
        f"WIDE {DATE}: 3 rows: crossed book states, in which no parent arrives",
        f"WIDE {DATE}: 3 rows: prints without a price and a size above 0",
    ]
    assert not ready.day.regular[5:8].any()
    # Nothing trades at a price that was never there.
    assert ScaledDay(ready.day).buy.prints.px.min() > 0


def test_quotes_between_two_ticks_are_counted_by_name(folder: Path, tmp_path: Path) -> None:
    market = copied(folder, tmp_path)
    assert read(market).left_out == ()  # type: ignore[union-attr]

    def between(table: pa.Table) -> pa.Table:
        asks = table.column("ask_px").to_numpy().copy()
        asks[2_000:2_004] += 0.003
        return with_column("ask_px", lambda _: pa.array(asks))(table)

    rewritten(market, "quotes", between)
    ready = read(market)
    assert isinstance(ready, Ready)
    assert [str(each) for each in ready.left_out] == [
        f"WIDE {DATE}: 4 rows: prices in the book that are no multiple of the tick of 0.01"
    ]


@pytest.mark.parametrize("kind", ["quotes", "trades"])
def test_a_file_that_names_another_symbol_is_not_taken_for_its_own(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    market = copied(folder, tmp_path)

    def last_two_are_others(table: pa.Table) -> pa.Table:
        names = ["WIDE"] * (len(table) - 2) + ["TIGHT", None]
        return with_column("symbol", lambda _: pa.array(names))(table)

    rewritten(market, kind, last_two_are_others)
    found = read(market)
    assert isinstance(found, Skipped)
    assert "column symbol names TIGHT, not WIDE alone" in found.why
