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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fillwright.adapters.storage.mapper import EventMapper
from fillwright.adapters.storage.ops_log import encode_record
from fillwright.domain.events import DomainEvent, Stored
from fillwright.domain.ops import OpsRecord

from .account_examples import account_examples
from .event_examples import instruction_examples
from .ops_examples import ops_examples

GOLDEN: Final = Path(__file__).resolve().parents[1] / "tests" / "golden" / "events"
GOLDEN_OPS: Final = GOLDEN.with_name("ops")
"""The same of the second stream's records."""
FINGERPRINTS: Final = GOLDEN / "schemas.json"


def examples() -> dict[str, DomainEvent]:
    """One example of every event by its stored topic."""
    return {event.stored_topic(): event for event in (*instruction_examples(), *account_examples())}


def record_examples() -> dict[str, OpsRecord]:
    """One example of every record of the second stream by its stored topic."""
    return {record.stored_topic(): record for record in ops_examples()}


def stored_bytes(event: Stored) -> bytes:
    """What the store writes for an event, or for a record of the second stream."""
    if isinstance(event, OpsRecord):
        return encode_record(event)
    if isinstance(event, DomainEvent):
        return EventMapper().encode(event).state
    raise TypeError(f"{type(event).__name__} is neither an event nor a record")


def fingerprint(event_class: type[Stored]) -> str:
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
    _write(GOLDEN, examples(), replaced)
    _write(GOLDEN_OPS, record_examples(), replaced)


def _write(folder: Path, stored: Mapping[str, Stored], replaced: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / FINGERPRINTS.name
    prints: dict[str, str] = json.loads(known.read_text()) if known.exists() else {}
    for topic, event in stored.items():
        path = folder / f"{topic}.json"
        if path.exists() and topic not in replaced:
            continue
        path.write_bytes(stored_bytes(event))
        prints[topic] = fingerprint(type(event))
        print(f"wrote {path.relative_to(GOLDEN.parents[2])}")
    known.write_text(json.dumps(prints, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
