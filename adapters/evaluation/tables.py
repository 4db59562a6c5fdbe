"""The tables of an evaluation for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table

from ...domain.money import plain
from .parallel import Evaluation
from .policies import BASELINE

NONE: Final = "–"


def views(summary: Mapping[str, Any], bounded: Mapping[str, Any] | None) -> list[RenderableType]:
    """All tables in order: costs, savings, splits of the savings, and the bounded run."""
    shown: list[RenderableType] = [
        _costs(f"{summary['parents']} parents; {summary['note']}", summary["policies"]),
        _savings(summary["paired"]),
    ]
    for split in ("by_symbol", "by_horizon", "by_size"):
        shown.append(_split(split, summary["paired"]))
    if bounded is not None:
        shown.append(_bounded(bounded["policies"]))
    return shown


def _costs(title: str, policies: Mapping[str, Any]) -> Table:
    table = _table(title, "policy", "bps vs arrival", "se", "sd", "bps vs vwap", "se", "sd")
    _more(table, "completion", "passive", "messages")
    for name, figures in policies.items():
        table.add_row(
            name,
            number(figures["arrival_bps"]),
            number(figures["arrival_bps_se"]),
            number(figures["arrival_bps_sd"]),
            number(figures["vwap_bps"]),
            number(figures["vwap_bps_se"]),
            number(figures["vwap_bps_sd"]),
            percent(figures["completion"]),
            percent(figures["passive_share"]),
            number(figures["messages_per_parent"], 1),
        )
    return table


def _savings(paired: Mapping[str, Any]) -> Table:
    table = _table(f"saving against {BASELINE} on the same parents", "policy")
    _more(table, "bps", "se", "of half spread", "lower 95 %", "clusters")
    _more(table, "lower by day", "days", "sd vwap ratio")
    for row in saving_rows(paired):
        table.add_row(*row)
    return table


def saving_rows(paired: Mapping[str, Any]) -> list[list[str]]:
    """What each policy saved against the baseline, with the bounds of it."""
    return [
        [
            name,
            number(figures["saving_bps"]),
            number(figures["saving_bps_se"]),
            percent(figures["saving_share_of_half_spread"]),
            percent(figures["lower_95_share"]),
            str(figures["clusters"]),
            percent(figures["lower_95_share_by_day"]),
            str(figures["clusters_by_day"]),
            number(figures["vwap_sd_ratio"]),
        ]
        for name, figures in paired.items()
    ]


def shares_by(split: str, paired: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What each policy saved of the half spread, by symbol, horizon or size: a row for each."""
    keys = list(dict.fromkeys(key for figures in paired.values() for key in figures[split]))
    found: list[tuple[str, list[str]]] = []
    for key in keys:
        each = (figures[split].get(key, {}) for figures in paired.values())
        found.append((key, [percent(one.get("saving_share_of_half_spread")) for one in each]))
    return found


def _split(split: str, paired: Mapping[str, Any]) -> Table:
    title = f"saving, share of the half spread, {split.replace('_', ' ')}"
    table = _table(title, split.removeprefix("by_"), *paired)
    for key, shares in shares_by(split, paired):
        table.add_row(key, *shares)
    return table


BOUNDED: Final = (
    "policy",
    "bps of executed",
    "completion",
    "incomplete",
    "cancelled at bound",
    "shortfall bps",
    "messages",
)


def _bounded(policies: Mapping[str, Any]) -> Table:
    table = _table("with the default price bound, nothing forced to complete", *BOUNDED)
    for row in bounded_rows(policies):
        table.add_row(*row)
    return table


def bounded_rows(policies: Mapping[str, Any]) -> list[list[str]]:
    """What each policy cost under a price bound, under :data:`BOUNDED`."""
    return [
        [
            name,
            number(figures["arrival_bps"]),
            percent(figures["completion"]),
            percent(figures["incomplete_share"]),
            percent(figures["bound_cancelled_share"]),
            number(figures["shortfall_bps"]),
            number(figures["messages_per_parent"], 1),
        ]
        for name, figures in policies.items()
    ]


def conditions(evaluation: Evaluation) -> str:
    """One line on how the parents were worked."""
    request, stress = evaluation.request, evaluation.request.stress
    parts = [
        f"latency {request.latency_ms} ms",
        f"{request.messages_per_minute} messages a minute",
        f"{request.concurrent} parents to an account" if request.concurrent > 1 else "",
        f"queue share {plain(stress.queue_share)}" if stress.queue_share is not None else "",
        f"rests show at most {plain(stress.rest_fraction_max)} of the parent"
        if stress.rest_fraction_max is not None
        else "",
    ]
    return ", ".join(part for part in parts if part)


def number(value: float | None, places: int = 2) -> str:
    """A figure, or a dash."""
    return NONE if value is None else f"{value:.{places}f}"


def percent(value: float | None) -> str:
    """A share in percent, or a dash."""
    return NONE if value is None else f"{value:.1%}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for position, name in enumerate(columns):
        table.add_column(name, justify="right" if position else "left", no_wrap=True)
    return table


def _more(table: Table, *columns: str) -> None:
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)


def skipped_lines(evaluation: Evaluation) -> Sequence[str]:
    """What was left out, one line each."""
    return [f"skipped: {each}" for each in evaluation.skipped]
