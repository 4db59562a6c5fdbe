"""How checkpoints are made and checked, as configuration says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ...domain.market import Record


class IntegritySettings(Record):
    """Checkpoints of the log, left outside the store.

    ``signing_key`` is a private key made by `fillwright keys`, ``verifier_key`` its public half.
    ``anchor`` is where checkpoints go: a file, an http(s) URL, or ``command:`` and a command; by
    default a file beside the signing key. One is made every ``checkpoint_events`` events or
    ``checkpoint_seconds``, and at exit. ``time_stamp_url`` is a time-stamping authority (RFC 3161)
    that stamps each, ``time_stamp_roots`` a PEM file of the certificates it is believed by.
    """

    signing_key: Path | None = None
    verifier_key: Path | None = None
    anchor: Annotated[str, Field(max_length=2_000)] | None = None
    checkpoint_events: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    checkpoint_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    time_stamp_url: Annotated[str, Field(max_length=2_000)] | None = None
    time_stamp_roots: Path | None = None

    @property
    def anchor_or_default(self) -> str | None:
        """The anchor: as configured, else a file beside the signing key, else none."""
        if self.anchor is not None:
            return self.anchor
        return f"{self.signing_key}.anchor" if self.signing_key is not None else None
