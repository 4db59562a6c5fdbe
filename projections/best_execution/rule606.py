"""The customer report of SEC Rule 606(b)(3) (17 CFR 242.606): orders not held, by venue and month.

All child orders of a not-held parent count. Directed and non-directed orders are separate sections.
Fees are in cents per 100 shares to four decimals, a rebate negative. What the broker does not tell
(further routing, principal, indications of interest) is null and counted, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import polars as pl

from ...domain.money import ZERO
from ..tca.tables import MONEY
from .rule605 import FINE, NS_PER_MS, ratio

Row = dict[str, Any]
FOUR_PLACES: Final = Decimal("0.0001")
CENTS_PER_100_SHARES: Final = 10_000

COLUMNS: Final = (
    ("routed_shares", "(b)(3)(i)(A)", "Total shares routed"),
    ("routed_ioc_shares", "(b)(3)(i)(B)", "Total shares routed marked immediate or cancel"),
    ("routed_further_shares", "(b)(3)(i)(C)", "Total shares routed that were further routable"),
    ("average_order_size", "(b)(3)(i)(D)", "Average order size routed"),
    ("executed_shares", "(b)(3)(ii)(A)", "Total shares executed"),
    ("fill_rate", "(b)(3)(ii)(B)", "Fill rate: shares executed / shares routed"),
    ("average_fill_size", "(b)(3)(ii)(C)", "Average fill size"),
    ("fee_cents_per_100", "(b)(3)(ii)(D)", "Average net fee or rebate, cents per 100 shares"),
    ("mid_shares", "(b)(3)(ii)(E)", "Shares executed at the midpoint"),
    ("mid_share", "(b)(3)(ii)(F)", "Share executed at the midpoint"),
    ("near_shares", "(b)(3)(ii)(G)", "Shares executed on the more favourable side of the spread"),
    ("near_share", "(b)(3)(ii)(H)", "Share on the more favourable side"),
    ("far_shares", "(b)(3)(ii)(I)", "Shares executed on the less favourable side of the spread"),
    ("far_share", "(b)(3)(ii)(J)", "Share on the less favourable side"),
    ("added_shares", "(b)(3)(iii)(A)", "Shares executed of orders providing liquidity"),
    ("added_share", "(b)(3)(iii)(B)", "Share providing liquidity"),
    ("added_open_ms", "(b)(3)(iii)(C)", "Average ms from entry to execution or cancellation"),
    ("added_fee_cents_per_100", "(b)(3)(iii)(D)", "Net fee of those, cents per 100 shares"),
    ("removed_shares", "(b)(3)(iv)(A)", "Shares executed of orders removing liquidity"),
    ("removed_share", "(b)(3)(iv)(B)", "Share removing liquidity"),
    ("removed_fee_cents_per_100", "(b)(3)(iv)(C)", "Net fee of those, cents per 100 shares"),
)
"""The 21 columns per venue: our name, the paragraph, and what it says."""

KEYS: Final = ("account", "month", "directed", "venue")
UNKNOWN_VENUE: Final = "not given"


def fill_rate(routed: Decimal, executed: Decimal) -> Decimal | None:
    """Shares executed over shares routed, None when nothing was routed."""
    return ratio(executed, routed)


def fee_cents_per_100(fills: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """The net fee of (shares, fee in dollars) pairs in cents per 100 shares, four decimals."""
    shares = sum((n for n, _ in fills), ZERO)
    return _cents(sum((fee for _, fee in fills), ZERO), shares)


def _cents(fee: Decimal, shares: Decimal) -> Decimal | None:
    if not shares:
        return None
    return (fee * CENTS_PER_100_SHARES / shares).quantize(FOUR_PLACES, rounding=ROUND_HALF_UP)


def venue_rows(orders: pl.DataFrame, fills: pl.DataFrame) -> list[Row]:
    """The 21 columns by account, month, directed or not, and venue.

    ``orders`` (child orders): ``order_id``, ``account``, ``month`` (YYYYMM), ``directed``,
    ``venue``, ``quantity``, ``time_in_force``, ``further_routable``, ``received_at``, ``ended_at``.
    ``fills``: ``order_id``, ``quantity``, ``price``, ``fee``, ``liquidity`` (added or removed),
    ``side``, and ``bid`` and ``ask`` at execution. ``<column>_unknown`` counts the shares a figure
    could not be told of.
    """
    routed = orders.with_columns(venue=pl.col("venue").fill_null(UNKNOWN_VENUE))
    executed = fills.join(routed.select("order_id", *KEYS), on="order_id", suffix="_order")
    if "venue_order" in executed.columns:
        executed = executed.with_columns(venue=pl.col("venue_order"))
    sent = _by_key(routed, _routing())
    done = _by_key(executed, _executions())
    resting = _by_key(_resting(routed, executed), _open_time())
    return [
        {**dict(zip(KEYS, key, strict=True)), **_row(s, done.get(key, {}), resting.get(key, {}))}
        for key, s in sorted(sent.items(), key=lambda pair: tuple(map(str, pair[0])))
    ]


def _routing() -> dict[str, pl.Expr]:
    q, further = pl.col("quantity"), pl.col("further_routable")
    return {
        "orders": pl.len(),
        "routed": q.sum(),
        "ioc": q.filter(pl.col("time_in_force").fill_null("") == "ioc").sum(),
        "further": q.filter(further).sum(),
        "further_unknown": q.filter(further.is_null()).sum(),
    }


def _executions() -> dict[str, pl.Expr]:
    q, fee, side = pl.col("quantity"), pl.col("fee"), pl.col("side").cast(MONEY)
    bid, ask = pl.col("bid"), pl.col("ask")
    quoted = (bid > 0) & (ask >= bid)
    past_mid = side * (pl.col("price") - bid / 2 - ask / 2)
    added = pl.col("liquidity").fill_null("") == "added"
    removed = pl.col("liquidity").fill_null("") == "removed"
    found: dict[str, pl.Expr] = {
        "fills": pl.len(),
        "executed": q.sum(),
        "quoted": q.filter(quoted).sum(),
        "mid": q.filter(quoted & (past_mid == 0)).sum(),
        "near": q.filter(quoted & (past_mid < 0)).sum(),
        "far": q.filter(quoted & (past_mid > 0)).sum(),
        "flagged": q.filter(added | removed).sum(),
        "feed": q.filter(fee.is_not_null()).sum(),
        "fees": fee.sum(),
    }
    for name, kind in (("added", added), ("removed", removed)):
        found[name] = q.filter(kind).sum()
        found[f"{name}_feed"] = q.filter(kind & fee.is_not_null()).sum()
        found[f"{name}_fees"] = fee.filter(kind).sum()
    return found


def _resting(orders: pl.DataFrame, fills: pl.DataFrame) -> pl.DataFrame:
    """Orders that provided liquidity, with shares and entry-to-end time of each part."""
    added = fills.filter(pl.col("liquidity") == "added")
    times = orders.select("order_id", "received_at", "ended_at", "quantity")
    executed = added.join(times, on="order_id", suffix="_order").select(
        *KEYS, "order_id", shares="quantity", ms=_ms(pl.col("at") - pl.col("received_at"))
    )
    # What did not execute of the same orders rested until it was cancelled.
    filled = fills.group_by("order_id").agg(filled=pl.col("quantity").sum())
    rest = (
        orders.join(added.select("order_id").unique(), on="order_id", how="semi")
        .join(filled, on="order_id")
        .with_columns(shares=pl.col("quantity") - pl.col("filled"))
        .filter(pl.col("shares") > 0)
        .select(*KEYS, "order_id", "shares", ms=_ms(pl.col("ended_at") - pl.col("received_at")))
    )
    return pl.concat([executed, rest]).filter(pl.col("ms").is_not_null())


def _ms(elapsed_ns: pl.Expr) -> pl.Expr:
    return elapsed_ns.cast(FINE) / NS_PER_MS


def _open_time() -> dict[str, pl.Expr]:
    shares = pl.col("shares").cast(FINE)
    return {"ms_x": (pl.col("ms") * shares).sum(), "shares": shares.sum()}


def _by_key(frame: pl.DataFrame, found: dict[str, pl.Expr]) -> dict[tuple[Any, ...], Row]:
    grouped = frame.group_by(KEYS).agg(**found)
    return {
        row[: len(KEYS)]: {
            name: Decimal(value or 0) for name, value in zip(found, row[len(KEYS) :], strict=True)
        }
        for row in grouped.iter_rows()
    }


def _row(sent: Row, done: Row, resting: Row) -> Row:
    def of(name: str) -> Decimal:
        value: Decimal = done.get(name, ZERO)
        return value

    executed, quoted, flagged = of("executed"), of("quoted"), of("flagged")
    all_further = sent["further_unknown"] == sent["routed"]
    return {
        "routed_shares": sent["routed"],
        "routed_ioc_shares": sent["ioc"],
        "routed_further_shares": None if all_further else sent["further"],
        "average_order_size": ratio(sent["routed"], sent["orders"]),
        "executed_shares": executed,
        "fill_rate": fill_rate(sent["routed"], executed),
        "average_fill_size": ratio(executed, of("fills")),
        "fee_cents_per_100": _cents(of("fees"), of("feed")),
        **_parts(("mid", "near", "far"), of, quoted, known=bool(quoted) or not executed),
        "added_shares": of("added") if flagged or not executed else None,
        "added_share": ratio(of("added"), flagged),
        "added_open_ms": ratio(resting.get("ms_x", ZERO), resting.get("shares", ZERO)),
        "added_fee_cents_per_100": _cents(of("added_fees"), of("added_feed")),
        "removed_shares": of("removed") if flagged or not executed else None,
        "removed_share": ratio(of("removed"), flagged),
        "removed_fee_cents_per_100": _cents(of("removed_fees"), of("removed_feed")),
        "further_unknown": sent["further_unknown"],
        "quote_unknown": executed - quoted,
        "liquidity_unknown": executed - flagged,
        "fee_unknown": executed - of("feed"),
    }


def _parts(names: Sequence[str], of: Any, whole: Decimal, *, known: bool) -> Row:
    found: Row = {}
    for name in names:
        found[f"{name}_shares"] = of(name) if known else None
        found[f"{name}_share"] = ratio(of(name), whole)
    return found
