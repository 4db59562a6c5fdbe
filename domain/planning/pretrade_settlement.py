"""Pre-trade checks of what is held and paid for: explained positions, margin, settled funds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..money import ZERO, plain, usd
from ..ports import AccountKind, Side
from ..settlement import CashFacts
from .pretrade import Failure, Verdict

if TYPE_CHECKING:
    from .pretrade_size import SizedTrial

NOT_CASH: Final = "not a cash account"
NO_CASH_KNOWN: Final = CashFacts(ZERO)


def explained_position(trial: SizedTrial) -> Verdict:
    """No risk is added in a symbol of which the broker reports a position that nothing explains."""
    found = trial.facts.unexplained
    if not found or trial.reducing:
        return Verdict(note=f"{found}; only reduces the position" if found else "")
    failure = Failure(
        "symbol",
        found,
        "a position that own trades and recorded corporate actions explain",
        "after the corporate action is recorded, or a person has closed the difference",
    )
    return Verdict(note=found, failure=failure)


def account_status(trial: SizedTrial) -> Verdict:
    """Whether it is known if the account is a cash or a margin account; unknown adds no risk."""
    kind = trial.facts.account.kind
    if kind is not AccountKind.UNKNOWN:
        return Verdict(note=kind.value)
    if trial.reducing:
        return Verdict(note=f"{kind.value}; only reduces the position")
    failure = Failure(
        "account",
        "margin status unknown",
        "an account that the broker's record says to be cash or margin",
        "an order that only reduces the position",
    )
    return Verdict(note=kind.value, failure=failure)


def settled_funds(trial: SizedTrial) -> Verdict:
    """A cash account buys with what it has, settled or not, by our own record too."""
    cash, needed = _cash_of(trial), trial.reservation.buying_power_usd
    if cash is None or trial.terms.side is Side.SELL:
        return Verdict(note=NOT_CASH if cash is None else "a sell")
    reserved = trial.facts.usage.buying_power_reserved_usd
    free = cash.settled_usd + cash.unsettled_usd - reserved
    if needed <= free:
        return Verdict(needed, free, "USD", _unsettled_note(cash))
    failure = Failure(
        "order_size",
        f"{usd(needed)} needed",
        f"at most {usd(max(free, ZERO))}: {usd(cash.settled_usd)} settled, "
        f"{usd(cash.unsettled_usd)} not settled, {usd(reserved)} reserved",
        trial.passing(free / trial.reservation.price),
    )
    return Verdict(needed, free, "USD", _unsettled_note(cash), failure)


def good_faith(trial: SizedTrial) -> Verdict:
    """No sale of shares that were bought with proceeds before those have settled."""
    cash, terms = _cash_of(trial), trial.terms
    if cash is None or terms.side is Side.BUY:
        return Verdict(note=NOT_CASH if cash is None else "a buy")
    held = max(trial.facts.held - trial.same_side_leaves, ZERO)
    paid = max(held - cash.unpaid_shares, ZERO)
    if terms.quantity <= paid or not cash.unpaid_shares:
        return Verdict(terms.quantity, paid, "shares")
    unpaid = f"{plain(cash.unpaid_shares)} bought with funds that settle by {cash.unpaid_until}"
    failure = Failure(
        "order_size",
        f"{plain(terms.quantity)} shares of {plain(held)} held, {unpaid}",
        f"at most {plain(paid)} shares that are paid for",
        f"{trial.passing(paid)}, or all on {cash.unpaid_until}",
    )
    return Verdict(terms.quantity, paid, "shares", unpaid, failure)


def _cash_of(trial: SizedTrial) -> CashFacts | None:
    if trial.facts.account.kind is not AccountKind.CASH:
        return None
    return trial.facts.cash or NO_CASH_KNOWN


def _unsettled_note(cash: CashFacts) -> str:
    if not cash.unsettled_usd:
        return ""
    return f"{usd(cash.unsettled_usd)} settle from {cash.settles_on}"
