"""How values look on the wire: decimals as strings, times as RFC 3339, ids as UUIDs."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from ...domain.ports import NANOS

NEW_YORK: Final = ZoneInfo("America/New_York")
NAMESPACE: Final = uuid.UUID("6f0b6a3e-9d0e-5c55-8a51-0f5a6d6f7c10")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}$")
_TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,12}))?(Z|z|[+-]\d{2}:?\d{2})?$"
)
JSON: Final = "application/json"


def number(value: Decimal | None) -> str | None:
    """A decimal without exponent and without trailing zeros; None stays None."""
    if value is None:
        return None
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def cents(value: Decimal) -> str:
    """An amount of money to the cent."""
    return str(number(value.quantize(Decimal("0.01"))))


def stamp(at: int | None) -> str | None:
    """A time in ns UTC as RFC 3339 with trailing zeros trimmed."""
    if at is None:
        return None
    whole, rest = divmod(at, NANOS)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{_second(whole)}{fraction}Z"


def micro_stamp(at: int) -> str:
    """A time in ns UTC as RFC 3339, rounded to the microsecond as activities show it."""
    return str(stamp(round(at / 1_000) * 1_000))


def local_stamp(at: int) -> str:
    """A time in ns UTC as RFC 3339 at New York, as the clock shows it."""
    whole, rest = divmod(at, NANOS)
    local = datetime.fromtimestamp(whole, NEW_YORK)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{offset[:3]}:{offset[3:]}"


def activity_prefix(at: int) -> str:
    """``YYYYMMDDHHMMSSmmm`` at New York: how an activity id begins."""
    whole, rest = divmod(at, NANOS)
    return f"{datetime.fromtimestamp(whole, NEW_YORK):%Y%m%d%H%M%S}{rest // 1_000_000:03d}"


def parse_time(text: str, *, end_of_day: bool = False) -> int:
    """RFC 3339 (or a plain date, read at New York) as ns UTC.

    Raises:
        ValueError: the text is neither.
    """
    if _DATE.match(text):
        day = datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
        seconds = int(day.timestamp()) + (86_400 if end_of_day else 0)
        return seconds * NANOS
    # A "+" that was not URL-encoded arrives as a space.
    found = _TIME.match(re.sub(r" (\d{2}:?\d{2})$", r"+\1", text))
    if found is None:
        raise ValueError(f"not a time: {text!r}")
    date, clock, fraction, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    moment = datetime.fromisoformat(f"{date}T{clock}{offset}")
    return int(moment.timestamp()) * NANOS + int((fraction or "").ljust(9, "0")[:9] or 0)


def truth(text: str | None) -> bool:
    """A boolean of a query; Python clients send ``True``."""
    return text is not None and text.strip().lower() in ("true", "1", "t", "yes")


def uuid_of(*parts: object) -> str:
    """A UUID computed from ``parts``: the same parts give the same id."""
    return str(uuid.uuid5(NAMESPACE, "|".join(str(part) for part in parts)))


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def loads(body: bytes) -> Any:
    """JSON with every number as a Decimal or int, so that no digit is lost.

    Raises:
        ValueError: not JSON, or it holds NaN or Infinity.
    """
    return json.loads(body, parse_float=Decimal, parse_constant=_refuse)


def dumps(value: Any) -> bytes:
    """Compact JSON; a Decimal becomes a JSON number."""
    return json.dumps(value, separators=(",", ":"), default=_plain).encode()


@lru_cache(maxsize=4096)
def _second(whole: int) -> str:
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
