"""Plots as inline SVG, drawn here so that a page needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from .examples import Example

WIDTH: Final = 760
HEIGHT: Final = 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 34
COLOURS: Final = ("#2f6fb2", "#c9622f", "#3d8f5f", "#8a5aa8", "#a08a2f", "#5f7f8f", "#b0486a")
TICKS: Final = 5
Series = Mapping[str, Sequence[float]]


class Frame:
    """A plot's area with a vertical scale; x runs from 0 to 1."""

    def __init__(self, low: float, high: float, *, height: int = HEIGHT) -> None:
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
            f'<svg role="img" aria-label="{escape(title, quote=True)}" '
            f'viewBox="0 0 {WIDTH} {self.height}">{body}</svg>'
        )


def bars(
    title: str, groups: Sequence[str], series: Series, errors: Mapping[str, Sequence[float]]
) -> str:
    """Bars in groups, each with a whisker of twice its standard error."""
    reach = [
        value + sign * 2 * error
        for name, values in series.items()
        for value, error in zip(values, errors[name], strict=True)
        for sign in (1, -1)
    ]
    frame = Frame(min([0.0, *reach]), max([0.0, *reach]))
    slot = 1 / max(len(groups), 1)
    width = slot * 0.8 / max(len(series), 1)
    for number, group in enumerate(groups):
        frame.text(frame.x((number + 0.5) * slot), HEIGHT - 10, group)
        for place, (name, values) in enumerate(series.items()):
            value, error = values[number], errors[name][number]
            left = frame.x(number * slot + slot * 0.1 + place * width)
            thick = width * (WIDTH - LEFT - RIGHT) * 0.9
            top, bottom = sorted((frame.y(value), frame.y(0)))
            colour = COLOURS[place % len(COLOURS)]
            frame.parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{thick:.1f}" '
                f'height="{max(bottom - top, 0.5):.1f}" fill="{colour}"/>'
            )
            middle = left + thick / 2
            frame.parts.append(
                f'<line class="whisker" x1="{middle:.1f}" x2="{middle:.1f}" '
                f'y1="{frame.y(value + 2 * error):.1f}" y2="{frame.y(value - 2 * error):.1f}"/>'
            )
    return frame.svg(title) + legend(list(series))


def lines(title: str, places: Sequence[str], series: Series) -> str:
    """One line per series over named places."""
    values = [value for each in series.values() for value in each]
    frame = Frame(min([0.0, *values]), max([0.0, *values]))
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


def legend(names: Sequence[str]) -> str:
    """Names with their colours."""
    parts = (
        f'<span><i style="background:{COLOURS[place % len(COLOURS)]}"></i>{escape(name)}</span>'
        for place, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(parts)}</p>'


def order(title: str, example: Example) -> str:
    """An example order over price, and below it what was executed against the schedule."""
    parent = example.outcome.parent
    span = max(parent.end - parent.start, 1)

    def share(at: int) -> float:
        return min(max((at - parent.start) / span, 0.0), 1.0)

    prices = [price for _, bid, ask in example.path for price in (bid, ask)]
    prices += [each.price for each in example.executions] + [each.price for each in example.rests]
    above = Frame(min(prices, default=0.0), max(prices, default=1.0))
    above.path([(share(at), bid) for at, bid, _ in example.path], "#8a949e", "thin")
    above.path([(share(at), ask) for at, _, ask in example.path], "#8a949e", "thin")
    for rest in example.rests:
        points = [(share(rest.start), rest.price), (share(rest.end), rest.price)]
        above.path(points, COLOURS[0], "rest")
    largest = max((each.quantity for each in example.executions), default=1.0)
    done, steps = 0.0, [(0.0, 0.0)]
    for each in sorted(example.executions, key=lambda e: e.at):
        radius = 2 + 4 * math.sqrt(each.quantity / largest)
        colour = COLOURS[0] if each.rested else COLOURS[1]
        above.dot(share(each.at), each.price, colour, radius, hollow=each.rested)
        steps.append((share(each.at), done))
        done += each.quantity / float(parent.quantity)
        steps.append((share(each.at), done))
    below = Frame(0, 1, height=HEIGHT * 2 // 3)
    below.path([(0, 0), (1, 1)], "#8a949e", "thin")
    below.path([*steps, (1.0, done)], COLOURS[1])
    for frame in (above, below):
        frame.text(frame.x(0), frame.height - 10, "start", "start")
        frame.text(frame.x(1), frame.height - 10, f"+{parent.horizon_seconds // 60} min", "end")
    return (
        above.svg(title)
        + below.svg(f"{title}: share executed against a straight line")
        + '<p class="legend"><span>grey: bid and ask, and a straight schedule</span>'
        + "<span>blue lines: rests, blue rings: their fills</span>"
        + "<span>orange: crosses, and the share executed</span></p>"
    )


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= step * 0.999)
