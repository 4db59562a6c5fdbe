"""How long records are kept, what holds them longer, and so whether a text may be redacted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from .market import Record

NS_PER_DAY: Final = 86_400 * 1_000_000_000
EVERYTHING: Final = "*"
SIX_YEARS_DAYS: Final = 2_192
"""The longest of SEC rule 17a-4's periods for trading records, leap days included."""
DAYS_MAX: Final = 36_525
HOLDS_MAX: Final = 200
HOLD_WORDS: Final = "* for everything, account:NAME, symbol:NAME or decision:ID"
_SYMBOL: Final = "symbol:"


def _spelled(hold: str) -> str:
    """A hold as it is compared: symbols are upper case, however they were written."""
    return f"{_SYMBOL}{hold[len(_SYMBOL) :].upper()}" if hold.startswith(_SYMBOL) else hold


Days = Annotated[int, Field(ge=0, le=DAYS_MAX)]
LegalHold = Annotated[
    str,
    Field(max_length=300, pattern=r"^(\*|(account|symbol|decision):.+)$"),
    AfterValidator(_spelled),
]
LegalHolds = Annotated[tuple[LegalHold, ...], Field(max_length=HOLDS_MAX)]


class RetentionRules(Record):
    """Until when personal text is kept, and what is held beyond that.

    ``days`` is counted from when the decision was recorded; the default is the six years of SEC
    rule 17a-4(a). ``legal_holds`` names what may not be redacted at all: ``*`` for everything,
    ``account:NAME``, ``symbol:NAME``, under any name that it has had, or ``decision:ID``.
    """

    days: Days = SIX_YEARS_DAYS
    legal_holds: LegalHolds = ()

    def held_by(self, account: str, decision_id: str, names: Iterable[str]) -> str | None:
        """The first legal hold that a decision is under, None when it is under none.

        ``names`` are all that its symbol is or was called, none where it could not be read.
        """
        scopes = {EVERYTHING, f"account:{account}", f"decision:{decision_id}"}
        scopes |= {f"{_SYMBOL}{name}" for name in names}
        return next((hold for hold in self.legal_holds if hold in scopes), None)

    def kept_until(self, recorded_at: int) -> int:
        """When the retention of what was recorded at ``recorded_at`` ends; both ns UTC."""
        return recorded_at + self.days * NS_PER_DAY


def stricter(one: RetentionRules, other: RetentionRules) -> RetentionRules:
    """What keeps everything that either keeps: the longer period, and the holds of both."""
    return RetentionRules.model_construct(
        days=max(one.days, other.days),
        legal_holds=tuple(sorted({*one.legal_holds, *other.legal_holds})),
    )
