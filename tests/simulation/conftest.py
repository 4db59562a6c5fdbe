"""A small generated session that whole-engine tests trade on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.market_data.generated import generate_day


@pytest.fixture(scope="session")
def generated_days() -> Sequence[SymbolDay]:
    """Two invented symbols on one real session date."""
    return [generate_day(symbol, "20240108", seed=7) for symbol in ("AAPL", "KO")]
