"""Records of reports: what was issued, what was reviewed, and what a language model wrote of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import OpsRecord, Sha256Hex

SHORT = 120
FREE_TEXT_BYTES_MAX = 65_536

REPORT_KINDS = (
    "execution",
    "best-execution",
    "rule605",
    "rule606",
    "finra5310",
    "limits",
    "exceptions",
)
ReportKindName = Annotated[str, Field(pattern=f"^({'|'.join(REPORT_KINDS)})$")]
SessionDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class ReportIssued(OpsRecord):
    """A report was made; it stays what it was, whatever the log says later.

    ``report`` is the SHA-256 of its canonical bytes, ``parameters`` its canonical parameters as
    JSON, ``segments`` the hashes of the market data it stands on. ``supersedes`` names the report
    of the same kind, period and parameters that this one restates (ruling 6).
    """

    TOPIC: ClassVar[str] = "ReportIssued"

    kind: ReportKindName
    from_session: SessionDate | None
    to_session: SessionDate | None
    parameters: Annotated[str, Field(max_length=20_000)]
    code_version: Annotated[str, Field(max_length=SHORT)]
    report: Sha256Hex
    segments: tuple[Sha256Hex, ...] = ()
    supersedes: Sha256Hex | None = None


class ReviewRecorded(OpsRecord):
    """A regular and rigorous review of execution quality (FINRA 5310(b), Supplementary .09).

    ``actor`` is the reviewer and ``report`` the comparison that was looked at. ``factors`` are what
    was weighed, each with its finding, and ``decision`` is ``keep``, ``modify`` or ``escalate``.
    ``sealed_reason`` is why, encrypted for ``subject`` in the keystore.
    """

    TOPIC: ClassVar[str] = "ReviewRecorded"

    report: Sha256Hex
    from_session: SessionDate
    to_session: SessionDate
    symbol: Annotated[str, Field(max_length=SHORT)] | None
    order_type: Annotated[str, Field(max_length=SHORT)] | None
    factors: tuple[tuple[str, str], ...]
    decision: Annotated[str, Field(pattern="^(keep|modify|escalate)$")]
    subject: Annotated[str, Field(max_length=200)]
    sealed_reason: Annotated[str, Field(max_length=2 * FREE_TEXT_BYTES_MAX)]


class CommentaryWritten(OpsRecord):
    """A language model wrote about a report from its numbers; no part of the report.

    ``input`` is the SHA-256 of the prompt. Text and prompt are encrypted for ``subject``.
    ``refused`` says why a text was not accepted: it named a number that the report does not have.
    """

    TOPIC: ClassVar[str] = "CommentaryWritten"

    report: Sha256Hex
    model: Annotated[str, Field(max_length=SHORT)]
    input: Sha256Hex
    subject: Annotated[str, Field(max_length=200)]
    sealed_prompt: Annotated[str, Field(max_length=2 * FREE_TEXT_BYTES_MAX)]
    sealed_text: Annotated[str, Field(max_length=2 * FREE_TEXT_BYTES_MAX)]
    refused: str | None = None
