"""The seed's list of tests, by class and name, and that every one of them exists."""

from __future__ import annotations

import pytest

from tests.seed import test_seed_suite as suite

NAMES = {
    "TestExecutionTimingEngine": """
        test_assess_market_timing_normal_conditions test_assess_market_timing_volatile_conditions
        test_assess_market_timing_poor_liquidity test_assess_market_timing_error_handling
        test_intraday_timing_patterns test_recommend_execution_strategy""",
    "TestOrderManager": """
        test_execute_market_order test_execute_limit_order test_execute_twap_order
        test_execute_vwap_order test_execute_iceberg_order test_execute_opportunistic_order
        test_monitor_order_timeout test_order_validation test_calculate_order_parameters
        test_execution_performance_tracking test_zero_quantity_order""",
    "TestTradeExecutionAgent": """
        test_agent_initialization test_execute_single_trade_success
        test_execute_single_trade_daily_limit test_execute_portfolio_decisions
        test_monitor_active_executions test_generate_execution_report test_create_execution_plan
        test_convert_decision_to_instruction test_check_daily_limits test_track_daily_execution
        test_check_execution_alerts test_process_method_routing""",
    "TestIntegration": """
        test_complete_execution_flow test_failed_execution_recovery
        test_multi_strategy_execution""",
    "TestEdgeCases": """
        test_zero_quantity_order test_api_timeout_handling test_partial_fill_handling
        test_invalid_symbol_handling test_extreme_market_conditions""",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_class_has_exactly_the_seeds_tests(name: str) -> None:
    found = {test for test in vars(getattr(suite, name)) if test.startswith("test_")}
    assert found == set(NAMES[name].split())
