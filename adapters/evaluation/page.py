"""The evaluation as one self-contained page: conditions, tables, plots, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from ..drawing import STYLE, bars, lines
from . import plots
from .examples import Example
from .parallel import Evaluation
from .policies import BASELINE
from .tables import (
    BOUNDED,
    bounded_rows,
    conditions,
    number,
    percent,
    saving_rows,
    shares_by,
)

REACH_MAX: Final = 1.5
"""Bars beyond this share of the half spread are cut, or one poor policy would flatten the rest."""


def write_page(
    path: Path,
    evaluation: Evaluation,
    summary: Mapping[str, Any],
    bounded: Mapping[str, Any] | None,
    examples: Sequence[Example],
) -> None:
    """Write the page.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(evaluation, summary, bounded, examples), encoding="utf-8")


def page(
    evaluation: Evaluation,
    summary: Mapping[str, Any],
    bounded: Mapping[str, Any] | None,
    examples: Sequence[Example],
) -> str:
    """The page's text; the same for the same evaluation."""
    days = ", ".join(summary["symbol_days"])
    parts = [
        "<h1>Execution policies on recorded days</h1>",
        f"<p class='note'>{escape(summary['note'].capitalize())}. {summary['parents']} parents on "
        f"{escape(days)}; {escape(conditions(evaluation))}.</p>",
        _section("Cost of each policy, bps", _costs(summary["policies"])),
        _section(f"Saving against {BASELINE} on the same parents", _savings(summary["paired"])),
    ]
    for split in ("by_symbol", "by_horizon", "by_size"):
        title = f"Saving as a share of the half spread, {split.replace('_', ' ')}"
        parts.append(_section(title, _split(split, summary["paired"])))
    parts.append(_section("Cost against horizon and size, bps vs arrival", _cells(summary)))
    if bounded is not None:
        title = "With the default price bound, nothing forced to complete"
        parts.append(_section(title, _table(BOUNDED, bounded_rows(bounded["policies"]))))
    for example in examples:
        parent = example.outcome.parent
        title = (
            f"{example.outcome.policy}: {parent.side.value} {parent.quantity} {parent.symbol} "
            f"{parent.date} in {parent.horizon_seconds // 60} min, "
            f"{number(example.outcome.arrival_bps)} bps vs arrival"
        )
        parts.append(_section(title, plots.order(title, example)))
    left_out = "".join(f"<li>{escape(str(each))}</li>" for each in evaluation.skipped)
    parts.append(_section("Left out", f"<ul>{left_out}</ul>" if left_out else "<p>Nothing.</p>"))
    body = "\n".join(parts)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>fillwright evaluate</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _costs(policies: Mapping[str, Any]) -> str:
    columns = ("policy", "vs arrival", "se", "sd", "median", "vs VWAP", "se", "sd", "shortfall")
    more = ("completion", "passive", "messages")
    rows = [
        [
            name,
            *(number(figures[f"arrival_bps{part}"]) for part in ("", "_se", "_sd", "_median")),
            *(number(figures[f"vwap_bps{part}"]) for part in ("", "_se", "_sd")),
            number(figures["shortfall_bps"]),
            percent(figures["completion"]),
            percent(figures["passive_share"]),
            number(figures["messages_per_parent"], 1),
        ]
        for name, figures in policies.items()
    ]
    return _table([*columns, *more], rows)


def _savings(paired: Mapping[str, Any]) -> str:
    columns = ("policy", "bps", "se", "of half spread", "lower 95 %", "symbol-days")
    more = ("lower 95 % by day", "days", "sd vs VWAP ratio")
    note = (
        "<p class='note'>Bounds are one-sided, by Student's t with clusters less one degrees of "
        "freedom; errors are clustered by symbol-day, and by day across symbols where there are "
        "at least 8 days.</p>"
    )
    return _table([*columns, *more], saving_rows(paired)) + note


def _split(split: str, paired: Mapping[str, Any]) -> str:
    keys = list(dict.fromkeys(key for figures in paired.values() for key in figures[split]))
    if not keys:
        return "<p>Nothing.</p>"
    series, errors = {}, {}
    for name, figures in paired.items():
        each = [figures[split].get(key, {}) for key in keys]
        series[name] = [one.get("saving_share_of_half_spread") or 0.0 for one in each]
        errors[name] = [one.get("saving_share_se") or 0.0 for one in each]
    rows = [[key, *shares] for key, shares in shares_by(split, paired)]
    return _table([split.removeprefix("by_"), *paired], rows) + bars(
        split, keys, series, errors, reach_max=REACH_MAX, unit="saving over half the spread"
    )


def _cells(summary: Mapping[str, Any]) -> str:
    policies = summary["policies"]
    first = next(iter(policies.values()))["cells"]
    places = [f"{cell['horizon']} {float(cell['size']):.0%}" for cell in first]
    series = {
        name: [cell["arrival_bps"] or 0.0 for cell in figures["cells"]]
        for name, figures in policies.items()
    }
    rows = [[name, *(number(value) for value in values)] for name, values in series.items()]
    # One policy that is far dearer than the others would flatten them all.
    base = max(series.get(BASELINE, [0.0]))
    near = {name: values for name, values in series.items() if max(values) <= 5 * base}
    far = ", ".join(name for name in series if near and name not in near)
    note = f"<p class='note'>Off this scale: {escape(far)}.</p>" if far else ""
    return (
        _table(["policy", *places], rows)
        + lines("cost", places, near or series, "bps vs arrival")
        + note
    )
