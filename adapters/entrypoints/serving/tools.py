"""The tools that a model gets: each is one call of a running `fillwright serve`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from .decision_schema import decision_schema

WAIT: Final = "wait"
ID: Final = {"type": "string", "description": "The instruction's id, as submit_decision gives it."}
SYMBOL: Final = {"type": "string", "description": "Such as KO."}


class Call(NamedTuple):
    """One HTTP call; ``body`` None sends none."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = {}


class ToolSpec(NamedTuple):
    """A tool as a model sees it; only ``submits`` changes anything."""

    name: str
    description: str
    properties: Mapping[str, Any] = {}
    required: tuple[str, ...] = ()
    submits: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments."""
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }

    def wrong(self, arguments: Mapping[str, Any]) -> str:
        """What is wrong with arguments, empty when nothing is.

        A decision is judged at the door, where its refusal is on the record.
        """
        if self.properties.keys() >= _KEYS.keys():
            return ""
        unknown = sorted(arguments.keys() - self.properties.keys())
        if unknown:
            return f"{unknown[0]} is no argument of {self.name}; it takes {self._takes}"
        for name in self.required:
            given = arguments.get(name)
            if not isinstance(given, str) or not given.strip():
                return f"{name}: {self.name} needs it, as a text"
        return ""

    @property
    def _takes(self) -> str:
        return ", ".join(self.properties) or "none"


_DECISION: Final = decision_schema()
_KEYS: Final[Mapping[str, Any]] = _DECISION["properties"]
_NEEDED: Final[tuple[str, ...]] = tuple(_DECISION["required"])
_WAIT: Final = {
    WAIT: {
        "type": "boolean",
        "description": "Answer when the instruction has ended, instead of once it is admitted.",
    }
}

TOOLS: Final = (
    ToolSpec(
        "get_status",
        "What is being worked, limits used, blocks and alerts of the account.",
    ),
    ToolSpec("get_all_positions", "All positions of the account, as the broker has them."),
    ToolSpec(
        "get_open_position",
        "The position in one symbol, as the broker has it.",
        {"symbol": SYMBOL},
        ("symbol",),
    ),
    ToolSpec("get_limits", "What is used of the limits, and which limits are in force."),
    ToolSpec("list_exceptions", "What a person still has to look at; you cannot close any."),
    ToolSpec(
        "preview_decision",
        "What would become of a decision now: the plan, or every check that refuses it with what "
        "is allowed and what would pass. Records and reserves nothing.",
        _KEYS,
        _NEEDED,
    ),
    ToolSpec(
        "submit_decision",
        "Submit a decision: it is checked against the limits, planned and traded, and all of it "
        "is on the record with your reasoning. decision_id names it: the same id with the same "
        "content again is the same instruction and adds nothing, so a call that timed out is "
        "repeated with its id. Weights are percent of equity, max_slippage is basis points. You "
        "cannot cancel, stop trading or change limits; a person does.",
        {**_KEYS, **_WAIT},
        _NEEDED,
        submits=True,
    ),
    ToolSpec(
        "get_instruction",
        "What came of an instruction so far: state, executed shares, average price, cost, and why "
        "it ended.",
        {"id": ID},
        ("id",),
    ),
    ToolSpec(
        "get_timeline",
        "The whole story of an instruction from the log: every event with its reason. Long.",
        {"id": ID},
        ("id",),
    ),
)
BY_NAME: Final[Mapping[str, ToolSpec]] = {one.name: one for one in TOOLS}

_PLAIN: Final = {
    "get_status": "/v1/status",
    "get_all_positions": "/v1/positions",
    "get_open_position": "/v1/positions",
    "get_limits": "/v1/limits",
    "list_exceptions": "/v1/exceptions",
}


def call_of(name: str, arguments: Mapping[str, Any]) -> Call:
    """The call that a tool with these arguments is; they fit its schema."""
    if name in _PLAIN:
        return Call("GET", _PLAIN[name])
    if name in ("get_instruction", "get_timeline"):
        place = f"/v1/instructions/{quote(arguments['id'].strip(), safe='')}"
        return Call("GET", place if name == "get_instruction" else f"{place}/timeline")
    body = {key: value for key, value in arguments.items() if key != WAIT}
    if name == "preview_decision":
        return Call("POST", "/v1/decisions/preview", body)
    waits = "true" if arguments.get(WAIT) else "false"
    return Call("POST", "/v1/decisions", body, {WAIT: waits})


def picked(name: str, arguments: Mapping[str, Any], answer: Any) -> Any:
    """What of an answer the tool tells."""
    if name != "get_open_position":
        return answer
    symbol = str(arguments["symbol"]).strip().upper()
    return {"symbol": symbol, "position": answer["positions"].get(symbol)}
