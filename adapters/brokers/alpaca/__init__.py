"""Alpaca as a broker: orders and fills over the unmodified ``alpaca-py`` client."""

from .broker import AlpacaBroker

__all__ = ["AlpacaBroker"]
