"""Pre-trade checks of a sized and priced order: fat finger, position, money, daily limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from ..decision import Decision
from ..limits import FRACTION_BELOW, grid_up, turnover_cap_usd
from ..market import Quote
from ..money import BPS, CENT, ZERO, plain, round_lot, usd
from ..plan import PlanTerms
from ..ports import SellMark, Side
from ..reasons import Check, Reason
from ..reservations import Reservation
from .facts import Facts
from .pretrade import Failure, Findings, Verdict, conclude, merged
from .pretrade_loss import daily_loss, keeps_basis
from .pretrade_settlement import (
    account_status,
    explained_position,
    good_faith,
    settled_funds,
)
from .sizing import Sized, size_decision, weight_pct
from .terms import reserve_price

NOT_EVALUATED: Final = "not evaluated: no quantity"
RESERVE_NOTE: Final = "exempt: only reduces the position, from the reducing reserve"


@dataclass(frozen=True, slots=True)
class SizedTrial:
    """A plan under check with what it would reserve; ``reducing`` only lowers |position|."""

    decision: Decision
    facts: Facts
    terms: PlanTerms
    quote: Quote
    reservation: Reservation
    reducing: bool

    @property
    def same_side_leaves(self) -> Decimal:
        """Own shares that may still trade in the same direction."""
        return self.facts.usage.of(self.terms.symbol).leaves(self.terms.side)

    def passing(self, quantity: Decimal) -> str:
        """What the caller could ask for so that at most ``quantity`` more shares trade."""
        size = round_lot(max(quantity, ZERO), self.terms.lot)
        if size == 0:
            return "no quantity now"
        if self.decision.order_size is not None or self.decision.target_weight is None:
            return f"order_size {plain(size)}"
        shown = self._weight_for(size)
        decided = self.decision.model_copy(update={"target_weight": shown})
        sized = size_decision(decided, self.facts)
        traded = sized.quantity if isinstance(sized, Sized) else ZERO
        if not traded or 0 < shown < FRACTION_BELOW:
            # No weight of two decimals says so little.
            return f"order_size {plain(size)}"
        unit = "share" if traded == 1 else "shares"
        return f"target_weight {plain(shown)} ({plain(traded)} {unit})"

    def _weight_for(self, size: Decimal) -> Decimal:
        """The weight after ``size`` more shares, in percent with two decimals."""
        sign = self.terms.side.sign
        after = self.facts.held + sign * (self.same_side_leaves + size)
        weight = weight_pct(after, self.quote.mid, self.facts.account.equity)
        # Rounded toward the current position, so that the weight shown does pass.
        rounding = ROUND_FLOOR if sign > 0 else ROUND_CEILING
        return weight.quantize(CENT, rounding=rounding)


@dataclass(frozen=True, slots=True)
class SizedCheckSpec:
    """A check of a sized order: its name in events, its reason, and the function that makes it."""

    name: str
    reason: Reason
    make: Callable[[SizedTrial], Verdict]
    is_asked: Callable[[Facts], bool] = lambda facts: True
    """Whether it is made at all: facts of before it was there do not have what it needs."""


def sized_trial(decision: Decision, facts: Facts, terms: PlanTerms, quote: Quote) -> SizedTrial:
    """Work out what the plan would reserve, and from which reserve (ruling 12).

    An order that only reduces the position takes trade and turnover from the daily limits while
    they last and then from the reducing reserve, as an exemption.
    """
    own = facts.usage.of(terms.symbol)
    held = facts.held
    reducing = held * terms.side.sign < 0 and terms.quantity + own.leaves(terms.side) <= abs(held)
    price = reserve_price(terms, facts, quote)
    notional = grid_up(terms.quantity * price)
    covered = terms.side is Side.SELL and terms.quantity + own.sell_leaves <= held
    fits = (
        facts.usage.trades + 1 <= facts.limits.trades_max_per_day
        and facts.usage.turnover_usd + notional <= turnover_cap_usd(facts.limits, facts.usage)
    )
    reservation = Reservation(
        account=facts.account_id,
        session_date=facts.usage.session_date,
        symbol=terms.symbol,
        side=terms.side,
        quantity=terms.quantity,
        price=price,
        turnover_usd=notional,
        buying_power_usd=ZERO if reducing or covered else notional,
        exempt=reducing and not fits,
    )
    return SizedTrial(decision, facts, terms, quote, reservation, reducing)


def sized_checks(trial: SizedTrial) -> Findings:
    """Make every check that needs a quantity."""
    facts = trial.facts
    asked = (spec for spec in SIZED_CHECKS if spec.is_asked(facts))
    version = facts.limits.version
    return merged([conclude(spec.name, spec.reason, spec.make(trial), version) for spec in asked])


def unmade_checks(facts: Facts) -> tuple[Check, ...]:
    """The sized checks of a decision that has no quantity: recorded as not passed."""
    version = facts.limits.version
    return tuple(
        Check(name=spec.name, passed=False, limit_version=version, note=NOT_EVALUATED)
        for spec in SIZED_CHECKS
        if spec.is_asked(facts)
    )


def with_marks(terms: PlanTerms, decision: Decision, facts: Facts) -> PlanTerms:
    """The terms with what of a sell is long and what is short, where it goes through zero."""
    if terms.side is Side.BUY:
        return terms
    sellable = max(facts.held - facts.usage.of(terms.symbol).leaves(Side.SELL), ZERO)
    if terms.quantity <= sellable:
        return terms
    exempt = decision.sell_mark is SellMark.SHORT_EXEMPT
    mark = SellMark.SHORT_EXEMPT if exempt else SellMark.SHORT
    return terms.model_copy(update={"long_quantity": sellable, "short_mark": mark})


def sell_mark(trial: SizedTrial) -> SellMark | None:
    """How the sell is marked; None for a buy."""
    if trial.terms.side is Side.BUY:
        return None
    return trial.terms.short_mark or SellMark.LONG


def _sellable(trial: SizedTrial) -> Decimal:
    return max(trial.facts.held - trial.same_side_leaves, ZERO)


def _collar(trial: SizedTrial) -> Verdict:
    terms, bound = trial.terms, trial.facts.limits.collar_bps_max
    priced = (("limit_price", terms.limit_price), ("max_slippage", terms.bound_price))
    worst, field, price = ZERO, "limit_price", None
    for name, candidate in priced:
        if candidate is not None:
            away = abs(candidate - trial.quote.mid) / trial.quote.mid * BPS
            if price is None or away > worst:
                worst, field, price = away, name, candidate
    if price is None:
        return Verdict(None, bound, "bps", "no price is fixed; children are priced at the touch")
    if worst <= bound:
        return Verdict(worst, bound, "bps")
    failure = Failure(
        field,
        f"price {plain(price)}, {plain(worst.quantize(CENT))} bps from {plain(trial.quote.mid)}",
        f"at most {plain(bound)} bps from the mid",
        f"a price within {plain(bound)} bps of {plain(trial.quote.mid)}",
    )
    return Verdict(worst, bound, "bps", "", failure)


def _order_value(trial: SizedTrial) -> Verdict:
    value = trial.reservation.turnover_usd
    bound = trial.facts.limits.order_value_usd_max
    if value <= bound:
        return Verdict(value, bound, "USD")
    passing = trial.passing(bound / trial.reservation.price)
    failure = Failure("order_value", f"{usd(value)}", f"at most {usd(bound)}", passing)
    return Verdict(value, bound, "USD", "", failure)


def _order_quantity(trial: SizedTrial) -> Verdict:
    value, bound = trial.terms.quantity, trial.facts.limits.order_quantity_max
    if value <= bound:
        return Verdict(value, bound, "shares")
    failure = Failure(
        "order_size",
        f"{plain(value)} shares",
        f"at most {plain(bound)} shares",
        trial.passing(bound),
    )
    return Verdict(value, bound, "shares", "", failure)


def _adv_fraction(trial: SizedTrial) -> Verdict:
    limits, volume = trial.facts.limits, trial.facts.market.average_daily_volume
    bound = limits.adv_fraction_max
    if not volume:
        if not limits.adv_required:
            return Verdict(None, bound, "of ADV", "average daily volume unknown")
        failure = Failure("average_daily_volume", "unknown", "a known average daily volume")
        return Verdict(None, bound, "of ADV", "", failure)
    value = trial.terms.quantity / volume
    if value <= bound:
        return Verdict(value, bound, "of ADV")
    failure = Failure(
        "order_size",
        f"{plain(trial.terms.quantity)} shares of an average daily volume of {plain(volume)}",
        f"at most {plain(bound)} of it",
        trial.passing(volume * bound),
    )
    return Verdict(value, bound, "of ADV", "", failure)


def _self_cross(trial: SizedTrial) -> Verdict:
    opposite = trial.terms.side.opposite
    leaves = trial.facts.usage.of(trial.terms.symbol).leaves(opposite)
    if leaves == 0:
        return Verdict(ZERO, ZERO, "shares")
    failure = Failure(
        "symbol",
        f"own open {opposite} of {plain(leaves)} shares in {trial.terms.symbol}",
        "no own open order on the other side",
        f"after that {opposite} has ended",
    )
    return Verdict(leaves, ZERO, "shares", "", failure)


def _short_sale(trial: SizedTrial) -> Verdict:
    if trial.terms.side is Side.BUY:
        return Verdict(note="a buy")
    quantity, sellable = trial.terms.quantity, _sellable(trial)
    if quantity <= sellable:
        return Verdict(quantity, sellable, "shares", "marked long")
    short = trial.facts.short
    cause, would_pass = "", trial.passing(sellable)
    if not trial.facts.limits.allow_short:
        cause = "short selling is off"
    elif trial.decision.sell_mark is SellMark.LONG:
        cause = "the decision says that it is long"
    elif not short.shortable and not short.locate:
        cause = "neither the broker's shortable flag nor a locate is known"
        would_pass = "a locate record"
    elif short.price_test is None:
        cause = "whether Rule 201 is in force is not known"
        would_pass = "once it is known"
    if not cause:
        tested = "; above the best bid by Rule 201" if short.price_test else ""
        return Verdict(quantity, sellable, "shares", f"{_shown_mark(trial)}{tested}")
    failure = Failure(
        "order_size",
        f"{plain(quantity)} shares with {plain(sellable)} to sell",
        f"at most {plain(sellable)} shares ({cause})",
        would_pass,
    )
    return Verdict(quantity, sellable, "shares", cause, failure)


def _shown_mark(trial: SizedTrial) -> str:
    terms = trial.terms
    if terms.short_mark is SellMark.SHORT_EXEMPT:
        return "marked short exempt, as the decision says"
    long = terms.long_quantity or ZERO
    return f"{plain(long)} marked long, the rest short" if long else "marked short"


def _position(trial: SizedTrial) -> Verdict:
    facts, terms = trial.facts, trial.terms
    equity, mid = facts.account.equity, trial.quote.mid
    bound = facts.limits.position_pct_max
    own = facts.usage.of(terms.symbol)
    toward = facts.held * terms.side.sign + own.leaves(terms.side)
    value = weight_pct(abs(toward + terms.quantity), mid, equity)
    if trial.reducing:
        return Verdict(value, bound, "% of equity", "only reduces the position")
    cap = facts.limits.position_cap_shares(equity, mid)
    headroom = max(cap - own.busted(terms.side), ZERO) - toward
    if terms.quantity <= headroom:
        return Verdict(value, bound, "% of equity")
    note = "what a bust freed is not headroom again today" if own.busted(terms.side) else ""
    failure = Failure(
        "target_weight",
        f"{plain(value.quantize(CENT, rounding=ROUND_CEILING))} % of equity with open orders",
        f"at most {plain(bound)} % of equity",
        trial.passing(headroom),
    )
    return Verdict(value, bound, "% of equity", note, failure)


def _buying_power(trial: SizedTrial) -> Verdict:
    facts, value = trial.facts, trial.reservation.buying_power_usd
    free = facts.account.buying_power - facts.usage.buying_power_reserved_usd
    if value == 0:
        return Verdict(value, free, "USD", "reduces the position: needs none")
    if value <= free:
        return Verdict(value, free, "USD")
    failure = Failure(
        "buying_power",
        f"{usd(value)} needed",
        f"at most {usd(max(free, ZERO))} free",
        trial.passing(free / trial.reservation.price),
    )
    return Verdict(value, free, "USD", "", failure)


def _trades(trial: SizedTrial) -> Verdict:
    facts, exempt = trial.facts, trial.reservation.exempt
    used = facts.usage.reducing_trades if exempt else facts.usage.trades
    most = facts.limits.reducing_trades_extra if exempt else facts.limits.trades_max_per_day
    value, bound = Decimal(used + 1), Decimal(most)
    note = RESERVE_NOTE if exempt else ""
    if value <= bound:
        return Verdict(value, bound, "trades", note)
    passing = "the next session, or a slot of an instruction that ends with nothing executed"
    failure = Failure("trades", f"trade {value} of the session", f"at most {most}", passing)
    return Verdict(value, bound, "trades", note, failure)


def _turnover(trial: SizedTrial) -> Verdict:
    facts, exempt = trial.facts, trial.reservation.exempt
    used = facts.usage.reducing_turnover_usd if exempt else facts.usage.turnover_usd
    bound = turnover_cap_usd(facts.limits, facts.usage, exempt=exempt)
    value = used + trial.reservation.turnover_usd
    note = RESERVE_NOTE if exempt else ""
    if value <= bound:
        return Verdict(value, bound, "USD", note)
    passing = trial.passing((bound - used) / trial.reservation.price)
    observed = f"{usd(used)} used and {usd(trial.reservation.turnover_usd)} asked"
    failure = Failure("turnover", observed, f"at most {usd(bound)} in the session", passing)
    return Verdict(value, bound, "USD", note, failure)


SIZED_CHECKS: Final[tuple[SizedCheckSpec, ...]] = (
    SizedCheckSpec("price_collar", Reason.PRICE_COLLAR, _collar),
    SizedCheckSpec("order_value", Reason.ORDER_VALUE, _order_value),
    SizedCheckSpec("order_quantity", Reason.ORDER_QUANTITY, _order_quantity),
    SizedCheckSpec("adv_fraction", Reason.ADV_FRACTION, _adv_fraction),
    SizedCheckSpec("self_cross", Reason.SELF_CROSS, _self_cross),
    SizedCheckSpec("short_sale", Reason.SHORT_SALE, _short_sale),
    SizedCheckSpec("position", Reason.POSITION_SIZE, _position),
    SizedCheckSpec("daily_loss", Reason.DAILY_LOSS, daily_loss, keeps_basis),
    SizedCheckSpec("explained_position", Reason.UNEXPLAINED_POSITION, explained_position),
    SizedCheckSpec("account_status", Reason.ACCOUNT_STATUS, account_status),
    SizedCheckSpec("buying_power", Reason.BUYING_POWER, _buying_power),
    SizedCheckSpec("settled_funds", Reason.SETTLED_FUNDS, settled_funds),
    SizedCheckSpec("good_faith", Reason.GOOD_FAITH, good_faith),
    SizedCheckSpec("trades", Reason.DAILY_TRADES, _trades),
    SizedCheckSpec("turnover", Reason.DAILY_TURNOVER, _turnover),
)
"""The checks in the order they are made and recorded."""
