"""``alerts``: what was alerted and who was told, and a watch beside or instead of the engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .failures import Difference
from .options import ConfigOption, JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from ...projections.alert_book import Occurrence
    from ..alerting.terms import AlertSettings


def alerts(
    store: StoreOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking and telling, until interrupted.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test notice to every channel, and end.")
    ] = False,
    active: Annotated[
        bool, typer.Option("--active", help="Only what goes on, without what is over.")
    ] = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """List alerts on record with who was told; or watch a store and tell people.

    `fillwright run --broker alpaca` watches by itself. --watch does it for an engine that is part
    of another program, and outlives it: each alert is raised and told by one of those who watch.
    Thresholds, webhook and addresses are settings (docs/alerts.md).

    Exit code 0: listed, or the test was taken. 4: with --test, a channel did not take it.
    """
    from ..settings import Settings
    from . import output

    output.log_to_stderr()
    settings = Settings.read(file=config)
    if test:
        _test(settings.alerts, json_output=json_output)
        return
    where = store_of(store, settings)
    if watch:
        _watch(where, settings.alerts)
        return
    found = [one for one in _on_record(where) if one.is_active or not active]
    if json_output:
        output.print_json({"alerts": [_json(one) for one in found]})
        return
    for one in found:
        for line in _text(one):
            output.print_line(line)
    if not found:
        output.print_line("no alerts on record")


def _watch(store: str, settings: AlertSettings) -> None:
    from ..alerting.watch import AlertService
    from ..storage.log import Log
    from . import output
    from .following import present

    Log.open(store, writer=False).close()  # says at once when there is none
    service = AlertService(store, settings, lambda view: present(view.last_at))
    service.start()
    output.note(f"watching {store.rpartition('@')[2]}; Ctrl-C ends it")
    try:
        service.wait()
    finally:
        service.stop()


def _test(settings: AlertSettings, *, json_output: bool) -> None:
    from ..alerting.channels import channels_of
    from ..alerting.courier import try_channel
    from . import output

    outcomes = {one.name: try_channel(one) for one in channels_of(settings)}
    if json_output:
        output.print_json({"channels": {name: why or "taken" for name, why in outcomes.items()}})
    else:
        for name, why in outcomes.items():
            output.print_line(f"{name:<10}{why or 'taken'}")
    failed = [name for name, why in outcomes.items() if why]
    if failed:
        raise Difference(f"not taken by {', '.join(failed)}")


def _on_record(store: str) -> tuple[Occurrence, ...]:
    from ...projections.alert_book import AlertBook
    from ..storage.ops_log import OpsLog

    book = AlertBook()
    with OpsLog.open(store, writer=False) as ops:
        for recorded in ops.records():
            book.apply(recorded.position, recorded.record)
    return book.occurrences()


def _json(one: Occurrence) -> dict[str, object]:
    from ...projections.canonical import to_json

    raised = to_json(one.raised)
    return {
        **(raised if isinstance(raised, dict) else {}),
        "raised_at": one.position,
        "active": one.is_active,
        "cleared_time": one.cleared.record_time if one.cleared else None,
        "notices": [
            {
                "change": notice.change,
                "channel": notice.channel,
                "delivered": notice.delivered,
                "attempts": notice.attempts,
                "problem": notice.problem,
            }
            for notice in one.notices.values()
        ],
    }


def _text(one: Occurrence) -> list[str]:
    from ...projections.rendering import clock
    from ..alerting.channels import Notice

    raised = one.raised
    state = "active" if one.cleared is None else f"cleared {clock(one.cleared.market_time)}"
    notice = Notice("raised", raised, one.position)
    lines = [
        f"{clock(raised.market_time)}  {raised.severity:<9}{raised.kind:<20}{state}",
        f"          {notice.message}",
    ]
    for told in one.notices.values():
        how = "told" if told.delivered else f"NOT told ({told.problem})"
        lines.append(f"          {told.channel}: {how} that it was {told.change}")
    return lines
