"""Moments for people: times in ns UTC as text."""

from __future__ import annotations

from datetime import UTC, datetime

from .ports import NANOS


def utc_text(ns: int, decimals: int = 0) -> str:
    """A time in ns UTC as ISO-8601 (RFC 3339), cut to the second or to so many of its decimals."""
    whole, rest = divmod(ns, NANOS)
    part = f".{rest:09}"[: decimals + 1] if decimals else ""
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{part}Z"
