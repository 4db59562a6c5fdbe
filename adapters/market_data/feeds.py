"""Which feed recorded data is of: a figure is an NBBO one only on a consolidated feed (ruling 22).

An entry of ``instruments.json`` may say so itself under ``feed``; otherwise its ``src`` decides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ..exchange.tape import INSTRUMENTS_FILE, MarketFolderError

CONSOLIDATED: Final = "consolidated"
"""All venues of the national market: quotes are the NBBO, prints the whole tape."""
UNLABELLED: Final = "unlabelled"
CONSOLIDATED_SOURCES: Final = frozenset({"lean", "highfrequency", "generated"})
"""Sources of consolidated quotes and tape: Lean's equity ticks, TAQ samples, our generator."""


def feeds_of(folder: str | Path) -> dict[str, str]:
    """The feed of each symbol that a market folder lists.

    Raises:
        MarketFolderError: the folder has no readable ``instruments.json``.
    """
    root = Path(folder)
    places = [place / INSTRUMENTS_FILE for place in (root, root.parent)]
    path = next((place for place in places if place.is_file()), places[0])
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MarketFolderError(f"{path}: cannot be read: {error}") from error
    return {str(e["symbol"]): _feed(e) for e in entries if isinstance(e, dict) and "symbol" in e}


def _feed(entry: dict[str, object]) -> str:
    if "feed" in entry:
        return str(entry["feed"])
    source = str(entry.get("src", UNLABELLED))
    return CONSOLIDATED if source in CONSOLIDATED_SOURCES else source
