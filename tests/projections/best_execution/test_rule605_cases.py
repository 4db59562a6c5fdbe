"""The published cases of SEC Rule 605, and the staff's own sample and schema."""

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fillwright.projections.best_execution import rule605_terms as terms
from fillwright.projections.best_execution.rule605 import ratio, share_weighted, statistics
from fillwright.projections.best_execution.rule605_files import problems, rounded, summary_csv
from fillwright.projections.tca.tables import MONEY

from .vectors import FOLDER, cases, close, documents

D = Decimal
KEYS = {"shares", "pi_shares", "at_quote_shares", "outside_shares", "avg_quoted", "avg_effective"}


def oes_identity(case: dict[str, Any], folder: Path) -> None:
    rows = records(folder / case["file"])
    assert len(rows) == case["expected"]["rows"]
    for row in rows:
        quoted = D(row["AvgPctQuotSprd"])
        expected = ratio(D(row["AvgEffctvSprdPct"]), quoted)
        printed = row["AvgEFQPct"]
        assert (rounded(expected) if expected is not None else None) == (
            D(printed) if printed else None
        )


def oes_rounding(case: dict[str, Any], folder: Path) -> None:
    assert [rounded(D(str(each))) for each in case["inputs"]] == [
        D(str(each)) for each in case["expected"]
    ]


def oes_invalid(case: dict[str, Any], folder: Path) -> None:
    text = (folder / case["file"]).read_text(encoding="utf-8")
    found = problems(text, schema(folder))
    flagged = {each.column for each in found if each.row == case["expected"]["row"]}
    assert set(case["expected"]["flagged_columns"]) <= flagged


def oes_real_row(case: dict[str, Any], folder: Path) -> None:
    row = dict(zip(terms.SUMMARY_COLUMNS, case["inputs"]["row"].split(","), strict=True))
    expected = case["expected"]
    found = ratio(D(row["AvgEffctvSprdPct"]), D(row["AvgPctQuotSprd"]))
    assert close(found, expected["eq_from_printed"])
    assert found is not None
    printed = D(row["AvgEFQPct"]) / 100
    assert D(row["AvgEFQPct"]) == D(str(expected["eq_printed_percent_points"]))
    assert abs(found - printed) <= D(str(expected["agree_within"])) * printed


def share_weighting(case: dict[str, Any], folder: Path) -> None:
    pairs = [(D(str(each["shares"])), D(str(each["value"]))) for each in case["inputs"]]
    assert close(share_weighted(pairs), case["expected"])


def rule605_fills(case: dict[str, Any], folder: Path) -> None:
    fills = case["inputs"]["fills"]
    horizons = {"mid_15s": "mid_15s", "mid_60s": "mid_1min", "mid_1s": "mid_1s"}
    horizons |= {"mid_50ms": "mid_50ms", "mid_300s": "mid_5min"}
    frame = pl.DataFrame(
        [
            {
                "side": 1 if each["side"] == "buy" else -1,
                "quantity": D(each["shares"]),
                "price": D(str(each["price"])),
                "bid": D(str(each["bid"])),
                "ask": D(str(each["ask"])),
                "elapsed_ns": int(D(str(each["ms"])) * 1_000_000),
                **{
                    ours: D(str(each[theirs]))
                    for theirs, ours in horizons.items()
                    if each.get(theirs) is not None
                },
            }
            for each in fills
        ],
        schema_overrides=dict.fromkeys(
            ("quantity", "price", "bid", "ask", *(horizons.values())), MONEY
        ),
        infer_schema_length=None,
    )
    (found,) = statistics(frame)
    found |= {"avg_realised_60s": found["avg_realised_1min"]}
    found |= {"avg_realised_300s": found["avg_realised_5min"]}
    for name, expected in case["expected"].items():
        if name == "time_buckets":
            assert [found[f"time_{n}"] for n in range(8)] == [D(str(each)) for each in expected]
        else:
            assert close(found[name], expected), (name, found[name], expected)


KINDS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "oes_identity": oes_identity,
    "oes_rounding": oes_rounding,
    "oes_invalid": oes_invalid,
    "oes_real_row": oes_real_row,
    "share_weighting": share_weighting,
    "rule605_fills": rule605_fills,
}


@pytest.mark.parametrize(("case", "folder"), cases("rule605"))
def test_every_published_case_is_met(case: dict[str, Any], folder: Path) -> None:
    KINDS[case["kind"]](case, folder)


@pytest.mark.parametrize("name", ["order_size_buckets", "time_to_execution_buckets"])
def test_every_published_boundary_falls_in_its_bucket(name: str, shared_dir: Path) -> None:
    for _, document in documents("rule605"):
        for value, expected in document[name]["boundary_cases"]:
            if name == "order_size_buckets":
                assert terms.size_bucket(D(str(value))) == expected
            else:
                assert terms.time_bucket(int(D(str(value)) * 1_000_000_000)) == expected


def test_codes_columns_and_horizons_are_the_published_ones(shared_dir: Path) -> None:
    for _, document in documents("rule605"):
        codes = set(document["order_type_codes_detailed"]["codes"])
        assert codes == {kind.value for kind in terms.CoveredType}
        detailed = [column["name"] for column in document["detailed_columns"]["columns"]]
        assert detailed == list(terms.DETAILED_COLUMNS)
        summary = [column["name"] for column in document["oes_columns"]["columns"]]
        assert summary == list(terms.SUMMARY_COLUMNS)
        assert document["time_to_execution_buckets"]["columns"] == list(terms.TIME_COLUMNS)
        assert set(document["order_size_buckets"]["codes"]) == set(terms.SIZE_CODES)


def test_the_staffs_sample_is_valid_and_is_written_back_as_it_was(shared_dir: Path) -> None:
    path = FOLDER / "rule605_oes_sample.csv"
    text = path.read_text(encoding="utf-8")
    assert problems(text, schema(FOLDER)) == []
    rows = [{name: _value(name, value) for name, value in row.items()} for row in records(path)]
    assert summary_csv(rows).splitlines() == text.splitlines()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (1, "s"),
        (2, ""),
        (3, "202513"),
        (4, "YES"),
        (5, "300"),
        (6, "MKT"),
        (7, "-5"),
        (8, "1.1234567"),
        (9, "twenty"),
        (10, "1.01"),
        (11, "-0.1"),
        (12, "2.5"),
        (13, "-2.1"),
        (14, "-0.0001"),
        (15, "1,5"),
        (18, "-1"),
    ],
)
def test_a_value_outside_the_schema_is_named_by_row_and_column(
    column: int, value: str, shared_dir: Path
) -> None:
    row = "S,SAMPLE,202501,Y,0,M,5,139,27.8,1,0,0,0.00036,0.000385,0.935065,0.0001,0.0001,10360.6"
    cells = row.split(",")
    cells[column - 1] = f'"{value}"' if "," in value else value
    text = ",".join(terms.SUMMARY_COLUMNS) + "\r\n" + row.replace("202501", "202502") + "\r\n"
    found = problems(text + ",".join(cells) + "\r\n", schema(FOLDER))
    assert [(each.row, each.column) for each in found] == [(2, column)]


def test_a_key_that_comes_twice_and_a_short_record_are_named(shared_dir: Path) -> None:
    row = "S,SAMPLE,202501,Y,0,M,5,139,27.8,1,0,0,0.00036,0.000385,0.935065,0.0001,0.0001,10360.6"
    text = "\r\n".join([",".join(terms.SUMMARY_COLUMNS), row, row, "S,SAMPLE", ""])
    found = problems(text, schema(FOLDER))
    assert [(each.row, each.column) for each in found] == [(2, 0), (3, 0)]
    assert problems("a,b\r\n", schema(FOLDER))[0].row == 0


def schema(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "rule605_oes_schema.csvw.json").read_text())
    return loaded


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _value(name: str, text: str) -> object:
    place = terms.SUMMARY_COLUMNS.index(name)
    return text if place < 6 else D(text) if text else None
