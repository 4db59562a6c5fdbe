"""The engine: the async loop that works one account's instructions."""

from __future__ import annotations

from .admission import Admitted
from .desk import Desk
from .engine import Engine
from .incoming import Arrival
from .rules import EngineRules

__all__ = ["Admitted", "Arrival", "Desk", "Engine", "EngineRules"]
