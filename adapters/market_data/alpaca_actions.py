"""Corporate actions as Alpaca's market data announce them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

from ..alpaca_api.rest import AlpacaRest, ApiSilence, Host
from ..corporate_actions import ActionsFile, actions_of

SOURCE: Final = "alpaca"
PAGE_LIMIT: Final = 1_000
PAGES_MAX: Final = 20
SYMBOLS_A_REQUEST: Final = 100
AHEAD_DAYS: Final = 60
"""Dividends are announced by the day on which they are paid, weeks after their ex-date."""
BACK_DAYS: Final = 7
NOTHING: Final = ActionsFile(SOURCE, ())


def around(today: str, since: str = "") -> tuple[str, str]:
    """The dates to ask between, for what takes effect from ``since`` to today (ISO)."""
    first = date.fromisoformat(since or today) - timedelta(days=BACK_DAYS)
    last = date.fromisoformat(today) + timedelta(days=AHEAD_DAYS)
    return first.isoformat(), last.isoformat()


def fetch_actions(rest: AlpacaRest, symbols: Sequence[str], since: str, upto: str) -> ActionsFile:
    """The actions of the symbols that are processed between two dates (ISO), both included.

    Blocks; call it from a worker thread.

    Raises:
        ApiRefusal: the server said no.
        ApiSilence: it gave no answer.
    """
    return actions_of(_pages(rest, sorted(set(symbols)), since, upto), SOURCE)


def _pages(
    rest: AlpacaRest, symbols: Sequence[str], since: str, upto: str
) -> Iterator[dict[str, Any]]:
    for first in range(0, len(symbols), SYMBOLS_A_REQUEST):
        asked: dict[str, object] = {
            "symbols": ",".join(symbols[first : first + SYMBOLS_A_REQUEST]),
            "start": since,
            "end": upto,
            "limit": PAGE_LIMIT,
        }
        for _ in range(PAGES_MAX):
            answer = rest.get("/corporate-actions", asked, host=Host.DATA, version="v1")
            if not isinstance(answer, dict):
                raise ApiSilence("corporate actions: the answer is no object")
            yield answer
            if not answer.get("next_page_token"):
                break
            asked["page_token"] = answer["next_page_token"]
