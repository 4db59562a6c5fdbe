"""The pre-trade check of the day's loss: past the limit no risk is added until the next session."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from ..limits import HUNDRED
from ..money import CENT, ZERO, plain, usd
from .pretrade import Failure, Verdict

if TYPE_CHECKING:
    from .facts import Facts
    from .pretrade_size import SizedTrial


PASSES: Final = "an order that only reduces the position, or the next session"
PASSES_LATCHED: Final = f"{PASSES}, or once a person has closed the exception about the loss"
AGAIN: Final = ", and more before"


def loss_usd(basis: Decimal, equity: Decimal) -> Decimal:
    """The loss since ``basis``, 0 for a gain."""
    return max(basis - equity, ZERO)


def bound_usd(basis: Decimal, percent: Decimal) -> Decimal:
    """The loss that reaches a limit of ``percent`` of ``basis``."""
    return (basis * percent / HUNDRED).quantize(CENT, rounding=ROUND_DOWN)


def keeps_basis(facts: Facts) -> bool:
    """Whether it is known what the account was worth before; older records do not say."""
    return facts.loss_basis_usd is not None


def daily_loss(trial: SizedTrial) -> Verdict:
    """No risk is added once the day's loss has reached the limit; what only reduces passes.

    That holds until the next session or a person's release, also when less is lost again.
    """
    facts, percent = trial.facts, trial.facts.limits.daily_loss_pct_max
    basis = facts.loss_basis_usd or facts.account.equity
    loss = loss_usd(basis, facts.account.equity)
    bound = bound_usd(basis, percent)
    if loss < bound and not facts.loss_latched:
        return Verdict(loss, bound, "USD")
    if trial.reducing:
        return Verdict(loss, bound, "USD", "reached; only reduces the position")
    earlier = loss < bound
    failure = Failure(
        "daily_loss",
        f"{usd(loss)} lost since the close before, of {usd(basis)}" + (AGAIN if earlier else ""),
        f"less than {usd(bound)}, {plain(percent)} % of it",
        PASSES_LATCHED if earlier else PASSES,
    )
    return Verdict(loss, bound, "USD", "", failure)
