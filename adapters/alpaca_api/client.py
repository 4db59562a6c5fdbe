"""The classes of ``alpaca-py`` that are used here, imported at one place.

The import takes a second and brings pandas, so only what talks to Alpaca imports this module. The
client still uses the older interface of ``websockets``, of which a user need not be warned.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.common.rest import RESTClient
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live.stock import StockDataStream
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream

__all__ = [
    "APIError",
    "RESTClient",
    "StockDataStream",
    "StockHistoricalDataClient",
    "TradingClient",
    "TradingStream",
]
