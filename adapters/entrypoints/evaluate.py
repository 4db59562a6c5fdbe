"""``evaluate``: policy against policy over recorded days, parent by parent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from ...domain.money import to_decimal
from .options import JsonOption, ProgressOption

if TYPE_CHECKING:
    from ..evaluation.parallel import Evaluation, Request

LATENCY_MS_DEFAULT: Final = 50
LATENCY_MS_MAX: Final = 3_600_000
CONCURRENT_MAX: Final = 1_000
BOUND_BPS_DEFAULT: Final = Decimal(10)
UNITS: Final = {"s": 1, "m": 60, "h": 3_600}
HORIZON_SECONDS_MAX: Final = 23_400


def evaluate(
    market: Annotated[
        Path,
        typer.Option("--market", metavar="DIR", help="A market folder.", show_default=False),
    ],
    policies: Annotated[
        str, typer.Option("--policies", metavar="A,B,…", help="Which policies, by name.")
    ] = "MARKET,TWAP60s,PEG_CROSS,adaptive",
    symbols: Annotated[
        str, typer.Option("--symbols", metavar="A,B,…", help="Which symbols; all by default.")
    ] = "",
    dates: Annotated[
        str, typer.Option("--dates", metavar="YYYYMMDD,…", help="Which dates; all by default.")
    ] = "",
    horizons: Annotated[
        str, typer.Option("--horizons", help="Lengths of the parents' windows.")
    ] = "5m,30m,2h",
    sizes: Annotated[
        str, typer.Option("--sizes", help="Shares of the volume that printed in the window.")
    ] = "0.01,0.05,0.10",
    latency_ms: Annotated[
        int, typer.Option("--latency-ms", min=0, max=LATENCY_MS_MAX, help="Sending to arrival.")
    ] = LATENCY_MS_DEFAULT,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.parquet",
            help="Write one row per parent and policy, and a page with tables and plots beside it.",
            show_default=False,
        ),
    ] = None,
    queue_share: Annotated[
        float | None,
        typer.Option(
            "--queue-share",
            min=0,
            max=1,
            help="Stress: how much of a print at our price our queue sees.",
            show_default="each day's own",
        ),
    ] = None,
    display_cap: Annotated[
        float | None,
        typer.Option(
            "--display-cap",
            min=0,
            max=1,
            help="Stress: smart policies show at most this share of the parent at any time.",
            show_default="none",
        ),
    ] = None,
    taker_only: Annotated[
        bool, typer.Option("--taker-only", help="Stress: smart policies never rest.")
    ] = False,
    messages_per_minute: Annotated[
        int, typer.Option("--messages-per-minute", min=1, help="The account's message budget.")
    ] = 200,
    concurrent: Annotated[
        int,
        typer.Option(
            "--concurrent", min=1, max=CONCURRENT_MAX, help="Parents that share one budget."
        ),
    ] = 1,
    bounded: Annotated[
        bool,
        typer.Option("--bounded", help="Work all parents once more under the default price bound."),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="Processes to work in.", show_default="all"),
    ] = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Work a grid of parent orders by each policy on recorded days and compare them in pairs.

    Simulated: the book does not respond to our orders. Every parent must complete and has no
    price bound; savings are against TWAP60s on the same parents.
    """
    from ..evaluation.parallel import Request
    from ..evaluation.policies import Stress, policies_named

    rest_max = Decimal(0) if taker_only else _share(display_cap, "display-cap")
    request = Request(
        folder=market,
        policies=tuple(policy.name for policy in policies_named(_names(policies))),
        symbols=tuple(_names(symbols)),
        dates=tuple(_names(dates)),
        horizons=tuple(_seconds(each) for each in _names(horizons)),
        sizes=tuple(_size(each) for each in _names(sizes)),
        latency_ms=latency_ms,
        messages_per_minute=messages_per_minute,
        concurrent=concurrent,
        stress=Stress(queue_share=_share(queue_share, "queue-share"), rest_fraction_max=rest_max),
    )
    _run(request, processes, out, bounded=bounded, json_output=json_output, progress=progress)


def _run(
    request: Request,
    processes: int | None,
    out: Path | None,
    *,
    bounded: bool,
    json_output: bool,
    progress: bool | None,
) -> None:
    from dataclasses import replace

    from ..evaluation import parallel
    from ..evaluation.files import write_outcomes
    from ..evaluation.summary import summarise
    from ..evaluation.tables import conditions, skipped_lines, views
    from . import output

    output.log_to_stderr()
    began = time.monotonic()
    with _bar(progress, "evaluating") as advance:
        found = parallel.evaluate(request, processes, advance)
    took = time.monotonic() - began
    for line in skipped_lines(found):
        output.note(line)
    if not found.outcomes:
        raise InvalidInput("market", request.folder, "a folder with days that can be evaluated")
    summary, second = summarise(found), None
    if bounded:
        stress = replace(request.stress, bound_bps=BOUND_BPS_DEFAULT)
        with _bar(progress, "with the default bound") as advance:
            again = parallel.evaluate(replace(request, stress=stress), processes, advance)
        second = summarise(again)
        summary["bounded"] = {"policies": second["policies"]}
    if out is not None:
        write_outcomes(out, found.outcomes)
    if json_output:
        # Statistics are floats, which the log's canonical form has no place for.
        text = json.dumps(summary, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        output.write_bytes(text.encode() + b"\n")
    else:
        output.show(*views(found, summary, second))
        output.print_line(conditions(found))
    output.note(_speed(found, took))


def _speed(found: Evaluation, took: float) -> str:
    """How fast it went, for people."""
    worked = len(found.outcomes)
    return f"{worked} parents worked in {took:.0f} s, {worked / max(took, 1e-9):.0f} a second"


@contextmanager
def _bar(asked: bool | None, text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that a callback of (done, total) moves."""
    from rich.progress import Progress

    from .output import stderr, wants_progress

    with Progress(console=stderr(), transient=True, disable=not wants_progress(asked)) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _seconds(text: str) -> int:
    """A horizon such as ``90s``, ``5m`` or ``2h`` in seconds."""
    number, unit = text[:-1], UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or not 0 < int(number) * unit <= HORIZON_SECONDS_MAX:
        raise InvalidInput("horizons", text, "like 90s, 5m or 2h, within a session")
    return int(number) * unit


def _size(text: str) -> Decimal:
    try:
        size = to_decimal(text, field="sizes")
    except ValueError as error:
        raise InvalidInput("sizes", text, "a share of the volume, like 0.05") from error
    if size <= 0:
        raise InvalidInput("sizes", text, "a share of the volume above 0")
    return size


def _share(value: float | None, name: str) -> Decimal | None:
    return None if value is None else to_decimal(value, field=name)
