"""The plot of an example order."""

from __future__ import annotations

import math

from ..drawing import COLOURS, HEIGHT, Frame
from .examples import Example


def order(title: str, example: Example) -> str:
    """An example order over price, and below it what was executed against the schedule."""
    parent = example.outcome.parent
    span = max(parent.end - parent.start, 1)

    def share(at: int) -> float:
        return min(max((at - parent.start) / span, 0.0), 1.0)

    prices = [price for _, bid, ask in example.path for price in (bid, ask)]
    prices += [each.price for each in example.executions] + [each.price for each in example.rests]
    above = Frame(min(prices, default=0.0), max(prices, default=1.0), unit="price")
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
    below = Frame(0, 1, height=HEIGHT * 2 // 3, unit="share executed")
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
