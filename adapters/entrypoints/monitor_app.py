"""The live terminal view; it reads the log and changes nothing."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from .following import (
    Followed,
    child_orders,
    instructions,
    limits_and_alerts,
    standing,
)

SECONDS_BETWEEN_LOOKS = 1.0


class Monitor(App[None]):
    """Instructions, open orders, limits and alerts of one store, brought forward every second."""

    TITLE = "fillwright monitor"
    CSS = """
    #standing { height: auto; padding: 0 1; }
    .part { height: auto; padding: 1 1 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause"),
        Binding("r", "look", "Look now"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, followed: Followed) -> None:
        super().__init__()
        self._followed = followed
        self.is_paused = False

    def compose(self) -> ComposeResult:
        """The standing line above, then the parts, which scroll together."""
        yield Static(id="standing")
        with VerticalScroll():
            yield Static(id="instructions", classes="part")
            yield Static(id="orders", classes="part")
            yield Static(id="limits", classes="part")
        yield Footer()

    def on_mount(self) -> None:
        """Draw once, then look again and again."""
        self.action_look()
        self.set_interval(SECONDS_BETWEEN_LOOKS, self._tick)

    def action_look(self) -> None:
        """Take in what was appended and draw it."""
        followed = self._followed
        followed.advance()
        self._draw_standing()
        self.query_one("#instructions", Static).update(instructions(followed))
        self.query_one("#orders", Static).update(child_orders(followed))
        self.query_one("#limits", Static).update(limits_and_alerts(followed))

    def action_pause(self) -> None:
        """Hold the picture still, or let it go on."""
        self.is_paused = not self.is_paused
        self._draw_standing()

    def _draw_standing(self) -> None:
        text = standing(self._followed, paused=self.is_paused)
        self.query_one("#standing", Static).update(text)

    def _tick(self) -> None:
        if not self.is_paused:
            self.action_look()
