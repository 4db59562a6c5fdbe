"""Market folders: what is read, and what is said when it cannot be."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fillwright.adapters.exchange.tape import (
    MarketFolderError,
    SymbolDay,
    load_symbol_day,
    symbols_on,
)

ENTRY = {
    "symbol": "ABC",
    "date": "20240102",
    "dir": "core",
    "tick": 0.01,
    "levels": 1,
    "ext_level_size": 300,
    "queue_share": 0.16,
}


def quotes() -> dict[str, list[Any]]:
    """Two book states."""
    return {
        "ts_ns": [10, 20],
        "bid_px": [9.99, 9.98],
        "bid_sz": [100.0, 200.0],
        "ask_px": [10.01, 10.0],
        "ask_sz": [300.0, 400.0],
    }


def trades() -> dict[str, list[Any]]:
    """Two prints."""
    return {
        "ts_ns": [15, 15],
        "px": [9.99, 10.01],
        "sz": [50.0, 60.0],
        "aggressor": [-1, 0],
        "lit": [True, False],
        "regular": [True, True],
        "ex": ["Z", None],
    }


def write(
    root: Path,
    *,
    entry: dict[str, Any] | None = None,
    q: dict[str, list[Any]] | None = None,
    t: dict[str, list[Any]] | None = None,
    folder: str = "core",
) -> Path:
    """A market folder with one symbol-day."""
    (root / folder).mkdir(exist_ok=True)
    (root / "instruments.json").write_text(json.dumps([entry or ENTRY]))
    pq.write_table(pa.table(q or quotes()), root / folder / "quotes_ABC_20240102.parquet")
    pq.write_table(pa.table(t or trades()), root / folder / "trades_ABC_20240102.parquet")
    return root


def load(root: Path) -> SymbolDay:
    """The one symbol-day."""
    return load_symbol_day(root, "ABC", "20240102")


def test_a_symbol_day_is_read(tmp_path: Path) -> None:
    day = load(write(tmp_path))
    assert (day.tick, day.lot, day.levels) == (Decimal("0.01"), Decimal(1), 1)
    assert (day.ext_level_size, day.queue_share) == (Decimal(300), Decimal("0.16"))
    assert day.bid_px.tolist() == [[9.99], [9.98]]
    assert day.aggressor.tolist() == [-1, 0]
    assert day.venue is not None
    assert day.venue.tolist() == ["Z", None]
    assert [day.quote_index(at) for at in (9, 10, 19, 20)] == [-1, 0, 0, 1]


def test_files_may_lie_beside_the_list_or_below_it(tmp_path: Path) -> None:
    write(tmp_path, folder=".")
    assert load(tmp_path).symbol == "ABC"
    other = tmp_path / "other"
    other.mkdir()
    write(other)
    assert load(other / "core").symbol == "ABC"


def test_deeper_levels_are_read(tmp_path: Path) -> None:
    deep = quotes() | {
        "bid_px_1": [9.9, None],
        "bid_sz_1": [5.0, None],
        "ask_px_1": [10.2, 10.3],
        "ask_sz_1": [6.0, 7.0],
    }
    day = load(write(tmp_path, entry=ENTRY | {"levels": 2}, q=deep))
    assert day.ask_px.tolist() == [[10.01, 10.2], [10.0, 10.3]]
    assert day.bid_sz.shape == (2, 2)


def test_a_book_in_fractions_trades_in_fractions_unless_told(tmp_path: Path) -> None:
    coins = quotes() | {"bid_sz": [0.5, 1.25]}
    assert load(write(tmp_path, q=coins)).lot == Decimal("0.00000001")
    assert load(write(tmp_path, q=coins, entry=ENTRY | {"lot": 0.25})).lot == Decimal("0.25")


def test_symbols_of_a_date_are_listed(tmp_path: Path) -> None:
    write(tmp_path)
    assert symbols_on(tmp_path, "20240102") == ["ABC"]
    assert symbols_on(tmp_path, "20240103") == []


def conditioned(*prints: tuple[str | None, float, float, str]) -> dict[str, list[Any]]:
    """Prints by their conditions, price, size and exchange."""
    count = len(prints)
    conditions, prices, sizes, venues = (list(each) for each in zip(*prints, strict=True))
    return {
        "ts_ns": list(range(15, 15 + count)),
        "px": prices,
        "sz": sizes,
        "aggressor": [0] * count,
        "lit": [True] * count,
        "regular": [True] * count,
        "ex": venues,
        "conditions": conditions,
    }


def test_official_prices_are_those_that_sale_conditions_mark(tmp_path: Path) -> None:
    tape = conditioned(
        ("@ O", 10.00, 900, "N"),
        ("@,Q", 10.01, 100, "P"),
        ("Q", 10.02, 50, "N"),
        (None, 10.03, 5_000, "N"),
        ("6", 10.10, 7_000, "N"),
        ("@6X", 10.11, 8_000, "N"),
    )
    day = load(write(tmp_path, t=tape, entry={**ENTRY, "listed_on": "N"}))
    assert day.official_open == Decimal("10.02"), "the listing exchange's official open"
    assert day.official_close == Decimal("10.11"), "the larger of the listing exchange's prints"
    elsewhere = load(write(tmp_path, t=tape))
    assert elsewhere.official_open == Decimal("10.01"), "without it the larger official print"
    given = load(write(tmp_path, t=tape, entry={**ENTRY, "official_open": 9.5}))
    assert given.official_open == Decimal("9.5"), "what the folder states goes before"


def test_without_marked_prints_official_prices_stay_unknown(tmp_path: Path) -> None:
    day = load(write(tmp_path, t=conditioned(("@", 10.0, 100, "N"), ("F I", 10.1, 10, "P"))))
    assert (day.official_open, day.official_close) == (None, None)
    assert (load(write(tmp_path)).official_open, load(write(tmp_path)).official_close) == (
        None,
        None,
    )


def test_equal_days_have_equal_fingerprints_and_others_not(tmp_path: Path) -> None:
    first = load(write(tmp_path)).fingerprint
    assert load(write(tmp_path)).fingerprint == first
    changed = trades() | {"px": [9.99, 10.02]}
    assert load(write(tmp_path, t=changed)).fingerprint != first


def test_a_missing_day_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(MarketFolderError, match="no ABC on 20240103; ABC is there on 20240102"):
        load_symbol_day(tmp_path, "ABC", "20240103")
    with pytest.raises(MarketFolderError, match="no XYZ on 20240102; symbols there: ABC"):
        load_symbol_day(tmp_path, "XYZ", "20240102")


def test_a_folder_without_a_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketFolderError, match="is it a market folder"):
        symbols_on(tmp_path, "20240102")
    with pytest.raises(MarketFolderError, match="nowhere: no such folder"):
        symbols_on(tmp_path / "nowhere", "20240102")


@pytest.mark.parametrize("text", ["{", '{"symbol": "ABC"}', '[{"symbol": "ABC"}]', "[3]"])
def test_a_broken_list_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "instruments.json").write_text(text)
    with pytest.raises(MarketFolderError, match=r"instruments\.json"):
        symbols_on(tmp_path, "20240102")


def test_a_listed_but_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "core" / "trades_ABC_20240102.parquet").unlink()
    with pytest.raises(MarketFolderError, match=r"trades_ABC_20240102\.parquet is listed but not"):
        load(tmp_path)


def test_a_malformed_file_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "core" / "quotes_ABC_20240102.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(MarketFolderError, match="not a readable Parquet file"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("q", "t", "text"),
    [
        ({"ts_ns": [20, 10]}, {}, "times in q_ts decrease at row 1"),
        ({}, {"ts_ns": [16, 15]}, "times in t_ts decrease at row 1"),
        ({"bid_px": ["a", "b"]}, {}, "column bid_px is not float64"),
        ({"ts_ns": [None, 10]}, {}, "column ts_ns holds 1 nulls"),
        ({"bid_px": None}, {}, "column bid_px is missing; there are ts_ns, bid_sz"),
        ({}, {"lit": None}, "column lit is missing"),
    ],
)
def test_malformed_columns_are_named(
    tmp_path: Path, q: dict[str, Any], t: dict[str, Any], text: str
) -> None:
    changed_q = {name: v for name, v in (quotes() | q).items() if v is not None}
    changed_t = {name: v for name, v in (trades() | t).items() if v is not None}
    with pytest.raises(MarketFolderError, match=text) as caught:
        load(write(tmp_path, q=changed_q, t=changed_t))
    assert "ABC 20240102" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tick": None}, "gives no tick"),
        ({"tick": "x"}, "tick is not a number"),
        ({"tick": 0}, "tick must be above 0"),
        ({"queue_share": -1}, "queue_share must not be below 0"),
        ({"ext_level_size": "NaN"}, "ext_level_size is not finite"),
        ({"levels": 0}, "levels must be 1 to 50"),
    ],
)
def test_malformed_parameters_are_named(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    entry = {name: v for name, v in (ENTRY | change).items() if v is not None}
    with pytest.raises(MarketFolderError, match=text):
        load(write(tmp_path, entry=entry))
