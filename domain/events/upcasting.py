"""Upcasters: each turns the stored fields of one version into those of the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .base import CATALOGUE, DomainEvent

Fields = dict[str, Any]
Upcaster = Callable[[Fields], Fields]


def _cancelled_without_end_mid(fields: Fields) -> Fields:
    """Version 1 did not keep the mid at the end; what was not kept stays unknown."""
    return {**fields, "end_mid": None}


def _switched_without_market(fields: Fields) -> Fields:
    """Version 1 did not keep what a switch was decided from."""
    return {**fields, "market": None}


def _planned_without_estimate(fields: Fields) -> Fields:
    """Version 1 kept the expected cost in the plan's terms alone."""
    return {**fields, "estimate": None}


def _rules_of_three_triggers(fields: Fields) -> Fields:
    """Version 1 neither looked at the close nor at volatility against what it was."""
    never = {"volatility_multiple": "1E+9", "close_seconds": 0}
    return {**fields, "switching": {**fields["switching"], **never}}


def _decided_without_curvature(fields: Fields) -> Fields:
    """Version 1 left the curvature of the schedule to configuration."""
    decision = fields["decision"]
    asked = None if decision is None else {**decision, "risk_curvature": None}
    return {**fields, "decision": asked}


def _as_it_was(fields: Fields) -> Fields:
    """What the version before did not keep has a default that says so."""
    return fields


def _assessed_without_settlement(fields: Fields) -> Fields:
    """Before version 3 nothing asked for margin status, settled cash or other names."""
    unasked = {"former_names": [], "renamed_to": "", "unexplained": ""}
    inputs = {**fields["inputs"], "account_kind": "margin", "cash": None, **unasked}
    return {**fields, "inputs": inputs}


def _limits_without_losses(fields: Fields) -> Fields:
    """Version 1 had no limit on a day's loss: one that is only reached with nothing left."""
    return {**fields, "limits": {**fields["limits"], "daily_loss_pct_max": "100"}}


UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {
    ("CorporateActionRecorded", 1): _as_it_was,
    ("AccountStatusRecorded", 1): _as_it_was,
    ("DecisionAssessed", 1): _as_it_was,
    ("DecisionAssessed", 2): _assessed_without_settlement,
    ("DecisionAssessed", 3): _as_it_was,
    ("DecisionAssessed", 4): _as_it_was,
    ("DecisionReceived", 1): _decided_without_curvature,
    ("DecisionReceived", 2): _as_it_was,
    ("DecisionReceived", 3): _as_it_was,
    ("InstructionCancelled", 1): _cancelled_without_end_mid,
    ("InstructionCancelled", 2): _as_it_was,
    ("InstructionEndRequested", 1): _as_it_was,
    ("InstructionPlanned", 1): _planned_without_estimate,
    ("InstructionPlanned", 2): _as_it_was,
    ("InstructionPlanned", 3): _as_it_was,
    ("InstructionRejected", 1): _as_it_was,
    ("InstructionRejected", 2): _as_it_was,
    ("InstructionReplanned", 1): _as_it_was,
    ("InstructionReplanned", 2): _as_it_was,
    ("InstructionResumed", 1): _as_it_was,
    ("InstrumentRecorded", 1): _as_it_was,
    ("InstrumentRecorded", 2): _as_it_was,
    ("InstructionSuspended", 1): _as_it_was,
    ("OrderCancelRequested", 1): _as_it_was,
    ("LimitChanged", 1): _limits_without_losses,
    ("OrderIntended", 1): _as_it_was,
    ("Reconciled", 1): _as_it_was,
    ("RulesInForce", 1): _rules_of_three_triggers,
    ("RulesInForce", 2): _as_it_was,
    ("RulesInForce", 3): _as_it_was,
    ("StrategySwitched", 1): _switched_without_market,
    ("StrategySwitched", 2): _as_it_was,
}
"""By (topic, version) of the stored form; each gives the fields of version + 1."""


def latest(topic: str) -> type[DomainEvent] | None:
    """The class that loads ``topic`` today, or None for a topic this code does not know."""
    return _LATEST.get(topic)


def split_topic(stored: str) -> tuple[str, int]:
    """``OrderFilled.v1`` as name and version."""
    name, _, version = stored.rpartition(".v")
    return name, int(version)


def upcast(
    name: str, version: int, fields: Fields, *, upcasters: Mapping[tuple[str, int], Upcaster]
) -> Fields:
    """Bring stored fields of ``version`` to the version this code writes."""
    target = _LATEST[name].VERSION
    for step in range(version, target):
        fields = upcasters[name, step](fields)
    return fields


_LATEST: Final[dict[str, type[DomainEvent]]] = {}
for _event in CATALOGUE.values():
    if _event.TOPIC not in _LATEST or _LATEST[_event.TOPIC].VERSION < _event.VERSION:
        _LATEST[_event.TOPIC] = _event
