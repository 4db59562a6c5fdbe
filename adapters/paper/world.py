"""The world a paper server runs: market, account, broker and clock, begun or resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from ...domain.errors import InvalidInput
from ...domain.market import HaltCause
from ...domain.ports import NANOS, Session
from ..exchange.tape import SymbolDay, load_symbol_day, symbols_on
from ..exchange.terms import Band, Halt, Terms
from ..market_data.closes import price_test_since, session_before
from ..market_data.generated import GeneratedMarket
from ..market_data.history import BarHistory, Bars
from ..market_data.instruments import DEFAULT_INSTRUMENTS
from ..timekeeping.calendar import ExchangeCalendar
from ..timekeeping.clocks import SystemClock
from .announcements import read_listed
from .desk import Desk
from .effects import Effects
from .faults import AT_ONCE, TIMED, Faults, Rule, read_file
from .history import folder_history, generated_history
from .journal import PaperJournal
from .ledger import Ledger
from .options import PaperOptions
from .pace import PacedClock
from .tape import MinuteBars, Tapes
from .venue import Venue
from .wire import NEW_YORK, uuid_of
from .working import Update

GENERATED_START_NS: Final = 30 * 60 * NANOS
"""How long after the open a generated session begins: 10:00 at New York."""
MARK_SECONDS: Final = 2
"""How far ahead, in wall seconds, market time is promised to the journal."""
PAST_DAYS_MAX: Final = 15
DAY_NS: Final = 86_400 * NANOS


class World:
    """Everything behind the protocol."""

    def __init__(self, options: PaperOptions, calendar: ExchangeCalendar | None = None) -> None:
        """Make the world, or run its journal again.

        Raises:
            InvalidInput: an option does not fit the market or calendar.
            MarketFolderError: the market folder cannot be read.
            JournalError: the journal is of another world or cannot be used.
        """
        self.options = options
        self.calendar = calendar or ExchangeCalendar()
        self.session = self._session()
        self.actions = read_listed(options.actions)
        self.effects = Effects.of(self.actions, self.day_before, self.session.date)
        days, earlier = self._market()
        booked = self.effects.booked(in_todays_shares=options.market is None)
        self.tapes = Tapes(days, self.session, earlier, booked)
        self.account_id = uuid_of("account", options.key, options.seed, self.session.date)
        self.faults = Faults(options.seed)
        self.listeners: list[Callable[[Update], None]] = []
        self._journal = PaperJournal(options.journal)
        resumed = self._journal.resume(self._described())
        self.desk = self._desk(days, earlier)
        for at, content in self._journal.commands():
            self.desk.again(at, content)
        start = self._start() if resumed is None else resumed
        self.desk.working.advance(start)
        self.clock = PacedClock(start, options.speed)
        self.mark()
        if options.faults is not None:
            rules = read_file(options.faults)
            # The journal has brought the halts and bands of the first start back.
            is_new = resumed is None
            self.add_faults([rule for rule in rules if is_new or rule.fault not in TIMED])

    @property
    def now(self) -> int:
        """The market time."""
        return self.clock.now()

    def mark(self) -> None:
        """Promise the journal the market times of the next moments."""
        ahead = int(MARK_SECONDS * self.options.speed * NANOS)
        self._journal.mark(self.clock.now() + ahead)

    def jump(self, to: int) -> None:
        """Move market time forward to ``to``; all that lies between happens in order."""
        self.clock.jump(to)
        self.mark()
        self.desk.working.advance(self.clock.now())

    def add_faults(self, rules: list[Rule]) -> None:
        """Put rules in force; a halt begins, a permission goes, at once.

        Raises:
            InvalidInput: a symbol, flag or cause is unknown, or a halt or band has no length.
        """
        for rule in rules:
            try:
                self._act(rule)
            except ValueError as error:
                raise InvalidInput(f"fault {rule.fault}", rule.terms, str(error)) from error
        self.faults.add(rule for rule in rules if rule.fault not in AT_ONCE)

    def move_cash(self, amount: Decimal) -> dict[str, Any]:
        """Have cash come into the account, or leave it below 0; gives the activity."""
        now = self.now
        self.desk.working.advance(now)
        with self._journal.command(now, {"do": "cash", "amount": str(amount)}):
            return self.desk.ledger.move(amount, now).shown()

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def session_after(self, at: int) -> Session:
        """The first session that opens at or after ``at``."""
        return self.calendar.next_session(at)

    @cached_property
    def day_before(self) -> str:
        """The date of the session before this one."""
        found = session_before(self.calendar, self.session)
        return self.session.date if found is None else found.date

    def _act(self, rule: Rule) -> None:
        now = self.now
        symbol = str(rule.terms.get("symbol"))
        if rule.fault == "forbid":
            self.desk.assets.forbid(symbol, str(rule.terms.get("flag", "tradable")))
        elif rule.fault in TIMED:
            start = rule.terms.get("start")
            begin = now if start is None else self._clock_time(str(start))
            end = begin + int(rule.number("seconds", 300) * NANOS)
            if end <= now:
                return
            if rule.fault == "halt":
                cause = HaltCause(str(rule.terms.get("cause", HaltCause.NEWS)))
                self.desk.halt(Halt(symbol, begin, end, cause), now)
            else:
                edges = (Decimal(str(rule.number(name, 0))) for name in ("lower", "upper"))
                self.desk.band(Band(symbol, begin, end, *edges), now)

    def _described(self) -> dict[str, Any]:
        options = self.options
        positions = {name: str(qty) for name, qty in sorted(options.account.positions.items())}
        return {
            "seed": options.seed,
            "market": "generated" if options.market is None else options.market.name,
            "account": self.account_id,
            "session": self.session.date,
            "cash": str(options.account.cash),
            "positions": positions,
            "latency_ms": options.latency_ms,
        }

    def _session(self) -> Session:
        wanted = self.options.session
        if wanted is not None:
            found = self.calendar.session_on(wanted)
            if found is None:
                raise InvalidInput("session", wanted, "a day on which the exchange has a session")
            return found
        now = SystemClock().now()
        for days_back in range(PAST_DAYS_MAX + 1):
            day = datetime.fromtimestamp((now - days_back * DAY_NS) // NANOS, NEW_YORK).date()
            found = self.calendar.session_on(day.isoformat())
            if found is not None and found.open <= now:
                return found
        raise InvalidInput("session", "nothing", "a date")

    def _market(self) -> tuple[list[SymbolDay], dict[str, MinuteBars]]:
        day, folder = self.session.date.replace("-", ""), self.options.market
        if folder is None:
            specs = self.effects.specs(DEFAULT_INSTRUMENTS)
            market = GeneratedMarket(self.options.seed, day, specs, self.calendar)
            return list(market.days()), generated_history(market)
        symbols = symbols_on(folder, day)
        if not symbols:
            raise InvalidInput("session", day, f"a date that {folder} lists")
        return [load_symbol_day(folder, each, day) for each in symbols], folder_history(folder)

    def _price_tests(
        self, days: list[SymbolDay], earlier: Mapping[str, MinuteBars]
    ) -> dict[str, int]:
        """From when on Rule 201 is in force, by symbol, as prices have it."""
        bars = {
            name: Bars(minutes.ts, minutes.volume, minutes.low, minutes.close)
            for name, minutes in earlier.items()
        }
        history, found = BarHistory(bars, self.calendar), {}
        for day in days:
            tapes = {self.session.date: day}
            since = price_test_since(day.symbol, self.session, tapes, history, self.calendar)
            if since is not None:
                found[day.symbol] = since
        return found

    def _desk(self, days: list[SymbolDay], earlier: Mapping[str, MinuteBars]) -> Desk:
        session, account = self.session, self.options.account
        positions = self.effects.positions(account.positions)
        unknown = sorted(set(positions) - set(self.tapes.symbols))
        if unknown:
            known = ", ".join(self.tapes.symbols)
            raise InvalidInput("positions", unknown[0], f"symbols of the market: {known}")
        terms = Terms(
            cash=account.cash,
            positions=positions,
            open_at=session.open,
            close_at=session.close,
            latency_ns=int(self.options.latency_ms * 1_000_000),
            check_buying_power=False,
            short_selling=True,
            hold_in_halt=True,
            price_tests_from=self._price_tests(days, earlier),
        )
        return Desk(
            account_id=self.account_id,
            venue=Venue(days, terms, self._journal),
            tapes=self.tapes,
            session=session,
            next_close=self.calendar.next_session(session.close).close,
            ledger=Ledger(account.cash, positions, self._entry_price),
            first_name=self.effects.first_name,
            journal=self._journal,
            latency_ns=terms.latency_ns,
            emit=self._emit,
        )

    def _entry_price(self, symbol: str) -> Decimal:
        """What a starting position is taken to have cost: the close before, else a print."""
        tape = self.tapes.find(symbol)
        if tape is None:
            return Decimal(0)
        return tape.previous_close or tape.last_price(self.session.close) or Decimal(0)

    def _emit(self, update: Update) -> None:
        for listener in self.listeners:
            listener(update)

    def _start(self) -> int:
        if self.options.start is not None:
            return self._clock_time(self.options.start)
        return self.session.open + (GENERATED_START_NS if self.options.market is None else 0)

    def _clock_time(self, text: str) -> int:
        """``HH:MM`` or ``HH:MM:SS`` at New York on the session's day, ns UTC."""
        try:
            clock = time.fromisoformat(text)
        except ValueError as error:
            raise InvalidInput("start", text, "HH:MM at New York") from error
        day = datetime.fromisoformat(self.session.date).date()
        return int(datetime.combine(day, clock, NEW_YORK).timestamp()) * NANOS
