"""Alpaca as one object to trade with: broker, market data, clock and calendar joined.

Give it to ``TradeExecutionAgent`` as its provider, or to ``Application.open``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from ..domain.errors import BrokerUnavailable, InvalidInput
from .timekeeping.calendar import ExchangeCalendar

if TYPE_CHECKING:
    from .alpaca_api.access import AlpacaAccess
    from .alpaca_api.clock import BrokerClock
    from .brokers.alpaca import AlpacaBroker
    from .market_data.alpaca import AlpacaMarketData
    from .settings import Settings

MISSING: Final = "alpaca-py is not installed: pip install 'fillwright[alpaca]'"
CONNECT_SECONDS_MAX: Final = 10.0


class AlpacaProvider:
    """A connection to Alpaca, or to a server that speaks its protocol.

    Opening asks for the time once, with the keys; threads start with the first question of an
    engine. ``close`` lets what is being sent end and leaves open orders as they are.
    """

    def __init__(self, access: AlpacaAccess, exchange: str = "XNYS") -> None:
        """Connect.

        Raises:
            InvalidInput: ``alpaca-py`` is not installed.
            BrokerUnavailable: the broker cannot be asked, or refuses the keys.
        """
        try:
            from .alpaca_api.clock import market_clock
            from .alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence
            from .brokers.alpaca import AlpacaBroker
            from .market_data.alpaca import AlpacaMarketData
        except ImportError as error:
            raise InvalidInput("broker", "alpaca", MISSING) from error
        self.access = access
        self.rest = AlpacaRest(access)
        try:
            self.clock: BrokerClock = market_clock(self.rest)
        except (ApiRefusal, ApiSilence) as error:
            step = error.next_step or "run `fillwright doctor`"
            seen = f"{access.trading_url}: {error}".rstrip(".")
            raise BrokerUnavailable(f"{seen}. Nothing was sent or recorded: {step}") from None
        self.exchange = ExchangeCalendar(exchange)
        self.broker: AlpacaBroker = AlpacaBroker(access, self.rest, self.clock)
        self.market: AlpacaMarketData = AlpacaMarketData(
            access, self.rest, self.clock, self.exchange
        )

    @classmethod
    def of_settings(cls, settings: Settings, **addresses: str | None) -> AlpacaProvider:
        """Connect with configured keys and addresses; ``addresses`` that are given win.

        Raises:
            InvalidInput: keys are missing, or an address is none.
            BrokerUnavailable: the broker cannot be asked, or refuses the keys.
        """
        return cls(access_of(settings, **addresses), settings.exchange)

    async def get_clock(self) -> Mapping[str, object]:
        """The broker's clock, as the calendar over it asks for it."""
        answer = await asyncio.get_running_loop().run_in_executor(
            None, lambda: self.rest.get("/clock")
        )
        return answer if isinstance(answer, dict) else {}

    async def connect(self) -> None:
        """Start to listen; returns when the socket of trade updates listens, or has had its time.

        Without the socket everything still works by asking, only later.
        """
        self.broker.start()
        await asyncio.get_running_loop().run_in_executor(
            None, self.broker.is_connected.wait, CONNECT_SECONDS_MAX
        )

    def close(self) -> None:
        """Stop; a second call does nothing."""
        self.broker.close()
        self.market.close()


def access_of(settings: Settings, **addresses: str | None) -> AlpacaAccess:
    """Keys and addresses of the settings.

    Raises:
        InvalidInput: keys are missing, or an address does not go with the mode.
    """
    from .alpaca_api.access import LIVE_URL, PAPER_URL, AlpacaAccess

    broker = settings.broker
    if broker.key_id is None or broker.secret_key is None:
        raise InvalidInput(
            "broker keys", "none", "APCA_API_KEY_ID and APCA_API_SECRET_KEY in the environment"
        )
    default = LIVE_URL if settings.is_live else PAPER_URL
    found = AlpacaAccess(
        key_id=SecretStr(broker.key_id.get_secret_value()),
        secret_key=SecretStr(broker.secret_key.get_secret_value()),
        trading_url=broker.trading_url or default,
        data_url=broker.data_url,
        stream_url=broker.stream_url,
        data_stream_url=broker.data_stream_url,
        feed=broker.feed,
        read_seconds=broker.request_timeout_seconds,
        requests_per_minute=broker.requests_per_minute,
        server_algorithms=broker.server_algorithms,
    )
    given = {name: url for name, url in addresses.items() if url}
    found = replace(found, **given)  # type: ignore[arg-type]
    if found.is_live and not settings.is_live:
        raise InvalidInput(
            "broker.trading_url",
            found.trading_url,
            'a paper address; real money needs --live and a line mode = "live"',
        )
    return found
