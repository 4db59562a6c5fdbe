"""What a replay found, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..replay.deciding_again import Decided
from ..replay.replaying import Replay

HASH_SHOWN = 16


def replay_view(found: Replay) -> RenderableType:
    """Projections with their bytes' hash, counters, decisions, speed, and every difference."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "rebuilt from the log", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    for one in found.projections:
        name = f"{one.name} (version {one.version})"
        state = f"sha256 {one.sha256[:HASH_SHOWN]}…"
        table.add_row(_mark(not one.differences), name, state, f"{one.size_bytes:,}")
    if found.projections and found.counters is None:
        table.add_row("", "counters of the store", "not compared: the store is being written", "")
    elif found.projections:
        table.add_row(_mark(not found.counters), "counters of the store", "as folded", "")
    for names, text in _decisions(found.decisions):
        differs = any(one.kind.endswith(names) for one in found.decisions.differences)
        table.add_row(_mark(not differs), names[0], text, "")
    speed = f"{found.position:,} events"
    if found.seconds:
        speed += f" in {found.seconds:.2f} s, {found.events_per_second:,.0f} events/s"
    lines: list[RenderableType] = [table, Text(f"{speed}; head {found.head_hash}", style="dim")]
    lines += [Text(line, style="red") for line in found.differences()]
    verdict = Text("Replay agrees with the record.", style="bold green")
    return Group(*lines, verdict if found.ok else Text("Replay differs.", style="bold red"))


def _decisions(decided: Decided) -> list[tuple[tuple[str, ...], str]]:
    """Each kind of decision, with what was decided again."""
    plans = f"{decided.plans:,} decided again"
    if decided.without_inputs:
        plans += f", {decided.without_inputs:,} without kept inputs"
    steps = f"{decided.steps:,} decided again"
    steps += f": {decided.orders:,} orders, {decided.cancels:,} cancels"
    if decided.steps_cut:
        steps += f"; {decided.steps_cut} cut by the message budget"
    if decided.steps_of_other_versions:
        steps += f"; {decided.steps_of_other_versions} of other versions"
    return [
        (("plan",), plans),
        (("limit check",), f"{decided.checks:,} made again"),
        (("strategy step", "step"), steps),
        (("switch of strategy", "switch"), f"{decided.switches:,} decided again"),
        (("cancel by rule", "cancel"), f"{decided.other_cancels:,} looked at again"),
    ]


def _mark(good: bool) -> Text:
    return Text("✓", style="green") if good else Text("✗", style="bold red")
