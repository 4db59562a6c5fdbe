"""The day's loss while instructions are worked: once it is reached, what adds risk is suspended."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ...domain.day_loss import LOSS_NOTE
from ...domain.errors import BrokerUnavailable
from ...domain.planning.pretrade_loss import bound_usd, loss_usd
from ...domain.ports import Account, CashMovement
from ...domain.reasons import Anomalous
from .desk import Desk
from .market_rules import LOSS_LOOK_NS, adds_risk, loss_basis


def is_latched(desk: Desk) -> bool:
    """Whether the open session's loss reached its limit and no person has released that.

    A person releases it by closing the exception about it, and that alone.

    Raises:
        StoreNewer, StoreDamaged: what was settled cannot be read.
    """
    figures = desk.account.day
    if figures.latched is None:
        return False
    for place in figures.settled:
        for recorded in desk.log.events(after=place - 1, upto=place):
            event = recorded.event
            of_account = event.originator_id == desk.account.id
            if of_account and event.originator_version == figures.latched:
                return False
    return True


@runtime_checkable
class TellsCash(Protocol):
    """A broker that tells of cash that comes into the account and leaves it."""

    @property
    def cash(self) -> MovesCash:
        """What comes and goes."""
        ...


class MovesCash(Protocol):
    """Cash that comes and goes."""

    async def movements(self, since: int) -> tuple[CashMovement, ...]:
        """What was booked after ``since`` (ns UTC)."""
        ...


async def count_cash(desk: Desk) -> None:
    """Record what cash came or went since the session's first account record, if that is told.

    Raises:
        BrokerUnavailable: it cannot be asked.
    """
    opened = desk.account.session
    if opened is None or not isinstance(desk.broker, TellsCash):
        return
    for one in await desk.broker.cash.movements(opened.record_time):
        stamp = desk.stamp("account", f"cash:{one.movement_id}"[:200], market_time=one.at)
        if desk.account.cash_moved(stamp, desk.name, opened.session_date, one):
            desk.touch(desk.account)


def is_reached(desk: Desk, account: Account) -> bool:
    """Whether the session's loss is at its limit by these figures and the cash on record."""
    basis = loss_basis(desk)
    if basis is None or not account.equity.is_finite():
        return False
    return loss_usd(basis, account.equity) >= bound_usd(basis, desk.limits.daily_loss_pct_max)


def latch_if_reached(desk: Desk, account: Account) -> None:
    """Put on record that the loss has reached its limit, unless that stands already."""
    basis = loss_basis(desk)
    if basis is None or not is_reached(desk, account) or is_latched(desk):
        return
    bound = bound_usd(basis, desk.limits.daily_loss_pct_max)
    loss = loss_usd(basis, account.equity)
    said = f"{loss:,.2f} USD lost since the close before, the limit is {bound:,.2f} USD"
    stamp = desk.stamp("account", "daily_loss")
    desk.account.note(stamp, Anomalous.USAGE_OVER_CAP, f"{LOSS_NOTE}{said}")
    desk.touch(desk.account)


class LossWatch:
    """Holds the account's worth against the limit on the day's loss, as the pre-trade check does.

    It asks in the batches that there are anyway, so that it wakes nobody. Whoever is suspended
    goes on when a person has released it and less than the limit is lost; in most cases the
    deadline comes before that.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looked: int | None = None

    async def attend(self) -> None:
        """Look, if it is time to; a broker that cannot be asked leaves things as they were."""
        desk, now = self._desk, self._desk.now
        if self._looked is not None and now - self._looked < LOSS_LOOK_NS:
            return
        self._looked = now
        if self._at_risk():
            try:
                account = await desk.broker_account()
                await count_cash(desk)
            except BrokerUnavailable:
                return
            latch_if_reached(desk, account)
        was, desk.loss_reached = desk.loss_reached, is_latched(desk)
        if desk.loss_reached != was:
            for instruction in desk.active.values():
                if not instruction.is_done and instruction.released:
                    desk.wake(instruction, now)

    def _at_risk(self) -> bool:
        """Whether anything that is worked adds risk."""
        return any(
            instruction.plan is not None
            and instruction.released
            and not instruction.is_done
            and adds_risk(self._desk, instruction.plan)
            for instruction in self._desk.active.values()
        )
