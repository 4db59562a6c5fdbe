"""What can be configured of the broker."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr

from ...domain.market import Record
from ...domain.money import CurrencyCode


class BrokerSettings(Record):
    """The broker's credentials and addresses, and how a provider is asked.

    ``neutral_*`` stand in for a provider that has no account or prices (a mock); live they are not
    used. Addresses are bases without ``/v2``, sockets complete; an empty ``trading_url`` is
    Alpaca's of the mode, the others follow from it. ``requests_per_minute`` holds until the
    broker's headers say otherwise. Own record and broker's are compared every
    ``reconcile_seconds`` (0: at start and after lost connections only). ``account_kind`` (cash or
    margin) stands in for what the broker's record says the account is. ``server_algorithms`` says
    that the account has the broker's own TWAP and VWAP (Alpaca's Elite Smart Router). ``currency``
    (ISO 4217) is that of an account whose record does not name one.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    key_id: SecretStr | None = None
    secret_key: SecretStr | None = None
    request_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    poll_interval_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    neutral_equity_usd: Annotated[Decimal, Field(gt=0)] = Decimal(100_000)
    neutral_price_usd: Annotated[Decimal, Field(gt=0)] = Decimal(100)
    trading_url: Annotated[str, Field(max_length=300)] = ""
    data_url: Annotated[str, Field(max_length=300)] = ""
    stream_url: Annotated[str, Field(max_length=300)] = ""
    data_stream_url: Annotated[str, Field(max_length=300)] = ""
    feed: Annotated[str, Field(pattern=r"^(iex|sip|delayed_sip|test)$")] = "iex"
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 200
    reconcile_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    account_kind: Literal["", "cash", "margin"] = ""
    server_algorithms: bool = False
    currency: CurrencyCode = "USD"
