"""Published cases run through the library: one runner for each kind of case.

A case keeps its source's own convention (which sign is good, what basis points are of), so its
runner says how the library's figure becomes the source's. A runner gives figures by the names that
the case expects; what a case expects and its runner does not give is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import polars as pl

from fillwright.projections.tca import formulas as f
from fillwright.projections.tca import impact
from fillwright.projections.tca.analysis import Analysis, analyse
from fillwright.projections.tca.tables import Tables

Inputs = Mapping[str, Any]
Figures = dict[str, Any]
SIDES = {"buy": 1, "sell": -1, 1: 1, -1: -1}
SECOND = 1_000_000_000


def first(inputs: Inputs, *names: str, default: Any = None) -> Any:
    """The first of several names that a case may call the same thing."""
    return next((inputs[name] for name in names if name in inputs), default)


def side_of(inputs: Inputs) -> int:
    """The case's side; a negative quantity is a sell."""
    side = inputs.get("side")
    if isinstance(side, str):
        return SIDES[side.lower()]
    quantity = first(inputs, "order_qty", "quantity", default=1)
    return SIDES.get(side, 1) if side is not None else (-1 if quantity < 0 else 1)


def order_analysis(inputs: Inputs) -> Analysis:
    """A case about one order, as tables through the whole library."""
    quantity = abs(first(inputs, "order_qty", "quantity"))
    decision = first(inputs, "decision_price", "benchmark_price", "paper_price")
    arrival = first(inputs, "arrival_price", "arrival", default=decision)
    order = {
        "order_id": ["case"],
        "symbol": ["X"],
        "side": [side_of(inputs)],
        "quantity": [quantity],
        "arrival_at": [SECOND],
        "end_at": [100 * SECOND],
        "decision_price": [decision],
        "arrival_price": [arrival],
        "end_price": [first(inputs, "end_price", "cancel_price", "close_price", "close")],
        "fees": [first(inputs, "fees", "commission", "explicit_fees", default=0)],
    }
    given = inputs.get("fills") or []
    fills = {
        "fill_id": [str(n) for n in range(len(given))],
        "order_id": ["case"] * len(given),
        "at": [(n + 2) * SECOND for n in range(len(given))],
        "quantity": [abs(first(fill, "qty", "quantity", "shares")) for fill in given],
        "price": [fill["price"] for fill in given],
    }
    for name in ("mid", "touch", "trend"):
        fills[name] = [fill.get(name) for fill in given]
    orders = pl.DataFrame(order, strict=False)
    return analyse(Tables.of(orders=orders, fills=pl.DataFrame(fills, strict=False)))


def order_case(inputs: Inputs, split: str = "wagner") -> Figures:
    """Every figure of one order that published cases print; bps are of the order's value."""
    (row,) = order_analysis(inputs).instructions.iter_rows(named=True)
    tail = "_cfa" if split == "cfa" else ""
    found = {
        "avg_price": row["average_price"],
        "order_value": row["paper_value"],
        "shortfall": row["shortfall"],
        "implementation_shortfall": row["shortfall"],
        "total": row["shortfall"],
        "shortfall_bps": row["shortfall_bps"],
        "execution_cost": _sum(row["delay_cost_cfa"], row["trading_cost"]),
        "delay_cost": row[f"delay_cost{tail}"],
        "delay_bps": row[f"delay_cost{tail}_bps"],
        "trading_cost": row["trading_cost"],
        "trading_bps": row["trading_cost_bps"],
        "opportunity_cost": row[f"opportunity_cost{tail}"],
        "opportunity_bps": row[f"opportunity_cost{tail}_bps"],
        "fees": row["fees"],
        "spread_cost": row["spread_cost"],
        "spread_bps": row["spread_cost_bps"],
        "market_impact": row["impact_cost"],
        "market_impact_bps": row["impact_cost_bps"],
        "price_trend": row["trend_cost"],
        "timing_risk": row["timing_risk_cost"],
        "timing_cost": row["timing_cost"],
        "fill_rate": row["fill_rate"],
    }
    paper = row["paper_value"]
    for name in ("price_trend", "timing_risk", "timing_cost"):
        found[f"{name}_bps"] = _bps(found[name], paper)
    parts = ("delay_cost", "spread_cost", "impact_cost", "trend_cost", "timing_risk_cost")
    found["sum_with_delay_and_opportunity"] = _sum(
        *(row[name] for name in parts), row["opportunity_cost"]
    )
    return found


def perold(inputs: Inputs) -> Figures:
    """Perold's two parts: execution and opportunity, both against the decision."""
    return order_case(inputs, "cfa")


def cfa(inputs: Inputs) -> Figures:
    """Delay on the executed part, opportunity against the decision."""
    return order_case(inputs, "cfa")


def impact_split(inputs: Inputs) -> Figures:
    """Kissell and Glantz, in money and in bps of the order's value."""
    parts = impact.split_impact(
        inputs["market_impact"],
        inputs["executed_qty"],
        inputs["adv"],
        inputs.get("temp_share", 0.95),
    )
    found: Figures = {"eta": parts.eta}
    for name in ("instantaneous", "temporary", "permanent"):
        found[name] = getattr(parts, name)
        found[f"{name}_bps"] = found[name] / inputs["order_value"] * f.BPS
    return found


def benchmark_performance(inputs: Inputs) -> Figures:
    """Johnson's sign and denominator: positive is good, over the order's value."""
    average = Fraction(inputs["avg_price_exact"])
    return {
        name: f.benchmark_performance_bps(
            side_of(inputs), float(average), price, inputs["executed_qty"], inputs["order_value"]
        )
        for name, price in inputs["benchmarks"].items()
    }


def market_benchmarks(inputs: Inputs) -> Figures:
    """VWAP, TWAP and OHLC of a day by price level."""
    prices, sizes, trades = inputs["prices"], inputs["sizes"], inputs["n_trades"]
    return {
        "total_volume": sum(sizes),
        "total_value": sum(p * v for p, v in zip(prices, sizes, strict=True)),
        "vwap": f.vwap(prices, sizes),
        "twap": f.twap_of_trades(prices, trades),
        "ohlc": f.ohlc(inputs["open"], inputs["high"], inputs["low"], inputs["close"]),
    }


def relative_performance(inputs: Inputs) -> Figures:
    """RPM by volume, by trades, and their mean."""
    side, average, prices = side_of(inputs), inputs["order_avg_price"], inputs["prices"]
    volume = f.relative_performance(side, average, prices, inputs["sizes"])
    trades = f.relative_performance(side, average, prices, inputs["n_trades"])
    return {"rpm_volume": volume, "rpm_trades": trades, "rpm_average": (volume + trades) / 2}


def book_walk(inputs: Inputs) -> Figures:
    """What a taker gets from a book."""
    levels = [tuple(level) for level in first(inputs, "asks", "bids", "levels")]
    walked = impact.walk_book(levels, first(inputs, "qty", "quantity"))
    return {
        "avg_price": round(walked.average or 0, 9),
        "fills": [list(fill) for fill in walked.fills],
        "touch_after": walked.touch_after,
    }


def horizon(inputs: Inputs) -> Figures:
    """Days that a quantity takes at each rate."""
    rates = inputs["participation"]
    rates = rates if isinstance(rates, list) else [rates]
    days = [impact.horizon_days(inputs["order_qty"], inputs["adv"], rate) for rate in rates]
    return {"days": days}


# -- Almgren and Chriss ---------------------------------------------------------------------------


def ac_params(inputs: Inputs) -> Figures:
    """Their rule of thumb for the parameters, and their drift."""
    days = inputs["trading_days"]
    model = impact.AlmgrenChriss.calibrated(
        price=inputs["price"],
        annual_volatility=inputs["annual_vol"],
        bid_ask=inputs["bid_ask"],
        adv=inputs["adv"],
        permanent_one_spread_at=inputs["permanent_one_spread_at"],
        temporary_one_spread_at=inputs["temporary_one_spread_at"],
        quantity=1,
        days=1,
        intervals=1,
        trading_days=days,
    )
    return {
        "sigma": model.volatility,
        "alpha": inputs["price"] * inputs["annual_growth"] / days,
        "epsilon": model.epsilon,
        "gamma": model.gamma,
        "eta": model.eta,
    }


def ac_model(inputs: Inputs) -> impact.AlmgrenChriss:
    """The model with a case's parameters."""
    p = inputs["params"]
    return impact.AlmgrenChriss(
        p["X"], p["T"], p["N"], p["sigma"], p["epsilon"], p["gamma"], p["eta"]
    )


def ac_frontier(inputs: Inputs) -> Figures:
    """The rows of a case with every figure that is computed, on the grid that was printed."""
    model = ac_model(inputs)
    rows = []
    for row in inputs["rows"]:
        aversion = row[0] * inputs["lambda_unit"]
        mean, variance = model.expected_cost(aversion), model.variance(aversion)
        half_life = 1 / model.kappa(aversion)
        penalty = mean + aversion * variance
        rows.append([row[0], mean / 1e6, variance / 1e12, penalty / 1e6, half_life])
    return {"rows": rows}


def ac_linear(inputs: Inputs) -> Figures:
    """The straight line."""
    model = ac_model(inputs)
    return {"expected_cost": model.expected_cost(0), "variance": model.variance(0)}


def ac_trajectories(inputs: Inputs) -> Figures:
    """Holdings, trades, cost and risk at each risk aversion."""
    model = ac_model(inputs)
    return {
        "trajectories": [
            {
                "lam": aversion,
                "holdings": list(model.holdings(aversion)),
                "trades": list(model.trades(aversion)),
                "expected_cost": model.expected_cost(aversion),
                "variance": model.variance(aversion),
                "stdev": model.variance(aversion) ** 0.5,
            }
            for aversion in inputs["cases"]
        ]
    }


def athl(inputs: Inputs) -> Figures:
    """Almgren, Thum, Hauptmann and Li, at each horizon."""
    horizons = first(inputs, "days", "T", "horizons")
    several = horizons if isinstance(horizons, list) else [horizons]
    quantity = first(inputs, "quantity", "X", "order_qty")
    adv = first(inputs, "adv", "V")
    outstanding = first(inputs, "shares_outstanding", "Theta")
    volatility = first(inputs, "daily_vol", "sigma", "volatility")
    costs = [impact.athl_cost(quantity, adv, outstanding, volatility, days) for days in several]
    one = not isinstance(horizons, list)
    found: Figures = {"I": costs[0].permanent_bps, "permanent_bps": costs[0].permanent_bps}
    for names, values in (
        (("K", "temporary_bps"), [cost.temporary_bps for cost in costs]),
        (("J", "cost_bps"), [cost.cost_bps for cost in costs]),
    ):
        found |= dict.fromkeys(names, values[0] if one else values)
    return found


# -- spreads --------------------------------------------------------------------------------------


def trades_case(trades: list[Inputs]) -> Analysis:
    """Each trade as an order of its own, with the quote it was received and executed at."""
    count = len(trades)
    orders = pl.DataFrame(
        {
            "order_id": [str(n) for n in range(count)],
            "symbol": ["X"] * count,
            "side": [side_of(trade) for trade in trades],
            "quantity": [first(trade, "size", "qty", default=100) for trade in trades],
            "placed_at": [n * SECOND for n in range(count)],
        }
    )
    made: dict[str, list[Any]] = {
        "fill_id": [str(n) for n in range(count)],
        "order_id": [str(n) for n in range(count)],
        "at": [n * SECOND for n in range(count)],
        "quantity": [first(trade, "size", "qty", default=100) for trade in trades],
        "price": [trade["price"] for trade in trades],
    }
    for name in ("bid", "ask", "mid"):
        if any(name in trade for trade in trades):
            values = [trade.get(name) for trade in trades]
            made |= {name: values, f"{name}_at_receipt": values}
    return analyse(Tables.of(orders=orders, fills=pl.DataFrame(made, strict=False)))


def effective(inputs: Inputs) -> Figures:
    """Effective and quoted spread of trades, price improvement, and E/Q."""
    trades = inputs["trades"]
    found = trades_case(trades)
    fills = found.fills
    quoted = fills["quoted_spread"].to_list()
    effective_spreads = fills["effective_spread"].to_list()
    improved = fills["price_improvement"].cast(pl.Float64) / fills["quantity"].cast(pl.Float64)
    figures: Figures = {
        "mids": fills["mid"].to_list(),
        "effective": effective_spreads,
        "quoted": quoted,
        "simple_average": sum(effective_spreads) / len(effective_spreads),
        "improvement_in_spread": quoted[0] - effective_spreads[0],
        "price_improvement_per_share": improved[0],
        "effective_over_quoted": fills["e_over_q"][0],
    }
    return figures


def eq_ratio(inputs: Inputs) -> Figures:
    """E/Q of single trades."""
    return {"eq": trades_case(inputs["cases"]).fills["e_over_q"].to_list()}


def liquidity_measures(inputs: Inputs) -> Figures:
    """Measures of the R package highfrequency: the horizon counted in trades.

    Price impact is its one-way form, half of ours; figures are over the mid, not in bps.
    """
    horizon = inputs["horizon"]
    rows = list(
        zip(inputs["price"], inputs["bid"], inputs["ask"], inputs["direction"], strict=True)
    )
    mids = [f.mid_of(bid, ask) for _, bid, ask, _ in rows]
    later = [*mids[horizon:], *[None] * horizon]
    realised: list[float | None] = []
    impacts: list[float | None] = []
    for (price, _, _, side), mid, then in zip(rows, mids, later, strict=True):
        known = then is not None
        realised.append(f.realised_spread(side, price, then) if known else None)
        impacts.append(f.price_impact(side, mid, then) / 2 if known else None)

    def over_mid(values: list[float | None]) -> list[float | None]:
        pairs = zip(values, mids, strict=True)
        return [None if v is None else f.spread_bps(v, mid) / f.BPS for v, mid in pairs]

    quoted = [f.quoted_spread(bid, ask) for _, bid, ask, _ in rows]
    return {
        "effective": [
            f.effective_spread(side, price, mid)
            for (price, _, _, side), mid in zip(rows, mids, strict=True)
        ],
        "realized": realised,
        "price_impact": impacts,
        "proportional_realized": over_mid(realised),
        "proportional_price_impact": over_mid(impacts),
        "quoted": quoted,
        "proportional_quoted": over_mid(list(quoted)),
        "signed_value": [
            side * price * size
            for (price, _, _, side), size in zip(rows, inputs["size"], strict=True)
        ],
    }


def spread_in_bps(inputs: Inputs) -> Figures:
    """Effective, realised and impact over the mid at the trade, bps."""
    side, price, mid = side_of(inputs), inputs["price"], inputs["mid"]
    found = {"effective_bps": f.spread_bps(f.effective_spread(side, price, mid), mid)}
    later = first(inputs, "mid_later", "mid_after")
    if later is not None:
        found["realized_bps"] = f.spread_bps(f.realised_spread(side, price, later), mid)
        found["price_impact_bps"] = f.spread_bps(f.price_impact(side, mid, later), mid)
        found["markout_bps"] = f.markout_bps(side, price, later)
    return found


# -- other benchmarks -----------------------------------------------------------------------------


def slippage(inputs: Inputs) -> Figures:
    """Against one benchmark, bps of it."""
    price = first(inputs, "avg_price", "price", "average_price", "exec_price")
    benchmark = first(inputs, "benchmark", "benchmark_price", "arrival_price", "arrival")
    found = f.slippage_bps(side_of(inputs), price, benchmark)
    return dict.fromkeys(("slippage_bps", "bps", "cost_bps", "arrival_bps"), found)


def participation_price(inputs: Inputs) -> Figures:
    """PWP: VWAP until the order over the rate has traded."""
    shares = first(inputs, "order_qty", "quantity") / first(inputs, "rate", "participation")
    prints = inputs.get("prints") or inputs.get("trades")
    prices = inputs["prices"] if prints is None else [_of(p, "price", 0) for p in prints]
    sizes = inputs["sizes"] if prints is None else [_of(p, "size", 1) for p in prints]
    price = f.pwp(prices, sizes, shares)
    return {"pwp": price, "pwp_price": price, "target_volume": shares, "shares": shares}


def market_adjusted(inputs: Inputs) -> Figures:
    """Arrival cost less beta times the index cost."""
    side = side_of(inputs)
    arrival = first(inputs, "arrival_cost_bps")
    if arrival is None:
        arrival = f.slippage_bps(
            side, first(inputs, "avg_price", "price"), first(inputs, "arrival_price", "arrival")
        )
    index = first(inputs, "index_cost_bps")
    if index is None:
        average = first(inputs, "index_vwap", "index_average", "index_avg")
        index = f.slippage_bps(side, average, first(inputs, "index_arrival", "index_arrival_price"))
    adjusted = f.market_adjusted_bps(arrival, inputs["beta"], index)
    return {
        "arrival_cost_bps": arrival,
        "index_cost_bps": index,
        "market_adjusted_bps": adjusted,
        "market_adjusted_cost_bps": adjusted,
    }


def added_value(inputs: Inputs) -> Figures:
    """Estimate less arrival cost; positive is good."""
    estimate = first(inputs, "expected_cost_bps", "pre_trade_estimate_bps", "estimate_bps")
    arrival = first(inputs, "arrival_cost_bps", "cost_bps")
    return {"added_value_bps": f.added_value_bps(estimate, arrival)}


def fill_rate(inputs: Inputs) -> Figures:
    """Executed over routed."""
    executed = first(inputs, "executed", "executed_qty", "executed_shares")
    routed = first(inputs, "routed", "order_qty", "routed_shares")
    return {"fill_rate": executed / routed}


def square_root(inputs: Inputs) -> Figures:
    """The square-root law."""
    volatility = first(inputs, "daily_vol_bps", "sigma_bps")
    found = impact.square_root_bps(
        first(inputs, "order_qty", "quantity", "Q"),
        first(inputs, "adv", "ADV"),
        volatility,
        inputs.get("k", 1),
    )
    return {"impact_bps": found, "bps": found}


RUNNERS: dict[str, Callable[[Inputs], Figures]] = {
    "avg_price": order_case,
    "is_perold": perold,
    "is_wagner": order_case,
    "is_cfa": cfa,
    "is_expanded_cfa": cfa,
    "is_decomposition": order_case,
    "kissell_glantz_impact_split": impact_split,
    "benchmark_performance": benchmark_performance,
    "market_benchmarks": market_benchmarks,
    "relative_performance_measure": relative_performance,
    "book_walk": book_walk,
    "horizon_days": horizon,
    "ac_params": ac_params,
    "ac_frontier_rows": ac_frontier,
    "ac_linear": ac_linear,
    "ac_trajectories": ac_trajectories,
    "athl_cost": athl,
    "effective_spread": effective,
    "eq_ratio": eq_ratio,
    "liquidity_measures": liquidity_measures,
    "effective_bps": spread_in_bps,
    "realized_bps": spread_in_bps,
    "slippage": slippage,
    "slippage_bps": slippage,
    "pwp": participation_price,
    "market_adjusted_cost": market_adjusted,
    "added_value": added_value,
    "fill_rate": fill_rate,
    "square_root": square_root,
}
"""Each kind of case with what computes its figures."""


def _of(row: Any, name: str, place: int) -> Any:
    return row[name] if isinstance(row, Mapping) else row[place]


def _sum(*parts: Any) -> Any:
    return None if any(part is None for part in parts) else sum(parts)


def _bps(amount: Any, whole: Any) -> Any:
    return None if amount is None or not whole else float(amount) / float(whole) * f.BPS
