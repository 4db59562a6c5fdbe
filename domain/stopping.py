"""What becomes of open orders when an engine is told to stop."""

from __future__ import annotations

from enum import StrEnum


class OnStop(StrEnum):
    """What an engine that is told to stop does with what it works.

    ``leave`` lets orders work on at the broker, ``cancel`` cancels them and leaves the instructions
    to the next start, ``end`` cancels them and ends the instructions with the reason ``shutdown``.
    """

    LEAVE = "leave"
    CANCEL = "cancel"
    END = "end"
