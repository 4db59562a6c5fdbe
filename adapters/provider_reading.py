"""Reading a seed-style provider: any object, whose answers may be anything at all.

A provider may lack coroutines, hold mocks instead of values, be slow or raise. Nothing here
guesses: each question ends as a readable value, as *unreadable* (missing, or not what it should
be), or as *failed* (it raised or took too long). What follows is the caller's to decide.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final
from uuid import UUID

from ..domain.money import to_decimal

TEXT_CHARACTERS_MAX: Final = 300
RAW_FIELDS_MAX: Final = 40
RAW_NAMES: Final = (
    "id",
    "order_id",
    "client_order_id",
    "status",
    "filled_qty",
    "filled_avg_price",
    "commission",
    "filled_at",
    "updated_at",
)
_SECRET: Final = re.compile(
    r"(?i)([\w-]*(?:secret|api[-_]?key|key[-_]?id|authorization|password|token)[\w-]*)"
    r"(\"?'?\s*[=:]\s*\"?'?)(?:bearer\s+|basic\s+)?[^\s\"',;&}]+"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question to the provider came to.

    ``missing`` means there was nobody to ask, ``failure`` is the text of an exception or timeout.
    Otherwise ``value`` is what was returned, readable or not.
    """

    value: object = None
    failure: str | None = None
    missing: bool = False


async def ask(
    provider: object,
    name: str,
    *args: object,
    timeout_seconds: float,
    **keywords: object,
) -> Answer:
    """Call ``provider.name(...)`` and await it where it can be awaited; never raises.

    Only the cancellation of the calling task goes through.
    """
    try:
        method = getattr(provider, name, None)
        if not callable(method):
            return Answer(missing=True)
        async with asyncio.timeout(timeout_seconds):
            value = method(*args, **keywords)
            if inspect.isawaitable(value):
                value = await value
    except TimeoutError as error:
        return Answer(failure=scrub(f"no answer within {timeout_seconds:g} s {error}".rstrip()))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return Answer(failure="the provider's call was cancelled")
    except Exception as error:
        return Answer(failure=scrub(f"{type(error).__name__}: {error}"))
    return Answer(value)


def is_coroutine_method(provider: object, name: str) -> bool:
    """Whether the provider truly has this coroutine; a plain mock's made-up attribute is none."""
    return inspect.iscoroutinefunction(getattr(provider, name, None))


def accepted_keywords(provider: object, name: str) -> frozenset[str] | None:
    """The keywords a method takes; None when it takes any, or does not say."""
    try:
        parameters = inspect.signature(getattr(provider, name)).parameters.values()
    except (AttributeError, TypeError, ValueError):
        return None
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    takes = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(each.name for each in parameters if each.kind in takes)


def field_of(answer: object, *names: str) -> object:
    """The first of these fields that the answer has, as a key or an attribute; else None."""
    for name in names:
        if isinstance(answer, Mapping):
            value = answer.get(name)
        elif isinstance(answer, str | bytes | int | float | Decimal | Sequence):
            return None
        else:
            value = _attribute(answer, name)
        if value is not None:
            return value
    return None


def _attribute(answer: object, name: str) -> object:
    try:
        return getattr(answer, name, None)
    except Exception:  # a property of a foreign object may raise anything
        return None


def number_of(answer: object, *names: str) -> Decimal | None:
    """The first readable finite number among these fields, or None."""
    for name in names:
        try:
            return to_decimal(field_of(answer, name), field=name)
        except ValueError:
            continue
    return None


def text_of(answer: object, *names: str) -> str | None:
    """The first of these fields that is text (or an enumeration's, or a UUID), or None."""
    for name in names:
        value = field_of(answer, name)
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, UUID):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def truth_of(answer: object, name: str) -> bool | None:
    """A field that is truly True or False, or None; a mock is neither."""
    value = field_of(answer, name)
    return value if isinstance(value, bool) else None


def nanos_of(answer: object, *names: str) -> int | None:
    """The first readable time among these fields as ns UTC, or None.

    Reads aware datetimes and ISO 8601 text with an offset; a naive time says nothing and is None.
    """
    for name in names:
        value = field_of(answer, name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.replace("Z", "+00:00"))
            except ValueError:
                continue
        if isinstance(value, datetime) and value.tzinfo is not None:
            since = value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
            return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    return None


def raw_of(answer: object) -> dict[str, object]:
    """The answer as plain text values, to be kept beside what we made of it; secrets left out."""
    if isinstance(answer, Mapping):
        names = [name for name in answer if isinstance(name, str)][:RAW_FIELDS_MAX]
    else:
        names = [name for name in RAW_NAMES if field_of(answer, name) is not None]
    raw: dict[str, object] = {}
    for name in names:
        value = field_of(answer, name)
        if _SECRET.match(f"{name}=x"):
            continue
        if value is None or isinstance(value, bool):
            raw[name] = value
        elif isinstance(value, str | int | float | Decimal | datetime | Enum):
            raw[name] = scrub(str(value.value if isinstance(value, Enum) else value))
        elif isinstance(answer, Mapping):
            raw[name] = f"unreadable: {type(value).__name__}"
    if not raw:
        raw["answer"] = f"unreadable: {type(answer).__name__}"
    return raw


def scrub(text: str) -> str:
    """Text that may be shown: shortened, and without what looks like a credential."""
    return _SECRET.sub(r"\1\2[redacted]", text)[:TEXT_CHARACTERS_MAX]
