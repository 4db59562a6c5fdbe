"""Audit-grade, event-sourced trade execution.

The names below are the public surface. Each is loaded when it is first used, so that
``import fillwright`` costs next to nothing; everything else is reached through
``fillwright.domain``, ``fillwright.projections`` and ``fillwright.adapters``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fillwright.adapters.settings import Settings
    from fillwright.adapters.wiring import (
        ExecutionTimingEngine,
        OrderManager,
        TradeExecutionAgent,
    )
    from fillwright.domain.decision import (
        ExecutionStrategy,
        ExecutionUrgency,
        TradeAction,
        TradeInstruction,
    )
    from fillwright.domain.monitoring import ActiveExecutions
    from fillwright.domain.plan import ExecutionPlan
    from fillwright.domain.result import ExecutionResult

__version__ = "0.1.0"

__all__ = [
    "ActiveExecutions",
    "ExecutionPlan",
    "ExecutionResult",
    "ExecutionStrategy",
    "ExecutionTimingEngine",
    "ExecutionUrgency",
    "OrderManager",
    "Settings",
    "TradeAction",
    "TradeExecutionAgent",
    "TradeInstruction",
    "__version__",
]

_HOME_BY_NAME = {
    "ActiveExecutions": "fillwright.domain.monitoring",
    "ExecutionPlan": "fillwright.domain.plan",
    "ExecutionResult": "fillwright.domain.result",
    "ExecutionStrategy": "fillwright.domain.decision",
    "ExecutionTimingEngine": "fillwright.adapters.wiring",
    "ExecutionUrgency": "fillwright.domain.decision",
    "OrderManager": "fillwright.adapters.wiring",
    "Settings": "fillwright.adapters.settings",
    "TradeAction": "fillwright.domain.decision",
    "TradeExecutionAgent": "fillwright.adapters.wiring",
    "TradeInstruction": "fillwright.domain.decision",
}


if not TYPE_CHECKING:  # a type checker reads the imports above and so notices a wrong name

    def __getattr__(name: str) -> object:
        """Load a public name from the module that defines it, once."""
        home = _HOME_BY_NAME.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
