"""The broker of a store, for commands that run beside or without its engine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from ..domain.errors import InvalidInput, StoreError
from ..domain.ids import account_stream_id
from .closing import Closing

if TYPE_CHECKING:
    from ..domain.ports import Broker
    from .alpaca_provider import AlpacaProvider
    from .settings import Settings


class Where(StrEnum):
    """Where a command looks for orders."""

    AUTO = "auto"
    ALPACA = "alpaca"
    NONE = "none"


class OutsideBroker(Closing):
    """Connects when it is asked for, and is closed at the end; a context manager.

    ``kind`` auto means Alpaca when the store's last engine traded there.
    """

    def __init__(
        self,
        kind: Where,
        store: str,
        settings: Settings,
        addresses: Mapping[str, str | None],
    ) -> None:
        self._settings, self._addresses = settings, addresses
        self._provider: AlpacaProvider | None = None
        self.name = _recorded(store, settings.account) if kind is Where.AUTO else kind.value

    @property
    def is_there(self) -> bool:
        """Whether there is a broker to ask."""
        return self.name == Where.ALPACA

    def connect(self) -> Broker:
        """The broker.

        Raises:
            InvalidInput: keys or addresses are missing or wrong, or there is no broker to ask.
            BrokerUnavailable: it cannot be asked.
        """
        return self.provider().broker

    def provider(self) -> AlpacaProvider:
        """The broker with its market data; raises as :meth:`connect` does."""
        if not self.is_there:
            raise InvalidInput("broker", self.name, "alpaca, to ask a broker")
        if self._provider is None:
            from .alpaca_provider import AlpacaProvider

            self._provider = AlpacaProvider.of_settings(self._settings, **self._addresses)
        return self._provider

    def close(self) -> None:
        """Let go of the broker; a second call does nothing."""
        if self._provider is not None:
            self._provider.close()


def _recorded(store: str, default: str) -> str:
    """What the store's last engine traded on."""
    # Help must not load what a store needs.
    from .account_record import account_of
    from .standing import Standing
    from .storage.log import Log

    try:
        with Log.open(store, writer=False) as log:
            standing = Standing(account_of(log, default))
            for event in log.stream(account_stream_id(standing.name)):
                standing.started(event)
            return standing.broker or Where.NONE.value
    except StoreError:
        return Where.NONE.value
