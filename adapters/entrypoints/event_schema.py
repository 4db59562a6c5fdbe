"""JSON Schema of everything that is stored: events, and records of the second stream."""

from __future__ import annotations

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from ...domain.events import CATALOGUE, Stored
from ...domain.ops import OPS_CATALOGUE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def catalogue_schema() -> dict[str, Any]:
    """One schema document: ``events`` and ``records`` lead from topics to ``$defs``.

    The stored bytes of an event are an instance of its topic's schema; the document as a whole is
    the schema of any of them.
    """
    stored: dict[str, type[Stored]] = {**CATALOGUE, **OPS_CATALOGUE}
    for event_class in stored.values():
        event_class.model_rebuild()
    found, shared = models_json_schema(
        [(event_class, "serialization") for event_class in stored.values()],
        ref_template="#/$defs/{model}",
    )
    references = {
        topic: found[event_class, "serialization"] for topic, event_class in stored.items()
    }
    return {
        "$schema": DIALECT,
        "title": "fillwright: stored events and records",
        "anyOf": [references[topic] for topic in sorted(references)],
        "events": {topic: references[topic] for topic in sorted(CATALOGUE)},
        "records": {topic: references[topic] for topic in sorted(OPS_CATALOGUE)},
        "$defs": shared["$defs"],
    }
