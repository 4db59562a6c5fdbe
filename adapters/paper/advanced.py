"""``advanced_instructions``: checked as far as Alpaca documents them, and then without effect.

On Alpaca's paper accounts they are accepted and not simulated, and no answer repeats them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from .orders import Tif
from .refusals import semantic, syntax
from .ticket import Ticket, amount_of
from .wire import parse_time

ALGORITHMS: Final = ("DMA", "TWAP", "VWAP")
DESTINATIONS: Final = ("NYSE", "NASDAQ", "ARCA", "IEX", "MEMX")
ROUND_LOT: Final = 100
STEP: Final = Decimal("0.001")


def check_advanced(body: Mapping[str, Any], ticket: Ticket, open_at: int, close_at: int) -> None:
    """Check the instructions of a new or changed order, if any; the session's times are ns UTC.

    Raises:
        ApiRefusal: naming what is wrong.
    """
    given = body.get("advanced_instructions")
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise syntax("advanced_instructions must be an object")
    algorithm = str(given.get("algorithm"))
    if algorithm not in ALGORITHMS:
        raise syntax(f"advanced_instructions.algorithm must be one of {', '.join(ALGORITHMS)}")
    if ticket.tif is not Tif.DAY:
        raise semantic("advanced_instructions require time_in_force day")
    if algorithm == "DMA":
        _check_route(given)
    else:
        _check_schedule(given, open_at, close_at)


def _check_route(given: Mapping[str, Any]) -> None:
    if given.get("destination") not in DESTINATIONS:
        allowed = ", ".join(DESTINATIONS)
        raise syntax(f"advanced_instructions.destination must be one of {allowed}")
    shown = amount_of(given, "display_qty")
    if shown is not None and shown % ROUND_LOT:
        raise semantic("advanced_instructions.display_qty must be in round lots")


def _check_schedule(given: Mapping[str, Any], open_at: int, close_at: int) -> None:
    times: dict[str, int] = {}
    for name in ("start_time", "end_time"):
        if given.get(name) is None:
            continue
        try:
            times[name] = parse_time(str(given[name]))
        except ValueError as error:
            raise syntax(f"advanced_instructions.{name} must be a time") from error
        if not open_at <= times[name] <= close_at:
            raise semantic(f"advanced_instructions.{name} must be within market hours")
    if times.get("start_time", open_at) >= times.get("end_time", close_at):
        raise semantic("advanced_instructions.end_time must be after start_time")
    share = amount_of(given, "max_percentage")
    if share is not None and (share >= 1 or share % STEP):
        raise semantic("advanced_instructions.max_percentage must be below 1, with 3 decimals")
