"""What is alerted, from where on, and who is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import ConfigDict, Field, SecretStr

from ...domain.market import Record
from ...projections.alerts import AlertThresholds, Severity

Seconds = Annotated[int, Field(ge=1, le=604_800)]


class AlertSettings(Record):
    """Thresholds with their units, and where alerts go.

    Slippage is the session's average against arrival in bps, ``success_rate_min`` and
    ``limit_used_fraction_min`` are fractions; ``rejects_max`` counts refused orders and decisions
    within ``reject_window_seconds``, ``stale_data_seconds`` is the age of the quote of what is
    worked, ``updates_down_seconds`` how long the socket of trade updates may be down. Alerts from
    ``severity_min`` on are put on record and told; one that is not seen for
    ``clear_after_seconds`` is over. Every alert goes to the program's own log; ``webhook_url`` is
    sent a JSON document for each, ``apprise_urls`` (with spaces or commas between) are addresses of
    the notification library. A channel is told ``notices_per_minute_max`` times a minute at most;
    ``tell_cleared`` tells it of ends as well. The log is looked at every ``look_seconds``.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    stale_order_seconds: Seconds = 7_200
    slippage_bps_max: Annotated[Decimal, Field(ge=0, le=10_000)] = Decimal(20)
    success_rate_min: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.9")
    limit_used_fraction_min: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.9")
    rejects_max: Annotated[int, Field(ge=1, le=10_000)] = 5
    reject_window_seconds: Seconds = 300
    stale_data_seconds: Seconds = 60
    updates_down_seconds: Seconds = 30
    severity_min: Severity = Severity.WARNING
    clear_after_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    look_seconds: Annotated[float, Field(ge=0.05, le=3_600)] = 2.0
    notices_per_minute_max: Annotated[int, Field(ge=1, le=10_000)] = 30
    tell_cleared: bool = True
    webhook_url: SecretStr | None = None
    apprise_urls: SecretStr | None = None

    def thresholds(self) -> AlertThresholds:
        """The numbers that alerts are raised by."""
        return AlertThresholds(
            stale_order_seconds=self.stale_order_seconds,
            slippage_bps_max=self.slippage_bps_max,
            success_rate_min=self.success_rate_min,
            limit_used_fraction_min=self.limit_used_fraction_min,
            rejects_max=self.rejects_max,
            reject_window_seconds=self.reject_window_seconds,
            stale_data_seconds=self.stale_data_seconds,
            updates_down_seconds=self.updates_down_seconds,
        )
