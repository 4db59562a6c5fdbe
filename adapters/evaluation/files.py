"""The outcomes as a Parquet file: a row per parent and policy, the same bytes each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ...domain.money import plain
from .outcome import Outcome

COLUMNS: Final[dict[str, Callable[[Outcome], Any]]] = {
    "symbol": lambda o: o.parent.symbol,
    "date": lambda o: o.parent.date,
    "start_ns": lambda o: o.parent.start,
    "horizon_seconds": lambda o: o.parent.horizon_seconds,
    "size": lambda o: plain(o.parent.size),
    "side": lambda o: o.parent.side.sign,
    "quantity": lambda o: plain(o.parent.quantity),
    "policy": lambda o: o.policy,
    "executed": lambda o: plain(o.executed),
    "average_price": lambda o: o.average_price,
    "passive": lambda o: plain(o.passive),
    "final_cross": lambda o: plain(o.final_cross),
    "arrival_mid": lambda o: o.parent.arrival_mid,
    "half_spread_bps": lambda o: o.parent.half_spread_bps,
    "interval_vwap": lambda o: o.parent.interval_vwap,
    "end_mid": lambda o: o.parent.end_mid,
    "arrival_bps": lambda o: o.arrival_bps,
    "vwap_bps": lambda o: o.vwap_bps,
    "shortfall_bps": lambda o: o.shortfall_bps,
    "completion": lambda o: o.completion,
    "messages": lambda o: o.messages,
    "orders": lambda o: o.orders,
    "end_reason": lambda o: o.end_reason,
}
"""Name of each column and where it comes from; quantities are exact decimals as text."""


def write_outcomes(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write one row per parent and policy.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: [read(o) for o in outcomes] for name, read in COLUMNS.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
