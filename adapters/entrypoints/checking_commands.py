"""``verify`` and ``config``: does the log say what was done, and by what terms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigOption, JsonOption, ProgressOption, StoreOption, store_of

if TYPE_CHECKING:
    from ..storage.log import Log
    from ..storage.records import VerifyResult


def verify(
    store: StoreOption = None, json_output: JsonOption = False, progress: ProgressOption = None
) -> None:
    """Recompute the hash chain, and the hash of every captured segment of market data.

    Exits 4 and names the first position that is not as it was written. A log whose end was cut off
    passes: compare the head with one that was kept outside.
    """
    from ..storage.log import Log
    from . import output
    from .failures import Difference
    from .progress_bar import bar

    output.log_to_stderr()
    where = store_of(store)
    with Log.open(where, writer=False) as log:
        head = log.head()
        with bar(progress, "verifying") as advance:
            found = log.verify(advance)
        segments, bad = _segments(log) if found.ok else (0, [])
    if json_output:
        output.print_json(
            {
                "store": where,
                "ok": found.ok and not bad,
                "events": found.count,
                "head": {"position": head.position, "hash": head.hash},
                "first_bad_position": found.first_bad_position,
                "what": found.what,
                "segments": segments,
                "segment_faults": bad,
            }
        )
    elif found.ok and not bad:
        output.print_line(
            f"{found.count} events and {segments} segments are as they were written\n"
            f"head {head.position} {head.hash.hex()}"
        )
    if not found.ok:
        raise Difference(_chain_fault(where, found))
    if bad:
        raise Difference(f"{where}: the chain is whole, but {bad[0]}")


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


def _segments(log: Log) -> tuple[int, list[str]]:
    """How many captured segments are as their hash says, and what is wrong with the others."""
    from ...domain.events import MarketDataCaptured
    from ..end_facts import SEGMENTS_SUFFIX
    from ..market_data.capture import SegmentError, read_segment

    path = Path(log.name)
    folder = path.with_name(path.name + SEGMENTS_SUFFIX)
    topic = MarketDataCaptured.stored_topic()
    good, bad = 0, []
    positions = [raw.position for raw in log.raw_events() if raw.topic == topic]
    for position in positions:
        for recorded in log.events(position - 1, position):
            event = recorded.event
            if not isinstance(event, MarketDataCaptured):
                continue
            try:
                read_segment(folder, event.sha256)
                good += 1
            except SegmentError as error:
                bad.append(f"{error} (position {position})")
    return good, bad


def _chain_fault(store: str, found: VerifyResult) -> str:
    return (
        f"{store}: the event at position {found.first_bad_position} is {found.what}. "
        f"The {found.count} before it are as they were written. Keep the file as evidence and go "
        "back to the last good copy"
    )
