"""Supervision: who may change what and with whom, decided from the second stream."""

from __future__ import annotations

from .changes import Change, ChangeTerms
from .registry import OWNER, Moment, Supervision

__all__ = ["OWNER", "Change", "ChangeTerms", "Moment", "Supervision"]
