"""A session's statement held against the log, and what follows put on the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from ..domain import events as e
from ..domain.account import TradingAccount
from ..domain.corporate import ActionKind, between, shares_after
from ..domain.errors import InvalidInput
from ..domain.fees import Charge, FeeSchedule
from ..domain.money import CENT, ZERO
from ..domain.statement import LineBreak, OwnDay, Statement, TradeLine, compare_statement
from ..projections.account_books import AccountBooks
from ..projections.runner import follow
from .account_record import AccountRecord
from .inputs.statements import StatementFile
from .standing import Standing
from .storage.log import Log
from .supervision.permissions import check_command, use_break

COMMAND: Final = "reconcile"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a comparison found and recorded; ``standing`` is ``final`` or ``preliminary``."""

    account: str
    session_date: str
    trades: int
    positions: int
    breaks: tuple[LineBreak, ...]
    missing: tuple[str, ...]
    fees: tuple[e.TruedUp, ...]
    is_final: bool

    @property
    def standing(self) -> str:
        """The session's standing from here on."""
        return "final" if self.is_final else "preliminary"


def own_day(log: Log, account: str, session_date: str) -> OwnDay:
    """Our record of a session, up to the start of the next one.

    Raises:
        InvalidInput: the log has no such session of the account.
    """
    standing, books = Standing(account), AccountBooks()
    opened: e.SessionOpened | None = None
    closing: dict[str, Decimal] = {}
    before: tuple[str, dict[str, Decimal]] = ("", {})
    is_over = False
    for recorded in log.events():
        event = recorded.event
        if isinstance(event, e.StatementReconciled) and event.account == account:
            if event.closing_cash is not None:
                closing[event.session_date] = event.closing_cash
        elif isinstance(event, e.AccountStatusRecorded) and event.account == account:
            # What comes from the next session on is not of this one.
            is_over = is_over or event.session_date > session_date
            if event.session_date == session_date and opened is None:
                book = books.book(account)
                before = (book.today, dict(book.positions))
        if is_over:
            continue
        follow([books], [recorded])
        standing.take(event)
        if isinstance(event, e.SessionOpened) and event.account == account:
            opened = event if event.session_date == session_date else opened
    if opened is None:
        raise InvalidInput("session", session_date, f"a session that the log has of {account}")
    trades = tuple(_trades(standing, account, opened.open))
    names = {
        order.venue_order_id: name
        for instruction in standing.instructions.values()
        for name, order in instruction.orders.items()
        if order.venue_order_id
    }
    base = closing.get(before[0])
    expected: dict[tuple[str, str], Decimal | None] = {}
    if base is not None:
        expected = _expected_flows(books, account, before, session_date)
    opening = opened.cash if base is None else base
    positions = dict(books.book(account).positions)
    return OwnDay(trades, positions, opening, expected, names)


def _trades(standing: Standing, account: str, since: int) -> Sequence[TradeLine]:
    found = []
    for instruction in standing.instructions.values():
        if instruction.account != account or instruction.plan is None:
            continue
        plan = instruction.plan
        for name, order in instruction.orders.items():
            for each in order.executions.values():
                if each.market_time < since or not each.quantity or each.price is None:
                    continue
                derived = each.reported_qty != each.quantity
                found.append(
                    TradeLine(
                        execution_id="" if derived else each.execution_id[:200],
                        order=name,
                        symbol=plan.symbol,
                        side=plan.side,
                        quantity=each.quantity,
                        price=each.price,
                    )
                )
    return found


def _expected_flows(
    books: AccountBooks, account: str, before: tuple[str, Mapping[str, Decimal]], date: str
) -> dict[tuple[str, str], Decimal | None]:
    """Dividends on what was held before their ex-date, and cash for fractions of split shares.

    What a fraction is paid with is the broker's to say: None.
    """
    since, held = before
    expected: dict[tuple[str, str], Decimal | None] = {}
    for action in between(books.standing(account).actions.values(), since, date):
        shares = held.get(action.symbol, ZERO)
        if action.kind is ActionKind.CASH_DIVIDEND and action.cash_per_share and shares:
            paid = (shares * action.cash_per_share).quantize(CENT)
            key = ("dividend", action.symbol)
            expected[key] = (expected.get(key) or ZERO) + paid
        elif shares_after(shares, action) % 1:
            expected["cash_in_lieu", action.new_symbol or action.symbol] = None
    return expected


def estimate_fees(
    schedule: FeeSchedule, date: str, trades: Sequence[TradeLine]
) -> dict[str, Decimal | None]:
    """Each charge of the day by the table, rounded up to the cent over the day."""
    sums: dict[str, Decimal | None] = {charge.value: ZERO for charge in Charge}
    for line in trades:
        charges = schedule.charges(
            date=date, is_sell=line.side.sign < 0, quantity=line.quantity, price=line.price
        )
        for charge in Charge:
            amount, total = getattr(charges, charge.value), sums[charge.value]
            sums[charge.value] = None if amount is None or total is None else total + amount
    return {
        name: None if total is None else total.quantize(CENT, rounding=ROUND_CEILING)
        for name, total in sums.items()
    }


class StatementDesk:
    """Reconciles statements with one store's account, beside or without its engine."""

    def __init__(self, record: AccountRecord, schedule: FeeSchedule | None = None) -> None:
        self._record = record
        self._schedule = schedule or FeeSchedule()

    def reconcile(self, read: StatementFile, actor: str) -> Reconciled:
        """Compare, true the fees up to those booked, and record what was found.

        The same statement again, with nothing changed, records nothing new. Where principals are
        set up another statement of a day that differed takes risk or compliance: whoever trades
        does not answer a difference with a file of its own.

        Raises:
            InvalidInput: another account's statement, or of a session that the log does not have.
            AccessDenied: another statement of a day that differed, without the role.
            StoreError: it cannot be read or written.
        """
        statement, name = read.statement, self._record.name
        if statement.account and statement.account != name:
            raise InvalidInput("account", statement.account, f"{name}, which the store is of")
        with Log.open(self._record.store, writer=False) as log:
            own = own_day(log, name, statement.session_date)
            former = self._standing(log).account.statements.get(statement.session_date)
        if former is not None and former.sha256 != read.sha256 and not former.is_clean:
            check_command(self._record.store, f"{COMMAND} --statement again")
        breaks = compare_statement(own, statement)
        fees = self._fees(statement, own.trades)
        made = Reconciled(
            name,
            statement.session_date,
            len(own.trades),
            len({*own.positions, *(line.symbol for line in statement.positions or ())}),
            breaks,
            statement.missing,
            fees,
            not breaks and not statement.missing,
        )
        stamp = self._record.stamp(actor, COMMAND)

        def act(account: TradingAccount) -> None:
            if statement.fees is not None:
                account.true_up(stamp, name, statement.session_date, fees)
            account.statement(
                stamp,
                account=name,
                session_date=statement.session_date,
                source=read.source,
                sha256=read.sha256,
                trades_compared=made.trades,
                positions_compared=made.positions,
                closing_cash=statement.closing_cash,
                missing=statement.missing,
                breaks_total=len(breaks),
                breaks=breaks[: e.BREAKS_KEPT_MAX],
            )

        self._record.append(act)
        return made

    def sign_off(self, session_date: str, reason: str, person: str) -> bool:
        """Take a session for final by hand; whether anything was left to sign off.

        Raises:
            InvalidInput: the session has no reconciliation, or no person or reason is named.
            AccessDenied: where principals are set up, without the role or an approved change of
                scope ``session:DATE``.
        """
        reason, person = reason.strip(), person.strip()
        if not reason or not person:
            raise InvalidInput("person and reason", "empty", "who signs it off, and why")
        with Log.open(self._record.store, writer=False) as log:
            standing = self._standing(log)
        if session_date not in standing.account.statements:
            raise InvalidInput("session", session_date, "one that was reconciled before")
        if standing.account.is_final(session_date):
            return False
        command = f"{COMMAND} --sign-off {session_date}"
        used = use_break(self._record.store, self._record.name, f"session:{session_date}", command)
        stamp = self._record.stamp(f"person:{used.name if used else person}", COMMAND)
        if used is not None:
            stamp = stamp._replace(causation_id=used.cause)
        done = self._record.append(
            lambda account: account.sign_off(stamp, self._record.name, session_date, reason)
        )
        return bool(done)

    def _standing(self, log: Log) -> Standing:
        standing = Standing(self._record.name)
        standing.follow(log)
        return standing

    def _fees(self, statement: Statement, trades: Sequence[TradeLine]) -> tuple[e.TruedUp, ...]:
        booked: dict[str, Decimal] = {}
        for line in statement.fees or ():
            booked[line.charge] = booked.get(line.charge, ZERO) + line.amount
        estimated = estimate_fees(self._schedule, statement.session_date, trades)
        named = {name for name, amount in estimated.items() if amount is None or amount}
        return tuple(
            e.TruedUp(
                charge=name, estimated=estimated.get(name, ZERO), booked=booked.get(name, ZERO)
            )
            for name in sorted({*booked, *named})
        )
