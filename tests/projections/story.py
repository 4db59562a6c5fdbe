"""Builds logs the way the engine does: by commands on the real aggregates, one line a step."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.decision import Decision, ExecutionStrategy, ExecutionUrgency, Style
from fillwright.domain.decision import TradeAction as Action
from fillwright.domain.ids import instruction_id
from fillwright.domain.instruction import Instruction
from fillwright.domain.limits import Limits
from fillwright.domain.market import MarketState, Quote, TradingStatus
from fillwright.domain.money import bound_price
from fillwright.domain.plan import PlanTerms, final_phase_at
from fillwright.domain.ports import (
    NANOS,
    Account,
    ExecutionReport,
    OrderType,
    Position,
    ReportKind,
    Session,
    Side,
    TimeInForce,
)
from fillwright.domain.reasons import EndReason, NothingReason, Reason, Refusal
from fillwright.domain.reservations import Reservation
from fillwright.domain.strategies.contract import Cancel, Place
from fillwright.projections.runner import Projection, Recorded

ACCOUNT = "paper-1"
OPEN = 1_381_239_000 * NANOS  # 2013-10-08 09:30 in New York
DAY = 86_400 * NANOS
TICK = Decimal("0.01")


def D(text: str | int) -> Decimal:
    """A Decimal."""
    return Decimal(text)


class Story:
    """A log being told; ``now`` moves on by one second with every event."""

    def __init__(self, account: str = ACCOUNT) -> None:
        self.account = TradingAccount.named(account)
        self.name = account
        self.log: list[Recorded] = []
        self.now = OPEN
        self.date = "2013-10-08"
        self.mids: dict[str, Decimal] = {}
        self.decisions = 0
        self.reports = 0

    # -- the account ---------------------------------------------------------------------------

    def open_session(
        self,
        date: str = "2013-10-08",
        *,
        equity: str = "1000000",
        positions: Mapping[str, int] | None = None,
        days: int = 0,
    ) -> None:
        """Open a session, ``days`` days after the first one."""
        self.now = max(self.now, OPEN + days * DAY)
        self.date = date
        start = OPEN + days * DAY
        session = Session(date, start, start + 23_400 * NANOS)
        account = Account(D(equity), D(equity), D(equity), self.now)
        held = {s: Position(s, D(q), D(q) * 10) for s, q in (positions or {}).items()}
        self.account.open_session(self.stamp(), self.name, session, account, held)
        self.take(self.account)

    def close_session(self, breaks: tuple[e.Break, ...] = ()) -> None:
        """Close the session."""
        account = Account(D(1000000), D(1000000), D(1000000), self.now)
        self.account.close_session(self.stamp(), self.name, account, {}, 0, breaks)
        self.take(self.account)

    def set_limits(self, author: str = "person:ann", **fields: Any) -> None:
        """Put limits in force."""
        self.account.set_limits(self.stamp(author), Limits(**fields), "test")
        self.take(self.account)

    def kill(self, scope: str = "account") -> None:
        """Engage the kill switch."""
        self.account.engage_kill(self.stamp("person:ann"), scope, "enough")
        self.take(self.account)

    def revive(self, scope: str = "account") -> None:
        """Release the kill switch."""
        self.account.release_kill(self.stamp("person:ann"), scope, "looked at")
        self.take(self.account)

    def reconcile(self, *breaks: e.Break) -> None:
        """Record a reconciliation."""
        self.account.reconciled(self.stamp(), "timer", 3, 5, breaks)
        self.take(self.account)

    # -- instructions --------------------------------------------------------------------------

    def receive(
        self,
        symbol: str = "BAC",
        action: Action = Action.BUY,
        mid: str | None = "10.00",
        content: str | None = None,
    ) -> Instruction:
        """Receive a decision."""
        self.decisions += 1
        decision = Decision(symbol=symbol, action=action, target_weight=D(1))
        made = Instruction(instruction_id(self.name, f"d{self.decisions}"))
        quote = None
        if mid is not None:
            self.mids[symbol] = D(mid)
            quote = self.quote(symbol)
        made.receive(
            self.stamp(),
            account=self.name,
            session_date=self.date,
            decision_id=f"d{self.decisions}",
            content_hash=content or f"hash-{self.decisions}",
            decision=decision,
            arrival=quote,
            data_note="" if quote else "no quote",
            subject="pm",
            sealed_text="sealed",
        )
        self.take(made)
        return made

    def plan(
        self,
        made: Instruction,
        quantity: int = 100,
        strategy: ExecutionStrategy = ExecutionStrategy.TWAP,
        *,
        bound_bps: int | None = 50,
        exempt: bool = False,
        release_at: int | None = None,
    ) -> PlanTerms:
        """Admit it."""
        decision = made.decision
        assert decision is not None
        side = Side.BUY if decision.action in (Action.BUY, Action.ADD) else Side.SELL
        mid = made.arrival_mid or D(10)
        bound = bound_price(mid, D(bound_bps), side.sign, TICK) if bound_bps else None
        end = self.now + 7_200 * NANOS
        terms = PlanTerms(
            symbol=decision.symbol,
            side=side,
            quantity=D(quantity),
            strategy=strategy,
            style=Style.SMART,
            urgency=ExecutionUrgency.MEDIUM,
            start_at=self.now,
            end_at=end,
            final_phase_at=final_phase_at(self.now, end),
            tick=TICK,
            arrival_mid=made.arrival_mid,
            bound_bps=None if bound_bps is None else D(bound_bps),
            bound_price=bound,
        )
        price = bound or mid
        reservation = Reservation(
            account=self.name,
            session_date=self.date,
            symbol=decision.symbol,
            side=side,
            quantity=D(quantity),
            price=price,
            turnover_usd=D(quantity) * price,
            buying_power_usd=D(quantity) * price if side is Side.BUY else D(0),
            exempt=exempt,
        )
        made.accept(
            self.stamp(),
            plan=terms,
            checks=(),
            reservation=reservation,
            equity=D(1000000),
            position=D(0),
            price=mid,
            limit_version=1,
            volume=D(1000),
            release_at=release_at,
        )
        self.take(made)
        return terms

    def start(self, quantity: int = 100, symbol: str = "BAC", **more: Any) -> Instruction:
        """Receive, admit and release an instruction."""
        made = self.receive(
            symbol,
            more.pop("action", Action.BUY),
            more.pop("mid", "10.00"),
            more.pop("content", None),
        )
        self.plan(made, quantity, **more)
        self.release(made)
        return made

    def release(self, made: Instruction, mid: str | None = None) -> None:
        """Begin work."""
        release_mid = D(mid) if mid else made.arrival_mid
        made.release(self.stamp(), release_mid)
        self.take(made)

    def refuse(self, made: Instruction, reason: Reason = Reason.DAILY_TRADES) -> None:
        """Refuse it."""
        made.refuse(
            self.stamp(),
            (Refusal(reason=reason, field="x", observed="51", allowed="50", message="too many"),),
        )
        self.take(made)

    def nothing(self, made: Instruction) -> None:
        """Find nothing to do."""
        made.do_nothing(self.stamp(), NothingReason.ALREADY_AT_TARGET)
        self.take(made)

    def place(self, made: Instruction, quantity: int, price: str = "10.01") -> str:
        """Place a child order; gives its client id."""
        place = Place(
            quantity=D(quantity),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.DAY,
            limit_price=D(price),
        )
        request = made.intend(self.stamp(), place, self.provenance(made))
        self.take(made)
        return request.client_order_id

    def provenance(self, made: Instruction) -> e.Provenance:
        """What a step was decided from."""
        assert made.plan is not None
        return e.Provenance(
            strategy="twap",
            version=1,
            rule="slice_due",
            now=self.now,
            plan=made.plan,
            view=made.view(),
            market=self.market(made.plan.symbol),
            wake_at=None,
        )

    def report(
        self,
        made: Instruction,
        order: str,
        kind: ReportKind,
        venue_time: int | None = None,
        **f: Any,
    ) -> bool:
        """Let the broker say something of a child order."""
        self.reports += 1
        report = ExecutionReport(
            kind=kind,
            client_order_id=order,
            market_time=venue_time if venue_time is not None else self.now,
            receive_time=self.now,
            venue_order_id=f"v-{order}",
            **f,
        )
        said = made.report(self.stamp(), report)
        self.take(made)
        return said

    def fill(
        self,
        made: Instruction,
        order: str,
        quantity: int,
        price: str = "10.01",
        *,
        fee: str = "0",
        execution: str | None = None,
        venue_time: int | None = None,
    ) -> str:
        """Execute part of a child order; gives the execution id."""
        name = execution or f"x{self.reports + 1}"
        cum = made.orders[order].cum_qty + quantity
        self.report(
            made,
            order,
            ReportKind.TRADE,
            venue_time,
            execution_id=name,
            last_qty=D(quantity),
            last_price=D(price),
            cum_qty=cum,
            order_qty=made.orders[order].order_qty,
            fee=D(fee),
        )
        return name

    def bust(self, made: Instruction, order: str, execution: str) -> None:
        """Let the venue take an execution back."""
        self.report(
            made,
            order,
            ReportKind.TRADE_BUST,
            execution_id=f"bust-{execution}",
            ref_execution_id=execution,
        )

    def lose(self, made: Instruction, order: str) -> None:
        """Send without learning the outcome."""
        self.report(made, order, ReportKind.UNKNOWN_OUTCOME)

    def cancel(self, made: Instruction, order: str) -> None:
        """Ask for a cancel and get it."""
        made.request_cancel(self.stamp(), Cancel(client_order_id=order), "window_elapsed")
        self.take(made)
        self.report(made, order, ReportKind.CANCELED)

    def finish(self, made: Instruction, reason: EndReason = EndReason.WINDOW_ELAPSED) -> None:
        """End it short of its quantity."""
        made.finish(self.stamp(), reason)
        self.take(made)

    # -- parts ---------------------------------------------------------------------------------

    def quote(self, symbol: str) -> Quote:
        """The touch, one cent to each side of the mid."""
        mid = self.mids[symbol]
        return Quote(bid=mid - TICK, ask=mid + TICK, bid_size=D(500), ask_size=D(500), at=self.now)

    def market(self, symbol: str) -> MarketState:
        """The market as a strategy sees it."""
        return MarketState(
            symbol=symbol,
            now=self.now,
            status=TradingStatus.OPEN,
            quote=self.quote(symbol) if symbol in self.mids else None,
            quote_age_ns=0,
            tick=TICK,
            lot=D(1),
            last_price=None,
            volume=D(5000),
            volatility_bps=None,
            trend_bps=None,
            average_daily_volume=None,
            session_open=OPEN,
            session_close=OPEN + 23_400 * NANOS,
            source="test",
        )

    def stamp(self, actor: str = "engine:test") -> e.Stamp:
        """When and by whom."""
        self.now += NANOS
        return e.Stamp(self.now, actor, "correlation", "causation")

    def take(self, aggregate: Instruction | TradingAccount) -> None:
        """Append what an aggregate recorded."""
        for event in aggregate.collect_events():
            position = len(self.log) + 1
            self.log.append(Recorded(position, event, position.to_bytes(4, "big")))

    def told_to(self, projection: Projection) -> Any:
        """The projection after the whole log."""
        for recorded in self.log:
            projection.apply(recorded)
        return projection
