"""The engine: the async loop that works one account's instructions."""

from __future__ import annotations

from .admission import Admitted
from .desk import Desk, EngineRules
from .engine import Engine
from .incoming import Arrival

__all__ = ["Admitted", "Arrival", "Desk", "Engine", "EngineRules"]
