"""Account configurations: what there is, and what may be set."""

from __future__ import annotations

from typing import Any, Final

from .refusals import syntax

DEFAULTS: Final[dict[str, Any]] = {
    "dtbp_check": "entry",
    "pdt_check": "entry",
    "fractional_trading": True,
    "max_margin_multiplier": "4",
    "max_options_trading_level": 0,
    "no_shorting": False,
    "suspend_trade": False,
    "trade_confirm_email": "all",
    "ptp_no_exception_entry": False,
    "disable_overnight_trading": False,
}
_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    "dtbp_check": ("both", "entry", "exit"),
    "pdt_check": ("both", "entry", "exit"),
    "max_margin_multiplier": ("1", "2", "4"),
    "max_options_trading_level": (0, 1, 2, 3),
    "trade_confirm_email": ("all", "none"),
}


def read_configurations(body: object) -> dict[str, Any]:
    """What a PATCH sets; nulls, which clients send for what they leave alone, are dropped.

    Raises:
        ApiRefusal: a field is unknown or its value is not allowed.
    """
    if not isinstance(body, dict):
        raise syntax("request body format is invalid")
    chosen = {}
    for name, value in body.items():
        if value is None:
            continue
        if name not in DEFAULTS:
            raise syntax(f"unknown configuration {str(name)[:40]}")
        given = str(value) if name == "max_margin_multiplier" else value
        if name in _CHOICES:
            is_allowed = not isinstance(given, bool) and given in _CHOICES[name]
        else:
            is_allowed = isinstance(given, bool)
        if not is_allowed:
            raise syntax(f"invalid {name}")
        chosen[name] = given
    return chosen
