"""Reading one field of a decision at the door: a checked value, or a refusal that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, TypeVar

from .money import ZERO, plain, to_decimal
from .ports import NANOS
from .reasons import Reason, Refusal

SHOWN_MAX: Final = 80
DIGITS_MAX: Final = 64
DECIMALS_MAX: Final = 20
WINDOW_SECONDS_MAX: Final = 86_400
TIME_NS_MIN: Final = 10**17
TIME_NS_MAX: Final = 2**63 - 1

EnumT = TypeVar("EnumT", bound=Enum)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION: Final = re.compile(
    r"(?:(?P<h>\d{1,4})\s*h(?:ours?|rs?)?)?\s*"
    r"(?:(?P<m>\d{1,6})\s*m(?:in(?:ute)?s?)?)?\s*"
    r"(?:(?P<s>\d{1,8})\s*s(?:ec(?:ond)?s?)?)?"
)
_ISO_TIME: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(?::\d\d)?)"
    r"(?:[.,](?P<fraction>\d{1,9}))?\s*(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)


def shown(value: object) -> str:
    """A value as a refusal shows it: printable, short, and never failing.

    Only plain values are shown; of anything else the type is.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int) and abs(value) >= 10**DIGITS_MAX:
        return f"a whole number of more than {DIGITS_MAX} digits"
    if isinstance(value, int | float | Decimal | datetime | timedelta):
        return str(value)[:SHOWN_MAX]
    if isinstance(value, str):
        text = ascii(value[:SHOWN_MAX])
        return text if len(value) <= SHOWN_MAX else f"{text} and {len(value) - SHOWN_MAX} more"
    return f"a {type(value).__name__}"[:SHOWN_MAX]


class FieldReader:
    """Reads the fields of one decision and collects every refusal on the way.

    A field that is absent, None or an empty text is not given; ``None`` from a method means not
    given or refused.
    """

    def __init__(self, raw: Mapping[str, object]) -> None:
        self._raw = raw
        self.refusals: list[Refusal] = []

    def refuse(
        self,
        field: str,
        observed: str,
        allowed: str,
        *,
        reason: Reason = Reason.INVALID_DECISION,
        would_pass: str | None = None,
        message: str | None = None,
    ) -> None:
        """Add a refusal."""
        self.refusals.append(
            Refusal(
                reason=reason,
                field=field,
                observed=observed,
                allowed=allowed,
                would_pass=would_pass,
                message=message or f"{field}: {observed} is not allowed; allowed: {allowed}",
            )
        )

    def given(self, field: str) -> bool:
        """Whether the field says anything."""
        value = self._raw.get(field)
        return value is not None and not (isinstance(value, str) and not value.strip())

    def value(self, field: str) -> object:
        """The field as it came, texts without surrounding blanks."""
        value = self._raw.get(field)
        return value.strip() if isinstance(value, str) and not isinstance(value, Enum) else value

    def number(
        self, field: str, low: Decimal, high: Decimal, *, unit: str, above: bool = False
    ) -> Decimal | None:
        """A finite number from ``low`` (``above``: more than ``low``) to ``high``."""
        if not self.given(field):
            return None
        value = self.value(field)
        start = f"a number above {plain(low)}" if above else f"a number from {plain(low)}"
        allowed = f"{start} to {plain(high)} ({unit})"
        if isinstance(value, str) and len(value) > DIGITS_MAX:
            self.refuse(field, shown(value), allowed)
            return None
        try:
            number = to_decimal(value, field=field)
        except ValueError:
            self.refuse(field, shown(value), allowed)
            return None
        if number < low or number > high or (above and number == low):
            self.refuse(field, shown(value), allowed)
            return None
        exponent = number.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -DECIMALS_MAX:
            self.refuse(field, shown(value), f"at most {DECIMALS_MAX} decimal places")
            return None
        return number or ZERO

    def whole(self, field: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``; 8, 8.0 and "8" are the same."""
        refused = len(self.refusals)
        number = self.number(field, Decimal(low), Decimal(high), unit="a whole number")
        if number is None or number == number.to_integral_value():
            if len(self.refusals) > refused:
                self.refusals.pop()
                self.refuse(field, shown(self.value(field)), f"a whole number from {low} to {high}")
            return None if number is None else int(number)
        self.refuse(field, shown(self.value(field)), f"a whole number from {low} to {high}")
        return None

    def choice(self, field: str, kind: type[EnumT]) -> EnumT | None:
        """One of an enumeration's values, in any case."""
        if not self.given(field):
            return None
        value = self.value(field)
        if isinstance(value, kind):
            return value
        if isinstance(value, str):
            for member in kind:
                if str(member.value).casefold() == value.casefold():
                    return member
        names = ", ".join(str(member.value) for member in kind)
        self.refuse(field, shown(value), f"one of {names}")
        return None

    def flag(self, field: str) -> bool | None:
        """A yes or no: a bool, or true/false/yes/no as text."""
        if not self.given(field):
            return None
        value = self.value(field)
        if isinstance(value, bool):
            return value
        word = value.casefold() if isinstance(value, str) else ""
        if word in {"true", "yes"}:
            return True
        if word in {"false", "no"}:
            return False
        self.refuse(field, shown(value), "true or false")
        return None

    def text(self, field: str, longest: int, *, personal: bool = False) -> str | None:
        """A text; of a personal one (ruling 23) a refusal tells the length only."""
        if not self.given(field):
            return None
        value = self.value(field)
        if isinstance(value, str) and len(value) <= longest:
            return escaped(value)
        observed = shown(value)
        if isinstance(value, str):
            observed = f"{len(value)} characters" if personal else observed
        self.refuse(field, observed, f"a text of at most {longest} characters")
        return None

    def seconds(self, field: str) -> int | None:
        """A length of time in whole seconds: a timedelta, seconds, or "30m", "1h30m", "PT30M"."""
        if not self.given(field):
            return None
        value = self.value(field)
        seconds = _seconds(value)
        if seconds is not None and 1 <= seconds <= WINDOW_SECONDS_MAX:
            return seconds
        allowed = f'1 to {WINDOW_SECONDS_MAX} whole seconds, or a text such as "30m" or "1h30m"'
        self.refuse(field, shown(value), allowed)
        return None

    def time_ns(self, field: str) -> int | None:
        """A moment in ns UTC: an aware datetime, ISO-8601 with a zone, or integer nanoseconds."""
        if not self.given(field):
            return None
        value = self.value(field)
        moment = _time_ns(value)
        if moment is not None and TIME_NS_MIN <= moment <= TIME_NS_MAX:
            return moment
        self.refuse(
            field,
            shown(value),
            'ISO-8601 with a zone, such as "2013-10-08T10:00:00-04:00", or integer nanoseconds UTC',
        )
        return None


def escaped(text: str) -> str:
    """The text with what cannot be stored as UTF-8 written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _seconds(value: object) -> int | None:
    if isinstance(value, timedelta):
        whole, rest = divmod(value, timedelta(seconds=1))
        return None if rest else whole
    if isinstance(value, str):
        text = value.casefold().removeprefix("pt")
        match = _DURATION.fullmatch(text)
        if text and match and len(text) <= SHOWN_MAX:
            parts = [int(match[name] or 0) for name in ("h", "m", "s")]
            return parts[0] * 3600 + parts[1] * 60 + parts[2]
        if len(value) > DIGITS_MAX:
            return None
    try:
        number = to_decimal(value, field="window")
    except ValueError:
        return None
    # Compared first: a whole number of a huge exponent would be spelled out digit by digit.
    if not 1 <= number <= WINDOW_SECONDS_MAX or number != number.to_integral_value():
        return None
    return int(number)


def _time_ns(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            return None
        return (value - _EPOCH) // timedelta(microseconds=1) * 1_000
    if not isinstance(value, str) or len(value) > DIGITS_MAX or not value.isascii():
        return None
    if value.isdigit():
        return int(value)
    match = _ISO_TIME.fullmatch(value)
    if match is None or match["zone"] is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{match['zone'].upper()}")
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None
    return seconds * NANOS + int((match["fraction"] or "0").ljust(9, "0"))
