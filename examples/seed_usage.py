"""The usage example of the design document, runnable: a simulated provider on a generated market.

    python examples/seed_usage.py [STORE]

Everything happens in virtual time. With STORE (a file) the log is kept, and running the example
again takes the day up where it was; a decision with an id gives its first outcome again.
"""

from __future__ import annotations

import asyncio
import sys

from fillwright import TradeExecutionAgent
from fillwright.adapters.wiring import simulated_provider


async def main(store: str | None = None) -> None:
    """Trade, watch, report."""
    llm_provider = None
    alpaca_provider = simulated_provider(["AAPL", "KO", "MSFT"], positions={"KO": 500}, seed=7)
    config = {"max_daily_trades": 50}

    # Initialize agent
    agent = TradeExecutionAgent(llm_provider, alpaca_provider, config, store=store)

    # Execute single trade
    decision = {
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 3.0,
        "confidence": 8,
        "reasoning": "Strong momentum",
    }
    result = await agent.execute_single_trade(decision)
    print("single:", result["status"], "-", result["message"])
    summary = result["summary"]
    print(
        f"        {summary['executed_quantity']} of {summary['requested_quantity']} shares "
        f"at {summary['average_price']:.4f}, slippage {summary['slippage_bps']:.2f} bps"
    )

    # Execute portfolio decisions
    decision1 = {"symbol": "KO", "action": "TRIM", "confidence": 6, "decision_id": "trim-ko"}
    decision2 = {"symbol": "MSFT", "action": "BUY", "target_weight": 2.0, "confidence": 9}
    decision3 = {"symbol": "MSFT", "action": "BUY", "target_weight": 40.0, "confidence": 3}
    decisions = [decision1, decision2, decision3]
    results = await agent.execute_portfolio_decisions(decisions)
    print("batch: ", results["counts"])
    for told in results["results"]:
        print("       ", told["status"], "-", told["message"][:110])

    # Monitor executions
    status = await agent.monitor_active_executions()
    print("active:", status["active_count"], "alerts:", len(status["alerts"]))

    # Generate report
    report = await agent.generate_execution_report(period_days=1)
    print("report:", report["totals"])
    print(
        "log:   ", report["log"]["last_position"], "events, head", report["log"]["head_hash"][:16]
    )

    await agent.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
