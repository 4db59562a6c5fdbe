"""The aggregate of one broker account: sessions, limits in force, kill switch, captured data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from . import events as e
from .account_positions import Disagreeing, PositionStanding, position_records
from .aggregate import Aggregate
from .corporate import CorporateAction
from .day_loss import DayFigures
from .errors import invariant
from .fills_told import NOT_SAID, FillsKnown
from .ids import account_stream_id
from .instruments import Instrument, InstrumentBook
from .killing import scopes_covering
from .limits import Limits
from .ports import Account, CashMovement, OtherExecution, Position, Session
from .reasons import Anomalous


class TradingAccount(Aggregate):
    """One broker account as its events say.

    ``limits`` and ``rules`` are those in force, ``kills`` the scopes that are blocked, ``session``
    the last one opened, ``day`` what the account was worth before it, ``status`` the kind of
    account and when trades settle, and ``closed_sessions`` the dates that were closed.
    """

    def __init__(self, id: UUID) -> None:
        super().__init__()
        self.id = id
        self.version = 0
        self.limits: Limits | None = None
        self.rules: e.RulesInForce | None = None
        self.kills: dict[str, str] = {}
        self.session: e.SessionOpened | None = None
        self.status: e.AccountStatusRecorded | None = None
        self.standing = PositionStanding()
        self.day = DayFigures()
        self.instruments = InstrumentBook()
        self.statements: dict[str, e.StatementReconciled] = {}
        self.signed_off: dict[str, str] = {}
        self.fees: dict[str, e.FeesTruedUp] = {}
        self.closed_sessions: set[str] = set()
        self.captured: set[tuple[str, str, int, int]] = set()
        self.foreign: set[str] = set()
        self.settled: set[int] = set()
        self.starts = 0
        self.fills_known_until: int | None = None

    @classmethod
    def named(cls, account: str) -> TradingAccount:
        """A new, empty record for the account of that name."""
        return cls(account_stream_id(account))

    def start_engine(self, stamp: e.Stamp, **fields: Any) -> None:
        """Record that an engine took the account (fields of ``EngineStarted``)."""
        self._record(e.EngineStarted, stamp, **fields)

    def set_rules(self, stamp: e.Stamp, **fields: Any) -> None:
        """Put rules in force (fields of ``RulesInForce``), if they are not."""
        if _is_news(self.rules, fields):
            self._record(e.RulesInForce, stamp, **fields)

    def open_session(
        self,
        stamp: e.Stamp,
        name: str,
        session: Session,
        account: Account,
        positions: Mapping[str, Position],
    ) -> None:
        """Record the first account record of a session."""
        self._record(
            e.SessionOpened,
            stamp,
            account=name,
            session_date=session.date,
            open=session.open,
            close=session.close,
            equity=account.equity,
            cash=account.cash,
            buying_power=account.buying_power,
            positions=position_records(positions),
            note=account.note,
        )

    def record_status(self, stamp: e.Stamp, **fields: Any) -> None:
        """Record the kind of account and the settlement date, if they are not what was recorded."""
        if _is_news(self.status, fields):
            self._record(e.AccountStatusRecorded, stamp, **fields)

    def record_instrument(
        self, stamp: e.Stamp, account: str, date: str, instrument: Instrument
    ) -> None:
        """Record which asset a symbol names, if that is not what was recorded."""
        if self.instruments.knows(instrument, date):
            return
        known = self.instruments.current(instrument.symbol)
        self._record(
            e.InstrumentRecorded, stamp, account=account, session_date=date, instrument=instrument
        )
        if known is not None and known.asset_id != instrument.asset_id:
            detail = f"{instrument.symbol} was {known.asset_id} and is {instrument.asset_id}"
            self.note(stamp, Anomalous.DATA_QUALITY, detail)

    def close_session(
        self,
        stamp: e.Stamp,
        name: str,
        account: Account,
        positions: Mapping[str, Position],
        open_orders: int,
        breaks: tuple[e.Break, ...],
    ) -> None:
        """Record the end of the session that is open."""
        opened = self.session
        invariant(opened is not None, "only an open session is closed")
        self._record(
            e.SessionClosed,
            stamp,
            account=name,
            session_date=opened.session_date if opened else "",
            open_orders=open_orders,
            equity=account.equity,
            cash=account.cash,
            positions=position_records(positions),
            breaks=breaks,
        )

    def set_limits(self, stamp: e.Stamp, limits: Limits, reason: str) -> None:
        """Put limits in force; the actor on the stamp is their author."""
        if limits != self.limits:
            self._record(e.LimitChanged, stamp, limits=limits, reason=reason)

    def engage_kill(self, stamp: e.Stamp, scope: str, reason: str) -> None:
        """Block trading in a scope."""
        if scope not in self.kills:
            self._record(e.KillSwitchEngaged, stamp, scope=scope, reason=reason)

    def release_kill(self, stamp: e.Stamp, scope: str, reason: str) -> None:
        """Lift a block; takes a person, named on the stamp."""
        invariant(stamp.actor.startswith("person:"), "a person releases the kill switch")
        if scope in self.kills:
            self._record(e.KillSwitchReleased, stamp, scope=scope, reason=reason)

    def reconciled(
        self,
        stamp: e.Stamp,
        trigger: str,
        orders: int,
        fills: int,
        breaks: tuple[e.Break, ...],
        known: FillsKnown = NOT_SAID,
    ) -> None:
        """Record a comparison of so many orders and fills of ours with the broker's."""
        until, source, note = known.until, known.source, known.note[:500]
        counted = {"orders_compared": orders, "fills_compared": fills, "breaks": breaks}
        said = {"fills_known_until": until, "fills_source": source, "fills_note": note}
        self._record(e.Reconciled, stamp, trigger=trigger, **counted, **said)

    def record_action(
        self, stamp: e.Stamp, name: str, action: CorporateAction, source: str, raw: str
    ) -> bool:
        """Record a corporate action, and what it explains; whether it was news."""
        if self.standing.actions.get(action.action_id) == action:
            return False
        raw = raw[: e.RAW_MAX]
        fields = {"account": name, "action": action, "source": source, "raw": raw}
        self._record(e.CorporateActionRecorded, stamp, **fields)
        today = self.session.session_date if self.session else ""
        for found, ids in list(self.standing.explained_by(today)):
            self._explain(stamp, found, e.ExplainedBy.CORPORATE_ACTION, action_ids=ids)
        self.carry_blocks(stamp, today)
        return True

    def carry_blocks(self, stamp: e.Stamp, today: str) -> None:
        """Block a symbol's new name as its old one is, from the day on which it has that name."""
        for scope, old, reason in list(self.standing.blocks_to_carry(self.kills, today)):
            self.engage_kill(stamp, scope, f"blocked as {old}: {reason}"[:200])

    def positions_differ(
        self,
        stamp: e.Stamp,
        name: str,
        session_date: str,
        since: str,
        found: Iterable[Disagreeing],
        origin: e.BreakOrigin,
    ) -> None:
        """Record positions that nothing explains, each once."""
        for each in found:
            known = self.standing.unexplained.get(each.symbol)
            figures = (each.expected, each.reported)
            if known is not None and (
                origin is e.BreakOrigin.SESSION or (known.expected, known.reported) == figures
            ):
                continue
            self._record(
                e.PositionUnexplained,
                stamp,
                account=name,
                session_date=session_date,
                symbol=each.symbol,
                expected=each.expected,
                reported=each.reported,
                since=since,
                origin=origin,
            )

    def positions_agree(self, stamp: e.Stamp, differing: Iterable[str]) -> None:
        """Take differences within the session as explained that a comparison no longer shows."""
        still = set(differing)
        for symbol, found in list(self.standing.unexplained.items()):
            if found.origin is e.BreakOrigin.SESSION and symbol not in still:
                self._explain(stamp, found, e.ExplainedBy.AGREEMENT)

    def accept_position(self, stamp: e.Stamp, symbol: str, reason: str) -> None:
        """Close a difference by hand: the broker's figure is right. Takes a person and a reason."""
        invariant(stamp.actor.startswith("person:"), "a person closes a break by hand")
        invariant(bool(reason.strip()), "a break is closed by hand with a reason")
        found = self.standing.unexplained.get(symbol)
        if found is not None:
            self._explain(stamp, found, e.ExplainedBy.PERSON, reason=reason[:500])

    def settle_actions(self, stamp: e.Stamp, name: str, symbol: str, reason: str) -> None:
        """Take what mergers and the like did to a symbol as settled; a person and a reason."""
        invariant(stamp.actor.startswith("person:"), "a person settles a corporate action")
        invariant(bool(reason.strip()), "a corporate action is settled with a reason")
        for action in self.standing.awaiting(symbol):
            fields = {"symbol": symbol, "action_id": action.action_id, "reason": reason[:500]}
            self._record(e.CorporateActionSettled, stamp, account=name, **fields)

    def true_up(
        self, stamp: e.Stamp, name: str, session_date: str, lines: tuple[e.TruedUp, ...]
    ) -> None:
        """Record the fees booked for a session, if they are not what was recorded."""
        known = self.fees.get(session_date)
        if known is None or known.lines != lines:
            fields = {"account": name, "session_date": session_date, "lines": lines}
            self._record(e.FeesTruedUp, stamp, **fields)

    def statement(self, stamp: e.Stamp, **fields: Any) -> None:
        """Record what comparing a statement found, if it is news."""
        if _is_news(self.statements.get(fields["session_date"]), fields):
            self._record(e.StatementReconciled, stamp, **fields)

    def sign_off(self, stamp: e.Stamp, name: str, session_date: str, reason: str) -> None:
        """Take a session for final by hand; takes a person, a reason and a reconciliation."""
        invariant(stamp.actor.startswith("person:"), "a person signs a session off")
        found = self.statements.get(session_date)
        invariant(found is not None, "only a session that was reconciled is signed off")
        if found is not None and not self.is_final(session_date):
            self._record(
                e.SessionSignedOff,
                stamp,
                account=name,
                session_date=session_date,
                sha256=found.sha256,
                breaks_total=found.breaks_total,
                reason=reason[:500],
            )

    def is_final(self, session_date: str) -> bool:
        """Whether the session's last reconciliation was clean, or is signed off."""
        found = self.statements.get(session_date)
        if found is None:
            return False
        return found.is_clean or self.signed_off.get(session_date) == found.sha256

    def _explain(
        self, stamp: e.Stamp, found: e.PositionUnexplained, by: e.ExplainedBy, **more: Any
    ) -> None:
        self._record(
            e.PositionExplained,
            stamp,
            account=found.account,
            symbol=found.symbol,
            expected=found.expected,
            reported=found.reported,
            origin=found.origin,
            by=by,
            **more,
        )

    def executed_elsewhere(
        self, stamp: e.Stamp, name: str, session_date: str, execution: OtherExecution
    ) -> bool:
        """Record an execution of somebody else's order, once; whether it was news."""
        if execution.execution_id in self.foreign:
            return False
        said = {key: value for key, value in execution._asdict().items() if key != "at"}
        self._record(e.ForeignExecution, stamp, account=name, session_date=session_date, **said)
        return True

    def cash_moved(self, stamp: e.Stamp, name: str, date: str, movement: CashMovement) -> bool:
        """Record cash that came or went within the session, once; whether it was news."""
        if movement.movement_id in self.day.moved:
            return False
        said = {key: value for key, value in movement._asdict().items() if key != "at"}
        self._record(e.CashMoved, stamp, account=name, session_date=date, **said)
        return True

    def captured_data(self, stamp: e.Stamp, **fields: Any) -> None:
        """Bind captured market data to the log (fields of ``MarketDataCaptured``), once."""
        key = (fields["symbol"], fields["kind"], fields["from_ns"], fields["to_ns"])
        if key not in self.captured:
            self._record(e.MarketDataCaptured, stamp, **fields)

    def note(
        self,
        stamp: e.Stamp,
        kind: Anomalous,
        detail: str,
        symbol: str | None = None,
        value: Decimal | None = None,
        bound: Decimal | None = None,
    ) -> None:
        """Record an anomaly."""
        self._record(
            e.AccountAnomaly,
            stamp,
            kind=kind,
            detail=detail[:2000],
            symbol=symbol,
            value=value,
            bound=bound,
        )

    def settle(self, stamp: e.Stamp, **fields: Any) -> None:
        """Record that a person has settled an anomaly (fields of ``AnomalySettled``), once."""
        invariant(stamp.actor.startswith("person:"), "a person settles an anomaly")
        if fields["place"] not in self.settled:
            self._record(e.AnomalySettled, stamp, **fields)

    def is_killed(self, symbol: str, strategy: str) -> str | None:
        """The blocked scope that covers this symbol and strategy, or None."""
        scopes = scopes_covering(symbol, strategy)
        return next((scope for scope in scopes if scope in self.kills), None)

    def apply(self, event: e.DomainEvent) -> None:
        """Bring the state forward by one event."""
        self.version = event.originator_version
        self.standing.apply(event)
        self.day.apply(event)
        if isinstance(event, e.LimitChanged):
            self.limits = event.limits
        elif isinstance(event, e.RulesInForce):
            self.rules = event
        elif isinstance(event, e.KillSwitchEngaged):
            self.kills[event.scope] = event.reason
        elif isinstance(event, e.KillSwitchReleased):
            self.kills.pop(event.scope, None)
        elif isinstance(event, e.SessionOpened):
            self.session = event
        elif isinstance(event, e.AccountStatusRecorded):
            self.status = event
        elif isinstance(event, e.InstrumentRecorded):
            self.instruments.take(event.instrument, event.session_date)
        elif isinstance(event, e.SessionClosed):
            self.closed_sessions.add(event.session_date)
        elif isinstance(event, e.StatementReconciled):
            self.statements[event.session_date] = event
        elif isinstance(event, e.SessionSignedOff):
            self.signed_off[event.session_date] = event.sha256
        elif isinstance(event, e.FeesTruedUp):
            self.fees[event.session_date] = event
        elif isinstance(event, e.EngineStarted):
            self.starts += 1
        elif isinstance(event, e.Reconciled):
            self.fills_known_until = event.fills_known_until or self.fills_known_until
        elif isinstance(event, e.AnomalySettled):
            self.settled.add(event.place)
        elif isinstance(event, e.ForeignExecution):
            self.foreign.add(event.execution_id)
        elif isinstance(event, e.MarketDataCaptured):
            self.captured.add((event.symbol, event.kind, event.from_ns, event.to_ns))

    @classmethod
    def replay(cls, account: str, history: Iterable[e.DomainEvent]) -> TradingAccount:
        """The account as its events say; empty when there are none."""
        record = cls.named(account)
        for event in history:
            record.apply(event)
        return record


def _is_news(known: e.DomainEvent | None, fields: Mapping[str, Any]) -> bool:
    """Whether a field is not what was last recorded, if anything was."""
    return known is None or any(getattr(known, name) != fields[name] for name in fields)
