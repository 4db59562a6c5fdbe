"""The last step before the wire: the kill switch is looked at once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from ...domain.errors import StoreError
from ...domain.instruments import not_of_asset
from ...domain.killing import latch_key, scopes_covering
from ...domain.order_terms import Phase, not_offered
from ...domain.overtaken import limits_latch
from ...domain.ports import BrokerCommand, ExecutionReport, ReportKind, SubmitOrder
from ...domain.reasons import EndReason
from ...domain.reservations import CounterUpdate
from ..storage.latch import LatchFile, Wire, blocking_scope

if TYPE_CHECKING:
    from .desk import Desk

NOT_SENT: Final = "not sent: "


class SendGate:
    """Says of each order, right before it goes out, why it must not (ruling 26).

    ``store`` is where the log is, None in memory. Whether this process owns the account is asked
    beside it, of the log.
    """

    def __init__(self, desk: Desk, store: str | None) -> None:
        self._desk = desk
        self.store = store
        self.file = LatchFile(store)
        self.wire = Wire(store)
        self.is_shared = self.file.path is not None

    def conditions(self, commands: Sequence[BrokerCommand]) -> list[CounterUpdate]:
        """What has to hold in the transaction that records the intents of these commands.

        Orders that are known to be blocked are left out: they are withheld when it comes to
        sending, and must not keep the block itself from being recorded.
        """
        account = self._desk.account
        keys: set[str] = set()
        if any(isinstance(command, SubmitOrder) for command in commands):
            keys.add(limits_latch(account.id, self._desk.limits.version + 1))
        for symbol, strategy in self._covered(commands):
            if account.is_killed(symbol, strategy) is None:
                keys.update(latch_key(account.id, s) for s in scopes_covering(symbol, strategy))
        return [CounterUpdate(key, 0, 0) for key in sorted(keys)]

    def let_through(
        self, commands: Sequence[BrokerCommand], *, recorded: bool
    ) -> tuple[list[BrokerCommand], list[ExecutionReport]]:
        """The commands that may go out, and what is to be told of the others.

        ``recorded`` says that the store's latch was a condition of a transaction just now.
        """
        allowed: list[BrokerCommand] = []
        withheld = []
        for command in commands:
            why = None
            if isinstance(command, SubmitOrder):
                name = command.request.client_order_id
                why = self._why_not(name, ask_store=not recorded) or self._not_offered(command)
            if why is None or not isinstance(command, SubmitOrder):
                allowed.append(command)
            else:
                withheld.append(withheld_report(command, why, self._desk.now))
        return allowed, withheld

    @contextmanager
    def sending(self, client_order_id: str) -> Iterator[str | None]:
        """Hold the wire for one order; gives why it must not go out, None when it may.

        May be called from any thread.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self.wire.sending())
                why = self._why_not(client_order_id, ask_store=True)
            except StoreError as error:
                why = str(error)
            yield why

    def _not_offered(self, command: SubmitOrder) -> str | None:
        """Which field of an order the broker does not take (docs/order-terms.md)."""
        desk = self._desk
        is_open = desk.calendar.session_at(desk.now) is not None
        phase = Phase.REGULAR if is_open else Phase.BEFORE_OPEN
        request = command.request
        asset = desk.account.instruments.current(request.symbol)
        broker = desk.broker.capabilities.name
        found = not_of_asset(request, asset) or not_offered(broker, request, phase)
        return None if found is None else f"order terms: {found}"

    def _why_not(self, client_order_id: str, *, ask_store: bool) -> str | None:
        found = self._terms(client_order_id)
        if found is None:
            return None
        if self._is_overtaken(client_order_id):
            return "the limits in force do not allow what is left of its instruction"
        refusal = self._desk.not_permitted(found[1])
        if refusal is not None:
            return refusal.message
        scope = self._desk.account.is_killed(*found)
        if scope is None and ask_store:
            scope = blocking_scope(self._desk.log, self.file, self._desk.name, *found)
        elif scope is None:
            scope = self.file.blocks(self._desk.name, *found)
        return None if scope is None else f"the kill switch is engaged for {scope}"

    def _is_overtaken(self, client_order_id: str) -> bool:
        instruction = self._desk.owner_of(client_order_id)
        return instruction is not None and instruction.ending is EndReason.LIMITS

    def _covered(self, commands: Sequence[BrokerCommand]) -> set[tuple[str, str]]:
        submits = (c.request.client_order_id for c in commands if isinstance(c, SubmitOrder))
        return {found for name in submits if (found := self._terms(name)) is not None}

    def _terms(self, client_order_id: str) -> tuple[str, str] | None:
        instruction = self._desk.owner_of(client_order_id)
        plan = instruction.plan if instruction is not None else None
        return None if plan is None else (plan.symbol, plan.strategy.value)


def withheld_report(command: SubmitOrder, why: str, now: int) -> ExecutionReport:
    """What is to be told of an order that was not sent.

    One that was never sent before is as good as rejected; of another only the broker can tell.
    """
    kind = ReportKind.UNKNOWN_OUTCOME if command.again else ReportKind.REJECTED
    return ExecutionReport(
        kind=kind,
        client_order_id=command.request.client_order_id,
        market_time=now,
        receive_time=now,
        order_qty=command.request.quantity,
        limit_price=command.request.limit_price,
        text=f"{NOT_SENT}{why}",
        derived=True,
    )
