"""What an evaluation says: figures per policy and paired savings against the baseline."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from ...domain.money import plain
from .outcome import Outcome
from .parallel import Evaluation
from .policies import BASELINE
from .statistics import clustered_mean, deviation, mean, ratio

NOTE: Final = "simulated: the book does not respond to our orders"
PLACES: Final = 6
Pair = tuple[Outcome, Outcome]


def symbol_day(outcome: Outcome) -> Hashable:
    """The cluster of errors that the issue asks for."""
    return outcome.parent.symbol, outcome.parent.date


def day(outcome: Outcome) -> Hashable:
    """The cluster across symbols (ruling 31)."""
    return outcome.parent.date


def summarise(evaluation: Evaluation) -> dict[str, Any]:
    """All figures as plain values, in a fixed order."""
    by_policy = _by_policy(evaluation)
    baseline = by_policy.get(BASELINE, [])
    paired = {
        name: _paired(list(zip(outcomes, baseline, strict=True)))
        for name, outcomes in by_policy.items()
        if name != BASELINE and outcomes
    }
    return {
        "note": NOTE,
        "parents": len(baseline),
        "symbol_days": sorted({f"{o.parent.symbol}-{o.parent.date}" for o in baseline}),
        "policies": {name: _figures(outcomes) for name, outcomes in by_policy.items() if outcomes},
        "paired": paired,
        "skipped": [
            {
                "symbol": s.symbol,
                "date": s.date,
                "why": s.why,
                "parents": s.parents,
                "rows": s.rows,
            }
            for s in evaluation.skipped
        ],
    }


def _by_policy(evaluation: Evaluation) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in evaluation.outcomes:
        found.setdefault(outcome.policy, []).append(outcome)
    return found


def _figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Averages over parents, each counting once; completion and shortfall beside (ruling 4)."""
    arrival = [o.arrival_bps for o in outcomes if o.arrival_bps is not None]
    clusters = [symbol_day(o) for o in outcomes if o.arrival_bps is not None]
    vwap = [o.vwap_bps for o in outcomes if o.vwap_bps is not None]
    executed = sum(float(o.executed) for o in outcomes)
    passive = sum(float(o.passive) for o in outcomes)
    weights = [float(o.executed) * o.parent.arrival_mid for o in outcomes if o.executed]
    notional = sum(weights)
    estimate = clustered_mean(arrival, clusters)
    missed = [o for o in outcomes if o.completion < 1]
    return {
        "parents": len(outcomes),
        "arrival_bps": _rounded(estimate.value),
        "arrival_bps_se": _rounded(estimate.standard_error),
        "arrival_bps_sd": _rounded(deviation(arrival)),
        "arrival_bps_median": _rounded(sorted(arrival)[len(arrival) // 2] if arrival else None),
        "arrival_bps_notional_weighted": _rounded(
            sum(w * a for w, a in zip(weights, arrival, strict=True)) / notional
            if notional
            else None
        ),
        "vwap_bps": _rounded(mean(vwap)),
        "vwap_bps_se": _rounded(
            clustered_mean(
                vwap, [symbol_day(o) for o in outcomes if o.vwap_bps is not None]
            ).standard_error
        ),
        "vwap_bps_sd": _rounded(deviation(vwap)),
        "shortfall_bps": _rounded(mean([o.shortfall_bps for o in outcomes])),
        "completion": _rounded(mean([o.completion for o in outcomes])),
        "incomplete_share": _rounded(len(missed) / len(outcomes)),
        "bound_cancelled_share": _rounded(
            sum(o.end_reason == "slippage_bound" for o in outcomes) / len(outcomes)
        ),
        "passive_share": _rounded(passive / executed if executed else 0.0),
        "final_cross_share": _rounded(
            sum(float(o.final_cross) for o in outcomes) / executed if executed else 0.0
        ),
        "messages_per_parent": _rounded(mean([float(o.messages) for o in outcomes])),
        "messages_per_minute": _rounded(
            sum(o.messages for o in outcomes) / sum(o.parent.horizon_seconds / 60 for o in outcomes)
        ),
        "cells": _cells(outcomes),
    }


def _cells(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Mean cost and its spread per horizon and size."""
    found: dict[tuple[int, Any], list[Outcome]] = {}
    for outcome in outcomes:
        key = outcome.parent.horizon_seconds, outcome.parent.size
        found.setdefault(key, []).append(outcome)
    return [
        {
            "horizon": horizon_name(horizon),
            "size": plain(size),
            "parents": len(each),
            "arrival_bps": _rounded(mean([o.arrival_bps or 0.0 for o in each])),
            "arrival_bps_sd": _rounded(deviation([o.arrival_bps or 0.0 for o in each])),
            "vwap_bps_sd": _rounded(deviation([o.vwap_bps or 0.0 for o in each])),
        }
        for (horizon, size), each in sorted(found.items())
    ]


def _paired(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Savings against the baseline on the same parents, over the ordered quantity."""
    return {
        **_saving(pairs),
        "lower_95_share": _rounded(_share(pairs, symbol_day).lower_95),
        "clusters": _share(pairs, symbol_day).clusters,
        "lower_95_share_by_day": _rounded(_share(pairs, day).claimed_lower_95),
        "clusters_by_day": _share(pairs, day).clusters,
        "vwap_sd_ratio": _rounded(_vwap_sd_ratio(pairs)),
        "by_symbol": _split(pairs, lambda o: o.parent.symbol),
        "by_symbol_day": _split(pairs, lambda o: f"{o.parent.symbol}-{o.parent.date}"),
        "by_horizon": _split(pairs, lambda o: horizon_name(o.parent.horizon_seconds)),
        "by_size": _split(pairs, lambda o: plain(o.parent.size)),
        "by_horizon_and_size": _split(
            pairs, lambda o: f"{horizon_name(o.parent.horizon_seconds)} {plain(o.parent.size)}"
        ),
    }


def _saving(pairs: Sequence[Pair]) -> dict[str, Any]:
    savings = [saving_bps(pair) for pair in pairs]
    estimate = clustered_mean(savings, [symbol_day(o) for o, _ in pairs])
    share = _share(pairs, symbol_day)
    return {
        "parents": len(pairs),
        "saving_bps": _rounded(estimate.value),
        "saving_bps_se": _rounded(estimate.standard_error),
        "saving_share_of_half_spread": _rounded(share.value),
        "saving_share_se": _rounded(share.standard_error),
        "half_spread_bps": _rounded(mean([o.parent.half_spread_bps for o, _ in pairs])),
    }


def saving_bps(pair: Pair) -> float:
    """What a policy saved on one parent against the baseline, over the ordered quantity."""
    return pair[1].shortfall_bps - pair[0].shortfall_bps


def _share(pairs: Sequence[Pair], cluster: Callable[[Outcome], Hashable]) -> Any:
    return ratio(
        [saving_bps(pair) for pair in pairs],
        [o.parent.half_spread_bps for o, _ in pairs],
        [cluster(o) for o, _ in pairs],
    )


def _vwap_sd_ratio(pairs: Sequence[Pair]) -> float | None:
    own = [o.vwap_bps for o, _ in pairs if o.vwap_bps is not None]
    other = [o.vwap_bps for _, o in pairs if o.vwap_bps is not None]
    base = deviation(other)
    return deviation(own) / base if base else None


def _split(pairs: Sequence[Pair], key: Callable[[Outcome], str]) -> dict[str, Any]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(key(pair[0]), []).append(pair)
    return {name: _saving(each) for name, each in found.items()}


def horizon_name(seconds: int) -> str:
    """``5m``, ``2h`` or ``45s``."""
    if seconds % 3_600 == 0:
        return f"{seconds // 3_600}h"
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


def _rounded(value: float | None) -> float | None:
    if value is None or value != value:
        return None
    return round(value, PLACES) + 0.0
