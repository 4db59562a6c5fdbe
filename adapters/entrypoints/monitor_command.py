"""``monitor``: watch a store while an engine writes it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ...domain.errors import InvalidInput
from .options import ConfigOption, JsonOption, StoreOption, store_of

MISSING = "textual is not installed: pip install 'fillwright[monitor]', or use --once"


def monitor(
    store: StoreOption = None,
    once: Annotated[bool, typer.Option("--once", help="Print the picture once and end.")] = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Watch instructions, open orders, limits, alerts and the kill switch, live.

    Reads the log beside the engine that writes it, and changes nothing. Keys: q quits, p holds the
    picture still, r looks at once. Without a terminal, or with --json, it prints once and ends.
    """
    from ..settings import Settings
    from . import output
    from .following import Followed, child_orders, instructions, limits_and_alerts, snapshot
    from .following import standing as standing_line

    output.log_to_stderr()
    settings = Settings.read(file=config)
    followed = Followed(store_of(store, settings), settings.alerts.thresholds())
    try:
        if json_output:
            output.print_json(snapshot(followed))
        elif once or not (sys.stdout.isatty() and sys.stderr.isatty()):
            # The live view draws on stderr.
            output.show(
                standing_line(followed),
                instructions(followed),
                child_orders(followed),
                limits_and_alerts(followed),
            )
        else:
            try:
                from .monitor_app import Monitor
            except ImportError as error:
                raise InvalidInput("monitor", "no live view", MISSING) from error
            Monitor(followed).run()
    finally:
        followed.close()
