"""All configuration: what is asked for, from where, and what the engine is told.

Later layers win: defaults, a TOML file, the environment (``FILLWRIGHT_LIMITS__…``), arguments. A
key that does not exist is an error with the nearest one that does. Credentials are never shown.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import Field, ValidationError, field_serializer
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from ..domain.errors import InvalidInput
from ..domain.fees import Charge, FeeRate, FeeSchedule, Rounding
from ..domain.intake import IntakeRules
from ..domain.limits import Limits
from ..domain.market import Record
from ..domain.money import plain
from ..domain.planning.facts import PlanningRules
from ..domain.ports import AccountKind
from ..domain.retention import RetentionRules
from ..domain.stopping import OnStop
from ..domain.switching import SwitchingRules
from ..domain.timing.engine import TimingConfig
from .alerting.terms import AlertSettings
from .brokers.provider import NeutralDefaults, ProviderTimings
from .brokers.terms import BrokerSettings
from .integrity.terms import IntegritySettings
from .reporting.terms import ReportingSettings
from .settings_reading import Key, fold, keys_of, nested, translated, unknown
from .storage.location import without_password
from .timekeeping.clock_reading import ClockSettings

if TYPE_CHECKING:
    from .engine.rules import EngineRules

PREFIX: Final = "FILLWRIGHT_"
RESERVED: Final = frozenset(
    {"config", "market_dir", "fix_vectors", "shared_dir", "token", "vectors_dir"}
)
"""Names under our prefix in the environment that are not settings."""
HIDDEN: Final = frozenset(
    {
        "limits.version",
        "execution.avoid_open_seconds",
        "execution.avoid_close_seconds",
        "execution.fee_rates",
        "intake.half_by_default",
    }
)
"""Fields that another key or the log decides."""
ALIASES: Final = {
    "max_daily_trades": "limits.trades_max_per_day",
    "max_daily_turnover": "limits.turnover_pct_max",
    "max_position_size": "limits.position_pct_max",
    "limits.max_daily_trades": "limits.trades_max_per_day",
    "limits.max_daily_turnover": "limits.turnover_pct_max",
    "limits.max_position_size": "limits.position_pct_max",
    "duplicate_window_seconds": "limits.duplicate_window_seconds",
}
"""The seed's names, at the top and in the section, and what they stand for."""
FRACTION_BELOW: Final = {
    "limits.position_pct_max": ("max_position_size", Decimal("0.1")),
    "limits.turnover_pct_max": ("max_daily_turnover", Decimal(1)),
}
"""Percentages below these are refused as fractions written by mistake; 0 allows nothing."""
CREDENTIALS: Final = {
    "broker.key_id": ("APCA_API_KEY_ID", "ALPACA_API_KEY"),
    "broker.secret_key": ("APCA_API_SECRET_KEY", "ALPACA_SECRET_KEY"),
    "broker.trading_url": ("APCA_API_BASE_URL",),
    "broker.data_url": ("APCA_API_DATA_URL",),
}


class Mode(StrEnum):
    """Whether orders are of play money or real."""

    PAPER = "paper"
    LIVE = "live"


class ExecutionSettings(PlanningRules):
    """How instructions are planned and worked; times in seconds unless the name says otherwise.

    ``parameters`` are the strategies' own numbers. ``messages_per_minute`` is the account's budget
    for orders and cancels, ``rejects_max`` how many refusals in a row end an instruction.
    ``on_stop`` is what becomes of open orders when the process is told to stop (``leave``,
    ``cancel``, or ``end`` the instructions as well), which may take ``stop_seconds_max``.
    """

    messages_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 200
    rejects_max: Annotated[int, Field(ge=1, le=100)] = 3
    reopen_delay_seconds: Annotated[int, Field(ge=0, le=3_600)] = 30
    reports_before_commit_max: Annotated[int, Field(ge=1, le=10_000)] = 1
    on_stop: OnStop = OnStop.LEAVE
    stop_seconds_max: Annotated[int, Field(ge=1, le=600)] = 30


class FeeSettings(Record):
    """What trading costs beside the price, for the fee ledger and for estimates.

    ``commission_per_share`` is the broker's own. ``rates`` are added to the built-in table of SEC,
    TAF and CAT rates, each ``charge``, ``since``, ``rate`` and optionally ``max_per_execution`` and
    ``source``; of the same charge and date the configured one wins. ``rounding`` is over what a
    charge is added up before it is rounded up to the cent.
    """

    commission_per_share: Annotated[Decimal, Field(ge=0, le=10)] = Decimal(0)
    rounding: Rounding = Rounding.DAY
    rates: tuple[FeeRate, ...] = ()

    def schedule(self) -> FeeSchedule:
        """The built-in table with what is configured."""
        commission = FeeRate(
            charge=Charge.COMMISSION,
            since="0001-01-01",
            rate=self.commission_per_share,
            source="fees.commission_per_share",
        )
        return FeeSchedule((commission, *self.rates))


class Settings(BaseSettings):
    """Everything that can be configured, checked.

    ``Settings.read`` is the way in. ``account`` names the log's account, ``store`` where the log is
    (None: in memory), ``standby_seconds`` how long to wait for an account that another process
    owns on a shared server (0: not at all), ``seed`` what random choices follow from,
    ``events_file`` a file of scheduled events, ``exchange`` the calendar.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    mode: Mode = Mode.PAPER
    account: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")] = "main"
    store: Annotated[str | None, Field(repr=False)] = None
    standby_seconds: Annotated[float, Field(ge=0, le=31_536_000)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    exchange: Annotated[str, Field(max_length=16, pattern=r"^[A-Z0-9/]+$")] = "XNYS"
    events_file: Path | None = None
    limits: Limits = Limits()
    execution: ExecutionSettings = ExecutionSettings()
    timing: TimingConfig = TimingConfig()
    switching: SwitchingRules = SwitchingRules()
    intake: IntakeRules = IntakeRules()
    broker: BrokerSettings = BrokerSettings()
    fees: FeeSettings = FeeSettings()
    clock: ClockSettings = ClockSettings()
    integrity: IntegritySettings = IntegritySettings()
    retention: RetentionRules = RetentionRules()
    reporting: ReportingSettings = ReportingSettings()
    alerts: AlertSettings = AlertSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: file and environment are read by :meth:`read` and nowhere else."""
        return (init_settings,)

    @classmethod
    def read(
        cls,
        config: Mapping[str, object] | Self | None = None,
        *,
        file: str | Path | None = None,
        live: bool = False,
    ) -> Self:
        """The settings from file, environment and ``config``, later ones winning.

        Args:
            config: keys as nested mappings, or with the seed's names at the top; settings that
                were read before are taken as they are.
            file: a TOML file; by default the one that ``FILLWRIGHT_CONFIG`` names, if any.
            live: the explicit flag that trading with real money needs beside ``mode = "live"``.

        Raises:
            InvalidInput: naming the key and what is allowed.
        """
        settings = config if isinstance(config, cls) else cls._merge(config, file)
        settings._check(live=live)
        return settings

    @classmethod
    def _merge(cls, config: object, file: str | Path | None) -> Self:
        if config is not None and not isinstance(config, Mapping):
            raise InvalidInput("config", type(config).__name__, "a mapping, Settings or None")
        values: dict[str, object] = {}
        for layer in (_file_layer(file), _environment_layer(), config or {}):
            values.update(fold(layer, KEYS, ALIASES))
        try:
            return cls(**nested(values, KEYS))
        except ValidationError as error:
            raise translated(error, KEYS) from None

    @classmethod
    def of_any_mode(cls, file: str | Path | None = None) -> Self:
        """The settings of file and environment for looking only; raises InvalidInput."""
        return cls._merge(None, file)

    @classmethod
    def store_named(cls, file: str | Path | None = None) -> str | None:
        """The store that file and environment name, whatever the mode; raises InvalidInput."""
        return cls._merge(None, file).store

    def _check(self, *, live: bool) -> None:
        for key, (name, least) in FRACTION_BELOW.items():
            value = getattr(self.limits, key.removeprefix("limits."))
            if 0 < value < least:
                meant = plain(value * 100)
                reason = f"a percentage of at least {least} ({meant} for {meant} %), or 0"
                raise InvalidInput(f"{name} ({key})", plain(value), reason)
        if (self.mode is Mode.LIVE) is not live:
            if live:
                raise InvalidInput("mode", self.mode.value, 'live, said by a line mode = "live"')
            raise InvalidInput("mode", "live", "paper, unless live is asked for by its flag too")
        if live and os.environ.get("ALPACA_PAPER_TRADE", "").lower() in ("1", "true", "yes"):
            raise InvalidInput("ALPACA_PAPER_TRADE", "true", "not set when trading live")

    @field_serializer("store")
    def _store_without_password(self, store: str | None) -> str | None:
        return None if store is None else without_password(store)

    # -- what the parts are told -----------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether orders are of real money."""
        return self.mode is Mode.LIVE

    @property
    def max_daily_trades(self) -> int:
        """Trades a session (seed)."""
        return self.limits.trades_max_per_day

    @property
    def max_daily_turnover(self) -> Decimal:
        """Turnover a session, in percent of equity (seed)."""
        return self.limits.turnover_pct_max

    @property
    def max_position_size(self) -> Decimal:
        """The largest position, in percent of equity (seed)."""
        return self.limits.position_pct_max

    def to_limits(self, version: int = 1) -> Limits:
        """The limits in force; ADD and TRIM by half are off live unless asked for (ruling 10)."""
        half = self.limits.half_by_default
        if self.is_live and "half_by_default" not in self.limits.model_fields_set:
            half = False
        return self.limits.model_copy(update={"version": version, "half_by_default": half})

    def to_rules(self) -> EngineRules:
        """How the engine works; live every decision needs its own id (ruling 9)."""
        from .engine.rules import EngineRules  # brings the store along, which reading need not

        execution = self.execution
        given = {name: getattr(execution, name) for name in PlanningRules.model_fields}
        planning = PlanningRules(**given).model_copy(
            update={
                "avoid_open_seconds": self.timing.avoid_open_minutes * 60,
                "avoid_close_seconds": self.timing.avoid_close_minutes * 60,
                "fee_rates": self.fees.schedule().rates,
            }
        )
        intake = self.intake.model_copy(
            update={
                "half_by_default": self.to_limits().half_by_default,
                "id_required": self.is_live or self.intake.id_required,
            }
        )
        return EngineRules(
            planning=planning,
            intake=intake,
            timing=self.timing,
            switching=self.switching,
            messages_per_minute=execution.messages_per_minute,
            rejects_max=execution.rejects_max,
            reopen_delay_seconds=execution.reopen_delay_seconds,
            reports_before_commit_max=execution.reports_before_commit_max,
            reconcile_seconds=self.broker.reconcile_seconds,
            account_kind=AccountKind(kind) if (kind := self.broker.account_kind) else None,
            currency=self.broker.currency,
            mode=self.mode.value,
            seed=self.seed,
        )

    def neutral(self) -> NeutralDefaults | None:
        """What stands in for an account that a provider does not have; nothing live."""
        return None if self.is_live else NeutralDefaults(self.broker.neutral_equity_usd)

    def neutral_price(self) -> Decimal | None:
        """What stands in for a price that a provider does not have; nothing live."""
        return None if self.is_live else self.broker.neutral_price_usd

    def provider_timings(self) -> ProviderTimings:
        """How a provider is asked."""
        return ProviderTimings(
            request_timeout_seconds=self.broker.request_timeout_seconds,
            poll_interval_seconds=self.broker.poll_interval_seconds,
        )


KEYS: Final[Mapping[str, Key]] = {key.name: key for key in keys_of(Settings(), HIDDEN)}
"""Every key that can be set, by its dotted name."""


def _file_layer(file: str | Path | None) -> dict[str, Any]:
    named = file or os.environ.get(f"{PREFIX}CONFIG")
    if not named:
        return {}
    try:
        return tomllib.loads(Path(named).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput("config file", named, f"a readable TOML file ({error})") from error


def _environment_layer() -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    try:
        layer: dict[str, Any] = source()
    except SettingsError as error:
        raise InvalidInput(
            "environment", str(error), "values as docs/configuration.md says"
        ) from None
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            _take_top(layer, name)
    for key, names in CREDENTIALS.items():
        section, field = key.split(".")
        given = next((os.environ[name] for name in names if os.environ.get(name)), None)
        if given is not None and not (layer.get(section) or {}).get(field):
            layer.setdefault(section, {})[field] = given
    return layer


def _take_top(layer: dict[str, Any], name: str) -> None:
    """Take the seed's names from the environment; refuse what looks like a misspelt key."""
    key = name[len(PREFIX) :].lower()
    top = key.split("__")[0]
    if key in ALIASES:
        layer[key] = os.environ[name]
    elif top not in Settings.model_fields and top not in RESERVED:
        problem = unknown(key.replace("__", "."), [*KEYS, *ALIASES])
        if "nearest" in problem.allowed:
            raise InvalidInput(name, "unknown key", problem.allowed)
