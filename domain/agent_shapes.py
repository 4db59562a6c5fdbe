"""The seed's shapes: what the agent's methods give, and what a language model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from .executor import Outcome
from .limits import HUNDRED
from .result import ExecutionResult

PROMPT_CHARACTERS_MAX: Final = 20_000
COMMENTARY_CHARACTERS_MAX: Final = 10_000


def told(outcome: Outcome) -> dict[str, Any]:
    """An outcome in the seed's shape."""
    result = outcome.result
    return {
        "status": outcome.status.value,
        "message": outcome.message,
        "partial": outcome.partial,
        "release_at": outcome.release_at,
        "execution_result": result,
        "summary": None if result is None else _summary(result),
    }


def _summary(result: ExecutionResult) -> dict[str, Any]:
    """The figures that a caller looks at first."""
    ordered = result.requested_quantity
    return {
        **{f.name: getattr(result, f.name) for f in fields(result) if f.name in _SUMMARISED},
        "fill_rate_pct": result.executed_quantity / ordered * HUNDRED if ordered else None,
    }


_SUMMARISED: Final = frozenset(
    {
        "instruction_id",
        "symbol",
        "action",
        "status",
        "requested_quantity",
        "executed_quantity",
        "average_price",
        "slippage_bps",
        "total_commission",
        "execution_quality",
        "reason",
    }
)


def prompt_for(report: Mapping[str, Any]) -> str:
    """What the language model is asked; figures only, no decision's personal text."""
    shown = {key: report.get(key) for key in ("sessions", "totals", "quality", "alerts", "limits")}
    return (
        "Write a short, sober commentary on this execution report for a trading desk. "
        "Use only numbers that are in it, as they are or rounded. "
        "Do not give advice on what to trade.\n\n" + str(shown)
    )[:PROMPT_CHARACTERS_MAX]
