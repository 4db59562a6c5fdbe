"""What a record refuses, in our words: the field, what was there, and what it takes."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Annotated, Any, Final, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from .errors import InvalidInput

NOTHING: Final = "nothing"
UNKNOWN: Final = "an unknown field"


def wrong(error: ValidationError, model: type[BaseModel], where: str = "") -> InvalidInput:
    """The first thing that a record refuses; ``where`` says which entry of which file it is of."""
    field, value, takes = said_of(error.errors(include_url=False)[0], model)
    return InvalidInput(": ".join(part for part in (where, field) if part), value, takes)


def said_of(item: Any, model: type[BaseModel]) -> tuple[str, object, str]:
    """A problem that pydantic tells of a model: field, value and what is allowed.

    Entries of lists are counted from 1.
    """
    loc: tuple[int | str, ...] = item["loc"]
    inner, field = _at(model, loc)
    name = ".".join(str(part + 1 if isinstance(part, int) else part) for part in loc)
    name = name or model.__name__.lower()
    if item["type"] == "extra_forbidden":
        # Its value is not shown: it may be a secret under a wrong name.
        return name, UNKNOWN, f"one of the fields {', '.join(inner.model_fields)}"
    if item["type"] == "value_error" and "error" in item.get("ctx", {}):
        return name, _short(item["input"]), str(item["ctx"]["error"])
    value = NOTHING if item["type"] == "missing" else _short(item["input"])
    return name, value, allowed(field) if field is not None else item["msg"]


def _short(value: object) -> object:
    """A whole record as its fields that are given: what is wrong is between them."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    return value


def _at(
    model: type[BaseModel], loc: Sequence[int | str]
) -> tuple[type[BaseModel], FieldInfo | None]:
    """The innermost record that a location leads to, and the last field on the way."""
    field: FieldInfo | None = None
    for part in loc:
        found = model.model_fields.get(str(part)) if not isinstance(part, int) else None
        if found is None:
            continue
        field = found
        inside = next(_records_in(field.annotation), None)
        if part != loc[-1] and inside is not None:
            model = inside
    return model, field


def _records_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _records_in(each)


def allowed(field: FieldInfo) -> str:
    """What a field takes, in words with its range."""
    words = _kind(field.annotation)
    low, high = _bounds(field.annotation, field.metadata)
    if high.startswith("of at most"):
        high += " characters" if words == "text" else " items"
    own = _shape([*field.metadata, *_inner_metadata(field.annotation)])
    each = _shape(_of_elements(field.annotation))
    shape = own or (f"each {each}" if each else "")
    if each and high:
        high += ","
    return " ".join(part for part in (words, low, high, shape) if part)


def _shape(metadata: list[Any]) -> str:
    patterns = (getattr(one, "pattern", None) for one in metadata)
    return next((f"matching {pattern}" for pattern in patterns if pattern), "")


def _of_elements(annotation: object) -> list[Any]:
    """The constraints of what a list holds."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (tuple, list, frozenset):
        return []
    return _inner_metadata(get_args(annotation)[0])


def _bounds(annotation: object, metadata: list[Any]) -> tuple[str, str]:
    low = high = ""
    for each in [*metadata, *_inner_metadata(annotation)]:
        for name, value in _limits(each):
            if name == "ge":
                low = f"from {value}"
            elif name == "gt":
                low = f"above {value}"
            elif name == "le":
                high = f"to {value}" if low.startswith("from") else f"up to {value}"
            elif name == "lt":
                high = f"below {value}"
            elif name == "max_length":
                high = f"of at most {value}"
    return low, high


def _limits(constraint: object) -> Iterator[tuple[str, object]]:
    if isinstance(constraint, annotated_types.Ge):
        yield "ge", constraint.ge
    elif isinstance(constraint, annotated_types.Gt):
        yield "gt", constraint.gt
    elif isinstance(constraint, annotated_types.Le):
        yield "le", constraint.le
    elif isinstance(constraint, annotated_types.Lt):
        yield "lt", constraint.lt
    elif isinstance(constraint, annotated_types.MaxLen):
        yield "max_length", constraint.max_length


def _inner_metadata(annotation: object) -> list[Any]:
    """The constraints inside ``Annotated[X, …] | None``."""
    found: list[Any] = []
    for each in get_args(annotation) if _is_union(annotation) else (annotation,):
        if get_origin(each) is Annotated:
            for constraint in get_args(each)[1:]:
                found += getattr(constraint, "metadata", [constraint])
    return found


def _is_union(annotation: object) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


_WORDS: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "Decimal": "a number",
    "float": "a number",
    "str": "text",
    "Path": "a path",
    "NoneType": "nothing",
}


def _kind(annotation: object) -> str:
    if _is_union(annotation):
        parts = [_kind(each) for each in get_args(annotation)]
        return " or ".join(part for part in parts if part != "nothing")
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        if isinstance(inner, type) and issubclass(inner, Enum):
            return f"a list of {', '.join(str(each.value) for each in inner)}"
        return f"a list of {_kind(inner).removeprefix('a ')}s"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(str(each.value) for each in annotation)
    if annotation is SecretStr:
        return "text (secret)"
    return _WORDS.get(getattr(annotation, "__name__", ""), "a value")
