"""The same log gives the same bytes in every format, in any process, zone and hash order."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fillwright.adapters.reporting.building import Request, build
from fillwright.adapters.reporting.formats import rendered
from fillwright.adapters.reporting.page import page
from fillwright.adapters.reporting.source import Source, read_source
from fillwright.domain.ops import REPORT_KINDS
from fillwright.projections.best_execution.document import text
from tests.adapters.entrypoints.conftest import Cli, Run

FORMS = ("json", "csv", "parquet", "html", "xlsx")
DIGESTS = "from tests.adapters.reporting.test_same_bytes import print_digests; print_digests({!r})"


def digests(source: Source) -> dict[str, str]:
    """The SHA-256 of every report of a store in every format, by ``kind format``."""
    found = {}
    for kind in REPORT_KINDS:
        report = build(source, Request(kind))
        for form in FORMS:
            data = page(source, report).encode() if form == "html" else None
            data = rendered(report, form, None) if data is None else data
            found[f"{kind} {form}"] = hashlib.sha256(data).hexdigest()
    return found


def print_digests(store: str) -> None:
    """What the other process does."""
    print(json.dumps(digests(read_source(store))))


def test_another_process_makes_the_same_bytes_of_every_kind_and_format(
    portfolio_run: Run, source: Source
) -> None:
    elsewhere = os.environ | {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS.format(str(portfolio_run.store))],
        env=elsewhere,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout)
    assert len(theirs) == len(REPORT_KINDS) * len(FORMS)
    assert theirs == digests(source)


@pytest.mark.parametrize("kind", REPORT_KINDS)
def test_a_figure_of_every_kind_is_explained_from_the_command_line(
    kind: str, store: Path, cli: Cli
) -> None:
    made = cli("report", "--store", store, "--kind", kind, "--format", "json")
    assert made.code == 0, made.err
    id = next(w for w in made.err.replace(",", "").split() if len(w) == 64)
    assert hashlib.sha256(made.out.rstrip(b"\n")).hexdigest() == id
    table = next(t for t in made.json["tables"] if t["rows"] and len(t["columns"]) > t["keys"])
    row = table["rows"][-1]
    key = ",".join(text(value) for value in row[: table["keys"]]) or "all"
    place = next(n for n in range(table["keys"], len(row)) if row[n] is not None)
    cell = f"{table['name']}:{key}:{table['columns'][place]['name']}"
    done = cli("explain", id, cell, "--store", store, "--json")
    assert done.code == 0, (cell, done.err)
    assert done.json["agrees"] is True
    assert done.json["value"] == row[place]
