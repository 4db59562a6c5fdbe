"""What became of the engine under kills and faults, as a page written from the trials themselves.

FILLWRIGHT_MATRIX=rows.jsonl make soak
python -m tests.live.matrix rows.jsonl > docs/crash-matrix.md
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.live.killing import FAULTS, Trial

VARIABLE: Final = "FILLWRIGHT_MATRIX"
HEAD: Final = """# Crashes and faults

Written by `python -m tests.live.matrix` from the trials of `make soak`. In each trial a real engine
process trades a TWAP, an iceberg and an opportunistic instruction through `alpaca-py` on a
[paper server](paper.md), is ended with `kill -9` at random moments and started again. The server
runs 40 times as fast as real time, so that each stop lasts minutes of the market's. Afterwards the
server's journal, lists and activities are compared with the log:

- Every client order id was accepted at most once; every order is closed and has the same executed
  quantity on both sides.
- Every execution of the server is in the log exactly once, under one of the two ids that the
  server's channels give it, with its quantity and price. What the log derived from an order's
  totals has the quantity and the value of the executions that it stands for.
- Positions are equal on both sides, and the counters of the limits are what the log tells.
- Each deadline is the one that the first plan set, in every event that names it. No order is
  decided after it but the one that crosses with the rest, and none at all by a process that started
  later after it than a final phase takes: such an instruction is given up. No order came to the
  server later than one request may take.
"""


def record(made: Trial) -> None:
    """Append a trial to the file that the environment names, if it does."""
    path = os.environ.get(VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(asdict(made)) + "\n")


def page(rows: list[dict[str, Any]]) -> str:
    """The page: sums first, then each fault alone, then what each pair gave."""
    by_count = {n: [row for row in rows if len(row["faults"]) == n] for n in (0, 1, 2)}
    of: dict[frozenset[str], list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault(frozenset(row["faults"]), []).append(row)
    lines = [HEAD, _line("Kills alone", by_count[0]), _line("One fault", by_count[1])]
    lines += [_line("Two faults", by_count[2]), *_sums(rows), ""]
    struck: Counter[str] = sum((Counter(row.get("struck", {})) for row in rows), Counter())
    lines += [
        "| fault | struck | with kills |" + "".join(f" {i} |" for i in range(1, len(FAULTS) + 1))
    ]
    lines += ["|---|---|---|" + "---|" * len(FAULTS)]
    for number, name in enumerate(FAULTS, 1):
        cells = [str(struck[name]), _cell(of.get(frozenset((name,))))]
        cells += [
            _cell(of.get(frozenset((name, other)))) if other != name else "" for other in FAULTS
        ]
        lines.append(f"| {number} `{name}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        "`struck`: how often the fault was met, a halt by the instructions that were suspended for "
        "it; that a fault of a trial was not met at all is a finding. `ok`: nothing was wrong; a "
        "number: so many findings, below; `-`: not run.",
        "",
    ]
    lines += [
        f"- {' + '.join(row['faults']) or 'kills alone'}, seed {row['seed']}: {problem}"
        for row in rows
        for problem in row["problems"]
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(title: str, rows: list[dict[str, Any]]) -> str:
    sums = {name: sum(row[name] for row in rows) for name in ("kills", "orders", "fills")}
    findings = sum(len(row["problems"]) for row in rows)
    return (
        f"- {title}: {len(rows)} trials, {sums['kills']} kills, {sums['orders']} orders, "
        f"{sums['fills']} fills, {findings} findings."
    )


def _sums(rows: list[dict[str, Any]]) -> list[str]:
    kills, at_work, derived, given_up = (
        sum(row[name] for row in rows) for name in ("kills", "kills_at_work", "derived", "given_up")
    )
    return [
        f"- In all {kills} kills, {at_work} of them while the process had recorded something since "
        f"its start; {derived} fills derived from totals; {given_up} instructions given up because "
        "their deadline passed while nobody worked them."
    ]


def _cell(rows: list[dict[str, Any]] | None) -> str:
    if not rows:
        return "-"
    return str(sum(len(row["problems"]) for row in rows) or "ok")


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    print(page([json.loads(line) for line in text.splitlines()]), end="")
