"""Write golden stored bytes of events, and fingerprints of their schemas.

    python -m tools.golden_events [--replace TOPIC ...]

Each event that has no golden file yet gets one. An existing one is changed only when that event is
named, which is right only while no store of that version exists outside this repository; after
that a change of fields needs a new ``VERSION`` and an upcaster.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, Final

from fillwright.adapters.storage.mapper import EventMapper
from fillwright.domain.events import DomainEvent

from .account_examples import account_examples
from .event_examples import instruction_examples

GOLDEN: Final = Path(__file__).resolve().parents[1] / "tests" / "golden" / "events"
FINGERPRINTS: Final = GOLDEN / "schemas.json"


def examples() -> dict[str, DomainEvent]:
    """One example of every event by its stored topic."""
    return {event.stored_topic(): event for event in (*instruction_examples(), *account_examples())}


def stored_bytes(event: DomainEvent) -> bytes:
    """What the store writes for an event."""
    return EventMapper().encode(event).state


def fingerprint(event_class: type[DomainEvent]) -> str:
    """A digest of the stored form of a class: field names, types, bounds, nesting.

    Docstrings and titles are left out: they may change without a new version.
    """
    schema = _without_words(event_class.model_json_schema(mode="serialization"))
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:32]


def _without_words(node: Any, *, named: bool = False) -> Any:
    if isinstance(node, dict):
        # Below "properties" and "$defs" the keys are names of ours, which may be any word.
        return {
            key: _without_words(value, named=key in ("properties", "$defs") and not named)
            for key, value in node.items()
            if named or key not in ("title", "description")
        }
    return [_without_words(item) for item in node] if isinstance(node, list) else node


def main() -> None:
    """Write the golden files that are missing, and those that are named."""
    parser = argparse.ArgumentParser(description="Write golden stored bytes of events.")
    parser.add_argument("--replace", nargs="*", default=[], metavar="TOPIC")
    replaced = set(parser.parse_args().replace)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    prints: dict[str, str] = json.loads(FINGERPRINTS.read_text()) if FINGERPRINTS.exists() else {}
    for topic, event in examples().items():
        path = GOLDEN / f"{topic}.json"
        if path.exists() and topic not in replaced:
            continue
        path.write_bytes(stored_bytes(event))
        prints[topic] = fingerprint(type(event))
        print(f"wrote {path.relative_to(GOLDEN.parents[2])}")
    FINGERPRINTS.write_text(json.dumps(prints, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
