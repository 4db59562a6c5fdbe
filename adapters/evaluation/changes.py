"""What `replay --what-if` changes of a plan, read from a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from ...domain.decision import ExecutionStrategy, Style
from ...domain.errors import InvalidInput
from ...domain.money import BPS, ONE, bound_price, round_to_tick
from ...domain.plan import PlanTerms, StrategyParameters, final_phase_at
from ...domain.planning.facts import DEFAULT_RULES, PlanningRules
from ...domain.ports import NANOS
from ...domain.wrong_fields import said_of

PARAMETERS: Final = tuple(StrategyParameters.model_fields)
TERMS: Final = ("style", "window_seconds", "max_slippage", "must_complete", "participation_cap")
STYLES: Final = (Style.SMART, Style.NAIVE)
"""What a simulated exchange can be traded by: no broker's algorithm is known here."""
STRATEGIES: Final = tuple(strategy.value for strategy in ExecutionStrategy)
ALLOWED: Final = (
    f"a strategy ({', '.join(STRATEGIES)}) or NAME=VALUE with a name among "
    f"{', '.join((*TERMS, *PARAMETERS))}"
)
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Changes:
    """Another strategy, other terms, other parameters; what is not named stays."""

    strategy: ExecutionStrategy | None = None
    terms: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The changes in the words they are asked for with."""
        words = [self.strategy.value] if self.strategy else []
        pairs = (self.terms | self.parameters).items()
        return ", ".join([*words, *(f"{name}={value}" for name, value in pairs)])

    def applied(self, plan: PlanTerms, rules: PlanningRules = DEFAULT_RULES) -> PlanTerms:
        """The plan with the changes, checked as every plan is.

        Raises:
            InvalidInput: a value that a plan cannot have.
        """
        fields: dict[str, Any] = plan.model_dump()
        try:
            self._change_terms(plan, fields)
            fields["parameters"] = {**fields["parameters"], **self.parameters}
            if self.strategy is not None:
                self._change_strategy(plan, fields, rules)
            return PlanTerms.model_validate(fields)
        except ValidationError as error:
            item = error.errors(include_url=False)[0]
            name, (_, value, takes) = str(item["loc"][-1]), said_of(item, PlanTerms)
            given = (self.terms | self.parameters).get(name, value)
            raise InvalidInput(f"what_if {name}", given, takes) from error

    def _change_terms(self, plan: PlanTerms, fields: dict[str, Any]) -> None:
        for name, text in self.terms.items():
            if name == "window_seconds":
                end = plan.start_at + _number(name, text, int, "whole seconds above 0") * NANOS
                fields["end_at"] = end
                fields["final_phase_at"] = final_phase_at(plan.start_at, end)
            elif name == "max_slippage":
                _bound(plan, fields, text)
            elif name == "participation_cap":
                allowed = "a fraction above 0 up to 1, or none"
                fields[name] = None if text == NONE else _number(name, text, Decimal, allowed, ONE)
            elif name == "style":
                if text not in STYLES:
                    raise InvalidInput("what_if style", text, ", ".join(STYLES))
                fields[name] = Style(text)
            else:
                fields[name] = text

    def _change_strategy(
        self, plan: PlanTerms, fields: dict[str, Any], rules: PlanningRules
    ) -> None:
        """Another strategy, with the price or cap that planning gives it where none is named."""
        strategy = self.strategy
        fields["strategy"] = strategy
        if strategy is ExecutionStrategy.LIMIT and plan.limit_price is None:
            if plan.arrival_mid is None:
                raise InvalidInput("what_if", "limit", "a strategy that needs no arrival mid")
            offset = Decimal(fields["parameters"]["limit_offset_bps"])
            wanted = plan.arrival_mid * (ONE - plan.side.sign * offset / BPS)
            fields["limit_price"] = round_to_tick(wanted, plan.tick, up=plan.side.sign < 0)
        elif strategy is not ExecutionStrategy.LIMIT:
            fields["limit_price"] = None
        capped = "participation_cap" in self.terms or plan.participation_cap is not None
        if strategy is ExecutionStrategy.VWAP and not capped:
            fields["participation_cap"] = rules.vwap_participation_cap


def parse_changes(texts: Sequence[str]) -> Changes:
    """Read ``twap``, ``style=naive``, ``slices=4`` and so on.

    Raises:
        InvalidInput: a name that is neither a strategy nor a term or parameter.
    """
    strategy: ExecutionStrategy | None = None
    terms: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.strip().partition("=")
        name, value = name.strip(), value.strip()
        if not equals and name in STRATEGIES:
            strategy = ExecutionStrategy(name)
        elif equals and name in TERMS:
            terms[name] = value
        elif equals and name in PARAMETERS and name != "volume_curve":
            parameters[name] = value
        else:
            raise InvalidInput("what_if", text, ALLOWED)
    return Changes(strategy, terms, parameters)


def _bound(plan: PlanTerms, fields: dict[str, Any], text: str) -> None:
    if text == NONE:
        fields["bound_bps"] = fields["bound_price"] = None
        return
    bps = _number("max_slippage", text, Decimal, "basis points above 0, or none")
    if plan.arrival_mid is None or bps <= 0:
        raise InvalidInput("what_if max_slippage", text, "basis points above 0 of an arrival mid")
    fields["bound_bps"] = bps
    fields["bound_price"] = bound_price(plan.arrival_mid, bps, plan.side.sign, plan.tick)


def _number(
    name: str, text: str, kind: Callable[[str], Any], allowed: str, most: Decimal | None = None
) -> Any:
    try:
        number = kind(text)
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput(f"what_if {name}", text, allowed) from error
    if not number > 0 or (most is not None and number > most):
        raise InvalidInput(f"what_if {name}", text, allowed)
    return number
