"""``config``: by what terms things are done."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import ConfigOption, JsonOption


def config(
    show: Annotated[
        bool, typer.Option("--show", help="Print the settings that hold; secrets are masked.")
    ] = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check the configuration and show what holds: defaults, then file, then environment."""
    from ..settings import KEYS, Settings
    from . import output
    from .configuration import settings_json, settings_view

    output.log_to_stderr()
    settings = Settings.read(file=config)
    if json_output:
        output.print_json(settings_json(settings))
    elif show:
        output.show(settings_view(settings))
    else:
        output.print_line(f"the configuration is valid: {len(KEYS)} keys; --show lists them")
