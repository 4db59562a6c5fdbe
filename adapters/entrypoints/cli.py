"""The command line: which commands there are, and how an error becomes one line and a code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn

import typer

from ... import __version__
from .actions_command import accept, actions
from .audit_command import audit_pack
from .books_command import books
from .chains_command import chains
from .change_commands import changes_app
from .config_command import config
from .control_commands import kill, reconcile, release
from .cost_command import tca
from .demo_command import demo
from .doctor_command import doctor
from .evaluate import evaluate
from .evidence_commands import check, checkpoint, keys, prove
from .exception_commands import exceptions_app
from .export_command import export
from .failures import MEANINGS, ExitCode, exit_code_of, is_expected, message_of
from .guarding import guard_all
from .mcp_command import mcp
from .mirror_commands import mirror, query
from .monitor_command import monitor
from .month_command import month
from .notices_command import alerts
from .paper import paper
from .principal_commands import principals_app
from .reading_commands import events, limits, show, status
from .redact_command import redact
from .replay_command import replay
from .report_commands import explain, report, review
from .running_commands import run
from .serve_command import serve
from .store_commands import store_app
from .strategy_commands import strategies_app
from .surveillance_command import surveillance
from .verify_command import verify

PROGRAM: Final = "fillwright"
DEBUG: Final = "--debug"
_CODES: Final = "  \n".join(f"{code.value}: {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name=PROGRAM,
    help="Audit-grade, event-sourced trade execution. Start with `fillwright demo`.",
    epilog=f"Exit codes:\n\n{_CODES}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Show the traceback of an error. Anywhere on the line.")
    ] = False,
) -> None:
    """Options that every command knows; both act before a command does."""


for command in (demo, run, status, show, report, limits, events, replay, verify, config, evaluate):
    app.command()(command)
app.command()(keys)
app.command()(checkpoint)
app.command()(prove)
app.command()(check)
app.command()(export)
app.command()(redact)
app.command()(audit_pack)
app.command()(mirror)
app.command()(query)
app.command()(paper)
app.command()(serve)
app.command()(mcp)
app.command()(kill)
app.command()(release)
app.command()(reconcile)
app.command()(monitor)
app.command()(doctor)
app.command()(alerts)
app.command()(surveillance)
app.command()(books)
app.command()(month)
app.command()(actions)
app.command()(accept)
app.command()(chains)
app.command()(tca)
app.command()(explain)
app.command()(review)
app.add_typer(store_app)
app.add_typer(principals_app)
app.add_typer(changes_app)
app.add_typer(exceptions_app)
app.add_typer(strategies_app)
guard_all(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, and never lets an exception out."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG in given
    given = [argument for argument in given if argument != DEBUG]
    try:
        code = app(args=given, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        if code == ExitCode.INTERRUPTED:
            # typer keeps the interruption to itself and gives its code back instead.
            raise KeyboardInterrupt
    except (BrokenPipeError, SystemExit):
        # The reader of a pipe (head, less) has enough; typer and rich make an exit of it. Point
        # stdout away, so that the flush at exit does not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except (Exception, KeyboardInterrupt) as error:
        if debug or not is_expected(error):
            _trace(error, debug=debug)
        print(f"{PROGRAM}: {message_of(error, _typed(given))}", file=sys.stderr)
        return exit_code_of(error)
    return code if isinstance(code, int) else ExitCode.OK


def _typed(given: Sequence[str]) -> str:
    """The command that was typed, as far as there is such a one."""
    from typer.main import get_command

    command: Any = get_command(app)
    words = [PROGRAM]
    for word in given:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words.append(word)
    return " ".join(words)


def _trace(error: BaseException, *, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(error, file=sys.stderr)


def entry() -> NoReturn:
    """The program: run one command and end.

    Everything is closed by then. Leaving without taking the interpreter apart spares native code a
    thread that is unwound under it, which aborts a process whose work is done.
    """
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
