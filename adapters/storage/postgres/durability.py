"""What a server is set to that lets a power cut take what it has said is on disk.

When a commit is on disk is asked for by each connection of ours (``connections.configure``). These
settings belong to the whole server, and only who runs it can change them.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection

from ..location import postgres_address
from .connections import CONNECT_SECONDS, connect, patiently

_OFF: Final = """
SELECT name FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name"""

MEANS: Final = {
    "fsync": "fsync is off: a power cut may take what was acknowledged, or the whole database",
    "full_page_writes": (
        "full_page_writes is off: a power cut may leave torn pages, unless the server's storage "
        "writes pages whole"
    ),
}
_RELOAD: Final = "SELECT pg_reload_conf()"


def switched_off(connection: Connection[Any]) -> list[str]:
    """The names of such settings that are off."""
    return [name for (name,) in connection.execute(_OFF.encode())]


def switched_off_at(url: str) -> list[str]:
    """The names of such settings of a store's server.

    Raises:
        StoreError: it cannot be reached, or refuses.
    """
    address = postgres_address(url)

    def ask() -> list[str]:
        with connect(address) as connection:
            return switched_off(connection)

    return patiently(ask, address.shown, CONNECT_SECONDS)


def advice(names: list[str]) -> str:
    """What to do about them, for whoever runs the server."""
    return "; ".join([*(f"ALTER SYSTEM SET {name} = on" for name in names), _RELOAD])
