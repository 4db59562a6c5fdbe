"""``run``: decisions from a file through a simulated session, ending with what came of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from .options import (
    ConfigOption,
    DataStreamUrlOption,
    DataUrlOption,
    JsonOption,
    LiveOption,
    ProgressOption,
    SeedOption,
    StoreOption,
    StreamUrlOption,
    TradingUrlOption,
    needs,
)

if TYPE_CHECKING:
    from ...domain.fees import FeeSchedule
    from ...domain.ports import Session
    from ..exchange.terms import Fees
    from ..running import RunTerms

LATENCY_MS_DEFAULT: Final = 50
LATENCY_MS_MAX: Final = 3_600_000
SYMBOLS_MAX: Final = 1_000


class FeeModel(StrEnum):
    """Which fees the simulated venue charges."""

    US = "us"
    NONE = "none"

    def rates(self, schedule: FeeSchedule, date: str) -> Fees:
        """What one execution costs on a date (YYYY-MM-DD), by the dated table.

        Raises:
            InvalidInput: the table does not go so far back.
        """
        from ..exchange.terms import Fees

        return Fees.of_schedule(schedule, date) if self is FeeModel.US else Fees()


class BrokerName(StrEnum):
    """Where the orders go."""

    SIMULATED = "simulated"
    ALPACA = "alpaca"


BrokerOption = Annotated[
    BrokerName,
    typer.Option("--broker", help="Trade on the simulated exchange, or at Alpaca in real time."),
]
DecisionsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DECISIONS",
        help="Decisions as .json (a list), .jsonl (one a line) or .csv (with a header).",
        show_default=False,
    ),
]
MarketOption = Annotated[
    str | None,
    typer.Option(
        "--market",
        metavar="DIR",
        help='A market folder, or "generated" for the built-in seeded market.',
        show_default=False,
    ),
]
SessionOption = Annotated[
    str | None,
    typer.Option(
        "--session",
        metavar="DATE",
        help="The exchange session, as 2013-10-08 or 20131008.",
        show_default=False,
    ),
]
AccountOption = Annotated[
    Path | None,
    typer.Option(
        "--account",
        metavar="FILE",
        help="JSON with the starting cash and positions. Default: 1,000,000 USD and none.",
        show_default=False,
    ),
]
SymbolsOption = Annotated[
    str,
    typer.Option(
        "--symbols",
        metavar="LIST",
        help="Load only these symbols, with commas between. Default: all of the day's market.",
        show_default=False,
    ),
]
LatencyOption = Annotated[
    int,
    typer.Option(
        "--latency-ms",
        min=0,
        max=LATENCY_MS_MAX,
        help="From sending an order to its arrival at the venue.",
    ),
]
FeesOption = Annotated[
    FeeModel,
    typer.Option(
        "--fees", help="US regulatory fees of the session's date (docs/fees.md), or none."
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict/--lenient",
        help="Exit 2, or 0, when a row was no valid decision; the run is done all the same. With "
        "--strict a row of another session keeps it from beginning.",
    ),
]


def run(
    decisions: DecisionsArgument,
    market: MarketOption = None,
    session: SessionOption = None,
    store: StoreOption = None,
    broker: BrokerOption = BrokerName.SIMULATED,
    live: LiveOption = False,
    trading_url: TradingUrlOption = None,
    data_url: DataUrlOption = None,
    stream_url: StreamUrlOption = None,
    data_stream_url: DataStreamUrlOption = None,
    seed: SeedOption = None,
    account: AccountOption = None,
    symbols: SymbolsOption = "",
    latency_ms: LatencyOption = LATENCY_MS_DEFAULT,
    fees: FeesOption = FeeModel.US,
    config: ConfigOption = None,
    strict: StrictOption = True,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Trade the decisions of a file on a simulated session, or at Alpaca in real time.

    Rows may name strategy, urgency, window and decision_time; by default a decision arrives five
    minutes after the open. Refused rows are on the record and shown, and the run goes on. The same
    command again goes on where it was; on a finished store it appends nothing and prints the first
    result.

    With --broker alpaca the keys come from APCA_API_KEY_ID and APCA_API_SECRET_KEY, and paper is
    the default; --market, --session, --seed, --account, --symbols, --latency-ms and --fees are the
    simulation's and have no part in it. SIGTERM or Ctrl-C takes no more decisions and leaves,
    cancels or ends what is open, as execution.on_stop says; a second signal leaves at once.
    """
    from ..inputs.decisions import read_decisions
    from . import output
    from .summary import Result

    output.log_to_stderr()
    shown = output.wants_progress(progress)
    rows = read_decisions(decisions)
    addresses = {
        "trading_url": trading_url,
        "data_url": data_url,
        "stream_url": stream_url,
        "data_stream_url": data_stream_url,
    }
    if broker is BrokerName.ALPACA:
        from .live_command import leave_stopped, trade_live

        _say_unused(market, session, seed, account, symbols, latency_ms, fees)
        modes = {"is_live": live, "lenient": not strict, "progress": shown}
        result, stopping = trade_live(rows, store, config, addresses, **modes)
        if stopping.stopped is not None:
            result.present(json_output=json_output)
            leave_stopped(stopping)
    else:
        needs("--broker alpaca", {"live": live, **addresses})
        from ..running import file_decisions
        from .sessions import trade

        given = (market, session, store, seed, account, symbols, latency_ms, fees, config, shown)
        terms, held = simulated_terms(*given)
        arrivals = file_decisions(rows, held, terms.rules, lenient=not strict)
        outcome, views = trade(terms, arrivals, progress=shown)
        result = Result(outcome, views, terms.market.symbols)
    result.present(json_output=json_output)
    if strict:
        _refuse_invalid(len(result.invalid), len(rows))


def _say_unused(
    market: str | None,
    session: str | None,
    seed: int | None,
    account: Path | None,
    symbols: str,
    latency_ms: int,
    fees: FeeModel,
) -> None:
    """Name the options that were given and have no part in trading in real time."""
    from . import output

    given = {
        "--market": market,
        "--session": session,
        "--seed": seed is not None,
        "--account": account,
        "--symbols": symbols,
        "--latency-ms": latency_ms != LATENCY_MS_DEFAULT,
        "--fees": fees is not FeeModel.US,
    }
    unused = [name for name, value in given.items() if value]
    if unused:
        output.note(f"of the simulation, and not used here: {', '.join(unused)}")


def _refuse_invalid(invalid: int, rows: int) -> None:
    if invalid:
        raise InvalidInput(
            "decisions",
            f"{invalid} of {rows} rows refused as no valid decisions",
            "only valid ones (or --lenient); the run is done and on the record",
        )


def simulated_terms(
    market: str | None,
    session: str | None,
    store: str | None,
    seed: int | None,
    account: Path | None,
    symbols: str,
    latency_ms: int,
    fees: FeeModel,
    config: Path | None,
    shown: bool,
) -> tuple[RunTerms, Session]:
    """What a simulated session is run with, checked, and when it is."""
    from ..inputs.account import StartAccount, read_account
    from ..running import RunTerms, load_market, parse_day
    from . import output
    from .sessions import check_positions, chosen, session_of

    if market is None:
        raise InvalidInput(
            "market", "nothing", "--market DIR, --market generated, or --broker alpaca"
        )
    if session is None:
        raise InvalidInput("session", "nothing", "--session DATE, as 2013-10-08")
    start = read_account(account) if account else StartAccount()
    day = parse_day(session)
    base = chosen(config, store, seed)
    with output.waiting("reading the market", enabled=shown):
        data = load_market(market, day, seed=base.seed, symbols=_symbols(symbols))
        check_positions(start, data)
        held = session_of(data, day)
    terms = RunTerms(
        store=base.store,
        account_name=base.settings.account,
        market=data,
        account=start,
        rules=base.rules,
        limits=base.settings.to_limits(),
        latency_ns=latency_ns(latency_ms),
        fees=fees.rates(base.settings.fees.schedule(), held.date),
        integrity=base.settings.integrity,
        alerts=base.settings.alerts.thresholds(),
    )
    return terms, held


def latency_ns(milliseconds: int = LATENCY_MS_DEFAULT) -> int:
    """A latency in nanoseconds."""
    return milliseconds * 1_000_000


def _symbols(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip()))
    if len(found) > SYMBOLS_MAX:
        raise InvalidInput("symbols", f"{len(found)} names", f"at most {SYMBOLS_MAX}")
    return found
