"""The paper broker: every request a client can make, at a market time, with its refusals.

No I/O but the journal's: the protocol layer gives the time and turns what comes back into JSON.
Requests are commands in the journal, so that running them again makes the same broker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from ...domain.market import HaltCause
from ...domain.ports import Session, Side
from ..exchange.terms import EVERY, Band, Halt
from .advanced import check_advanced
from .assets import Assets
from .configurations import DEFAULTS, read_configurations
from .journal import PaperJournal
from .ledger import Ledger
from .means import Means
from .orders import Kind, OrderBook, PaperOrder, Shape, Status, Tif
from .refusals import (
    ApiRefusal,
    duplicate_client_order_id,
    insufficient_quantity,
    missing,
    order_not_found,
    semantic,
    syntax,
)
from .replacing import changed_ticket
from .screening import Screening
from .tape import Tapes
from .ticket import Ticket, amount_of, read_ticket
from .venue import Venue
from .wire import is_uuid, number, uuid_of
from .working import EXTENDED_HOURS_NS, Update, Working

HUNDRED: Final = Decimal(100)
GTC_DAYS: Final = 90
DAY_NS: Final = 86_400 * 1_000_000_000
QUARTER_HOUR_NS: Final = 900 * 1_000_000_000
SHARE_PART: Final = Decimal("0.000000001")
ORDERS_MAX: Final = 1_000_000


class Desk:
    """One account at the paper broker.

    Args:
        account_id: the account's UUID; order ids follow from it.
        next_close: when the session after this one closes, for orders that come too late.
        emit: called with every event about an order, in order.
        first_name: the earliest name of what a symbol names now, which its asset's id is of.
    """

    def __init__(
        self,
        account_id: str,
        venue: Venue,
        tapes: Tapes,
        session: Session,
        next_close: int,
        ledger: Ledger,
        journal: PaperJournal,
        latency_ns: int,
        emit: Callable[[Update], None],
        first_name: Callable[[str], str] = str,
    ) -> None:
        self.account_id = account_id
        self.session = session
        self.venue = venue
        self._tapes = tapes
        self.ledger = ledger
        self.book = OrderBook()
        self.assets = Assets([venue.day(symbol) for symbol in venue.symbols], first_name)
        self.configurations: dict[str, Any] = dict(DEFAULTS)
        self.means = Means(ledger, self.book, venue, tapes, self.configurations, self.assets.id_of)
        self._screening = Screening(
            self.assets, ledger, self.book, self.means, session, self.configurations
        )
        self.working = Working(venue, session, ledger, self.book, latency_ns, emit)
        self._next_close = next_close
        self._journal = journal

    # Commands

    def submit(self, body: object, at: int, fault: Mapping[str, Any] | None = None) -> PaperOrder:
        """Take a new order over.

        Raises:
            ApiRefusal: it is not taken; nothing has changed.
        """
        ticket = read_ticket(body)
        if isinstance(body, dict):
            check_advanced(body, ticket, self.session.open, self.session.close)
        self.working.advance(at)
        self._check_new(ticket.client_order_id)
        intent = self._screening.check(ticket, at)
        content = {"do": "submit", "body": body, "fault": dict(fault or {})}
        with self._journal.command(at, content):
            order = self._order(ticket, intent, at)
            order.fault = dict(fault or {})
            self._add(order)
            for leg in self._legs(ticket, order):
                self._add(leg)
            self.working.place(order, at)
        return order

    def replace(self, order_id: str, body: object, at: int) -> PaperOrder:
        """Put a new order, with a new id, in an old one's place.

        As reported of Alpaca, the new order is for the quantity asked for, by default the old
        order's whole one, whatever that had filled already.

        Raises:
            ApiRefusal: the old order goes on as it was.
        """
        self.working.advance(at)
        old = self.find(order_id)
        if not isinstance(body, dict):
            raise syntax("request body format is invalid")
        ticket = changed_ticket(old, body)
        check_advanced(body, ticket, self.session.open, self.session.close)
        self._check_new(ticket.client_order_id)
        intent = old.position_intent
        if not old.is_leg:
            # Legs and children were checked with their entry.
            intent = self._screening.check(changed(ticket, shape=Shape.SIMPLE), at, old)
        with self._journal.command(at, {"do": "replace", "id": old.id, "body": body}):
            new = self._order(ticket, intent, at)
            new.shape, new.replaces = old.shape, old.id
            if old.status is Status.HELD:
                new.status = Status.HELD
            self._add(new)
            self.working.replace(old, new, at)
        return new

    def cancel(self, order_id: str, at: int) -> None:
        """Cancel one order.

        Raises:
            ApiRefusal: there is none, or it is done.
        """
        self.working.advance(at)
        order = self.find(order_id)
        if not order.is_open:
            raise semantic(f'order is already in "{order.status}" state')
        with self._journal.command(at, {"do": "cancel", "id": order.id}):
            self.working.cancel(order, at)

    def cancel_all(self, at: int) -> list[PaperOrder]:
        """Cancel every open order; gives those that were open."""
        self.working.advance(at)
        orders = self.book.open()
        with self._journal.command(at, {"do": "cancel_all"}):
            for order in orders:
                if order.is_open:
                    self.working.cancel(order, at)
        return orders

    def close_position(self, name: str, at: int, query: Mapping[str, str]) -> PaperOrder:
        """Send a market order that closes a position, or a part of it.

        Raises:
            ApiRefusal: there is no position, or not so much of it is available.
        """
        self.working.advance(at)
        symbol = self.held_symbol(name)
        held = self.ledger.held(symbol)
        qty, percentage = amount_of(query, "qty"), amount_of(query, "percentage")
        if qty is not None and percentage is not None:
            raise syntax("only one of qty or percentage is accepted")
        side = Side.SELL if held > 0 else Side.BUY
        if percentage is not None:
            if percentage > HUNDRED:
                raise syntax("percentage must be <= 100")
            qty = (abs(held) * percentage / HUNDRED).quantize(SHARE_PART, ROUND_DOWN)
        reserved = self.means.reserved(symbol, side)
        wanted = qty if qty is not None else abs(held)
        if wanted > abs(held) - reserved:
            raise insufficient_quantity(symbol, wanted, abs(held), reserved)
        body = {
            "symbol": symbol,
            "qty": number(wanted),
            "side": str(side),
            "type": "market",
            "time_in_force": "day",
        }
        return self.submit(body, at)

    def close_all(
        self, at: int, *, cancel_orders: bool
    ) -> list[tuple[str, PaperOrder | ApiRefusal]]:
        """Close every position; gives the order, or the refusal, by symbol."""
        if cancel_orders:
            self.cancel_all(at)
        results: list[tuple[str, PaperOrder | ApiRefusal]] = []
        for symbol in self.ledger.holdings:
            try:
                results.append((symbol, self.close_position(symbol, at, {})))
            except ApiRefusal as refusal:
                results.append((symbol, refusal))
        return results

    def configure(self, body: object, at: int) -> dict[str, Any]:
        """Change account configurations; a null leaves a field as it is.

        Raises:
            ApiRefusal: a field is unknown or out of range; nothing has changed.
        """
        chosen = read_configurations(body)
        with self._journal.command(at, {"do": "configure", "body": body}):
            self.configurations.update(chosen)
        return self.configurations

    def halt(self, halt: Halt, at: int) -> None:
        """Halt a symbol, or with ``EVERY`` the market, from now on at the earliest.

        Raises:
            ValueError: there is no such symbol, or the halt lies in the past.
        """
        self.working.advance(at)
        symbols = self.venue.symbols if halt.symbol == EVERY else [halt.symbol]
        self._known(symbols)
        begin = max(halt.start, at)
        if halt.end <= begin:
            raise ValueError("a halt must end after it starts")
        content = {"do": "halt", "symbol": halt.symbol, "from": begin, "to": halt.end}
        if halt.cause is not HaltCause.NEWS:
            content["cause"] = halt.cause.value
        with self._journal.command(at, content):
            self.venue.halt(changed(halt, start=begin))
            for symbol in symbols:
                tape = self._tapes.find(symbol)
                if tape is not None:
                    tape.halt(begin, halt.end)
                self.working.halted(symbol, at)

    def band(self, band: Band, at: int) -> None:
        """Put a LULD price band in force, from now on at the earliest.

        Raises:
            ValueError: there is no such symbol, or the band lies in the past.
        """
        self.working.advance(at)
        self._known([band.symbol])
        begins = changed(band, start=max(band.start, at))
        content = {
            "do": "luld",
            "symbol": band.symbol,
            "from": begins.start,
            "to": begins.end,
            "lower": str(band.lower),
            "upper": str(band.upper),
        }
        with self._journal.command(at, content):
            self.venue.band(begins)

    def _known(self, symbols: Sequence[str]) -> None:
        unknown = [symbol for symbol in symbols if symbol not in self.venue.symbols]
        if unknown:
            raise ValueError(f"no symbol {unknown[0]}: there are {', '.join(self.venue.symbols)}")

    def again(self, at: int, content: Mapping[str, Any]) -> None:
        """Run a command of the journal again."""
        does = content["do"]
        if does == "submit":
            self.submit(content["body"], at, content["fault"])
        elif does == "replace":
            self.replace(content["id"], content["body"], at)
        elif does == "cancel":
            self.cancel(content["id"], at)
        elif does == "cancel_all":
            self.cancel_all(at)
        elif does == "configure":
            self.configure(content["body"], at)
        elif does == "cash":
            self.ledger.move(Decimal(content["amount"]), at)
        elif does == "luld":
            edges = (Decimal(content[name]) for name in ("lower", "upper"))
            self.band(Band(content["symbol"], content["from"], content["to"], *edges), at)
        else:
            cause = HaltCause(content.get("cause", HaltCause.NEWS))
            self.halt(Halt(content["symbol"], content["from"], content["to"], cause), at)

    # Queries

    def find(self, order_id: str) -> PaperOrder:
        """The order under the broker's id.

        Raises:
            ApiRefusal: it is no id, or there is no such order.
        """
        if not is_uuid(order_id):
            raise syntax("order_id is missing")
        order = self.book.find(order_id.lower())
        if order is None:
            raise order_not_found(order_id)
        return order

    def by_client_id(self, client_order_id: str) -> PaperOrder:
        """The order under the client's id.

        Raises:
            ApiRefusal: there is none.
        """
        order = self.book.by_client_id(client_order_id)
        if order is None:
            raise order_not_found(client_order_id)
        return order

    def shown(self, order: PaperOrder, at: int, *, nested: bool = True) -> dict[str, Any]:
        """An order as it looks at ``at``."""
        for member in (order, *order.legs):
            self.working.waiting.follow(member, at)
        return order.shown(nested=nested)

    def held_symbol(self, name: str) -> str:
        """The symbol of a position named by symbol or asset id.

        Raises:
            ApiRefusal: there is no such asset or position.
        """
        asset = self.assets.find(name)
        if asset is None:
            raise missing(f"symbol not found: {name}")
        if asset.symbol not in self.ledger.holdings:
            raise missing("position does not exist")
        return asset.symbol

    # New orders

    def _check_new(self, client_order_id: str | None) -> None:
        if client_order_id is not None and self.book.by_client_id(client_order_id) is not None:
            raise duplicate_client_order_id()
        if len(self.book) >= ORDERS_MAX:
            raise ApiRefusal(403, "too many orders")

    def _add(self, order: PaperOrder) -> None:
        order.number = len(self.book) + 1
        order.id = uuid_of(self.account_id, "order", order.number)
        if not order.client_order_id:
            order.client_order_id = uuid_of(self.account_id, "client", order.number)
        self.book.add(order)

    def _order(self, ticket: Ticket, intent: str, at: int) -> PaperOrder:
        return PaperOrder(
            number=0,
            id="",
            client_order_id=ticket.client_order_id or "",
            symbol=ticket.symbol,
            asset_id=self.assets.id_of(ticket.symbol),
            side=ticket.side,
            kind=ticket.kind,
            tif=ticket.tif,
            qty=ticket.qty,
            notional=ticket.notional,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            trail_price=ticket.trail_price,
            trail_percent=ticket.trail_percent,
            extended_hours=ticket.extended_hours,
            shape=ticket.shape,
            position_intent=intent,
            created_at=at,
            expires_at=self._expiry(ticket, at),
        )

    def _legs(self, ticket: Ticket, entry: PaperOrder) -> list[PaperOrder]:
        """The exits of a bracket, OCO or OTO order, held until their moment."""
        if ticket.shape is Shape.SIMPLE:
            return []
        is_oco = ticket.shape is Shape.OCO
        side = ticket.side if is_oco else ticket.side.opposite
        exit_intent = "sell_to_close" if side is Side.SELL else "buy_to_close"
        plain = changed(ticket, side=side, client_order_id=None, limit_price=None, stop_price=None)
        tickets = []
        if ticket.take_profit is not None and not is_oco:
            tickets.append(changed(plain, kind=Kind.LIMIT, limit_price=ticket.take_profit))
        if ticket.stop_loss is not None:
            limit = ticket.stop_loss_limit
            kind = Kind.STOP if limit is None else Kind.STOP_LIMIT
            tickets.append(
                changed(plain, kind=kind, stop_price=ticket.stop_loss, limit_price=limit)
            )
        for each in tickets:
            leg = self._order(each, exit_intent, entry.created_at)
            leg.status, leg.parent = Status.HELD, entry
            entry.legs.append(leg)
        return entry.legs

    def _expiry(self, ticket: Ticket, at: int) -> int:
        close = self.session.close if at < self.session.close else self._next_close
        if ticket.tif is Tif.GTC:
            return close + GTC_DAYS * DAY_NS + QUARTER_HOUR_NS
        return close + EXTENDED_HOURS_NS if ticket.extended_hours else close
