"""What a replay found, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..replaying import Replay

HASH_SHOWN = 16


def replay_view(found: Replay) -> RenderableType:
    """Projections with the hash of their bytes, counters, steps, speed, and every difference."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "rebuilt from the log", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    for one in found.projections:
        name = f"{one.name} (version {one.version})"
        state = f"sha256 {one.sha256[:HASH_SHOWN]}…"
        table.add_row(_mark(not one.differences), name, state, f"{one.size_bytes:,}")
    if found.counters is None:
        table.add_row("", "counters of the store", "not compared: the store is being written", "")
    else:
        table.add_row(_mark(not found.counters), "counters of the store", "as folded", "")
    table.add_row(_mark(not found.step_differences), "strategy steps", _steps(found), "")
    speed = f"{found.position:,} events in {found.seconds:.2f} s"
    speed += f", {found.events_per_second:,.0f} events/s"
    lines: list[RenderableType] = [table, Text(f"{speed}; head {found.head_hash}", style="dim")]
    lines += [Text(line, style="red") for line in found.differences()]
    verdict = Text("Replay agrees with the record.", style="bold green")
    return Group(*lines, verdict if found.ok else Text("Replay differs.", style="bold red"))


def _steps(found: Replay) -> str:
    text = f"{found.steps:,} decided again"
    if found.steps_cut:
        text += f", {found.steps_cut} cut by the message budget"
    if found.steps_of_other_versions:
        text += f", {found.steps_of_other_versions} of other versions not compared"
    return text


def _mark(good: bool) -> Text:
    return Text("✓", style="green") if good else Text("✗", style="bold red")
