"""``replay``: the log told again, decided again, as it was, or otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from .options import AsOfOption, JsonOption, ProgressOption, StoreOption, needs, store_of

if TYPE_CHECKING:
    from ..replay.replaying import Replay

LATENCY_MS: Final = 50


def replay(
    store: StoreOption = None,
    decisions: Annotated[
        bool,
        typer.Option(
            "--decisions",
            help="Only decide everything again, by the code of today whatever its version then.",
        ),
    ] = False,
    as_of: AsOfOption = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="STRATEGY|NAME=VALUE",
            help="Work the session again on its captured market data with another strategy, term "
            "or parameter, and give the difference in cost. May be given several times.",
            show_default=False,
        ),
    ] = None,
    latency_ms: Annotated[
        int,
        typer.Option(
            "--latency-ms",
            metavar="N",
            min=0,
            max=60_000,
            help="With --what-if: from sending an order to its arrival, in milliseconds.",
        ),
    ] = LATENCY_MS,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Rebuild every view from nothing, re-run every recorded decision, and compare.

    Decisions are plans with their limit checks, strategies' orders and cancels, switches, and
    cancels by rule. Exits 4 and names each difference, with both sides, when a projection, a
    counter of the store or a decision does not come out as it is on the record. With --as-of the
    state at that moment is shown instead; `status`, `show`, `report` and `limits` take it too. With
    --what-if nothing is compared with the record but the cost of each instruction.
    """
    from . import output

    output.log_to_stderr()
    where = store_of(store)
    if sum((decisions, as_of is not None, bool(what_if))) > 1:
        allowed = "one of --decisions, --as-of and --what-if"
        raise InvalidInput("replay", "more than one of them", allowed)
    if not what_if:
        needs("--what-if", {"latency_ms": None if latency_ms == LATENCY_MS else latency_ms})
    if as_of is not None:
        _show_as_of(where, as_of, json_output=json_output)
        return
    if what_if:
        _show_what_if(where, what_if, latency_ms, json_output=json_output, progress=progress)
        return
    _compare(where, decisions=decisions, json_output=json_output, progress=progress)


def _compare(store: str, *, decisions: bool, json_output: bool, progress: bool | None) -> None:
    from ..replay.replaying import replay as rebuild
    from ..replay.replaying import replay_decisions
    from ..storage.log import Log
    from . import output
    from .failures import Difference
    from .progress_bar import bar
    from .replay_view import replay_view

    with Log.open(store, writer=False) as log, bar(progress, "replaying") as advance:
        found = replay_decisions(log, advance) if decisions else rebuild(log, advance)
    if json_output:
        output.print_json(_replay_json(store, found))
    else:
        output.show(replay_view(found))
    if not found.ok:
        lines = list(found.differences())
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        raise Difference(f"{store} does not replay to what is on the record: {lines[0]}{more}")


def _show_as_of(store: str, as_of: str, *, json_output: bool) -> None:
    from . import output
    from .overview import status_json, status_view
    from .views import open_views

    views = open_views(store, as_of)
    if json_output:
        output.print_json(status_json(views))
    else:
        output.show(status_view(views))


def _show_what_if(
    store: str,
    changes: list[str],
    latency_ms: int,
    *,
    json_output: bool,
    progress: bool | None,
) -> None:
    from ..captured_segments import segments_beside
    from ..evaluation.changes import parse_changes
    from ..evaluation.what_if import what_if
    from ..storage.location import without_password
    from ..storage.log import Log
    from . import output
    from .progress_bar import bar
    from .what_if_view import what_if_view

    asked = parse_changes(changes)
    segments = segments_beside(store)
    if segments is None:
        raise InvalidInput("store", store, "a store with captured market data beside it")
    with Log.open(store, writer=False) as log, bar(progress, "working it again") as advance:
        found = what_if(
            log, segments, asked, latency_ns=latency_ms * 1_000_000, on_progress=advance
        )
    if json_output:
        output.print_json({"store": without_password(store), **output.fields_of(found)})
    else:
        output.show(what_if_view(found))


def _replay_json(store: str, found: Replay) -> dict[str, object]:
    from ..storage.location import without_password

    return {
        "store": without_password(store),
        "ok": found.ok,
        "position": found.position,
        "head_hash": found.head_hash,
        "projections": found.projections,
        "counters_agree": None if found.counters is None else not found.counters,
        "decisions": found.decisions,
        "differences": list(found.differences()),
    }
