"""What a decision was planned from, as it is kept: enough to plan it again and get the same.

Limits and rules are not part of it: they are in force from an event of their own on, and whoever
plans again knows them from the log.
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from ..decision import Decision, ExecutionStrategy
from ..limits import Limits, SymbolUsage, Usage
from ..market import MarketState, Record
from ..ports import Account, AccountKind, Session
from ..settlement import CashFacts
from .facts import Facts, NameFacts, PlanningRules, ShortFacts, Timing


class SessionInput(Record):
    """A session of the exchange; times in ns UTC."""

    date: str
    open: int
    close: int
    is_half_day: bool

    @classmethod
    def of(cls, session: Session | None) -> SessionInput | None:
        """The record of a session, None of none."""
        if session is None:
            return None
        return cls(
            date=session.date,
            open=session.open,
            close=session.close,
            is_half_day=session.is_half_day,
        )

    def session(self) -> Session:
        """The session."""
        return Session(self.date, self.open, self.close, self.is_half_day)


class CashInput(Record):
    """What of the cash is settled and which shares are not paid for; see :class:`CashFacts`."""

    settled_usd: Decimal
    unsettled_usd: Decimal
    settles_on: str
    unpaid_shares: Decimal
    unpaid_until: str

    @classmethod
    def of(cls, cash: CashFacts | None) -> CashInput | None:
        """The record of what is known, None of nothing."""
        return None if cash is None else cls(**asdict(cash))

    def facts(self) -> CashFacts:
        """What was known."""
        return CashFacts(**dict(self))


class UsageInput(Record):
    """What was used of the limits, as far as one decision is concerned; see :class:`Usage`.

    The fields from ``buy_leaves`` on are of the decision's symbol. ``equal_admitted_at`` is when an
    equal decision was last admitted, ``admitted_in_last_minute`` how many decisions were.
    """

    session_date: str
    session_equity_usd: Decimal
    trades: int
    turnover_usd: Decimal
    reducing_trades: int
    reducing_turnover_usd: Decimal
    buying_power_used_usd: Decimal
    buying_power_reserved_usd: Decimal
    equal_admitted_at: int | None
    admitted_in_last_minute: int
    killed: tuple[str, ...]
    buy_leaves: Decimal
    sell_leaves: Decimal
    unreflected: Decimal
    bought: Decimal
    sold: Decimal
    busted_bought: Decimal
    busted_sold: Decimal
    unsettled: bool


class PlanningInputs(Record):
    """Everything that one decision was planned from; see :class:`Facts`.

    ``order_size`` is what netting with the other decisions of its batch made of its size, and
    ``note`` what it said; None and empty where nothing was netted.
    """

    now: int
    equity: Decimal
    buying_power: Decimal
    position: Decimal
    arrival_mid: Decimal | None
    market: MarketState
    session: SessionInput | None
    next_session: SessionInput | None
    usage: UsageInput
    timing_strategy: ExecutionStrategy | None
    timing_slippage_bps: Decimal | None
    timing_release_at: int | None
    timing_rule: str
    symbol_known: bool
    identified: bool
    admitted: bool
    volume_curve: tuple[int, ...]
    shortable: bool | None
    locate: str | None
    price_test: bool | None
    order_size: Decimal | None = None
    note: str = ""
    account_kind: AccountKind = AccountKind.UNKNOWN
    cash: CashInput | None = None
    former_names: tuple[str, ...] = ()
    renamed_to: str = ""
    unexplained: str = ""
    loss_basis_usd: Decimal | None = None
    listing: str | None = None
    loss_latched: bool = False
    round_lot: Decimal | None = None

    def decision(self, received: Decision) -> Decision:
        """The decision as it was planned."""
        if self.order_size is None:
            return received
        return received.model_copy(update={"order_size": self.order_size})

    def facts(
        self, account_id: str, decision: Decision, limits: Limits, rules: PlanningRules
    ) -> Facts:
        """The facts again, with the limits and rules that were in force."""
        return Facts(
            account_id=account_id,
            account=Account(
                self.equity, self.equity, self.buying_power, self.now, kind=self.account_kind
            ),
            session=self.session.session() if self.session else None,
            now=self.now,
            market=self.market,
            arrival_mid=self.arrival_mid,
            position=self.position,
            usage=_usage(self.usage, self.now, decision),
            limits=limits,
            rules=rules,
            timing=Timing(
                self.timing_strategy,
                self.timing_slippage_bps,
                self.timing_release_at,
                self.timing_rule,
            ),
            next_session=self.next_session.session() if self.next_session else None,
            symbol_known=self.symbol_known,
            identified=self.identified,
            admitted=self.admitted,
            volume_curve=self.volume_curve,
            short=ShortFacts(self.shortable, self.locate, self.price_test),
            cash=self.cash.facts() if self.cash else None,
            names=NameFacts(self.former_names, self.renamed_to),
            unexplained=self.unexplained,
            loss_basis_usd=self.loss_basis_usd,
            listing=self.listing,
            loss_latched=self.loss_latched,
            round_lot=self.round_lot,
        )


def inputs_of(
    decision: Decision, facts: Facts, *, order_size: Decimal | None = None, note: str = ""
) -> PlanningInputs:
    """What is kept of the facts that ``decision`` is planned from."""
    timing, short = facts.timing, facts.short
    return PlanningInputs(
        now=facts.now,
        equity=facts.account.equity,
        buying_power=facts.account.buying_power,
        position=facts.position,
        arrival_mid=facts.arrival_mid,
        market=facts.market,
        session=SessionInput.of(facts.session),
        next_session=SessionInput.of(facts.next_session),
        usage=_usage_input(decision, facts),
        timing_strategy=timing.strategy,
        timing_slippage_bps=timing.expected_slippage_bps,
        timing_release_at=timing.release_at,
        timing_rule=timing.rule,
        symbol_known=facts.symbol_known,
        identified=facts.identified,
        admitted=facts.admitted,
        volume_curve=facts.volume_curve,
        shortable=short.shortable,
        locate=short.locate,
        price_test=short.price_test,
        order_size=order_size,
        note=note,
        account_kind=facts.account.kind,
        cash=CashInput.of(facts.cash),
        former_names=facts.names.former,
        renamed_to=facts.names.renamed_to,
        unexplained=facts.unexplained,
        loss_basis_usd=facts.loss_basis_usd,
        listing=facts.listing,
        loss_latched=facts.loss_latched,
        round_lot=facts.round_lot,
    )


def is_recordable(facts: Facts) -> bool:
    """Whether all figures are numbers that a record can hold; a broker may send others."""
    usage = facts.usage
    figures = (
        facts.account.equity,
        facts.account.buying_power,
        facts.position,
        usage.session_equity_usd,
        facts.market.tick,
        facts.market.lot,
    )
    return all(figure.is_finite() for figure in figures)


def _usage_input(decision: Decision, facts: Facts) -> UsageInput:
    usage = facts.usage
    own = usage.of(decision.symbol)
    return UsageInput(
        session_date=usage.session_date,
        session_equity_usd=usage.session_equity_usd,
        trades=usage.trades,
        turnover_usd=usage.turnover_usd,
        reducing_trades=usage.reducing_trades,
        reducing_turnover_usd=usage.reducing_turnover_usd,
        buying_power_used_usd=usage.buying_power_used_usd,
        buying_power_reserved_usd=usage.buying_power_reserved_usd,
        equal_admitted_at=usage.recent.get(decision.content_hash()),
        admitted_in_last_minute=usage.admitted_in_last_minute(facts.now),
        killed=tuple(sorted(usage.killed)),
        buy_leaves=own.buy_leaves,
        sell_leaves=own.sell_leaves,
        unreflected=own.unreflected,
        bought=own.bought,
        sold=own.sold,
        busted_bought=own.busted_bought,
        busted_sold=own.busted_sold,
        unsettled=own.unsettled,
    )


def _usage(kept: UsageInput, now: int, decision: Decision) -> Usage:
    last = kept.equal_admitted_at
    own = SymbolUsage(
        buy_leaves=kept.buy_leaves,
        sell_leaves=kept.sell_leaves,
        unreflected=kept.unreflected,
        bought=kept.bought,
        sold=kept.sold,
        busted_bought=kept.busted_bought,
        busted_sold=kept.busted_sold,
        unsettled=kept.unsettled,
    )
    return Usage(
        session_date=kept.session_date,
        session_equity_usd=kept.session_equity_usd,
        trades=kept.trades,
        turnover_usd=kept.turnover_usd,
        reducing_trades=kept.reducing_trades,
        reducing_turnover_usd=kept.reducing_turnover_usd,
        buying_power_used_usd=kept.buying_power_used_usd,
        buying_power_reserved_usd=kept.buying_power_reserved_usd,
        symbols={decision.symbol: own},
        recent={} if last is None else {decision.content_hash(): last},
        admitted_at=(now,) * kept.admitted_in_last_minute,
        killed=frozenset(kept.killed),
    )
