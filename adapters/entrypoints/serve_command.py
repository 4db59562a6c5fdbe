"""``serve``: an engine and its clients over HTTP, in one process."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from .options import (
    ConfigOption,
    DataStreamUrlOption,
    DataUrlOption,
    LiveOption,
    SeedOption,
    StoreOption,
    StreamUrlOption,
    TradingUrlOption,
    needs,
    store_of,
)
from .running_commands import (
    LATENCY_MS_DEFAULT,
    AccountOption,
    BrokerName,
    BrokerOption,
    FeeModel,
    FeesOption,
    LatencyOption,
    MarketOption,
    SessionOption,
    SymbolsOption,
    simulated_terms,
)

if TYPE_CHECKING:
    import socket

    from ...domain.intake import IntakeRules
    from ...domain.ports import Session
    from ..running import RunTerms
    from ..settings import Settings
    from ..stopping import Stopping

EXTRA: Final = "the server's libraries: pip install 'fillwright[serve]'"

HostOption = Annotated[str, typer.Option("--host", metavar="IP", help="The address to listen on.")]
PortOption = Annotated[
    int, typer.Option("--port", metavar="P", min=0, max=65_535, help="0 picks a free one.")
]
RemoteOption = Annotated[
    bool,
    typer.Option("--remote", help="Allow a --host that others reach; put TLS in front of it."),
]


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 0,
    remote: RemoteOption = False,
    store: StoreOption = None,
    broker: BrokerOption = BrokerName.SIMULATED,
    live: LiveOption = False,
    trading_url: TradingUrlOption = None,
    data_url: DataUrlOption = None,
    stream_url: StreamUrlOption = None,
    data_stream_url: DataStreamUrlOption = None,
    market: MarketOption = None,
    session: SessionOption = None,
    seed: SeedOption = None,
    account: AccountOption = None,
    symbols: SymbolsOption = "",
    latency_ms: LatencyOption = LATENCY_MS_DEFAULT,
    fees: FeesOption = FeeModel.US,
    config: ConfigOption = None,
) -> None:
    """Run an engine and take decisions over HTTP until SIGTERM or Ctrl-C.

    Clients are the store's principals (`fillwright principals set`), each by its token; a store
    without principals lets nobody in. Prints one JSON line with the address when it is ready;
    GET /openapi.json describes the calls. It trades as `run` does: on a simulated session, or with
    --broker alpaca in real time. A signal takes no more decisions and leaves, cancels or ends what
    is open, as execution.on_stop says; a second signal leaves at once.
    """
    from . import output
    from .live_command import leave_stopped

    output.log_to_stderr()
    try:
        from .serving.server import listen
    except ModuleNotFoundError as error:
        raise InvalidInput("extra", error.name, EXTRA) from error
    addresses = {
        "trading_url": trading_url,
        "data_url": data_url,
        "stream_url": stream_url,
        "data_stream_url": data_stream_url,
    }
    with listen(host, port, remote=remote) as listener:
        if broker is BrokerName.ALPACA:
            of_simulation = {
                "market": market,
                "session": session,
                "seed": seed,
                "account": account,
                "symbols": symbols or None,
                "latency_ms": None if latency_ms == LATENCY_MS_DEFAULT else latency_ms,
                "fees": None if fees is FeeModel.US else fees.value,
            }
            needs("--broker simulated", of_simulation)
            stopping = _serve_alpaca(listener, store, config, addresses, is_live=live)
        else:
            needs("--broker alpaca", {"live": live, **addresses})
            given = (market, session, store, seed, account, symbols, latency_ms, fees, config)
            terms, held = simulated_terms(*given, output.wants_progress(None))
            stopping = _serve_simulated(listener, terms, held, config)
    leave_stopped(stopping)


def _serve_alpaca(
    listener: socket.socket,
    store: str | None,
    config: Path | None,
    addresses: dict[str, str | None],
    *,
    is_live: bool,
) -> Stopping:
    from ..alerting.conditions import Conditions, conditions
    from ..alerting.watch import alerting
    from ..integrity.checkpointing import checkpointing
    from ..live_run import open_live
    from ..settings import Settings
    from .serving.server import serve_clients

    read = Settings.read(file=config, live=is_live)
    settings = read.model_copy(update={"intake": with_ids(read.intake)})
    where = store_of(store, settings)
    stopping = _stopping(settings)
    run = open_live(settings, where, addresses)
    with ExitStack() as held:
        held.callback(run.application.close)
        desk, alerts = run.engine.desk, settings.alerts
        thresholds = alerts.thresholds()
        seen = Conditions(lambda: conditions(desk, thresholds), alerts.look_seconds)
        held.enter_context(checkpointing(where, settings.integrity))
        held.enter_context(alerting(where, alerts, lambda _: desk.now, seen))

        async def work() -> None:
            seen.start()
            try:
                await serve_clients(run.application, run.session, listener, stopping)
            finally:
                seen.stop()

        asyncio.run(work())
    return stopping


def _serve_simulated(
    listener: socket.socket, terms: RunTerms, session: Session, config: Path | None
) -> Stopping:
    from ..application import Application
    from ..integrity.checkpointing import checkpointing
    from ..running import start
    from ..settings import Settings
    from .serving.server import serve_clients

    settings = Settings.read(file=config)
    rules = replace(terms.rules, intake=with_ids(terms.rules.intake))
    stopping = _stopping(settings)
    with start(replace(terms, rules=rules)) as simulation:
        application = Application.open(simulation, settings)
        with checkpointing(terms.store, terms.integrity):
            asyncio.run(serve_clients(application, session, listener, stopping))
    return stopping


def with_ids(rules: IntakeRules) -> IntakeRules:
    """The same, with an id required: a client that asks again must not trade twice."""
    return rules.model_copy(update={"id_required": True})


def _stopping(settings: Settings) -> Stopping:
    from ..stopping import Stopping
    from . import output

    execution = settings.execution
    return Stopping(execution.on_stop, execution.stop_seconds_max, output.note)
