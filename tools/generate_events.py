"""The page docs/events.md, from the event classes and their examples."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

from fillwright.adapters.storage.mapper import EventMapper
from fillwright.domain.events import CATALOGUE, DomainEvent
from fillwright.domain.events.upcasting import UPCASTERS
from tools.golden_events import examples

INTRODUCTION: Final = """\
# Events

This page is generated from the classes in `domain/events/` by `python -m tools.generate_docs`;
change the classes, not the page.

Every fact is stored under its topic and version (`OrderFilled.v1`) as one JSON object with its
fields in the order below. Decimals are texts that keep their digits, times are integer nanoseconds
UTC, missing is null. The bytes of an event never change: `tests/golden/events/` holds one example
of each, and a change of fields takes a new version with an upcaster from the old one
(`domain/events/upcasting.py`). How events are stored and chained is in [store.md](store.md).
"""

_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "integer",
    bool: "true or false",
    Decimal: "decimal",
    UUID: "id",
    object: "any exact JSON value",
    Any: "any exact JSON value",
}

_BOUNDS: Final = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}"}


def page() -> str:
    """The text of the page."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    records: dict[str, type] = {}
    yield INTRODUCTION
    yield "## What every event has\n"
    yield f"{_prose(DomainEvent)}\n"
    yield from _table(_model_fields(DomainEvent), records)
    for title, module in (("An instruction", "instruction"), ("An account", "account")):
        yield f"\n## {title}\n"
        for topic, event_class in CATALOGUE.items():
            if event_class.__module__.endswith(f".{module}"):
                yield from _event(topic, event_class, records)
    yield "\n## Records inside events\n"
    done: set[str] = set()
    while todo := sorted(records.keys() - done):
        for name in todo:
            done.add(name)
            yield from _record(name, records[name], records)
    if UPCASTERS:
        yield "\n## Older versions\n"
        yield from (f"- `{name}.v{version}` is read as the next." for name, version in UPCASTERS)


def _event(topic: str, event_class: type[DomainEvent], records: dict[str, type]) -> Iterator[str]:
    yield f"### {topic}\n"
    yield f"{_prose(event_class)}\n"
    own = [field for field in _model_fields(event_class) if field[0] not in _COMMON]
    yield from _table(own, records)
    example = examples().get(topic)
    if example is not None:
        text = json.loads(EventMapper().encode(example).state)
        shown = {name: value for name, value in text.items() if name not in _COMMON}
        yield "\n<details><summary>example</summary>\n"
        yield f"```json\n{json.dumps(shown, indent=1, ensure_ascii=False)}\n```\n"
        yield "</details>\n"


def _record(name: str, record: type, records: dict[str, type]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{_prose(record)}\n"
    if issubclass(record, Enum):
        yield ", ".join(f"`{member.value}`" for member in record)
        yield ""
        return
    fields = (
        _model_fields(record)
        if issubclass(record, BaseModel)
        else [(name, hint, "") for name, hint in _hints(record).items()]
    )
    yield from _table(fields, records)
    yield ""


def _hints(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record, include_extras=True)
    assert dataclasses.is_dataclass(record)
    return {field.name: hints[field.name] for field in dataclasses.fields(record)}


def _model_fields(model: type[BaseModel]) -> list[tuple[str, Any, str]]:
    return [
        (name, field.annotation, _bounds(field.metadata))
        for name, field in model.model_fields.items()
    ]


_COMMON: Final = frozenset(DomainEvent.model_fields)


def _table(fields: list[tuple[str, Any, str]], records: dict[str, type]) -> Iterator[str]:
    yield "| field | type |"
    yield "| --- | --- |"
    for name, annotation, bounds in fields:
        words = _words(annotation, records)
        yield f"| `{name}` | {words}{', ' + bounds if bounds else ''} |"


def _words(annotation: Any, records: dict[str, type]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = _bounds(arguments[1:])
        return _words(arguments[0], records) + (f", {bounds}" if bounds else "")
    if origin in (types.UnionType, typing.Union):
        parts = [_words(one, records) for one in arguments if one is not type(None)]
        return " or ".join(parts) + (" or null" if type(None) in arguments else "")
    if origin is tuple:
        return f"list of {_words(arguments[0], records)}"
    if origin is not None and issubclass(origin, Mapping):
        return f"object of {_words(arguments[1], records)} by {_words(arguments[0], records)}"
    if isinstance(annotation, type) and annotation not in _WORDS:
        records[annotation.__name__] = annotation
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _WORDS[annotation]


def _bounds(metadata: Any) -> str:
    found = []
    for item in metadata:
        # A Field inside Annotated keeps its own list of bounds.
        if nested := getattr(item, "metadata", None):
            found.append(_bounds(nested))
        for name, form in _BOUNDS.items():
            if getattr(item, name, None) is not None:
                found.append(form.format(getattr(item, name)))
        if getattr(item, "max_length", None) is not None:
            found.append(f"at most {item.max_length} long")
        if getattr(item, "min_length", None) is not None:
            found.append(f"at least {item.min_length} long")
        if getattr(item, "pattern", None) is not None:
            found.append(f"`{item.pattern}`".replace("|", "\\|"))
    return ", ".join(part for part in found if part)


def _prose(documented: type) -> str:
    text = documented.__doc__ or ""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(paragraphs).replace("``", "`")
