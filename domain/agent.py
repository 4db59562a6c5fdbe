"""The seed's agent: decisions of a portfolio manager in, executions, status and reports out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from .agent_shapes import COMMENTARY_CHARACTERS_MAX, prompt_for, told
from .commentary import leaves, unsupported_number
from .decision import ExecutionStrategy, TradeInstruction
from .errors import FillwrightError, InvalidInput
from .executor import Executor, Outcome, Raw, outcome_of_result
from .intake import IntakeRules, instruction_to_raw, read_decision
from .money import ZERO
from .monitoring import ActiveExecutions
from .order_manager import OrderManager
from .plan import ExecutionPlan
from .result import ExecutionResult, OuterStatus, ResultStatus

Bounded = Callable[[Awaitable[object]], Awaitable[object]]
"""Awaits a call within a time limit, and raises when that is exceeded."""


class TimingEngine(Protocol):
    """What the agent asks of a timing engine."""

    async def assess_market_timing(self, symbol: str, action: str) -> Mapping[str, Any]:
        """The timing of a symbol now, in the seed's shape."""
        ...


class BaseAgent(ABC):
    """An agent that is given tasks as mappings (seed)."""

    async def process(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do a task; what goes wrong is told in the answer."""
        return await self._process_internal(task)

    @abstractmethod
    async def _process_internal(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do a task."""


class ExecutionAgent(BaseAgent):
    """Executes decisions with good timing, within limits, on the record (seed).

    ``timing_engine`` judges the moment and recommends a strategy, ``order_manager`` executes,
    ``llm_provider`` may write a report's commentary and nothing else.
    """

    def __init__(
        self,
        executor: Executor,
        timing_engine: TimingEngine,
        order_manager: OrderManager,
        *,
        llm_provider: object = None,
        bounded: Bounded | None = None,
        intake: IntakeRules | None = None,
    ) -> None:
        """Join the parts; ``bounded`` limits how long the language model may take."""
        self._executor = executor
        self.timing_engine = timing_engine
        self.order_manager = order_manager
        self.llm_provider = llm_provider
        self._bounded = bounded
        self._intake = intake or IntakeRules()

    # -- limits ----------------------------------------------------------------------------------

    @property
    def max_daily_trades(self) -> int:
        """Trades that may be admitted in a session."""
        return self._executor.limits.trades_max_per_day

    @property
    def max_position_size(self) -> Decimal:
        """The largest position, in percent of equity."""
        return self._executor.limits.position_pct_max

    @property
    def max_daily_turnover(self) -> Decimal:
        """Turnover allowed in a session, in percent of the equity at its start."""
        return self._executor.limits.turnover_pct_max

    @property
    def daily_trades(self) -> list[ExecutionResult]:
        """What executed in the current session, as the log tells it, in order of receipt."""
        return list(self._executor.trades_today())

    def _check_daily_limits(self) -> dict[str, Any]:
        """What is used of the daily limits, and whether another trade would be let in now.

        ``allowed`` is advice: what counts is the check at admission, where the limit is reserved in
        the same append. ``reasons`` name the limits that are used up.
        """
        usage = dict(self._executor.usage())
        reasons = [
            f"{use['limit']}: {use['used']} of {use['allowed']} {use['unit']} used"
            for use in usage["uses"]
            if use["used"] >= use["allowed"]
        ]
        reasons += [f"blocked: {scope}" for scope in usage["kills"]]
        return {**usage, "allowed": not reasons, "reasons": reasons}

    def _track_daily_execution(self, result: ExecutionResult) -> dict[str, Any]:
        """How an execution counts in the day's log; nothing is kept beside the log.

        ``counted`` says whether the log has it among today's trades.
        """
        today = self._executor.trades_today()
        mine = any(trade.instruction_id == result.instruction_id for trade in today)
        return {
            "counted": mine,
            "trades_today": len(today),
            "executed_quantity": result.executed_quantity,
            "notional": result.executed_quantity * (result.average_price or ZERO),
            "limits": self._check_daily_limits(),
        }

    def _check_execution_alerts(self) -> list[dict[str, Any]]:
        """What a person should look at: stale orders, average slippage, success rate and more."""
        return [dict(alert) for alert in self._executor.alerts()]

    # -- one decision ----------------------------------------------------------------------------

    def _convert_decision_to_instruction(self, decision: Raw) -> TradeInstruction:
        """A decision as the seed's instruction, checked by the one intake door.

        Raises:
            InvalidInput: naming the first bad field and what is allowed.
        """
        read = read_decision(decision, rules=self._intake)
        if isinstance(read, tuple):
            first = read[0]
            raise InvalidInput(first.field, first.observed, first.allowed)
        checked = read.decision
        window = {}
        if checked.window_seconds is not None:
            window["execution_window"] = timedelta(seconds=checked.window_seconds)
        return TradeInstruction(
            symbol=checked.symbol,
            action=checked.action.value,
            target_weight=checked.target_weight,
            current_weight=checked.current_weight,
            confidence=checked.confidence,
            time_horizon=checked.time_horizon,
            reasoning=read.reasoning,
            risk_factors=list(read.risk_factors),
            urgency=checked.urgency,
            max_slippage=checked.max_slippage_bps,
            decision_id=read.decision_id,
            **window,
        )

    async def _create_execution_plan(
        self,
        instruction: TradeInstruction,
        timing: Mapping[str, Any],
        *,
        decision: Raw | None = None,
    ) -> ExecutionPlan:
        """The plan for an instruction under an assessment of the moment.

        The strategy is the decision's own or the recommended one; size and prices are what
        admission would compute now, with an ``order_size`` of 0 where nothing would be traded.
        """
        raw = dict(decision) if decision is not None else instruction_to_raw(instruction)
        recommended = _strategy_of(timing)
        if raw.get("strategy") is None:
            raw["strategy"] = recommended
        found = await self.order_manager._calculate_order_parameters(raw)
        strategy = found["strategy"] or recommended or ExecutionStrategy.TWAP
        expected = found["expected_slippage_bps"]
        if expected is None:
            expected = timing.get("expected_slippage", 0.0)
        return ExecutionPlan(
            instruction=instruction,
            strategy=strategy,
            order_size=found["quantity"],
            target_price=found["price"],
            limit_price=found["limit_price"],
            market_timing=dict(timing),
            expected_slippage=expected,
            risk_assessment={
                "status": found["status"],
                "reason": found["reason"],
                "risks": list(timing.get("risks", ())),
            },
        )

    async def execute_single_trade(self, decision: Raw) -> dict[str, Any]:
        """Execute one decision and wait for its end.

        Gives ``status`` (``success``, ``deferred``, ``rejected``, ``error``), ``message``,
        ``partial``, ``execution_result``, ``release_at`` (ns UTC when deferred) and ``summary``. A
        decision that is not valid is recorded as refused. Cancelling the caller leaves the
        instruction working.
        """
        try:
            instruction = self._convert_decision_to_instruction(decision)
        except InvalidInput:
            return told(await self._executor.execute(decision))  # the refusal is on the record
        try:
            timing = await self._timing(instruction)
            plan = await self._create_execution_plan(instruction, timing, decision=decision)
            result = await self.order_manager.execute_trade_instruction(
                instruction, plan, decision=decision
            )
        except FillwrightError as error:
            return told(Outcome(OuterStatus.ERROR, str(error)))
        outcome = self._executor.outcome(result.instruction_id)
        if outcome is None or outcome.result is None or outcome.result.status != result.status:
            outcome = outcome_of_result(result)
        return told(outcome)

    async def _timing(self, instruction: TradeInstruction) -> Mapping[str, Any]:
        return await self.timing_engine.assess_market_timing(instruction.symbol, instruction.action)

    # -- many decisions --------------------------------------------------------------------------

    async def execute_portfolio_decisions(self, decisions: Sequence[Raw]) -> dict[str, Any]:
        """Execute decisions as one batch: highest confidence first, opposite ones netted.

        Gives ``total``, ``counts`` by status (and of ``partial`` and ``no_change`` among the
        successes), ``results`` in the order given, and the same by status in ``successful``,
        ``deferred``, ``rejected`` and ``errors``.
        """
        strategies: list[ExecutionStrategy | None] = []
        for decision in decisions:
            try:
                instruction = self._convert_decision_to_instruction(decision)
                strategies.append(_strategy_of(await self._timing(instruction)))
            except InvalidInput:
                strategies.append(None)  # admission records the refusal
        outcomes = await self.order_manager.execute_decisions(decisions, strategies)
        results = [told(outcome) for outcome in outcomes]
        by_status = {
            status: [result for result in results if result["status"] == status.value]
            for status in OuterStatus
        }
        no_change = [o for o in outcomes if o.result and o.result.status is ResultStatus.NO_CHANGE]
        return {
            "total": len(results),
            "counts": {
                **{status.value: len(found) for status, found in by_status.items()},
                "partial": sum(outcome.partial for outcome in outcomes),
                "no_change": len(no_change),
            },
            "results": results,
            "successful": by_status[OuterStatus.SUCCESS],
            "deferred": by_status[OuterStatus.DEFERRED],
            "rejected": by_status[OuterStatus.REJECTED],
            "errors": by_status[OuterStatus.ERROR],
        }

    # -- watching --------------------------------------------------------------------------------

    async def monitor_active_executions(self) -> ActiveExecutions:
        """Active instructions with their orders, limits used, and alerts."""
        return await self._executor.monitor()

    async def generate_execution_report(self, period_days: int = 1) -> dict[str, Any]:
        """The report of the last ``period_days`` exchange sessions, with alerts.

        ``commentary`` is a language model's text with ``model`` and ``prompt``, None without one.
        A text that names a number which the report does not have is refused, and
        ``commentary_refused`` says why. Both are on record beside the report, and no part of it.

        Raises:
            InvalidInput: a period that is not allowed.
        """
        report = dict(await self._executor.report_fields(period_days))
        report["commentary"], report["commentary_refused"] = None, None
        written = await self._written(report)
        if written is None:
            return report
        wrong = unsupported_number(written["text"], leaves(report))
        refused = None if wrong is None else f"{wrong} is not in the report"
        try:
            self._executor.record_commentary(report, written, refused)
        except FillwrightError as error:
            refused = f"it could not be put on record: {error}"
        report["commentary"] = None if refused else written
        report["commentary_refused"] = refused
        return report

    async def _written(self, report: Mapping[str, Any]) -> dict[str, str] | None:
        """Ask the language model; whatever it does, the report stands without it."""
        complete = getattr(self.llm_provider, "complete", None)
        if not callable(complete) or self._bounded is None:
            return None
        prompt = prompt_for(report)
        try:
            text = await self._bounded(complete(prompt))
        except Exception:
            return None
        if not isinstance(text, str) or not text.strip():
            return None
        model = getattr(self.llm_provider, "model", None)
        return {
            "text": text.strip()[:COMMENTARY_CHARACTERS_MAX],
            "model": model if isinstance(model, str) else type(self.llm_provider).__name__,
            "prompt": prompt,
        }

    # -- tasks -----------------------------------------------------------------------------------

    async def _process_internal(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do a task by its ``task_type``.

        ``execute_trade`` (``decision``), ``execute_portfolio`` (``decisions``),
        ``monitor_executions``, ``generate_report`` (``period_days``, default 1). The methods' own
        names are task types too. The answer to anything else, or to a task without what it needs,
        has ``status`` ``error`` and says what is allowed.
        """
        kind = str(task.get("task_type", ""))
        try:
            match TASKS.get(kind):
                case "execute_single_trade":
                    return await self.execute_single_trade(_needed(task, "decision", Mapping))
                case "execute_portfolio_decisions":
                    decisions = _needed(task, "decisions", Sequence)
                    return await self.execute_portfolio_decisions(decisions)
                case "monitor_active_executions":
                    return dict(await self.monitor_active_executions())
                case "generate_execution_report":
                    return await self.generate_execution_report(task.get("period_days", 1))
                case _:
                    raise InvalidInput("task_type", kind, ", ".join(TASKS))
        except InvalidInput as error:
            return {"status": OuterStatus.ERROR.value, "message": str(error)}


TASKS: Final[Mapping[str, str]] = {
    "execute_trade": "execute_single_trade",
    "execute_portfolio": "execute_portfolio_decisions",
    "monitor_executions": "monitor_active_executions",
    "generate_report": "generate_execution_report",
    "execute_single_trade": "execute_single_trade",
    "execute_portfolio_decisions": "execute_portfolio_decisions",
    "monitor_active_executions": "monitor_active_executions",
    "generate_execution_report": "generate_execution_report",
}
"""Every task type with the method that does it."""


def _needed(task: Mapping[str, Any], name: str, kind: type) -> Any:
    value = task.get(name)
    if not isinstance(value, kind) or isinstance(value, str | bytes):
        raise InvalidInput(name, type(value).__name__, f"a {kind.__name__.lower()}")
    return value


def _strategy_of(timing: Mapping[str, Any]) -> ExecutionStrategy | None:
    """The recommended strategy, as its enum or its word; None when there is none."""
    recommended = timing.get("recommended_strategy")
    if isinstance(recommended, str):
        words = {strategy.value: strategy for strategy in ExecutionStrategy}
        return words.get(recommended.lower())
    return recommended if isinstance(recommended, ExecutionStrategy) else None
