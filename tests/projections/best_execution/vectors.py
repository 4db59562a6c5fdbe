"""Where the published cases are: ``FILLWRIGHT_VECTORS_DIR``, by default the shared folder's."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

SHARED = Path(os.environ.get("FILLWRIGHT_SHARED_DIR") or ROOT.parent / "shared")
FOLDER = Path(os.environ.get("FILLWRIGHT_VECTORS_DIR") or SHARED / "vectors")


def documents(prefix: str) -> list[tuple[Path, dict[str, Any]]]:
    """Every JSON file of cases whose name begins so, with numbers as Decimals."""
    return [
        (path, json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
        for path in sorted(FOLDER.glob(f"{prefix}*.json"))
        if not path.name.endswith("csvw.json")
    ]


def cases(prefix: str) -> list[Any]:
    """Every case of those files, as pytest parameters; one that skips where there are none.

    A case about a file that was not published with it (the staff's bad records) is left out.
    """
    found = [
        pytest.param(case, path.parent, id=case["id"])
        for path, document in documents(prefix)
        for case in document["vectors"]
        if "file" not in case or (path.parent / case["file"]).is_file()
    ]
    absent = pytest.mark.skip(reason=f"shared data not present: {FOLDER}")
    return found or [pytest.param({}, FOLDER, id="none", marks=absent)]


def close(found: Decimal | None, expected: Any) -> bool:
    """Whether a figure is the expected one, to the places that the expected one is printed with."""
    if found is None or expected is None:
        return found is None and expected is None
    wanted = Decimal(str(expected))
    exponent = wanted.as_tuple().exponent
    assert isinstance(exponent, int)
    places = Decimal(1).scaleb(min(exponent, 0))
    return abs(found - wanted) <= places / 2
