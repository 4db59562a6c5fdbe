"""The seed's order manager: instructions with a plan in, results from the log out.

It holds no lifecycle and no sizing of its own: what is admitted, how much, and how it is worked is
the same for every face, and lies behind the ``Executor`` port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from .decision import ExecutionStrategy, TradeInstruction
from .errors import InvariantBroken
from .executor import Executor, Outcome, Raw
from .intake import instruction_to_raw, plan_to_raw
from .money import ZERO, to_decimal
from .plan import ExecutionPlan
from .planning.facts import Deferred, Nothing, Planned, Refused
from .reasons import Refusal
from .result import ExecutionResult, ResultStatus

OPEN: frozenset[ResultStatus] = frozenset(
    {
        ResultStatus.PLANNED,
        ResultStatus.WORKING,
        ResultStatus.PARTIALLY_FILLED,
        ResultStatus.INDETERMINATE,
    }
)


class OrderManager:
    """Executes trade instructions by plan (seed); everything it tells is read from the log."""

    def __init__(self, executor: Executor) -> None:
        """Work through ``executor``; nothing is asked yet."""
        self._executor = executor

    # -- execution -------------------------------------------------------------------------------

    async def execute_trade_instruction(
        self,
        instruction: TradeInstruction,
        plan: ExecutionPlan | None = None,
        *,
        decision: Raw | None = None,
        timeout: timedelta | float | None = None,
    ) -> ExecutionResult:
        """Execute an instruction by its plan and give what came of it.

        The plan's strategy, ``order_size`` and ``limit_price`` hold as they are; an iceberg shows
        ``chunk_size``. What is not allowed gives a rejected result that is on the record. An equal
        instruction and plan within the duplicate window gives the first result again.

        Args:
            instruction: what to trade.
            plan: how; None leaves everything to configuration and timing.
            decision: the decision behind the instruction. It is then what is admitted, so that a
                retry is recognised whatever the market did meanwhile: the size is computed at
                admission, and of the plan only the strategy counts, where the decision names none.
            timeout: after this time (engine time; seconds when a number) the rest is cancelled;
                None leaves it to the window.

        Raises:
            FillwrightError: nothing could be recorded.
        """
        raw = decision if decision is not None else _raw_of(instruction, plan)
        strategy = plan.strategy if plan is not None else None
        admitted = _result(await self._executor.admit(raw, strategy=strategy))
        if admitted.status not in OPEN or self._is_deferred(admitted):
            return admitted
        await self._monitor_order_until_filled(admitted.instruction_id, timeout)
        outcome = self._executor.outcome(admitted.instruction_id)
        return admitted if outcome is None else _result(outcome)

    async def _execute_market_order(
        self, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        """Execute at once, within the price bound of ``max_slippage``."""
        return await self._execute_as(ExecutionStrategy.MARKET, instruction, plan)

    async def _execute_limit_order(
        self, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        """Execute at the plan's limit price or better, or a little inside the touch without one."""
        return await self._execute_as(ExecutionStrategy.LIMIT, instruction, plan)

    async def _execute_twap_order(
        self, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        """Execute in equal slices over the window: 8 over two hours unless said otherwise."""
        return await self._execute_as(ExecutionStrategy.TWAP, instruction, plan)

    async def _execute_vwap_order(
        self, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        """Execute along the usual volume of the day."""
        return await self._execute_as(ExecutionStrategy.VWAP, instruction, plan)

    async def _execute_iceberg_order(
        self, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        """Execute showing a tenth at a time, or the plan's ``chunk_size``."""
        return await self._execute_as(ExecutionStrategy.ICEBERG, instruction, plan)

    async def _execute_opportunistic_order(
        self, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        """Wait within the window for a better price, then complete."""
        return await self._execute_as(ExecutionStrategy.OPPORTUNISTIC, instruction, plan)

    async def _execute_as(
        self, strategy: ExecutionStrategy, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        return await self.execute_trade_instruction(instruction, replace(plan, strategy=strategy))

    async def _monitor_order_until_filled(
        self, instruction_id: str, timeout: timedelta | float | None = None
    ) -> ExecutionResult:
        """Wait for an instruction's end and give its result.

        After ``timeout`` (engine time) its orders are cancelled, and the wait ends once they are
        proven dead; what executed stays. An order whose outcome cannot be known ends the wait too:
        it is named in ``open_orders``.
        """
        seconds = None
        if isinstance(timeout, timedelta):
            seconds = to_decimal(timeout.total_seconds(), field="timeout")
        elif timeout is not None:
            seconds = to_decimal(timeout, field="timeout")
        return _result(await self._executor.wait(instruction_id, seconds))

    async def execute_decisions(
        self, decisions: Sequence[Raw], strategies: Sequence[ExecutionStrategy | None] = ()
    ) -> list[Outcome]:
        """Execute decisions as one batch; what came of each, in the order given."""
        return await self._executor.execute_batch(decisions, strategies)

    def _is_deferred(self, result: ExecutionResult) -> bool:
        if result.status is not ResultStatus.PLANNED:
            return False
        outcome = self._executor.outcome(result.instruction_id)
        return outcome is not None and outcome.release_at is not None

    # -- parameters ------------------------------------------------------------------------------

    async def _calculate_order_parameters(
        self, instruction: TradeInstruction | Raw
    ) -> dict[str, Any]:
        """Side and size as admission would compute them now; nothing is recorded.

        ``status`` is ``READY``, ``DEFERRED``, ``NO_CHANGE`` (the quantity is zero) or
        ``REJECTED``, with ``reason`` in words and each refusal in ``refusals``. ``quantity`` is in
        shares, ``price`` the mid, ``strategy`` what would be used; None where there is none.
        """
        raw = instruction
        if isinstance(raw, TradeInstruction):
            raw = instruction_to_raw(raw)
        found = await self._executor.preview(raw)
        fields: dict[str, Any] = {
            "symbol": str(raw.get("symbol", "")),
            "side": None,
            "quantity": ZERO,
            "price": None,
            "limit_price": None,
            "strategy": None,
            "expected_slippage_bps": None,
            "refusals": (),
        }
        if isinstance(found, Nothing):
            reason = f"{found.reason}: {found.note}" if found.note else str(found.reason)
            return {**fields, "status": "NO_CHANGE", "reason": reason}
        if isinstance(found, Refused | tuple):
            refusals: tuple[Refusal, ...] = found if isinstance(found, tuple) else found.refusals
            reason = "; ".join(refusal.message for refusal in refusals)
            return {**fields, "status": "REJECTED", "reason": reason, "refusals": refusals}
        planned: Planned | None = found.planned if isinstance(found, Deferred) else found
        status, reason = ("DEFERRED", found.rule) if isinstance(found, Deferred) else ("READY", "")
        if planned is None:
            return {**fields, "status": status, "reason": reason}
        terms = planned.terms
        return {
            **fields,
            "status": status,
            "reason": reason,
            "side": terms.side,
            "quantity": terms.quantity,
            "price": planned.price,
            "limit_price": terms.limit_price,
            "strategy": terms.strategy,
            "expected_slippage_bps": terms.expected_slippage_bps,
        }

    # -- what was done ---------------------------------------------------------------------------

    @property
    def execution_history(self) -> list[ExecutionResult]:
        """Every instruction of the log that has ended, in order of receipt."""
        return [result for result in self._executor.results() if result.status not in OPEN]

    def performance_metrics(self) -> Mapping[str, Any]:
        """Execution quality over the whole log.

        Averages of slippage stand beside completion and the shortfall over the ordered quantity.
        """
        return self._executor.performance()


def _result(outcome: Outcome) -> ExecutionResult:
    if outcome.result is None:
        raise InvariantBroken(outcome.message)
    return outcome.result


def _raw_of(instruction: TradeInstruction, plan: ExecutionPlan | None) -> dict[str, object]:
    if plan is None:
        return instruction_to_raw(instruction)
    raw = plan_to_raw(replace(plan, instruction=instruction))
    if plan.stop_price is not None:
        raw["stop_price"] = plan.stop_price  # refused at the door: nothing here would honour it
    fraction = _shown(plan)
    if fraction is not None:
        raw["display_fraction"] = fraction
    if plan.strategy is ExecutionStrategy.TWAP and plan.execution_schedule:
        raw["slices"] = len(plan.execution_schedule)
    return raw


def _shown(plan: ExecutionPlan) -> object | None:
    """The part of an iceberg that is shown, None without a chunk or a size.

    What is no number is passed on as it is, so that the door refuses it on the record.
    """
    if plan.strategy is not ExecutionStrategy.ICEBERG or not plan.chunk_size or not plan.order_size:
        return None
    try:
        chunk = to_decimal(plan.chunk_size, field="chunk_size")
        return min(chunk / to_decimal(plan.order_size, field="order_size"), Decimal(1))
    except ValueError:
        return plan.chunk_size
