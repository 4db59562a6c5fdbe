"""The settings that hold, for people and for programs; a secret is never shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...projections.canonical import Json, canonical_bytes, to_json
from ..settings import KEYS, Settings
from ..settings_reading import SECRET_SHOWN, Key

IN_FORCE: Final = "retention in force"


def settings_json(settings: Settings) -> dict[str, Json]:
    """Every key with its value."""
    return {name: _value(settings, key) for name, key in KEYS.items()}


def retention_json(store: str, settings: Settings) -> dict[str, Json]:
    """How long the records of a store are kept, by its record and configuration together.

    Raises:
        StoreError: it cannot be read.
    """
    from ..storage.log import Log
    from ..supervision.supervising import retention_of

    with Log.open(store, writer=False) as log:
        return {IN_FORCE: to_json(retention_of(log, settings.retention))}


def settings_view(settings: Settings, in_force: Mapping[str, Json] | None = None) -> RenderableType:
    """Every key with its value; what differs from the default is marked.

    ``in_force`` is what a store's record makes of some of them.
    """
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("key", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, key in KEYS.items():
        changed = _read(settings, key) != key.default
        shown = _text(_value(settings, key))
        table.add_row(name, Text(shown, style="bold green" if changed else ""))
    for name, value in (in_force or {}).items():
        table.add_row(name, Text(_text(value), style="bold green"))
    hint = Text("What is not the default is bold; a file or FILLWRIGHT_… sets it.", style="dim")
    return Group(table, hint)


def _read(settings: Settings, key: Key) -> object:
    value: object = settings
    for part in key.name.split("."):
        value = getattr(value, part)
    return value


def _value(settings: Settings, key: Key) -> Json:
    value = _read(settings, key)
    if isinstance(value, SecretStr):
        return SECRET_SHOWN if value.get_secret_value() else None
    if key.name == "store":
        dumped: Json = settings.model_dump()["store"]
        return dumped
    if isinstance(value, Path | float):
        return str(value)
    return to_json(value)


def _text(value: Json) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return canonical_bytes(value).decode()
