"""Every strategy is listed, named and documented."""

from pathlib import Path

import pytest

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.strategies.registry import STRATEGIES, strategy_for
from fillwright.domain.strategies.rules import Rule

PAGE = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"


def test_every_kind_of_execution_has_a_strategy() -> None:
    assert set(STRATEGIES) == set(ExecutionStrategy)


@pytest.mark.parametrize("kind", list(ExecutionStrategy))
def test_a_strategy_is_named_after_its_kind_and_versioned(kind: ExecutionStrategy) -> None:
    strategy = strategy_for(kind)
    assert strategy.name == kind.value
    assert strategy.version >= 1


def test_every_rule_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [rule.value for rule in Rule if f"| `{rule.value}` |" not in page] == []
