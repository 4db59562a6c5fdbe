"""Every command asks whether its caller may run it, before it does anything."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import typer

UNREADABLE_GOES_ON: Final = frozenset({"config", "doctor", "kill", "verify", "store migrate"})
"""Commands that go on where it cannot be read who may: to block is never denied for that, a check
says what is wrong, and a store without tables has nobody."""


ENGINES: Final = frozenset({"run", "run --live"})
"""Commands that run an engine; who runs it is on the record."""


def guard_all(app: typer.Typer, prefix: str = "") -> None:
    """Have every command of an application, and of its groups, ask first."""
    for info in app.registered_commands:
        if info.callback is not None:
            name = f"{prefix}{info.name or info.callback.__name__.replace('_', '-')}"
            info.callback = guarded(name, info.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            guard_all(group.typer_instance, f"{prefix}{group_name(group)} ")


def group_name(group: Any) -> str:
    """What a group of commands is called on the command line."""
    return group.name or str(group.typer_instance.info.name)


def guarded(name: str, command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, run only if the caller may; one that knows no store is nobody's to deny."""
    if "store" not in inspect.signature(command).parameters:
        return command

    @functools.wraps(command)
    def asking(**arguments: Any) -> Any:
        check(_asked(name, arguments), arguments)
        return command(**arguments)

    return asking


WITH_OPTIONS: Final = {
    "run": {"live": "run --live"},
    "serve": {"live": "serve --live"},
    "reconcile": {"statement": "reconcile --statement", "sign_off": "reconcile --statement"},
    "actions": {"file": "actions FILE"},
}
"""Commands that ask for other roles with an option or argument, and what they are called then."""


def _asked(name: str, arguments: Mapping[str, Any]) -> str:
    """What is asked for by a command with these arguments."""
    names = (to for given, to in WITH_OPTIONS.get(name, {}).items() if arguments.get(given))
    return next(names, name)


def check(name: str, arguments: Mapping[str, Any]) -> None:
    """Raise AccessDenied, on the record, unless the caller may run a command on its store.

    Raises:
        StoreError: who may cannot be read.
    """
    where = _store(arguments.get("store"), arguments.get("config"))
    if where is None:
        return  # the command itself says what is missing
    from ...domain.errors import StoreError
    from ..supervision.supervising import supervisor_of

    try:
        supervisor = supervisor_of(where)
    except StoreError:
        if name in UNREADABLE_GOES_ON:
            return
        raise
    if supervisor is not None:
        with supervisor:
            if name in ENGINES:
                supervisor.grant(name, account_of(arguments.get("config")))
            else:
                supervisor.require(name)


def account_of(config: Path | None) -> str:
    """The account that configuration names; raises InvalidInput."""
    from ..settings import Settings

    return Settings.of_any_mode(config).account


def _store(given: object, config: Path | None) -> str | None:
    """The store that the command is going to use, as it will find it itself."""
    if isinstance(given, (str, Path)):
        return str(given)
    named = os.environ.get("FILLWRIGHT_STORE")
    if named or (config is None and not os.environ.get("FILLWRIGHT_CONFIG")):
        return named or None
    from ...domain.errors import InvalidInput
    from ..settings import Settings

    try:
        return Settings.store_named(config)
    except InvalidInput:
        return None
