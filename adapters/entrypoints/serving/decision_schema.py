"""The JSON Schema of a decision as clients send it, made from the domain's own decision."""

from __future__ import annotations

from typing import Any, Final

from ....domain.decision import DECISION_ID_MAX, TEXT_MAX, Decision
from ....domain.intake import KEYS, RISK_FACTORS_MAX, TargetUnit

RENAMED: Final = {
    "max_slippage": "max_slippage_bps",
    "execution_window": "window_seconds",
    "window_seconds": "window_seconds",
    "window": "window_seconds",
    "decision_time": "decided_at",
}
"""Keys that a decision holds under another name, by what clients call them."""
LOOSE: Final = ("execution_window", "window", "decision_time", "max_slippage")
"""Keys that may also be a text: ``30m``, a time with its zone, ``none``."""
OWN: Final[dict[str, dict[str, Any]]] = {
    "decision_id": {
        "type": "string",
        "minLength": 1,
        "maxLength": DECISION_ID_MAX,
        "description": "Names the decision: the same id again is the same instruction.",
    },
    "target_unit": {"type": "string", "enum": [unit.value for unit in TargetUnit]},
    "reasoning": {"type": "string", "maxLength": TEXT_MAX},
    "risk_factors": {"type": "array", "items": {"type": "string"}, "maxItems": RISK_FACTORS_MAX},
}
"""Keys that are no part of what is traded."""


def decision_schema() -> dict[str, Any]:
    """The schema, complete in itself; what may be said together is checked at the door."""
    whole = Decision.model_json_schema()
    shared: dict[str, Any] = whole.get("$defs", {})
    fields: dict[str, Any] = whole["properties"]
    properties = {key: _property(key, fields, shared) for key in KEYS}
    return {
        "type": "object",
        "title": "Decision",
        "description": "What is to be done with a position. Weights are percent of equity, "
        "max_slippage is basis points, a window's plain number is seconds.",
        "properties": properties,
        "required": ["decision_id", "symbol", "action"],
        "additionalProperties": False,
    }


def _property(key: str, fields: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    if key in OWN:
        return OWN[key]
    found: dict[str, Any] = _inlined(fields[RENAMED.get(key, key)], shared)
    found.pop("title", None)
    if found.get("default", "") is None or key in LOOSE:
        found.pop("default", None)
    if key in LOOSE:
        return {"anyOf": [found, {"type": "string"}]}
    return found


def _inlined(value: Any, shared: dict[str, Any]) -> Any:
    """The same without references to other parts of the schema."""
    if isinstance(value, list):
        return [_inlined(one, shared) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        named = shared[value["$ref"].rpartition("/")[2]]
        return _inlined({**named, **{k: v for k, v in value.items() if k != "$ref"}}, shared)
    return {name: _inlined(one, shared) for name, one in value.items()}
