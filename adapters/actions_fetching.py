"""Corporate actions asked for on demand: of what is held and worked, or of named symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from ..domain.decision import SYMBOL_PATTERN
from ..domain.errors import InvalidInput
from ..domain.ports import NANOS
from .account_record import account_of
from .corporate_actions import ActionsFile
from .standing import Standing
from .storage.log import Log

if TYPE_CHECKING:
    from .alpaca_provider import AlpacaProvider

SYMBOLS_MAX: Final = 1_000


async def fetch_announced(
    provider: AlpacaProvider, store: str, account: str, symbols: Sequence[str], since: str
) -> ActionsFile:
    """What the broker's market data announce, from a week before ``since`` to 60 days ahead.

    Args:
        provider: the connection.
        store: whose log says what is worked, and when its last session was.
        account: the account that is meant where the log names none.
        symbols: of these; without any, of what the broker holds and the log works.
        since: an ISO date; empty for the log's last session, or today where it has none.

    Raises:
        InvalidInput: a symbol or the date is none, or there is nothing to ask for.
        BrokerUnavailable: the broker cannot be asked.
        StoreError: the log cannot be read.
    """
    named = _checked(symbols)
    today = datetime.fromtimestamp(provider.clock.now() // NANOS, UTC).date().isoformat()
    with Log.open(store, writer=False) as log:
        standing = Standing(account_of(log, account))
        standing.follow(log)
    opened = standing.account.session
    begin = _date(since) or (opened.session_date if opened is not None else today)
    if not named:
        held = await provider.broker.positions()
        worked = (
            one.decision.symbol
            for one in standing.instructions.values()
            if one.decision is not None and not one.is_done and one.account == standing.name
        )
        named = sorted({*held, *worked})
    if not named:
        raise InvalidInput("symbols", "nothing is held or worked", "some, by --symbols")
    return await provider.market.corporate_actions(named, min(begin, today), today)


def _checked(symbols: Sequence[str]) -> list[str]:
    found = sorted({name.strip().upper() for name in symbols if name.strip()})
    if len(found) > SYMBOLS_MAX:
        raise InvalidInput("symbols", f"{len(found)} names", f"at most {SYMBOLS_MAX}")
    for name in found:
        if re.fullmatch(SYMBOL_PATTERN, name) is None:
            raise InvalidInput("symbols", name, "symbols such as KO, with commas between")
    return found


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat() if text.strip() else ""
    except ValueError as error:
        raise InvalidInput("since", text, "a date as YYYY-MM-DD") from error
