"""The corporate actions that a paper server shows, from a file in Alpaca's form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ...domain.errors import InvalidInput

Listed = Mapping[str, Sequence[Mapping[str, Any]]]


def read_listed(path: Path | None) -> Listed:
    """The lists by kind of a file in Alpaca's form; none without a file.

    Raises:
        InvalidInput: it cannot be read, or a record has no id or date.
    """
    if path is None:
        return {}
    try:
        read = json.loads(path.read_bytes(), parse_float=Decimal)["corporate_actions"]
        for row in (row for rows in read.values() for row in rows):
            str(row["id"]), str(row["process_date"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = 'Alpaca\'s form: {"corporate_actions": {"forward_splits": [...]}}'
        raise InvalidInput("actions file", path, allowed) from error
    found: Listed = read
    return found
