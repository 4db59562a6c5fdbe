"""A run of a decisions file on a simulated session: what arrives when, and what came of it.

Orchestration only. Running the same file on the same store again takes up what is unfinished and,
when all is done, appends nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

from ..domain import events as e
from ..domain.decision import DECISION_ID_MAX
from ..domain.errors import InvalidInput, StoreBusy, StoreDamaged, StoreError, StoreNewer
from ..domain.intake import (
    Intake,
    file_decision_ids,
    read_decision,
    unreadable_content,
)
from ..domain.limits import Limits
from ..domain.moments import utc_text
from ..domain.ports import NANOS, Session
from ..projections.alerts import DEFAULT_THRESHOLDS, AlertThresholds
from .engine import Arrival, EngineRules
from .engine.admission import Admitted
from .engine.batching import AdvisedArrival
from .engine.incoming import refusal_of
from .exchange.journal import JournalMismatchError
from .exchange.tape import INSTRUMENTS_FILE, symbols_on
from .exchange.terms import Fees
from .inputs.account import StartAccount
from .inputs.decisions import Row
from .integrity.terms import IntegritySettings
from .market_data.recorded import RecordedMarketData
from .simulation import Simulation, VenueTerms, simulate
from .storage.location import is_missing, without_password
from .storage.log import Log
from .storage.records import Head
from .supervision.permissions import submitter_here
from .timekeeping.calendar import ExchangeCalendar

GENERATED: Final = "generated"
"""Names the built-in seeded market in the place of a folder."""
_HASHES: Final = re.compile(r" \('?[^()]*[0-9a-f]{64}[^()]*\)")
STARTED_WITHIN: Final = 100
"""The first start of an engine is among this many first events of every log."""

EventHook = Callable[[e.DomainEvent], None]


@dataclass(frozen=True, slots=True)
class FileDecision:
    """One row of a decisions file on its way in: ``at`` (ns UTC) is when it arrives."""

    line: int
    at: int
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What a run trades on and by; the same terms, seed and decisions give the same log."""

    store: str
    account_name: str
    market: RecordedMarketData
    account: StartAccount
    rules: EngineRules
    limits: Limits
    latency_ns: int
    fees: Fees
    integrity: IntegritySettings = field(default_factory=IntegritySettings)
    alerts: AlertThresholds = DEFAULT_THRESHOLDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: each decision with its instruction, and how far the log grew."""

    decisions: tuple[tuple[FileDecision, Admitted], ...]
    appended: int
    head: Head


# -- the market ----------------------------------------------------------------------------------


def parse_day(text: str) -> str:
    """A date as ``YYYY-MM-DD`` or ``YYYYMMDD``, returned as ``YYYYMMDD``.

    Raises:
        InvalidInput: it is not a date.
    """
    try:
        return date.fromisoformat(text.strip()).strftime("%Y%m%d")
    except ValueError as error:
        raise InvalidInput("session", text, "a date as YYYY-MM-DD or YYYYMMDD") from error


def load_market(
    source: str, day: str, *, seed: int = 0, symbols: Sequence[str] = ()
) -> RecordedMarketData:
    """The market of one day: a folder's, or the built-in generated one.

    Args:
        source: a market folder, or ``generated``.
        day: ``YYYYMMDD``.
        seed: what a generated market follows from.
        symbols: only these of the market; all that it has by default.

    Raises:
        InvalidInput: the folder does not have the day or a symbol; says what it has.
        MarketFolderError: the folder or a file in it cannot be read.
    """
    if source == GENERATED:
        from .market_data.generated import GeneratedMarket
        from .market_data.instruments import DEFAULT_INSTRUMENTS

        calendar = ExchangeCalendar()
        if calendar.session_on(day) is None:
            raise InvalidInput("session", day, "a day on which the exchange has a session")
        wanted = _named(symbols, [each.symbol for each in DEFAULT_INSTRUMENTS])
        made = [each for each in DEFAULT_INSTRUMENTS if each.symbol in wanted]
        return GeneratedMarket(seed, day, made, calendar=calendar).market_data()
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise InvalidInput("market", source, f"an existing market folder, or {GENERATED!r}")
    listed = symbols_on(folder, day)
    if not listed:
        raise InvalidInput("session", day, f"a day that {folder} has: {_days_of(folder)}")
    return RecordedMarketData.from_folder(folder, day, _named(symbols, listed))


def _named(symbols: Sequence[str], listed: Sequence[str]) -> Sequence[str]:
    """Those of the market that are named, sorted, or all of it; raises InvalidInput."""
    missing = sorted(set(symbols) - set(listed))
    if missing:
        raise InvalidInput("symbols", ", ".join(missing), f"some of {', '.join(listed)}")
    return sorted(symbols) or listed


def _days_of(folder: Path) -> str:
    """Every day that a readable market folder lists, with its symbols."""
    places = (folder / INSTRUMENTS_FILE, folder.parent / INSTRUMENTS_FILE)
    entries = json.loads(next(p for p in places if p.is_file()).read_text(encoding="utf-8"))
    symbols: dict[str, list[str]] = {}
    for entry in entries:
        symbols.setdefault(str(entry["date"]), []).append(str(entry["symbol"]))
    days = (f"{day} ({', '.join(sorted(names))})" for day, names in sorted(symbols.items()))
    return ", ".join(days) or "none"


# -- decisions -----------------------------------------------------------------------------------


def file_decisions(
    rows: Sequence[Row],
    session: Session,
    rules: EngineRules,
    default_at: int | None = None,
    *,
    lenient: bool = False,
) -> tuple[FileDecision, ...]:
    """The rows in the order in which they are handed to the engine.

    A row without a time arrives at ``default_at`` (ns UTC), by default the first moment outside the
    opening avoidance; one that was decided before the open at the open. Those that arrive together
    are one batch: the highest confidence goes first, and a buy and a sell of one symbol are netted.
    A row without an id gets one from its content and its ordinal among equal rows (ruling 9).

    With ``lenient`` a row that was decided on another day or after the close is handed over to be
    refused, under its id and the session's date: in its own session it is another decision.

    Raises:
        InvalidInput: a row was decided on another day or after the close.
    """
    default = session.open + rules.planning.avoid_open_seconds * NANOS
    if default_at is not None:
        default = default_at
    reads = [_read(row, rules) for row in rows]
    ids = file_decision_ids([_identity(row, read) for row, read in zip(rows, reads, strict=True)])
    found = []
    for row, read, id in zip(rows, reads, ids, strict=True):
        decided = read.decision.decided_at if read else None
        wrong = _wrong_time(decided, session, row.line) if decided is not None else None
        if wrong is not None and not lenient:
            raise wrong
        if wrong is not None:
            refused = f"{id[: DECISION_ID_MAX - 11]}@{session.date}"
            arrival = AdvisedArrival(row.raw, refused, row.by, refusals=(refusal_of(wrong),))
            found.append(FileDecision(row.line, default, arrival))
            continue
        at = default if decided is None else max(decided, session.open)
        found.append(FileDecision(row.line, at, AdvisedArrival(row.raw, id, row.by, group=at)))
    return tuple(sorted(found, key=lambda decision: decision.at))


def _read(row: Row, rules: EngineRules) -> Intake | None:
    if isinstance(row.raw, bytes):
        return None
    read = read_decision(row.raw, rules=rules.intake)
    return read if isinstance(read, Intake) else None


def _identity(row: Row, read: Intake | None) -> tuple[str | None, str]:
    """(the row's own id or None, a hash of its content); an unreadable row keeps a usable id."""
    if read is not None:
        return read.decision_id, read.decision.content_hash()
    if isinstance(row.raw, bytes):
        return None, unreadable_content(row.raw)[0]
    text = json.dumps(dict(row.raw), sort_keys=True, default=str)
    return _own_id(row.raw), hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _own_id(raw: Mapping[str, object]) -> str | None:
    own = raw.get("decision_id")
    fits = isinstance(own, str) and 0 < len(own.strip()) <= DECISION_ID_MAX and own.isprintable()
    return own.strip() if fits and isinstance(own, str) else None


def _wrong_time(at: int, session: Session, line: int) -> InvalidInput | None:
    """What is wrong with a time that this session cannot have: another day, or after its close."""
    first = datetime.fromisoformat(f"{session.date}T00:00:00+00:00")
    if at < int(first.timestamp()) * NANOS or at >= session.close:
        opens, closes = utc_text(session.open), utc_text(session.close)
        return InvalidInput(
            f"decision_time (row {line})",
            utc_text(at),
            f"a time on {session.date} before the close; the session is {opens} to {closes}",
        )
    return None


# -- the run -------------------------------------------------------------------------------------


def recorded_seed(store: str) -> int | None:
    """The seed that a store was begun with, None while nothing was recorded in it.

    Raises:
        StoreError: the store is damaged, or made by a newer version.
    """
    if is_missing(store):
        return None
    try:
        log = Log.open(store, writer=False)
    except (StoreBusy, StoreDamaged, StoreNewer):
        raise
    except StoreError:
        # Nothing in it yet, or not to be read: opening it for writing will tell which.
        return None
    with log:
        for recorded in log.events(upto=STARTED_WITHIN):
            if isinstance(recorded.event, e.EngineStarted):
                return recorded.event.seed
    return None


def start(terms: RunTerms) -> Simulation:
    """Wire the session, taking up what the store already has.

    Raises:
        StoreError: the store cannot be used, or was begun on other terms.
    """
    tapes = [tape for name in terms.market.symbols for tape in terms.market.days_of(name)]
    venue = VenueTerms(
        cash=terms.account.cash,
        positions=terms.account.positions,
        latency_ns=terms.latency_ns,
        fees=terms.fees,
    )
    try:
        simulation = simulate(
            tapes,
            store=terms.store,
            account=terms.account_name,
            seed=terms.rules.seed or 0,
            venue=venue,
            rules=terms.rules,
            limits=terms.limits,
            market=terms.market,
        )
    except JournalMismatchError as error:
        raise StoreError(
            f"{without_password(terms.store)} was begun on other terms: {_differing(str(error))}. "
            "Give the options it was begun with, or name another store"
        ) from error
    simulation.engine.desk.submitter = submitter_here(terms.store)
    return simulation


def _differing(text: str) -> str:
    """What differs: the hash of market data says nothing to a person, so only its symbol stays."""
    named = text.removeprefix("the journal was written with other ")
    return _HASHES.sub(" (other data)", named)


async def work(
    simulation: Simulation, decisions: Sequence[FileDecision], watch: EventHook | None = None
) -> Outcome:
    """Hand the decisions over, each at its time, and work until the session's books are closed.

    Raises:
        StoreError: the log cannot be written; what it holds is whole, and the run can be taken up.
    """
    before = simulation.log.head().position
    simulation.engine.desk.on_event = watch
    futures = [simulation.engine.schedule(each.arrival, each.at) for each in decisions]
    try:
        await simulation.finish()
    finally:
        for future in futures:
            # Looked at even after a failure: the error that ended the loop is the one to show.
            if future.done() and not future.cancelled():
                future.exception()
    head = simulation.log.head()
    pairs = tuple(zip(decisions, (future.result() for future in futures), strict=True))
    return Outcome(pairs, head.position - before, head)
