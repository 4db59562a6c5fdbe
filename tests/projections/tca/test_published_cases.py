"""Every case of the published vectors comes out, each in its source's own convention."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.projections.tca.vector_runners import RUNNERS

ROOT = Path(__file__).resolve().parents[3]
FORMAT = "tca-vectors/1"
Case = dict[str, Any]


def vectors_dir() -> Path:
    named = os.environ.get("FILLWRIGHT_VECTORS_DIR")
    shared = Path(os.environ.get("FILLWRIGHT_SHARED_DIR") or ROOT.parent / "shared")
    return Path(named) if named else shared / "vectors"


def cases() -> Iterator[Any]:
    for path in sorted(vectors_dir().glob("tca_*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        assert told["format"] == FORMAT, path.name
        for case in told["vectors"]:
            yield pytest.param(case, id=f"{path.stem}:{case['id']}")


FOUND = list(cases())


@pytest.mark.skipif(not FOUND, reason="shared data not present: no published cases")
@pytest.mark.parametrize("case", FOUND)
def test_a_published_case_comes_out(case: Case) -> None:
    assert case["kind"] in RUNNERS, f"no runner for cases of kind {case['kind']}"
    given = RUNNERS[case["kind"]](case["inputs"])
    tolerance = case["tolerance"]
    expected = case["expected"]
    if expected == {"rows": "as given"}:
        expected = {"rows": case["inputs"]["rows"]}
    for name, value in expected.items():
        assert name in given, f"{name} is expected and not computed"
        check(given[name], value, tolerance, name)


def check(given: Any, expected: Any, tolerance: Any, name: str) -> None:
    """Compare what was computed, whatever its shape, within what the case allows for it."""
    if isinstance(expected, list):
        assert len(given) == len(expected), name
        # A row of the frontier is printed to four places, its last column to two.
        columns = _columns(tolerance, len(expected))
        for n, (one, other) in enumerate(zip(given, expected, strict=True)):
            check(one, other, columns[n], f"{name}[{n}]" if columns[n] is tolerance else name)
    elif isinstance(expected, dict):
        for key, value in expected.items():
            check(given[key], value, tolerance, key)
    elif expected is None:
        assert given is None, name
    else:
        assert given is not None, name
        allowed = allowance(tolerance, name)
        assert abs(float(given) - float(expected)) <= allowed, (name, given, expected)


def _columns(tolerance: Any, count: int) -> list[Any]:
    if isinstance(tolerance, dict) and {"four_dec", "two_dec"} <= set(tolerance) and count == 5:
        four, two = tolerance["four_dec"], tolerance["two_dec"]
        return [four, four, four, four, two]
    return [tolerance] * count


def allowance(tolerance: Any, name: str) -> float:
    """What a case allows for a figure: by its name, its unit, or for all of the case."""
    if not isinstance(tolerance, dict):
        return float(tolerance)
    if name in tolerance:
        return float(tolerance[name])
    base = name.split("[")[0]
    units = {
        "bps": base.endswith("bps") or base in BENCHMARKS,
        "shares": base in ("holdings", "trades"),
        "var": "variance" in base,
        "money": True,
        "price": True,
        "ratio": True,
        "exact": True,
        "four_dec": True,
    }
    for unit, fits in units.items():
        if unit in tolerance and fits:
            return float(tolerance[unit])
    return max(float(value) for value in tolerance.values()) if len(tolerance) == 1 else 0.0


BENCHMARKS = frozenset(
    {"close", "next_close", "ohlc", "twap", "vwap", "prev_close", "open", "decision", "arrival"}
)
"""Figures of a comparison with benchmarks are named after these, and are bps."""
