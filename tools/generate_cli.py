"""The page docs/cli.md, from the commands' own help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer.main

from fillwright.adapters.entrypoints.cli import app
from fillwright.adapters.entrypoints.failures import MEANINGS
from fillwright.domain.intake import KEYS

INTRODUCTION = """\
# Command line

This page is generated from the commands' own help by `python -m tools.generate_docs`; change the
commands in `adapters/entrypoints/`, not the page.

Results go to stdout, progress, notes and errors to stderr. An expected error is one line that names
the field and what is allowed; `--debug`, anywhere on the line, shows its traceback. With `--json` a
command prints one canonical JSON document (`events`: one object a line) and nothing else to stdout.
"""

DECISIONS = """\
## A decisions file

A JSON list, JSON lines, or CSV with a header; `symbol` and `action` are required. Keys: {keys}.

Weights are percent of equity, `max_slippage` basis points from the arrival mid (10 where absent,
`none` for no bound), a window seconds or a text such as `1h30m`. A row without `decision_time`
arrives five minutes after the open; rows that arrive together are one batch, in which the highest
confidence goes first and opposite decisions are netted. A row without `decision_id` gets an id from
its content and its ordinal among equal rows, so that running the file again asks for the same
instructions and trades nothing twice. `examples/decisions/` has files to start from.

Rows that are no valid decision (unknown symbol or action, a negative or non-numeric weight, a
confidence outside 1 to 10) are refused on the record with the field, what was seen, what is allowed
and, where there is one, what would pass; the run goes on
and ends with exit code 2, or with 0 under `--lenient`. A refusal by a limit is no error.
"""

LINES = """\
## Lines of events

`fillwright events --json` prints for each event `fields`, `hash`, `position` and `topic`, in this
order. `fields` are the stored bytes themselves, which the hash covers, so that the chain can be
recomputed from the output alone ([store.md](store.md) says how). The same run gives the same output
byte for byte.
"""


def page() -> str:
    """The text of docs/cli.md."""
    return "\n".join(part.rstrip() + "\n" for part in _parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    yield "## Exit codes\n\n| code | means |\n| ---: | --- |\n" + "\n".join(
        f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()
    )
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for words, one in _with_parts(name, command):
            yield "\n".join(_command(words, one))
    keys = ", ".join(f"`{key}`" for key in KEYS)
    yield DECISIONS.format(keys=keys)
    yield LINES


def _with_parts(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command, or those of a group of commands, by what is typed."""
    parts = getattr(command, "commands", None)
    if parts is None:
        yield name, command
        return
    for part, one in parts.items():
        yield from _with_parts(f"{name} {part}", one)


def _command(name: str, command: Any) -> Iterator[str]:
    options = [param for param in command.params if param.param_type_name == "option"]
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    usage = " ".join(["fillwright", name, *(argument.metavar for argument in arguments)])
    required = [f"{option.opts[0]} {_value(option)}" for option in options if option.required]
    yield f"## fillwright {name}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield f"```text\n{' '.join([usage, *required, '[OPTIONS]'])}\n```\n"
    yield "| option | what it does |"
    yield "| --- | --- |"
    for argument in arguments:
        yield f"| `{argument.metavar}` | {_help(argument)} |"
    for option in options:
        yield f"| {_names(option)} | {_help(option)} |"


def _names(option: Any) -> str:
    names = ", ".join(f"`{opt}`" for opt in (*option.opts, *option.secondary_opts))
    value = _value(option).replace("|", "\\|")
    return f"{names} `{value}`" if value else names


def _value(option: Any) -> str:
    """What is written for an option's value: its name, or each that is allowed."""
    kind = option.type_descriptor.annotation
    if option.metavar or not (isinstance(kind, type) and issubclass(kind, Enum)):
        return option.metavar or ""
    return "|".join(str(each.value) for each in kind)


def _help(param: Any) -> str:
    text = (param.help or "").replace("|", "\\|")
    default = param.default
    shown = param.param_type_name == "option" and param.show_default and not param.is_flag
    if shown and default not in (None, ""):
        text += f" Default: {getattr(default, 'value', default)}."
    return text + (" Required." if param.required and param.param_type_name == "option" else "")
