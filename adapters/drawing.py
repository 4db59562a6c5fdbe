"""Plots as inline SVG, drawn here so that a page needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 34
COLOURS: Final = ("#2f6fb2", "#c9622f", "#3d8f5f", "#8a5aa8", "#a08a2f", "#5f7f8f", "#b0486a")
TICKS: Final = 5
BINS_MAX: Final = 40
STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6773;--line:#d5dbe1;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9aa5b0;--line:#38424c;--paper:#14191f}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:68rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:var(--soft)}
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--soft)}
.grid{stroke:var(--line)}.zero{stroke:var(--soft)}.whisker{stroke:var(--ink);stroke-width:1.5}
polyline{fill:none}.line{stroke-width:2}.thin{stroke-width:1}.rest{stroke-width:1.5;opacity:.55}
.dashed{stroke-width:1.5;stroke-dasharray:5 4}
.legend{color:var(--soft);font-size:13px}.legend span{margin-right:1.2rem}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.35em;border-radius:2px}
.legend .line,.legend .dashed{height:0;border-top:2px solid;vertical-align:middle;width:1.9em}
.legend .dashed{border-top-style:dashed}.legend .dot,.legend .ring{border-radius:50%}
.legend .ring{border:2px solid;background:none}
.note{color:var(--soft)}
@media(max-width:40rem){svg{min-width:34rem}}
@media print{h2,tr{break-after:avoid}svg{break-inside:avoid}}
"""
"""How pages with these plots look, in light and dark."""
Series = Mapping[str, Sequence[float]]


class Frame:
    """A plot's area with a vertical scale in ``unit``; x runs from 0 to 1."""

    def __init__(self, low: float, high: float, *, height: int = HEIGHT, unit: str = "") -> None:
        if not high > low:
            low, high = low - 1, high + 1
        step = _nice((high - low) / TICKS)
        self.low = math.floor(low / step) * step
        self.high = math.ceil(high / step) * step
        self.step = step
        self.height = height
        self.parts: list[str] = []
        count = round((self.high - self.low) / step)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        for number in range(count + 1):
            value = self.low + number * step
            y = self.y(value)
            kind = "zero" if abs(value) < step / 1e6 else "grid"
            self.parts.append(
                f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            self.text(LEFT - 6, y + 4, f"{value:.{places}f}", "end")
        if unit:
            self.text(LEFT, TOP - 4, unit, "start")

    def x(self, share: float) -> float:
        """The horizontal place of a share of the width."""
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The vertical place of a value."""
        inside = self.height - TOP - BOTTOM
        return TOP + (self.high - value) / (self.high - self.low) * inside

    def text(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """A label."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str, kind: str = "line") -> None:
        """A line through (share, value) points."""
        places = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline class="{kind}" stroke="{colour}" points="{places}"/>')

    def upright(self, x: float, colour: str) -> None:
        """A dashed vertical line at a share of the width."""
        place = f"{self.x(x):.1f}"
        self.parts.append(
            f'<line class="dashed" stroke="{colour}" x1="{place}" x2="{place}" '
            f'y1="{TOP}" y2="{self.height - BOTTOM}"/>'
        )

    def dot(self, x: float, y: float, colour: str, radius: float = 3, *, hollow: bool) -> None:
        """A filled or an empty circle at (share, value)."""
        fill = "none" if hollow else colour
        self.parts.append(
            f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius:.1f}" '
            f'fill="{fill}" stroke="{colour}"/>'
        )

    def svg(self, title: str) -> str:
        """The finished plot."""
        body = "".join(self.parts)
        return (
            f'<div class="wide"><svg role="img" aria-label="{escape(title, quote=True)}" '
            f'viewBox="0 0 {WIDTH} {self.height}">{body}</svg></div>'
        )


def bars(
    title: str,
    groups: Sequence[str],
    series: Series,
    errors: Mapping[str, Sequence[float]],
    *,
    reach_max: float = math.inf,
    unit: str = "",
) -> str:
    """Bars in groups, each with a whisker of twice its standard error; ``unit`` is the axis'.

    What goes beyond ``reach_max`` on either side of zero is cut there, and its value written. A
    value that is not known (NaN) has a dash in the place of its bar.
    """

    def cut(value: float) -> float:
        return min(max(value, -reach_max), reach_max)

    reach = [
        cut(value + sign * 2 * error)
        for name, values in series.items()
        for value, error in zip(values, errors[name], strict=True)
        for sign in (1, -1)
        if not math.isnan(value)
    ]
    frame = Frame(min([0.0, *reach]), max([0.0, *reach]), unit=unit)
    slot = 1 / max(len(groups), 1)
    width = slot * 0.8 / max(len(series), 1)
    for number, group in enumerate(groups):
        frame.text(frame.x((number + 0.5) * slot), HEIGHT - 10, group)
        for place, (name, values) in enumerate(series.items()):
            value, error = values[number], errors[name][number]
            left = frame.x(number * slot + slot * 0.1 + place * width)
            thick = width * (WIDTH - LEFT - RIGHT) * 0.9
            if math.isnan(value):
                frame.text(left + thick / 2, frame.y(0) - 3, "–")
                continue
            top, bottom = sorted((frame.y(cut(value)), frame.y(0)))
            colour = COLOURS[place % len(COLOURS)]
            frame.parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{thick:.1f}" '
                f'height="{max(bottom - top, 0.5):.1f}" fill="{colour}"/>'
            )
            middle = left + thick / 2
            if cut(value) != value:
                frame.text(middle, bottom - 6 if value < 0 else top + 14, f"{value:+.1f}")
                continue
            high, low = cut(value + 2 * error), cut(value - 2 * error)
            frame.parts.append(
                f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" '
                f'y1="{frame.y(high):.1f}" y2="{frame.y(low):.1f}"/>'
            )
    return frame.svg(title) + legend(list(series))


def lines(title: str, places: Sequence[str], series: Series, unit: str = "") -> str:
    """One line per series over named places; ``unit`` is the axis'."""
    values = [value for each in series.values() for value in each]
    frame = Frame(min([0.0, *values]), max([0.0, *values]), unit=unit)
    slot = 1 / max(len(places), 1)
    for number, place in enumerate(places):
        frame.text(frame.x((number + 0.5) * slot), HEIGHT - 10, place)
    for index, each in enumerate(series.values()):
        colour = COLOURS[index % len(COLOURS)]
        points = [((number + 0.5) * slot, value) for number, value in enumerate(each)]
        frame.path(points, colour)
        for x, y in points:
            frame.dot(x, y, colour, hollow=False)
    return frame.svg(title) + legend(list(series))


def waterfall(title: str, parts: Sequence[tuple[str, float]], total: str) -> str:
    """Parts one after the other, each from where the last one ended, and their total."""
    levels, at = [0.0], 0.0
    for _, value in parts:
        at += value
        levels.append(at)
    frame = Frame(min(levels), max(levels))
    slot = 1 / (len(parts) + 1)
    for number, (name, value) in enumerate([*parts, (total, at)]):
        start = 0.0 if number == len(parts) else levels[number]
        end = at if number == len(parts) else levels[number + 1]
        colour = COLOURS[5] if number == len(parts) else COLOURS[1 if value > 0 else 2]
        top, bottom = sorted((frame.y(start), frame.y(end)))
        left, right = frame.x((number + 0.15) * slot), frame.x((number + 0.85) * slot)
        frame.parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{max(bottom - top, 1):.1f}" fill="{colour}"/>'
        )
        middle = frame.x((number + 0.5) * slot)
        frame.text(middle, top - 4, f"{value:+.2f}")
        frame.text(middle, HEIGHT - 10, name)
    return frame.svg(title)


def histogram(title: str, values: Sequence[float], unit: str) -> str:
    """How often values fall into equal bins, with the ends of the axis in ``unit``."""
    low, high = min(values), max(values)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    count = min(BINS_MAX, max(5, math.ceil(math.sqrt(len(values)))))
    tallies = [0] * count
    for value in values:
        tallies[min(int((value - low) / (high - low) * count), count - 1)] += 1
    frame = Frame(0, max(tallies))
    for number, tally in enumerate(tallies):
        left, right = frame.x(number / count), frame.x((number + 1) / count)
        top, bottom = frame.y(tally), frame.y(0)
        frame.parts.append(
            f'<rect x="{left + 0.5:.1f}" y="{top:.1f}" width="{right - left - 1:.1f}" '
            f'height="{bottom - top:.1f}" fill="{COLOURS[0]}"/>'
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        frame.text(frame.x(share), HEIGHT - 10, f"{low + share * (high - low):.1f}")
    frame.text(WIDTH - RIGHT, TOP + 4, unit, "end")
    return frame.svg(title)


def legend(names: Sequence[str]) -> str:
    """Names with their colours."""
    parts = (
        f'<span><i style="background:{COLOURS[place % len(COLOURS)]}"></i>{escape(name)}</span>'
        for place, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(parts)}</p>'


def swatches(*marks: tuple[str, str, str]) -> str:
    """Names with their colour and mark: ``line``, ``dashed``, ``dot`` or ``ring``."""
    parts = (
        f'<span><i class="{mark}" style="border-color:{colour};'
        f'{"background:" + colour if mark == "dot" else ""}"></i>{escape(name)}</span>'
        for name, colour, mark in marks
    )
    return f'<p class="legend">{"".join(parts)}</p>'


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= step * 0.999)
