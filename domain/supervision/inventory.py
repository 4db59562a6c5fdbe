"""The inventory of strategies: what is approved to trade live, and exactly which version of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ..decision import ExecutionStrategy
from ..ops.control import StrategyApproved
from ..plan import StrategyParameters
from ..strategies.registry import STRATEGIES


@dataclass(frozen=True, slots=True)
class StrategyInUse:
    """A strategy as it would trade: its version, parameters and fitted model.

    ``parameters`` is the SHA-256 of the parameters as canonical JSON, ``model`` that of what was
    fitted to data and is configured with it (the volume curve), None where nothing was.
    """

    strategy: ExecutionStrategy
    version: int
    parameters: str
    model: str | None

    def is_approved_by(self, approval: StrategyApproved) -> bool:
        """Whether an approval is of exactly this."""
        return (approval.strategy, approval.version, approval.parameters, approval.model) == (
            self.strategy.value,
            self.version,
            self.parameters,
            self.model,
        )


def in_use(parameters: StrategyParameters) -> tuple[StrategyInUse, ...]:
    """Every strategy of this code with these parameters, by name."""
    said = parameters.model_dump(mode="json")
    hashed = _sha256(said)
    model = _sha256(said["volume_curve"]) if parameters.volume_curve else None
    return tuple(
        StrategyInUse(name, strategy.version, hashed, model)
        for name, strategy in sorted(STRATEGIES.items(), key=lambda item: item[0].value)
    )


def approval_of(
    used: StrategyInUse, approvals: Iterable[StrategyApproved], at: int
) -> StrategyApproved | None:
    """The last approval of exactly this that is in force at ``at`` (ns UTC), or None."""
    found = [one for one in approvals if used.is_approved_by(one) and one.go_live_at <= at]
    return found[-1] if found else None


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
