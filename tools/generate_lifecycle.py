"""The page docs/lifecycle.md, from the rows of both lifecycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from fillwright.domain.lifecycle import Row
from fillwright.domain.orders.states import UNACKNOWLEDGED
from fillwright.domain.states import (
    INSTRUCTION_ROWS,
    INSTRUCTION_TERMINAL,
    ORDER_ENDED,
    ORDER_ROWS,
    PRECEDENCE,
    InstructionState,
    OrderState,
)

Rows = Sequence[Row[Any, Any]]

INTRODUCTION = """\
# Lifecycles

This page is generated from the rows in `domain/states.py` and `domain/orders/states.py` by
`python -m tools.generate_docs`; change the rows, not the page. The engine dispatches through tables
compiled from the same rows, and a test holds them equal to `transitions` machines declared from
them.
"""

INSTRUCTION_INTRODUCTION = """\
## Instruction

A decision that was accepted for planning begins as `planned`. `filled`, `cancelled`, `no_change`
and `rejected` end it: such a state keeps its name whatever the market adds, and the instruction is
marked `restated`. A command that has no row is refused with `IllegalTransition`.
"""

ORDER_INTRODUCTION = """\
## Child order

An order can be in several states at once (done for day and partially filled, say); it shows the one
of the highest FIX precedence below. A `show_` trigger is a request answered, terms changed or an
execution restated, after which that state is the highest one left. A report that has no row is
recorded as an anomaly and its facts are kept: the market may do what we would forbid.

`indeterminate` is our own: sent, and the outcome is not known. It keeps all its shares reserved and
only the broker's evidence ends it.
"""

DIAGRAM_NOTE = """\
An arrow from a frame leaves every state inside it. Left out are the steps that stay where they are
and the `show_` steps.
"""

ORDER_GROUPS: Mapping[str, frozenset[Any]] = {
    "open": frozenset(OrderState) - ORDER_ENDED,
    "unacknowledged": UNACKNOWLEDGED,
}


def page() -> str:
    """The text of the page."""
    parts = [
        INTRODUCTION,
        INSTRUCTION_INTRODUCTION,
        diagram(INSTRUCTION_ROWS, InstructionState.PLANNED, INSTRUCTION_TERMINAL),
        table(INSTRUCTION_ROWS),
        ORDER_INTRODUCTION,
        precedence(),
        DIAGRAM_NOTE,
        diagram(ORDER_ROWS, OrderState.INTENDED, ORDER_ENDED, ORDER_GROUPS),
        table(ORDER_ROWS),
    ]
    return "\n".join(parts)


def diagram(
    rows: Rows,
    initial: StrEnum,
    final: frozenset[Any],
    groups: Mapping[str, frozenset[Any]] | None = None,
) -> str:
    """A Mermaid state diagram; steps between the same two states share an arrow.

    Where a whole group of states takes the same step, the arrow leaves the group; then steps that
    stay where they are and ``show_`` steps are left out.
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    for source, trigger, target in _steps(rows, groups):
        arrows.setdefault((source, target), []).append(trigger)
    lines = ["```mermaid", "stateDiagram-v2", *_nested(groups or {}), f"    [*] --> {initial}"]
    lines += [
        f"    {source} --> {target}: {', '.join(triggers)}"
        for (source, target), triggers in arrows.items()
    ]
    lines += [f"    {state} --> [*]" for state in type(initial) if state in final]
    return "\n".join([*lines, "```", ""])


def _steps(
    rows: Rows, groups: Mapping[str, frozenset[Any]] | None
) -> Iterator[tuple[str, str, str]]:
    if groups is None:
        yield from ((row.source, row.trigger, row.target) for row in rows)
        return
    sources_by_step: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        if row.source != row.target and not row.trigger.startswith("show_"):
            sources_by_step.setdefault((row.trigger, row.target), []).append(row.source)
    for (trigger, target), sources in sources_by_step.items():
        left = list(sources)
        for name, members in groups.items():
            others = members - {target}
            if len(others) > 1 and others <= set(left):
                yield name, trigger, target
                left = [source for source in left if source not in members]
        yield from ((source, trigger, target) for source in left)


def _nested(groups: Mapping[str, frozenset[Any]]) -> list[str]:
    """The groups as states around states, each inside the one before it."""
    lines: list[str] = []
    names = list(groups)
    for depth, name in enumerate(names):
        inner = groups[names[depth + 1]] if depth + 1 < len(names) else frozenset()
        indent = "    " * (depth + 1)
        lines.append(f"{indent}state {name} {{")
        lines += [f"{indent}    {state}" for state in sorted(groups[name] - inner)]
    lines += ["    " * depth + "}" for depth in range(len(names), 0, -1)]
    return lines


def table(rows: Rows) -> str:
    """All rows; sources that do the same for the same reason share a line."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        target = "stays" if row.source == row.target else f"`{row.target}`"
        groups.setdefault((row.trigger, target, row.why), []).append(f"`{row.source}`")
    lines = ["| from | trigger | to | why |", "|---|---|---|---|"]
    lines += [
        f"| {', '.join(sources)} | `{trigger}` | {target} | {why} |"
        for (trigger, target, why), sources in groups.items()
    ]
    return "\n".join([*lines, ""])


def precedence() -> str:
    """The FIX precedence of states, highest first."""
    by_value: dict[int, list[str]] = {}
    for state, value in sorted(PRECEDENCE.items(), key=lambda item: -item[1]):
        by_value.setdefault(value, []).append(f"`{state}`")
    lines = ["| precedence | states |", "|---|---|"]
    lines += [f"| {value} | {', '.join(states)} |" for value, states in by_value.items()]
    return "\n".join([*lines, ""])
