"""Cost analysis of a month with a million fills, beside plain pandas and a public package.

python -m bench.cost_analysis [--fills N] [--rounds N] [--peer-python PATH] [--json]

Every contender runs in a process of its own that reads the same Parquet files, and says how long it
took from the first file on, and its largest resident memory. Two figures are compared: what the
contender computed, and how many of our measures that is.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PEER_REQUIREMENT: Final = "slippage-tca==0.1.0"
SECONDS_AIM: Final = 10
MEGABYTES_AIM: Final = 2_000
KINDS: Final = ("execution", "best-execution", "rule605", "rule606", "finra5310")
REPORTS: Final = tuple(f"report, {kind}" for kind in KINDS)
CONTENDERS: Final = ("fillwright", *REPORTS, "pandas", "slippage-tca")
TIMEOUT_SECONDS: Final = 1_800
Figures = dict[str, float]


# -- contenders -----------------------------------------------------------------------------------


def analysed(folder: Path, **how: Any) -> tuple[Any, Any]:
    """The tables, and all measures of every fill, order, instruction and phase."""
    import polars as pl

    from fillwright.projections.tca.analysis import analyse
    from fillwright.projections.tca.tables import Tables

    small = ("instructions", "orders", "fills", "sessions")
    tables = Tables.of(
        **{name: pl.read_parquet(folder / f"{name}.parquet") for name in small},
        **{name: pl.scan_parquet(folder / f"{name}.parquet") for name in ("quotes", "prints")},
    )
    return tables, analyse(tables, **how)


def report(kind: str, folder: Path) -> tuple[Figures, int]:
    """Analysis and every table of a report, to its canonical bytes."""
    from fillwright.projections.best_execution import execution, finra5310, regulatory
    from fillwright.projections.best_execution.facts import KEPT, facts_of
    from fillwright.projections.best_execution.reporter import Reporter
    from fillwright.projections.canonical import canonical_bytes

    tables, found = analysed(folder, keep=KEPT)
    figures = {"shortfall": float(found.instructions["shortfall"].sum())}
    facts = facts_of(tables, found)
    del found  # what the report does not need is let go of
    made = {
        "execution": lambda: execution.execution_tables(facts),
        "best-execution": lambda: execution.best_execution_tables(facts),
        "rule605": lambda: regulatory.rule605_tables(facts, Reporter()),
        "rule606": lambda: regulatory.rule606_tables(facts, Reporter()),
        "finra5310": lambda: finra5310.finra5310_tables(facts, ()),
    }[kind]()
    assert canonical_bytes([table.rows for table in made])
    assert all(table.rows for table in made[:2])
    return figures, sum(len(table.columns) for table in made)


def fillwright(folder: Path) -> tuple[Figures, int]:
    """All measures of every fill, order, instruction and phase."""
    import polars as pl

    _, found = analysed(folder)
    shares = found.fills["quantity"].cast(pl.Float64)
    realised = found.fills["realised_spread_1s"]
    known = realised.is_not_null()
    effective = found.fills["effective_spread"]
    there = effective.is_not_null()
    figures = {
        "shortfall": float(found.instructions["shortfall"].sum()),
        "opportunity": float(found.instructions["opportunity_cost"].sum()),
        "vwap_bps": _mean(found.instructions["slippage_vwap_bps"]),
        "participation": _mean(found.instructions["participation"]),
        "effective": float((effective * shares).sum() / shares.filter(there).sum()),
        "realised_1s": float((realised * shares).sum() / shares.filter(known).sum()),
    }
    tables = (found.instructions, found.orders, found.fills)
    return figures, sum(table.width for table in tables)


def pandas(folder: Path) -> tuple[Figures, int]:
    """The shortfall and its parts, VWAP, participation, spreads and mark-outs, in floats."""
    from bench.cost_pandas import analyse

    return analyse(folder)


def slippage_tca(folder: Path) -> tuple[Figures, int]:
    """The shortfall of every instruction; the package has no quotes, spreads or tables of fills."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from slippage.shortfall import shortfall_from_totals
    from slippage.types import Side

    fills = pq.read_table(folder / "fills.parquet")
    orders = pq.read_table(folder / "orders.parquet", columns=["order_id", "instruction_id"])
    parent = dict(zip(*(orders[c].to_pylist() for c in orders.column_names), strict=True))
    done: dict[str, list[float]] = {}
    columns = ("order_id", "quantity", "price", "fee")
    values = [fills["order_id"].to_pylist()]
    values += [pc.cast(fills[c], "float64").to_pylist() for c in columns[1:]]
    for order, quantity, price, fee in zip(*values, strict=True):
        sums = done.setdefault(parent[order], [0.0, 0.0, 0.0])
        sums[0] += quantity
        sums[1] += quantity * price
        sums[2] += fee
    total = opportunity = 0.0
    for row in pq.read_table(folder / "instructions.parquet").to_pylist():
        executed, notional, fees = done.get(row["instruction_id"], [0.0, 0.0, 0.0])
        parts = shortfall_from_totals(
            side=Side.BUY if row["side"] > 0 else Side.SELL,
            quantity=max(float(row["quantity"]), executed),
            filled_quantity=executed,
            executed_notional=notional,
            decision_price=float(row["decision_price"]),
            arrival_price=float(row["arrival_price"]),
            final_price=float(row["end_price"]),
            fees=fees,
        )
        total += parts.total
        opportunity += parts.opportunity
    return {"shortfall": total, "opportunity": opportunity}, 6


def _mean(values: Any) -> float:
    return float(values.mean())


RUN: Final = {
    "fillwright": fillwright,
    **{f"report, {kind}": partial(report, kind) for kind in KINDS},
    "pandas": pandas,
    "slippage-tca": slippage_tca,
}


def measure(contender: str, folder: Path) -> None:
    """Run one contender here and print what it took."""
    began = time.perf_counter()
    figures, columns = RUN[contender](folder)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    result = {
        "seconds": took,
        "cpu_seconds": time.process_time(),
        "megabytes": peak,
        "columns": columns,
        "figures": figures,
    }
    print(json.dumps(result))


# -- the comparison -------------------------------------------------------------------------------


def run(contender: str, folder: Path, python: str) -> dict[str, Any] | None:
    """What a contender says of itself, None when it cannot run."""
    command = [python, "-m", "bench.cost_analysis", "--contender", contender, "--folder"]
    done = subprocess.run(
        [*command, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        print(f"{contender}: {lines[-1] if lines else 'failed'}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(fills: int, rounds: int, peer_python: str | None) -> dict[str, Any]:
    """Every contender, round after round, with medians, and how far its figures are from ours."""
    from bench.cost_month import generate

    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"generating {fills:,} fills ...", file=sys.stderr, flush=True)
        for table, frame in generate(fills).tables.items():
            frame.write_parquet(folder / f"{table}.parquet")
        for n in range(rounds):
            for contender in CONTENDERS:
                print(f"round {n + 1}: {contender} ...", file=sys.stderr, flush=True)
                python = peer_python if contender == "slippage-tca" else sys.executable
                made = run(contender, folder, python) if python else None
                if made is not None:
                    found[contender].append(made)
    return {"fills": fills, "contenders": {name: _median(runs) for name, runs in found.items()}}


def _median(runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not runs:
        return None
    names = ("seconds", "cpu_seconds", "megabytes")
    medians = {name: statistics.median(run[name] for run in runs) for name in names}
    return {**medians, "columns": runs[0]["columns"], "figures": runs[0]["figures"]}


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """One line a contender, and the aims."""
    contenders = result["contenders"]
    ours = contenders["fillwright"]
    rows = []
    for name, made in contenders.items():
        if made is None:
            needs = f": give --peer-python an interpreter with {PEER_REQUIREMENT}"
            rows.append((name, "not run" + (needs if name == "slippage-tca" else "")))
            continue
        figure = (
            f"{made['seconds']:.1f} s ({made['cpu_seconds']:.1f} s of processor), "
            f"{made['megabytes']:,.0f} MB, {made['columns']} columns"
        )
        if made is not ours:
            figure += f", {made['seconds'] / ours['seconds']:.2f}x our time, {_apart(made, ours)}"
        rows.append((name, figure))
    measured = [("analysis", ours)]
    measured += [(name, contenders[name]) for name in REPORTS if contenders[name] is not None]
    dearest = max(measured, key=lambda pair: pair[1]["seconds"])
    largest = max(measured, key=lambda pair: pair[1]["megabytes"])
    for what, value, aim, unit in (
        (f"most time: {dearest[0]}", dearest[1]["seconds"], SECONDS_AIM, "s"),
        (f"most memory: {largest[0]}", largest[1]["megabytes"], MEGABYTES_AIM, "MB"),
    ):
        verdict = "met" if value < aim else "SHORT"
        rows.append((what, f"aim {aim} {unit}, {verdict}"))
    return rows


def _apart(made: dict[str, Any], ours: dict[str, Any]) -> str:
    """The largest relative difference of a shared figure."""
    worst = max(
        abs(value - ours["figures"][name]) / max(abs(ours["figures"][name]), 1e-12)
        for name, value in made["figures"].items()
    )
    return f"figures {worst:.0e} apart"


def main() -> None:
    """Compare, or be one of those compared."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fills", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", help=f"an interpreter with {PEER_REQUIREMENT}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        measure(options.contender, options.folder)
        return
    result = compare(options.fills, options.rounds, options.peer_python)
    if options.json:
        print(json.dumps(result))
        return
    for what, figure in summary(result):
        print(f"{what:40}{figure}")


if __name__ == "__main__":
    main()
