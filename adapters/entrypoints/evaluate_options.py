"""The options of ``evaluate``, and how their words become numbers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from ...domain.errors import InvalidInput
from ...domain.money import to_decimal

LATENCY_MS_MAX: Final = 3_600_000
CONCURRENT_MAX: Final = 1_000
T = TypeVar("T")
UNITS: Final = {"s": 1, "m": 60, "h": 3_600}
HORIZON_SECONDS_MAX: Final = 23_400

MarketOption = Annotated[
    Path, typer.Option("--market", metavar="DIR", help="A market folder.", show_default=False)
]
PoliciesOption = Annotated[
    str,
    typer.Option(
        "--policies",
        metavar="A,B,…",
        help="Which policies: MARKET, TWAP8, TWAP60s, VWAP, ICEBERG, PEG_CROSS (textbook), "
        "adaptive, risk_averse, smart_twap, smart_vwap, smart_iceberg, smart_opportunistic.",
    ),
]
SymbolsOption = Annotated[
    str, typer.Option("--symbols", metavar="A,B,…", help="Which symbols; all by default.")
]
DatesOption = Annotated[
    str, typer.Option("--dates", metavar="YYYYMMDD,…", help="Which dates; all by default.")
]
HorizonsOption = Annotated[str, typer.Option("--horizons", help="Lengths of the parents' windows.")]
SizesOption = Annotated[
    str, typer.Option("--sizes", help="Shares of the volume that printed in the window.")
]
LatencyOption = Annotated[
    int, typer.Option("--latency-ms", min=0, max=LATENCY_MS_MAX, help="Sending to arrival.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.parquet",
        help="Write one row per parent and policy, and beside it FILE.html with tables and plots.",
        show_default=False,
    ),
]
QueueShareOption = Annotated[
    float | None,
    typer.Option(
        "--queue-share",
        min=0,
        max=1,
        help="Stress: how much of a print at our price our queue sees.",
        show_default="each day's own",
    ),
]
DisplayCapOption = Annotated[
    float | None,
    typer.Option(
        "--display-cap",
        min=0,
        max=1,
        help="Stress: smart policies show at most this share of the parent at any time.",
        show_default="none",
    ),
]
TakerOnlyOption = Annotated[
    bool, typer.Option("--taker-only", help="Stress: smart policies never rest.")
]
MessagesOption = Annotated[
    int, typer.Option("--messages-per-minute", min=1, help="The account's message budget.")
]
ConcurrentOption = Annotated[
    int,
    typer.Option("--concurrent", min=1, max=CONCURRENT_MAX, help="Parents that share one budget."),
]
BoundedOption = Annotated[
    bool,
    typer.Option("--bounded", help="Work all parents once more under the default price bound."),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option("--processes", min=1, help="Processes to work in.", show_default="all"),
]


def names(text: str) -> list[str]:
    """The parts of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def figures(text: str, name: str, convert: Callable[[str], T]) -> tuple[T, ...]:
    """The parts of a comma-separated list that must not be empty, each once and in order.

    Raises:
        InvalidInput: it is empty, or a part is not allowed.
    """
    found = tuple(dict.fromkeys(convert(part) for part in names(text)))
    if not found:
        raise InvalidInput(name, text, "at least one")
    return found


def seconds(text: str) -> int:
    """A horizon such as ``90s``, ``5m`` or ``2h`` in seconds.

    Raises:
        InvalidInput: it is none, or longer than a session.
    """
    number, unit = text[:-1], UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or not 0 < int(number) * unit <= HORIZON_SECONDS_MAX:
        raise InvalidInput("horizons", text, "like 90s, 5m or 2h, within a session")
    return int(number) * unit


def size(text: str) -> Decimal:
    """A share of the volume.

    Raises:
        InvalidInput: it is no number above 0.
    """
    try:
        value = to_decimal(text, field="sizes")
    except ValueError as error:
        raise InvalidInput("sizes", text, "a share of the volume, like 0.05") from error
    if value <= 0:
        raise InvalidInput("sizes", text, "a share of the volume above 0")
    return value


def share(value: float | None, name: str) -> Decimal | None:
    """An optional share as an exact number."""
    return None if value is None else to_decimal(value, field=name)
