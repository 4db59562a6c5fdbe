"""Server-sent events: what a body holds, and whether it is whole.

A body is whole when it ended where it said it would, behind a whole frame, and no comment in it
says that something is missing. Alpaca puts lost messages and its own errors into comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from .reading import decoded

HARMLESS: Final = re.compile(r"(?i)|connected|welcome|ok|ping|keep-?alive|heart-?beat")
"""Comments that only keep the connection alive; any other may tell of something missing."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Body:
    """A body as far as it came; ``cut`` says why it is not all of it, empty where it is."""

    content_type: str
    content: bytes
    cut: str = ""


@dataclass(frozen=True, slots=True)
class EventStream:
    """What a body holds; ``flaw`` says why there may be more, empty where there is not."""

    events: tuple[Any, ...]
    flaw: str


def read_events(body: Body) -> EventStream:
    """The events of a body, each decoded from JSON (None where it is not)."""
    events: list[Any] = []
    data: list[str] = []
    flaw, is_open = body.cut, False
    *lines, rest = _LINE_END.split(body.content.decode("utf-8-sig", "replace"))
    for said in lines:
        if not said:
            if data:
                events.append(decoded("\n".join(data)))
            data, is_open = [], False
        elif said.startswith(":"):
            comment = said[1:].strip()
            if not HARMLESS.fullmatch(comment):
                flaw = flaw or f"the server says: {comment[:200]}"
        else:
            is_open = True
            name, _, value = said.partition(":")
            if name == "data":
                data.append(value.removeprefix(" "))
    if is_open or rest:
        flaw = flaw or "its last event is cut"
    return EventStream(tuple(events), flaw)
