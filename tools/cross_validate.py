"""How much of the default policy's saving is fitting: leave one day out, choose on the others.

    python -m tools.cross_validate --market DIR [--horizons 5m,30m]

For each date the variant of the default smart policy that saves most on all other dates is taken,
and what it saves on the date that was left out is counted. The variants move each fitted number of
the crossing rule down and up. Prints every variant in sample, the choice for each date, and the
pooled saving out of sample beside that of the default and of the best variant in sample.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Final

from fillwright.adapters.entrypoints.evaluate_options import names, seconds
from fillwright.adapters.evaluation.parallel import Evaluation, Request, evaluate
from fillwright.adapters.evaluation.policies import BASELINE, POLICIES, Policy
from fillwright.domain.decision import ExecutionStrategy, Style

DEFAULT: Final = "adaptive"
MOVED: Final = (
    ("cross_cheap", "0.1"),
    ("cross_cheap", "0.5"),
    ("cross_dear", "0.9"),
    ("cross_dear", "1.4"),
    ("lean_ticks", "0.3"),
    ("lean_ticks", "0.9"),
)
Sums = dict[str, tuple[float, float]]
"""By date: savings in all, and half spreads in all."""


def variants() -> list[Policy]:
    """The default policy and those that differ from it by one number."""
    moved = [
        Policy(f"{name}={value}", ExecutionStrategy.TWAP, Style.SMART, ((name, Decimal(value)),))
        for name, value in MOVED
    ]
    return [POLICIES[DEFAULT], *moved]


def sums_of(evaluation: Evaluation) -> dict[str, Sums]:
    """By variant: by date, the sums that a saving is a ratio of."""
    baseline = {o.parent.name: o.shortfall_bps for o in evaluation.outcomes if o.policy == BASELINE}
    found: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for outcome in evaluation.outcomes:
        if outcome.policy == BASELINE:
            continue
        parent = outcome.parent
        saved, spread = found[outcome.policy].get(parent.date, (0.0, 0.0))
        saved += baseline[parent.name] - outcome.shortfall_bps
        found[outcome.policy][parent.date] = (saved, spread + parent.half_spread_bps)
    return dict(found)


def share(sums: Sums, dates: set[str]) -> float:
    """The saving on these dates as a share of the half spread."""
    return sum(sums[date][0] for date in dates) / sum(sums[date][1] for date in dates)


def report(found: dict[str, Sums]) -> list[str]:
    """The lines to print."""
    dates = set(found[DEFAULT])
    lines = [f"{name:20} in sample {share(sums, dates):7.1%}" for name, sums in found.items()]
    saved = spread = 0.0
    for date in sorted(dates):
        others = dates - {date}
        chosen = max(found, key=lambda name: share(found[name], others))
        one = found[chosen][date]
        saved, spread = saved + one[0], spread + one[1]
        lines.append(
            f"{date} left out: {chosen:20} {share(found[chosen], {date}):7.1%}, "
            f"{DEFAULT} {share(found[DEFAULT], {date}):7.1%}"
        )
    best = max(share(sums, dates) for sums in found.values())
    lines.append(
        f"out of sample {saved / spread:.1%}, {DEFAULT} {share(found[DEFAULT], dates):.1%}, "
        f"best variant in sample {best:.1%}"
    )
    return lines


def main() -> None:
    """Evaluate all variants and print."""
    parser = argparse.ArgumentParser(description="Leave one day out.")
    parser.add_argument("--market", type=Path, required=True)
    parser.add_argument("--horizons", default="5m,30m")
    parser.add_argument("--processes", type=int)
    given = parser.parse_args()
    request = Request(
        folder=given.market,
        policies=(*variants(), POLICIES[BASELINE]),
        horizons=tuple(seconds(each) for each in names(given.horizons)),
    )

    def advance(done: int, total: int) -> None:
        print(f"\r{done} of {total}", end="", file=sys.stderr, flush=True)

    found = evaluate(request, given.processes, advance)
    print(file=sys.stderr)
    print("\n".join(report(sums_of(found))))


if __name__ == "__main__":
    main()
