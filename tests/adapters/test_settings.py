"""Settings: where values come from, what is refused and how it is said, and that secrets stay."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.settings import KEYS, Mode, Settings
from fillwright.domain.decision import Style
from fillwright.domain.errors import InvalidInput
from fillwright.domain.limits import Limits
from tools.generate_configuration import page


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("FILLWRIGHT_", "APCA_", "ALPACA_")):
            monkeypatch.delenv(name)


def test_the_defaults_are_the_seeds() -> None:
    settings = Settings.read()
    assert settings.max_daily_trades == 50
    assert settings.max_daily_turnover == 25
    assert settings.max_position_size == 5
    assert settings.mode is Mode.PAPER
    assert settings.to_limits() == Limits()


def test_the_seeds_names_work_at_the_top_and_in_the_section() -> None:
    top = {"max_daily_trades": 3, "max_daily_turnover": 10, "max_position_size": 2.5}
    limits = Settings.read(top).to_limits()
    assert (limits.trades_max_per_day, limits.turnover_pct_max) == (3, 10)
    assert limits.position_pct_max == Decimal("2.5")
    assert Settings.read({"limits": top}).to_limits() == limits


def test_settings_that_were_read_are_taken_as_they_are() -> None:
    settings = Settings.read({"account": "a1"})
    assert Settings.read(settings) is settings


def test_later_layers_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "fillwright.toml"
    file.write_text(
        'account = "file"\nseed = 1\nmax_daily_trades = 1\n[execution]\nstyle = "naive"\n'
    )
    monkeypatch.setenv("FILLWRIGHT_CONFIG", str(file))
    monkeypatch.setenv("FILLWRIGHT_SEED", "2")
    monkeypatch.setenv("FILLWRIGHT_MAX_DAILY_TRADES", "2")
    monkeypatch.setenv("FILLWRIGHT_LIMITS__RESTRICTED", '["XYZ"]')
    settings = Settings.read({"max_daily_trades": 3})
    assert (settings.account, settings.seed, settings.max_daily_trades) == ("file", 2, 3)
    assert settings.execution.style is Style.NAIVE
    assert settings.limits.restricted == ("XYZ",)


def test_a_section_given_in_part_keeps_its_own_defaults() -> None:
    low = Settings.read({"execution": {"low": {"band_fraction": 1}}}).execution.low
    assert (low.window_factor, low.band_fraction) == (Decimal("1.5"), 1)


@pytest.mark.parametrize(
    ("config", "named", "nearest"),
    [
        ({"max_daily_tradez": 3}, "max_daily_tradez", "max_daily_trades"),
        ({"limits": {"allow_shorts": True}}, "limits.allow_shorts", "limits.allow_short"),
        ({"limit": {"allow_short": True}}, "limit", "limits"),
        ({"avoid_open_minutes": 3}, "avoid_open_minutes", "timing.avoid_open_minutes"),
        ({"execution": {"low": {"window": 1}}}, "execution.low.window", "window_factor"),
        ({"limits": {"version": 7}}, "limits.version", ""),
        ({"qwerty": 1}, "qwerty", "docs/configuration.md"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(
    config: dict[str, object], named: str, nearest: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings.read(config)
    assert caught.value.field == named
    assert nearest in caught.value.allowed


@pytest.mark.parametrize(
    ("config", "named", "allowed"),
    [
        ({"max_daily_trades": -1}, "limits.trades_max_per_day", "a whole number from 0 to 1000000"),
        ({"max_daily_trades": True}, "max_daily_trades", "a whole number"),
        ({"max_daily_trades": "many"}, "limits.trades_max_per_day", "a whole number"),
        ({"max_position_size": float("nan")}, "limits.position_pct_max", "a number"),
        ({"max_position_size": 0.05}, "max_position_size", "5 for 5 %"),
        ({"max_daily_turnover": 0.25}, "max_daily_turnover", "25 for 25 %"),
        ({"execution": {"style": "wild"}}, "execution.style", "smart or naive"),
        ({"limits": {"restricted": ["a b"]}}, "limits.restricted", "a list of text"),
        ({"limits": {"restricted": ["a b"]}}, "limits.restricted", "items, each matching ^[A-Z]"),
        ({"retention": {"legal_holds": ["KO"]}}, "retention.legal_holds", "(account|symbol|dec"),
        ({"limits": 3}, "limits", "a section"),
        ({"account": "a b"}, "account", "text of at most 64 characters"),
        ({"max_daily_trades": 1, "limits": {"max_daily_trades": 1}}, "limits", "either"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    config: dict[str, object], named: str, allowed: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings.read(config)
    assert named in caught.value.field
    assert allowed in caught.value.allowed


def test_zero_is_a_limit_and_no_fraction() -> None:
    limits = Settings.read({"max_position_size": 0, "max_daily_turnover": 0}).to_limits()
    assert (limits.position_pct_max, limits.turnover_pct_max) == (0, 0)


def test_config_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a mapping"):
        Settings.read([("account", "x")])  # type: ignore[arg-type]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="config file"):
        Settings.read(file=tmp_path / "missing.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("account = ")
    with pytest.raises(InvalidInput, match="TOML"):
        Settings.read(file=broken)


def test_a_misspelt_variable_is_named_and_a_foreign_one_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FILLWRIGHT_MARKET_DIR", "/data")
    monkeypatch.setenv("FILLWRIGHT_ZZZ", "1")
    Settings.read()
    monkeypatch.setenv("FILLWRIGHT_ACCOUNTS", "x")
    with pytest.raises(InvalidInput, match=r"FILLWRIGHT_ACCOUNTS.*nearest is account"):
        Settings.read()


def test_a_misspelt_variable_of_a_section_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLWRIGHT_LIMITS__ALLOW_SHORTS", "true")
    with pytest.raises(InvalidInput, match=r"limits\.allow_shorts.*limits\.allow_short"):
        Settings.read()


# -- live ------------------------------------------------------------------------------------------


def test_live_needs_the_line_and_the_flag() -> None:
    with pytest.raises(InvalidInput, match="flag"):
        Settings.read({"mode": "live"})
    with pytest.raises(InvalidInput, match="line"):
        Settings.read({}, live=True)
    assert Settings.read({"mode": "live"}, live=True).is_live


def test_live_contradicted_by_the_brokers_own_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALPACA_PAPER_TRADE", "True")
    with pytest.raises(InvalidInput, match="ALPACA_PAPER_TRADE"):
        Settings.read({"mode": "live"}, live=True)


def test_live_assumes_nothing() -> None:
    live = Settings.read({"mode": "live"}, live=True)
    assert live.neutral() is None
    assert live.neutral_price() is None
    assert live.to_rules().intake.id_required
    assert not live.to_limits().half_by_default
    asked = Settings.read({"mode": "live", "limits": {"half_by_default": True}}, live=True)
    assert asked.to_limits().half_by_default
    paper = Settings.read()
    assert paper.neutral() is not None
    assert paper.to_limits().half_by_default
    assert not paper.to_rules().intake.id_required


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "secret"),
    [("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"), ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")],
)
def test_the_brokers_own_variables_are_read_and_never_shown(
    key: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, "PKTESTKEY")
    monkeypatch.setenv(secret, "hunter2hunter2")
    settings = Settings.read({"store": "postgresql://me:pw-9x@db/log"})
    assert settings.broker.key_id is not None
    assert settings.broker.secret_key is not None
    assert settings.broker.key_id.get_secret_value() == "PKTESTKEY"
    assert settings.broker.secret_key.get_secret_value() == "hunter2hunter2"
    assert settings.store == "postgresql://me:pw-9x@db/log"
    for shown in (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        str(settings.model_dump()),
    ):
        for hidden in ("PKTESTKEY", "hunter2", "pw-9x"):
            assert hidden not in shown


def test_our_own_name_for_a_credential_goes_before_the_brokers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "theirs")
    monkeypatch.setenv("FILLWRIGHT_BROKER__KEY_ID", "ours")
    key = Settings.read().broker.key_id
    assert key is not None
    assert key.get_secret_value() == "ours"


def test_an_error_does_not_show_a_secret() -> None:
    with pytest.raises(InvalidInput) as caught:
        Settings.read({"broker": {"secret_key": 123456789}})
    assert "123456789" not in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        Settings.read({"broker": {"secret_key": ["hunter2"]}})
    assert "hunter2" not in str(caught.value)


# -- what the parts are told -----------------------------------------------------------------------


def test_the_engine_is_told_what_was_configured() -> None:
    rules = Settings.read(
        {
            "seed": 7,
            "timing": {"avoid_open_minutes": 2, "avoid_close_minutes": 0},
            "execution": {"parameters": {"slices": 4}, "messages_per_minute": 60},
            "broker": {"poll_interval_seconds": 5},
        }
    ).to_rules()
    assert (rules.seed, rules.messages_per_minute, rules.mode) == (7, 60, "paper")
    assert rules.planning.parameters.slices == 4
    assert (rules.planning.avoid_open_seconds, rules.planning.avoid_close_seconds) == (120, 0)


def test_every_key_is_on_the_page() -> None:
    text = page()
    for name in KEYS:
        assert f"`{name.rpartition('.')[2]}`" in text
