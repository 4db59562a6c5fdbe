"""The day's loss while instructions are worked: once it is reached, what adds risk is suspended."""

from __future__ import annotations

from ...domain.errors import BrokerUnavailable
from ...domain.planning.pretrade_loss import bound_usd, loss_usd
from ...domain.reasons import Anomalous
from .desk import Desk
from .market_rules import LOSS_LOOK_NS, adds_risk, loss_basis


class LossWatch:
    """Holds the account's worth against the limit on the day's loss, as the pre-trade check does.

    It asks in the batches that there are anyway, so that it wakes nobody. Whoever is suspended
    goes on when the loss is below the limit again; in most cases the deadline comes before that.
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
        basis = loss_basis(desk)
        if basis is None or not self._at_risk():
            return
        try:
            account = await desk.broker_account()
        except BrokerUnavailable:
            return
        bound = bound_usd(basis, desk.limits.daily_loss_pct_max)
        loss = loss_usd(basis, account.equity)
        was, desk.loss_reached = desk.loss_reached, loss >= bound
        if desk.loss_reached == was:
            return
        if desk.loss_reached:
            said = f"{loss:,.2f} USD lost since the close before, the limit is {bound:,.2f} USD"
            stamp = desk.stamp("account", "daily_loss")
            desk.account.note(stamp, Anomalous.USAGE_OVER_CAP, f"daily loss: {said}")
            desk.touch(desk.account)
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
