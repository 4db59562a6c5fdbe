"""Configuration as layers of keys: known names, nearest names, merging, and errors in our words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ..domain.errors import InvalidInput
from ..domain.wrong_fields import allowed

SECRET_SHOWN: Final = "**********"
NEAR_CUTOFF: Final = 0.6


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key: its dotted name, its field and its default."""

    name: str
    field: FieldInfo
    default: object

    @property
    def is_secret(self) -> bool:
        """Whether its value is never shown."""
        return "SecretStr" in str(self.field.annotation)


def keys_of(whole: BaseModel, hidden: frozenset[str], prefix: str = "") -> Iterator[Key]:
    """Every key of a model of defaults and its records, depth first, without hidden ones."""
    for name, field in type(whole).model_fields.items():
        full = f"{prefix}{name}"
        if full in hidden:
            continue
        default = getattr(whole, name)
        if section_of(field) is not None:
            yield from keys_of(default, hidden, f"{full}.")
        else:
            yield Key(full, field, default)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The record that a field holds, None for a plain value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def fold(
    layer: Mapping[str, object], keys: Mapping[str, Key], aliases: Mapping[str, str]
) -> dict[str, object]:
    """A layer's values by dotted key, aliases under the key they stand for.

    Raises:
        InvalidInput: naming a key that is unknown, given twice, or not of the right shape.
    """
    found: dict[str, object] = {}
    for name, value in _flat(layer, keys):
        key = aliases.get(name, name)
        if key not in keys:
            raise unknown(name, [*keys, *aliases])
        if key in found:
            raise InvalidInput(name, "given twice", f"either {name} or the other name of {key}")
        if isinstance(value, bool) and keys[key].field.annotation is not bool:
            raise InvalidInput(name, value, allowed(keys[key].field))
        found[key] = value
    return found


def _flat(
    layer: Mapping[str, object], keys: Mapping[str, Key], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for name, value in layer.items():
        full = f"{prefix}{name}"
        if isinstance(value, BaseModel) and full not in keys:
            value = {field: getattr(value, field) for field in value.model_fields_set}
        if isinstance(value, Mapping) and full not in keys:
            if not any(key.startswith(f"{full}.") for key in keys):
                raise unknown(full, keys)
            yield from _flat(value, keys, f"{full}.")
        elif any(key.startswith(f"{full}.") for key in keys):
            raise InvalidInput(full, type(value).__name__, "a section with keys of its own")
        else:
            yield full, value


def nested(values: Mapping[str, object], keys: Mapping[str, Key]) -> dict[str, Any]:
    """Dotted keys as the mapping of mappings that a model is made from.

    A record that is given in part keeps the defaults that its place has, which may differ from
    those of its kind: low and high urgency are the same kind of record.
    """
    whole: dict[str, Any] = {}
    touched = {name.rpartition(".")[0] for name in values}
    for name, key in keys.items():
        own = name in values
        differs = key.default != key.field.get_default(call_default_factory=False)
        if own or (differs and name.rpartition(".")[0] in touched):
            *sections, last = name.split(".")
            inner = whole
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[last] = values[name] if own else key.default
    return whole


def unknown(name: str, known: Mapping[str, Key] | list[str]) -> InvalidInput:
    """The error for a key that there is none of, with the nearest that there is."""
    ends = {key.rsplit(".", 1)[-1]: key for key in known}
    sections = {key.rpartition(".")[0] for key in known} - {""}
    near = difflib.get_close_matches(name, [*known, *sections], n=1, cutoff=NEAR_CUTOFF)
    if not near:
        last = name.rsplit(".", 1)[-1]
        near = [ends[e] for e in difflib.get_close_matches(last, ends, n=1, cutoff=NEAR_CUTOFF)]
    hint = f"known keys; the nearest is {near[0]}" if near else "the keys of docs/configuration.md"
    return InvalidInput(name, "unknown key", hint)


def translated(error: ValidationError, keys: Mapping[str, Key]) -> InvalidInput:
    """The first problem that pydantic found, with the key, the value and what is allowed.

    The value of a secret is not shown.
    """
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    key = keys.get(name) or next((k for n, k in keys.items() if name.startswith(f"{n}.")), None)
    if key is None:
        return InvalidInput(name or "configuration", "these values", first["msg"])
    shown = SECRET_SHOWN if key.is_secret else first["input"]
    return InvalidInput(key.name, shown, allowed(key.field))
