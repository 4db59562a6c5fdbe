"""``config``: by what terms things are done."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import ConfigOption, JsonOption, StoreOption


def config(
    show: Annotated[
        bool, typer.Option("--show", help="Print the settings that hold; secrets are masked.")
    ] = False,
    config: ConfigOption = None,
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check the configuration and show what holds: defaults, then file, then environment.

    With --store also how long that store's records are kept: what is on its record, to which
    configuration may only add.
    """
    from ..settings import KEYS, Settings
    from . import output
    from .configuration import retention_json, settings_json, settings_view

    output.log_to_stderr()
    settings = Settings.read(file=config)
    kept = retention_json(store, settings) if store is not None else {}
    if json_output:
        output.print_json({**settings_json(settings), **kept})
    elif show:
        output.show(settings_view(settings, kept))
    else:
        output.print_line(f"the configuration is valid: {len(KEYS)} keys; --show lists them")
