"""Reading Alpaca's JSON: whatever is there is kept, whatever cannot be read is None."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ...domain.ports import NANOS
from ..provider_reading import number_of, scrub, text_of

RAW_TEXT_MAX: Final = 4_000
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)"
)

__all__ = [
    "Json",
    "decoded",
    "moment_of",
    "nanos",
    "number_of",
    "part_of",
    "raw",
    "text_of",
]

Json = Mapping[str, Any]


def decoded(frame: str | bytes) -> Any:
    """JSON with its numbers exact, None where it is not JSON."""
    try:
        return json.loads(frame, parse_float=Decimal)
    except (ValueError, UnicodeDecodeError):
        return None


def nanos(value: object) -> int | None:
    """A time in ns UTC from RFC 3339 text, keeping all nine digits; None where it is not one."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    date, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone == 'Z' else zone}")
    except ValueError:
        return None
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (since.days * 86_400 + since.seconds) * NANOS
    return whole + int((fraction or "0").ljust(9, "0"))


def moment_of(stamp: object) -> int | None:
    """A time in ns UTC from a message's stamp, text or packed; None where it is neither."""
    exact = getattr(stamp, "to_unix_nano", None)
    return int(exact()) if callable(exact) else nanos(stamp)


def part_of(answer: Json, name: str) -> Json:
    """An object inside an answer, empty where there is none."""
    part = answer.get(name)
    return part if isinstance(part, dict) else {}


def raw(message: object) -> dict[str, object]:
    """A message as it is kept beside what was made of it: JSON text under ``json``, bounded."""
    text = json.dumps(message, default=str, sort_keys=True, ensure_ascii=False)
    kept = scrub_long(text)
    return {"json": kept} if len(text) <= RAW_TEXT_MAX else {"json": kept, "cut_from": len(text)}


def scrub_long(text: str) -> str:
    """Text without what looks like a credential, cut to ``RAW_TEXT_MAX`` characters."""
    pieces = (text[at : at + 250] for at in range(0, min(len(text), RAW_TEXT_MAX), 250))
    return "".join(scrub(piece) for piece in pieces) if _suspicious(text) else text[:RAW_TEXT_MAX]


def _suspicious(text: str) -> bool:
    return re.search(r"(?i)secret|api[-_]?key|key[-_]?id|authorization|password", text) is not None
