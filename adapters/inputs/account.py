"""The simulated account's start: cash and positions from a JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from ...domain.errors import InvalidInput
from ...domain.money import to_decimal

CASH_USD_MAX: Final = Decimal("1e12")
ALLOWED: Final = '{"cash": 1000000, "positions": {"AAPL": 100}}'


@dataclass(frozen=True, slots=True)
class StartAccount:
    """Cash in USD and shares by symbol that the simulated account starts with."""

    cash: Decimal = Decimal(1_000_000)
    positions: dict[str, Decimal] = field(default_factory=dict)


def read_account(path: Path) -> StartAccount:
    """Read the account file.

    Raises:
        InvalidInput: naming the field that is wrong and what is allowed.
    """
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InvalidInput("account file", path, "an existing JSON file") from error
    except ValueError as error:
        raise InvalidInput("account file", path, f"JSON like {ALLOWED}") from error
    if not isinstance(loaded, dict):
        raise InvalidInput("account file", path, f"JSON like {ALLOWED}")
    unknown = sorted(set(loaded) - {"cash", "positions"})
    if unknown:
        raise InvalidInput("account file", ", ".join(unknown), "the fields cash and positions")
    cash = _number(loaded.get("cash", 1_000_000), "cash")
    if not 0 <= cash <= CASH_USD_MAX:
        raise InvalidInput("cash", cash, f"0 to {CASH_USD_MAX:f} USD")
    positions = loaded.get("positions", {})
    if not isinstance(positions, dict):
        raise InvalidInput("positions", positions, f"an object like {ALLOWED}")
    return StartAccount(
        cash,
        {str(name): _number(shares, f"positions.{name}") for name, shares in positions.items()},
    )


def _number(value: object, name: str) -> Decimal:
    try:
        return to_decimal(value, field=name)
    except ValueError as error:
        raise InvalidInput(name, value, "a finite number") from error
