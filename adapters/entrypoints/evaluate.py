"""``evaluate``: policy against policy over recorded days, parent by parent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...domain.errors import InvalidInput
from . import evaluate_options as given
from .options import JsonOption, ProgressOption

if TYPE_CHECKING:
    from ..evaluation.parallel import Evaluation, Request

BOUND_BPS_DEFAULT: Final = Decimal(10)


def evaluate(
    market: given.MarketOption,
    policies: given.PoliciesOption = "MARKET,TWAP60s,PEG_CROSS,adaptive",
    symbols: given.SymbolsOption = "",
    dates: given.DatesOption = "",
    horizons: given.HorizonsOption = "5m,30m,2h",
    sizes: given.SizesOption = "0.01,0.05,0.10",
    latency_ms: given.LatencyOption = 50,
    out: given.OutOption = None,
    queue_share: given.QueueShareOption = None,
    display_cap: given.DisplayCapOption = None,
    taker_only: given.TakerOnlyOption = False,
    messages_per_minute: given.MessagesOption = 200,
    concurrent: given.ConcurrentOption = 1,
    bounded: given.BoundedOption = False,
    processes: given.ProcessesOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Work a grid of parent orders by each policy on recorded days and compare them in pairs.

    Simulated: the book does not respond to our orders. Every parent must complete and has no
    price bound; savings are against TWAP60s on the same parents.
    """
    from ..evaluation.parallel import Request
    from ..evaluation.policies import Stress, policies_named

    shown_max = Decimal(0) if taker_only else given.share(display_cap, "display-cap")
    request = Request(
        folder=market,
        policies=tuple(policies_named(given.names(policies))),
        symbols=tuple(given.names(symbols)),
        dates=tuple(given.names(dates)),
        horizons=given.figures(horizons, "horizons", given.seconds),
        sizes=given.figures(sizes, "sizes", given.size),
        latency_ms=latency_ms,
        messages_per_minute=messages_per_minute,
        concurrent=concurrent,
        stress=Stress(
            queue_share=given.share(queue_share, "queue-share"), rest_fraction_max=shown_max
        ),
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
    from ..evaluation import parallel
    from ..evaluation.summary import summarise
    from ..evaluation.tables import conditions, skipped_lines, views
    from . import output
    from .whole_files import refuse_evidence

    output.log_to_stderr()
    for result in () if out is None else (out, _page_of(out)):
        refuse_evidence(result)
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
        _write(out, found, summary, second)
    if json_output:
        # Statistics are floats, which the log's canonical form has no place for.
        text = json.dumps(summary, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        output.write_bytes(text.encode() + b"\n")
    else:
        output.show(*views(summary, second))
        output.print_line(conditions(found))
    output.note(_speed(found, took))


def _write(
    out: Path, found: Evaluation, summary: Mapping[str, Any], second: Mapping[str, Any] | None
) -> None:
    """The outcomes and, beside them, the page."""
    from ...domain.decision import Style
    from ..evaluation.examples import examples_of
    from ..evaluation.files import write_outcomes
    from ..evaluation.page import write_page
    from . import output

    write_outcomes(out, found.outcomes)
    smart = [policy for policy in found.request.policies if policy.style is Style.SMART]
    examples = examples_of(found, (smart or found.request.policies)[0])
    page = _page_of(out)
    write_page(page, found, summary, second, examples)
    output.note(f"wrote {out} and {page}")


def _page_of(out: Path) -> Path:
    return out.with_suffix(".html")


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
