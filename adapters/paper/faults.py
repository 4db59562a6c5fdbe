"""Faults on request: what goes wrong between the broker and its client, by rules with a seed.

A rule names a ``fault`` and, as far as it takes them, ``probability`` (1), ``count`` (how often it
strikes at most), ``skip`` (how many chances it lets pass first), filters (``method``, ``path``,
``event``, ``symbol``, ``stream``) and the parameters of its kind. ``docs/paper.md`` lists them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...domain.errors import InvalidInput
from .wire import loads

RULES_MAX: Final = 1_000
SECONDS_MAX: Final = 3_600.0
FILTERS: Final = ("method", "path", "event", "symbol", "stream")
_COMMON: Final = frozenset({"fault", "probability", "count", "skip"})
_KINDS: Final[dict[str, frozenset[str]]] = {
    "latency": frozenset({"method", "path", "milliseconds"}),
    "latency_after": frozenset({"method", "path", "milliseconds"}),
    "rate_limit": frozenset({"method", "path"}),
    "error_before": frozenset({"method", "path", "status"}),
    "error_after": frozenset({"method", "path", "status"}),
    "drop_before": frozenset({"method", "path"}),
    "drop_after": frozenset({"method", "path"}),
    "reject": frozenset({"symbol"}),
    "partial": frozenset({"symbol", "fraction", "seconds"}),
    "drop_update": frozenset({"event", "symbol"}),
    "duplicate_update": frozenset({"event", "symbol"}),
    "reorder_update": frozenset({"event", "symbol"}),
    "disconnect": frozenset({"stream", "event"}),
    "halt": frozenset({"symbol", "seconds", "start", "cause"}),
    "luld": frozenset({"symbol", "seconds", "start", "lower", "upper"}),
    "forbid": frozenset({"symbol", "flag"}),
}
AT_ONCE: Final = ("halt", "luld", "forbid")
"""Kinds that act when they are given and are then done."""
TIMED: Final = ("halt", "luld")
"""Those of them that hold for a time, and are kept in the journal."""
_RANGES: Final = {
    "probability": (0.0, 1.0),
    "count": (1.0, 1e9),
    "skip": (0.0, 1e9),
    "milliseconds": (0.0, SECONDS_MAX * 1_000),
    "seconds": (0.0, SECONDS_MAX * 24),
    "fraction": (0.0, 1.0),
    "lower": (0.0001, 1e7),
    "upper": (0.0001, 1e7),
    "status": (400.0, 599.0),
}


@dataclass(slots=True)
class Rule:
    """One rule and how often it has had its chance and struck."""

    fault: str
    terms: dict[str, Any] = field(default_factory=dict)
    chances: int = 0
    strikes: int = 0

    def number(self, name: str, default: float) -> float:
        """A parameter of the rule."""
        return float(self.terms.get(name, default))

    def covers(self, context: Mapping[str, str]) -> bool:
        """Whether its filters admit what is happening; a path is matched from its beginning."""
        for name in FILTERS:
            wanted = self.terms.get(name)
            if wanted is None:
                continue
            given = context.get(name, "")
            met = given.startswith(str(wanted)) if name == "path" else given == str(wanted)
            if not met:
                return False
        return True

    def shown(self) -> dict[str, Any]:
        """The rule with its counters."""
        return {
            "fault": self.fault,
            **self.terms,
            "chances": self.chances,
            "strikes": self.strikes,
        }


class Faults:
    """The rules in force; the same seed and the same occasions give the same strikes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.rules: list[Rule] = []

    def add(self, rules: Iterable[Rule]) -> None:
        """Add rules.

        Raises:
            InvalidInput: there are too many.
        """
        self.rules = [*self.rules, *rules]
        if len(self.rules) > RULES_MAX:
            self.rules = self.rules[:RULES_MAX]
            raise InvalidInput("faults", "more rules", f"at most {RULES_MAX}")

    def clear(self) -> None:
        """Forget all rules."""
        self.rules = []

    def strike(self, fault: str, **context: str) -> Rule | None:
        """The rule of this kind that strikes on this occasion, None when none does."""
        for rule in self.rules:
            if rule.fault != fault or not rule.covers(context):
                continue
            rule.chances += 1
            if rule.chances <= rule.number("skip", 0):
                continue
            if rule.strikes >= rule.number("count", float("inf")):
                continue
            if self._random.random() < rule.number("probability", 1):
                rule.strikes += 1
                return rule
        return None


def read_rules(content: object) -> list[Rule]:
    """Rules from JSON: a list of rules, or an object with a list under ``rules``.

    Raises:
        InvalidInput: naming the rule and what is allowed.
    """
    listed = content.get("rules") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise InvalidInput("faults", type(content).__name__, 'a list of rules, or {"rules": [...]}')
    return [_rule(each, f"faults[{place}]") for place, each in enumerate(listed)]


def read_file(path: Path) -> list[Rule]:
    """Rules from a JSON file.

    Raises:
        InvalidInput: it cannot be read, or a rule is wrong.
    """
    try:
        content = loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput("faults file", path, "an existing JSON file") from error
    except ValueError as error:
        raise InvalidInput("faults file", path, "JSON") from error
    return read_rules(content)


def _rule(given: object, where: str) -> Rule:
    if not isinstance(given, dict):
        raise InvalidInput(where, given, 'an object such as {"fault": "latency"}')
    fault = str(given.get("fault"))
    if fault not in _KINDS:
        raise InvalidInput(f"{where}.fault", fault, ", ".join(sorted(_KINDS)))
    allowed = _COMMON | _KINDS[fault]
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise InvalidInput(where, ", ".join(unknown), ", ".join(sorted(allowed)))
    terms = {name: value for name, value in given.items() if name != "fault"}
    for name, (low, high) in _RANGES.items():
        if name in terms:
            terms[name] = _number(terms[name], f"{where}.{name}", low, high)
    if fault in AT_ONCE and "symbol" not in terms:
        raise InvalidInput(where, "no symbol", "the symbol it is for")
    return Rule(fault, terms)


def _number(value: object, name: str, low: float, high: float) -> float:
    try:
        number = float(str(value))
    except ValueError as error:
        raise InvalidInput(name, value, f"{low:g} to {high:g}") from error
    if not low <= number <= high:
        raise InvalidInput(name, value, f"{low:g} to {high:g}")
    return int(number) if number == int(number) else number
