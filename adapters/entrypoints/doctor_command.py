"""``doctor``: is everything there that trading needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .failures import Difference
from .options import ConfigOption, JsonOption, LiveOption, StoreOption, TradingUrlOption

if TYPE_CHECKING:
    from ..doctoring import Finding


def doctor(
    store: StoreOption = None,
    broker: Annotated[
        bool, typer.Option("--broker/--no-broker", help="Ask the broker, or leave it out.")
    ] = True,
    trading_url: TradingUrlOption = None,
    live: LiveOption = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check versions, configuration, store, keys, connection, clock, market and account.

    Changes nothing and never shows a key. Each check that is not well says what to do next.

    Exit code 0: nothing fails; warnings are shown. 4: something fails.
    """
    from ..doctoring import Health, examine
    from ..settings import Settings
    from . import output

    output.log_to_stderr()
    found = examine(
        lambda: Settings.read(file=config, live=live),
        store,
        {"trading_url": trading_url},
        ask_broker=broker,
    )
    if json_output:
        output.print_json({"checks": [_json(one) for one in found]})
    else:
        for one in found:
            output.print_line(_text(one))
    failed = [one.name for one in found if one.health is Health.FAIL]
    if failed:
        raise Difference(f"not well: {', '.join(failed)}")


def _json(one: Finding) -> dict[str, str]:
    return {"check": one.name, "health": one.health.value, "seen": one.seen, "next": one.next}


def _text(one: Finding) -> str:
    step = f"  -> {one.next}" if one.next else ""
    return f"{one.health.value:<8}{one.name:<15}{one.seen}{step}"
