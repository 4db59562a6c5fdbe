"""One byte form for any value of ours: what live and rebuilt projections are compared by."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import BaseModel

from ..domain.money import plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = dict[str, "Json"] | list["Json"] | str | int | bool | None
"""What JSON can say without a float."""

_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})


def to_json(value: object) -> Json:
    """The JSON-able form of a value.

    Decimals become plain strings without exponent or trailing zeros, ids and enums their text,
    bytes hex, records and dataclasses objects, sets sorted lists.

    Raises:
        TypeError: for a float or any other type without an exact text.
    """
    if type(value) in _AS_THEY_ARE:
        return value  # type: ignore[return-value]  # one of these types
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return to_json(value.value)
        case str():
            return value
        case Decimal():
            return plain(value)
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case BaseModel():
            return {name: to_json(getattr(value, name)) for name in type(value).__pydantic_fields__}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {name: to_json(getattr(value, name)) for name in _fields_of(type(value))}
        case _:
            return _container(value)


@cache
def _fields_of(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _container(value: object) -> Json:
    match value:
        case Mapping():
            return {_key(key): to_json(item) for key, item in value.items()}
        case tuple() if hasattr(value, "_asdict"):
            return {name: to_json(item) for name, item in value._asdict().items()}
        case Sequence():
            return [to_json(item) for item in value]
        case Set():
            return sorted((to_json(item) for item in value), key=canonical_bytes)
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical text")


def _key(key: object) -> str:
    if type(key) is str:
        return key
    text = to_json(key)
    return text if isinstance(text, str) else canonical_bytes(text).decode()


def canonical_bytes(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8, Decimals as plain strings."""
    return bytes_of(to_json(value))


def bytes_of(value: Json) -> bytes:
    """The same of what :func:`to_json` has given."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def from_canonical(data: bytes) -> Any:
    """Read canonical bytes back as plain JSON values."""
    return json.loads(data)
