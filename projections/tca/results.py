"""The columns that cost analysis gives: per fill, order, instruction and phase.

Symbols: X ordered, x executed, u = max(X - x, 0) unfilled, p_j and x_j price and size of a fill,
P_d decision, P_0 arrival, P_r release, P_n end price, F fees, s side. A cost is positive. Money
(``*_cost``, ``fees``, ``shortfall``) is exact; of every split the parts add up to the total, and of
every order and instruction a part is the sum of the same part of its fills.
"""

from __future__ import annotations

from typing import Final

from .schema import (
    FILLS,
    HORIZONS_NS,
    INSTRUCTIONS,
    NS,
    ORDERS,
    PHASES,
    PWP_RATES,
    SESSIONS,
    B,
    Column,
    D,
    F,
    I,
    T,
    carried,
)

_TRADING: Final = (
    Column("trading_cost", D, "s·Σ x_j (p_j - P_r); = spread + impact + timing"),
    Column("spread_cost", D, "s·Σ x_j (touch - mid); touch is the near one where liquidity added"),
    Column("impact_cost", D, "s·Σ x_j (p_j - touch); Johnson (2010) eq. 6-4"),
    Column("timing_cost", D, "s·Σ x_j (mid - P_r): trend and timing risk"),
    Column("trend_cost", D, "s·Σ x_j (trend - P_r), where fills have a trend; part of timing"),
    Column("timing_risk_cost", D, "s·Σ x_j (mid - trend): the rest of timing"),
    Column("fees", D, "F: explicit charges"),
)

_SPREADS: Final = (
    Column("quoted_spread", F, "ask - bid at receipt, price; share-weighted"),
    Column("quoted_spread_bps", F, "the same over the mid"),
    Column("effective_spread", F, "2 s (p - mid at order receipt), price; Rule 605"),
    Column("effective_spread_bps", F, "the same over that mid"),
    Column("effective_spread_at_trade", F, "2 s (p - mid at execution), price"),
    Column("e_over_q", F, "Σ effective / Σ quoted, share-weighted (a ratio of averages)"),
    Column("spread_capture", F, "s (mid - p) / half spread at execution: 1 near touch, -1 far"),
    Column("price_improvement", D, "buy: ask - p, sell: p - bid at receipt where positive, money"),
)


def _horizons() -> tuple[Column, ...]:
    found = []
    for name in HORIZONS_NS:
        found += [
            Column(f"realised_spread_{name}", F, "2 s (p - mid then), price; share-weighted"),
            Column(f"realised_spread_{name}_bps", F, "the same over the mid at execution"),
            Column(f"price_impact_{name}", F, "2 s (mid then - mid at execution), price"),
            Column(f"markout_{name}_bps", F, "s (mid then - p) / p: negative, price came back"),
        ]
    return (*found, Column("markout_close_bps", F, "s (official close - p) / p"))


_PHASE: Final = (
    Column("strategy", T, "strategy of the phase that its order was placed in"),
    Column("phase", I, "that phase"),
)

FILL_RESULTS: Final = (
    *carried(FILLS, "fill_id", "order_id", "instruction_id"),
    *carried(INSTRUCTIONS, "symbol", "side", "currency", "account"),
    *_PHASE,
    *carried(INSTRUCTIONS, "session_date"),
    *carried(FILLS, "at"),
    *carried(ORDERS, "received_at"),
    *carried(FILLS, "quantity", "price"),
    Column("notional", D, "shares times price"),
    Column("fees", D, "charges on it"),
    *carried(FILLS, "liquidity", "venue"),
    *carried(ORDERS, "order_type"),
    *carried(FILLS, "auction", "bid_at_receipt", "ask_at_receipt"),
    Column("quote_age_at_receipt_ns", I, "age of that quote"),
    *carried(FILLS, "bid", "ask"),
    Column("quote_age_ns", I, "age of that quote"),
    *carried(FILLS, "mid"),
    Column("place", T, "inside, at or outside the quote at execution"),
    Column("touched", T, "near, mid, far, or other: what of the quote at execution it met"),
    Column("time_to_fill_ms", F, "execution - receipt of its order"),
    *(column for column in _TRADING if column.name != "fees"),
    Column("delay_cost", D, "s·x_j (P_r - P_d), the filled part's (CFA) delay"),
    *_SPREADS,
    *_horizons(),
    Column("fee_per_100_shares", F, "cents of fee per 100 shares; 606(b)(3)"),
    *carried(SESSIONS, "feed"),
    *carried(FILLS, "positions"),
)

_EXECUTED: Final = (
    Column("executed", D, "x: shares executed"),
    Column("notional", D, "Σ x_j p_j"),
    Column("average_price", D, "notional / executed"),
    Column("fills", I, "how many executions"),
    Column("fill_rate", F, "x / X"),
    Column("first_fill_at", NS, "first execution"),
    Column("last_fill_at", NS, "last execution"),
    Column("time_to_fill_ms", F, "Σ x_j (execution - receipt) / x"),
    Column("queue_ms", F, "the same over added_shares: how long they rested"),
    Column("added_shares", D, "shares known to have added liquidity"),
    Column("added_share", F, "share of x that added liquidity; null while a flag is missing"),
)

ORDER_RESULTS: Final = (
    *carried(ORDERS, "order_id", "instruction_id"),
    *carried(INSTRUCTIONS, "symbol", "side", "currency", "account"),
    *_PHASE,
    *carried(INSTRUCTIONS, "session_date"),
    *carried(ORDERS, "quantity", "order_type", "time_in_force", "limit_price", "stop_price"),
    *carried(ORDERS, "venue", "rule", "placed_at", "received_at", "ended_at"),
    Column("open_ms", F, "ended_at - received_at"),
    *_EXECUTED,
    Column("delay_cost", D, "s·x (P_r - P_d), the filled part's (CFA) delay"),
    *_TRADING,
    Column("slippage_limit_bps", F, "s (average - limit) / limit; negative: better than the limit"),
    Column("slippage_receipt_bps", F, "s (average - mid at receipt) / mid"),
    *_SPREADS,
    *_horizons(),
)

_SHORTFALL: Final = (
    Column("paper_value", D, "X·P_d, what bps of the shortfall are of"),
    Column("shortfall", D, "s (Σ x_j p_j - x P_d) + s u (P_n - P_d) + F; Perold (1988)"),
    Column("delay_cost", D, "Wagner: s (x + u)(P_r - P_d); = desk + engine delay"),
    Column("desk_delay_cost", D, "s (x + u)(P_0 - P_d): from decision to arrival"),
    Column("engine_delay_cost", D, "s (x + u)(P_r - P_0): from arrival to release"),
    *_TRADING,
    Column("opportunity_cost", D, "Wagner: s u (P_n - P_r)"),
    Column("delay_cost_cfa", D, "CFA: s x (P_r - P_d)"),
    Column("opportunity_cost_cfa", D, "CFA: s u (P_n - P_d)"),
    Column("halt_cost", D, "s Σ_h (mid after - mid before)·(shares executed after halt h, and u)"),
    Column("timing_apart_cost", D, "timing cost without what halts cost"),
    Column("opportunity_apart_cost", D, "opportunity cost (Wagner) without what halts cost"),
    Column("unsplit_cost", D, "shortfall - the parts known of SPLIT: what cannot be told apart"),
)

SPLIT: Final = (
    "delay_cost",
    "spread_cost",
    "impact_cost",
    "timing_apart_cost",
    "halt_cost",
    "opportunity_apart_cost",
    "fees",
)
"""Parts that add up to the shortfall, ``unsplit_cost`` standing for those that are null."""

BPS_PARTS: Final = (
    "shortfall",
    "delay_cost",
    "trading_cost",
    "spread_cost",
    "impact_cost",
    "timing_cost",
    "opportunity_cost",
    "fees",
    "delay_cost_cfa",
    "opportunity_cost_cfa",
    "halt_cost",
    "timing_apart_cost",
    "opportunity_apart_cost",
    "unsplit_cost",
)
"""Parts that are also given in bps of the paper value, as ``<name>_bps``."""

_BENCHMARKS: Final = (
    Column("vwap", F, "market VWAP, arrival to planned end, own prints in it"),
    Column("vwap_without_own", F, "the same without own prints"),
    Column("vwap_executed", F, "market VWAP from first to last fill, own prints in it"),
    Column("twap", F, "mean of the mid over time, arrival to planned end"),
    Column("twap_prints", F, "mean of trade prices, own prints in it; Johnson (2010)"),
    Column("twap_prints_without_own", F, "the same without own prints"),
    *(
        Column(f"pwp_{rate}", F, f"market VWAP from arrival until X / {rate} % had traded")
        for rate in PWP_RATES
    ),
    *carried(SESSIONS, "open", "close", "prev_close"),
)

BENCHMARKS: Final = (
    "decision",
    "arrival",
    "release",
    *(column.name for column in _BENCHMARKS),
    "limit",
)
"""What the average price is held against: ``slippage_<name>_bps`` = s (average - B) / B."""

INSTRUCTION_RESULTS: Final = (
    *carried(INSTRUCTIONS, "instruction_id", "symbol", "side", "currency", "account"),
    *carried(INSTRUCTIONS, "strategy", "session_date", "state", "quantity"),
    *_EXECUTED,
    Column("orders", I, "how many child orders"),
    *carried(INSTRUCTIONS, "decision_at", "arrival_at", "release_at", "end_at", "planned_end_at"),
    *carried(INSTRUCTIONS, "decision_price", "arrival_price", "release_price", "end_price"),
    *carried(INSTRUCTIONS, "limit_price"),
    *_SHORTFALL,
    *(Column(f"{name}_bps", F, "of the paper value") for name in BPS_PARTS),
    *_BENCHMARKS,
    *(Column(f"slippage_{name}_bps", F, f"against {name}") for name in BENCHMARKS),
    Column("market_volume", D, "shares printed from arrival to end, own prints in it"),
    Column("participation", F, "x / market volume"),
    Column(
        "vwap_influenced", B, "own part of the planned window above 20 %: the VWAP is largely ours"
    ),
    *carried(INSTRUCTIONS, "adv"),
    Column("of_adv", F, "X / ADV"),
    Column("index_cost_bps", F, "s (index VWAP - index at arrival) / index at arrival"),
    Column("market_adjusted_bps", F, "arrival cost - beta · index cost"),
    Column("expected_cost_bps", F, "pre-trade estimate of the arrival cost"),
    Column("added_value_bps", F, "estimate - arrival cost: positive is good"),
    *carried(INSTRUCTIONS, "expected_fees"),
    Column("fees_above_expected", D, "F - expected fees x / X: what the executed part cost more"),
    *_SPREADS,
    *_horizons(),
    *(
        Column(f"reversion_{name}_bps", F, "s (mid after last fill + h - mid at it) / mid at it")
        for name in HORIZONS_NS
    ),
    Column("fills_without_quote", I, "fills without a two-sided quote at execution"),
    Column("feed", T, "feed quotes and prints are of; VWAP, NBBO and ADV only if consolidated"),
    *carried(INSTRUCTIONS, "first_position", "last_position"),
)

PHASE_RESULTS: Final = (
    *carried(PHASES, "instruction_id", "phase", "strategy", "rule", "since"),
    Column("until", NS, "to when"),
    *carried(INSTRUCTIONS, "currency"),
    Column("executed", D, "shares of orders placed in it"),
    Column("notional", D, "shares times price"),
    Column("average_price", D, "notional / executed"),
    *_TRADING,
    Column("trading_cost_bps", F, "of the parent's paper value: phases add up to the parent"),
    Column("start_price", D, "mid when the phase began"),
    Column("slippage_start_bps", F, "s (average - start price) / start price"),
)

PROBLEMS: Final = (
    Column("problem", T, "name from a closed list"),
    Column("table", T, "table it is in"),
    Column("id", T, "row it is about, null for the whole table"),
    Column("detail", T, "what was found and what follows"),
)
