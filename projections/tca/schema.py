"""The columns that cost analysis reads and gives: names, kinds, units and meaning.

Times are integer ns UTC. A column that is not ``required`` may be absent or null; what needs it is
then null. Where a whole column of prices is absent and the quotes have them, it is taken from the
quotes; a null inside a column that is there stays null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

PLACES: Final = 9
"""Decimal places of prices, quantities and money; finer input is rounded and counted."""

HORIZONS_NS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "50ms": 50_000_000,
        "1s": 1_000_000_000,
        "15s": 15_000_000_000,
        "1min": 60_000_000_000,
        "5min": 300_000_000_000,
    }
)
"""How long after an execution realised spreads and mark-outs look (SEC Rule 605 as amended)."""

PARTICIPATION_FLAG: Final = 0.20
"""Above this share of the market's volume a VWAP is largely our own price."""

PWP_RATES: Final = (5, 10, 20)
"""Participation rates of PWP benchmarks in percent, fixed before trading."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    DECIMAL = "decimal"
    TIME = "ns UTC"
    SIDE = "+1 buy, -1 sell"
    INTEGER = "integer"
    FLOAT = "float"
    YES_NO = "yes or no"
    POSITIONS = "list of log positions"


class Column(NamedTuple):
    """A column; ``about`` gives meaning, formula and unit."""

    name: str
    kind: Kind
    about: str
    required: bool = False


def carried(table: Sequence[Column], *names: str) -> tuple[Column, ...]:
    """Columns of what goes in that come out as they are; none of them has to be there."""
    known = {column.name: column for column in table}
    return tuple(known[name]._replace(required=False) for name in names)


T, D, NS, I, F, B = (  # noqa: E741
    Kind.TEXT,
    Kind.DECIMAL,
    Kind.TIME,
    Kind.INTEGER,
    Kind.FLOAT,
    Kind.YES_NO,
)

INSTRUCTIONS: Final = (
    Column("instruction_id", T, "name of the parent order", True),
    Column("symbol", T, "instrument", True),
    Column("side", Kind.SIDE, "+1 or buy, -1 or sell", True),
    Column("quantity", D, "X: shares ordered", True),
    Column("currency", T, "currency of all its prices and fees"),
    Column("account", T, "account"),
    Column("strategy", T, "strategy that it was first planned with"),
    Column("session_date", T, "exchange session, YYYY-MM-DD; default: UTC date of arrival"),
    Column("state", T, "how it stands"),
    Column("decision_at", NS, "when it was decided"),
    Column("arrival_at", NS, "when the desk had it; default: first order placed"),
    Column("release_at", NS, "when work began"),
    Column("end_at", NS, "when it ended; default: last fill"),
    Column("planned_end_at", NS, "end of the window that was planned; default: end_at"),
    Column("decision_price", D, "P_d: price it was decided at; column absent: arrival price"),
    Column("arrival_price", D, "P_0: mid at arrival"),
    Column("release_price", D, "P_r: mid when work began; column absent: arrival price"),
    Column("end_price", D, "P_n: price of what did not execute, normally the mid at its end"),
    Column("limit_price", D, "worst price the client allows"),
    Column("fees", D, "charges of the whole order that no fill carries"),
    Column("expected_cost_bps", D, "pre-trade estimate of the arrival cost"),
    Column("expected_fees", D, "pre-trade estimate of the fees of the whole order"),
    Column("adv", D, "average daily volume, shares"),
    Column("beta", D, "sensitivity to the index"),
    Column("index_symbol", T, "index to adjust by; its quotes and prints are among the tables"),
    Column("first_position", I, "its first event in the log"),
    Column("last_position", I, "its last event in the log"),
)

ORDERS: Final = (
    Column("order_id", T, "name of the child order", True),
    Column("instruction_id", T, "its parent; column absent: every order is its own parent"),
    Column("symbol", T, "instrument; needed without a table of instructions"),
    Column("side", Kind.SIDE, "side; needed without a table of instructions"),
    Column("quantity", D, "shares of the order", True),
    Column("order_type", T, "market, limit, stop or stop_limit"),
    Column("time_in_force", T, "day, ioc, opg or cls"),
    Column("limit_price", D, "its limit"),
    Column("stop_price", D, "the price that makes a stop executable"),
    Column("display_quantity", D, "shares shown, null for all"),
    Column("placed_at", NS, "when it was decided"),
    Column("received_at", NS, "when the venue had it; default: placed_at"),
    Column("ended_at", NS, "when it could trade no more"),
    Column("state", T, "how it stands"),
    Column("venue", T, "MIC it was sent to"),
    Column("rule", T, "what placed it"),
    Column("position", I, "the event that decided it"),
)

FILLS: Final = (
    Column("fill_id", T, "name of the execution", True),
    Column("order_id", T, "its order"),
    Column("instruction_id", T, "its parent; default: that of its order"),
    Column("at", NS, "when it executed", True),
    Column("quantity", D, "shares", True),
    Column("price", D, "price", True),
    Column("fee", D, "charges on it, a rebate negative; null: none known"),
    Column("liquidity", T, "added or removed"),
    Column("venue", T, "MIC where it executed"),
    Column("currency", T, "currency; default: that of its parent"),
    Column("kind", T, "trade, trade_bust or trade_correct; default: trade"),
    Column("ref_fill_id", T, "the execution that a bust or correction is about"),
    Column("derived", B, "whether it was computed from two snapshots of the order"),
    Column("bid", D, "bid at execution; null: from the quotes"),
    Column("ask", D, "ask at execution; null: from the quotes"),
    Column("mid", D, "mid at execution; null: from bid and ask"),
    Column("touch", D, "touch that impact is measured from; null: from bid and ask"),
    Column("auction", T, "open or close; null: from its order's opg or cls"),
    Column("trend", D, "price of the market's trend then: splits timing in trend and risk"),
    Column("bid_at_receipt", D, "bid when the venue had the order; null: from the quotes"),
    Column("ask_at_receipt", D, "ask then; null: from the quotes"),
    Column("mid_at_receipt", D, "mid then, where bid and ask are not known"),
    Column("positions", Kind.POSITIONS, "the events that made it what it is"),
)

QUOTES: Final = (
    Column("symbol", T, "instrument", True),
    Column("at", NS, "from when it is valid, until the next of its symbol", True),
    Column("bid", D, "best bid", True),
    Column("ask", D, "best ask", True),
    Column("bid_size", D, "shares at the bid"),
    Column("ask_size", D, "shares at the ask"),
)

PRINTS: Final = (
    Column("symbol", T, "instrument", True),
    Column("at", NS, "when it traded", True),
    Column("price", D, "price", True),
    Column("size", D, "shares", True),
    Column("regular", B, "counts in benchmarks: no auction, late or extended-hours print"),
)

SESSIONS: Final = (
    Column("symbol", T, "instrument", True),
    Column("session_date", T, "exchange session, YYYY-MM-DD", True),
    Column("open_at", NS, "when it opens"),
    Column("close_at", NS, "when it closes"),
    Column("open", D, "official open"),
    Column("close", D, "official close"),
    Column("prev_close", D, "official close of the session before"),
    Column("adv", D, "average daily volume, shares"),
    Column("feed", T, "feed of quotes and prints: consolidated, or a venue's name"),
)

PHASES: Final = (
    Column("instruction_id", T, "the parent", True),
    Column("phase", I, "0 for the first", True),
    Column("strategy", T, "strategy of the phase", True),
    Column("since", NS, "from when", True),
    Column("rule", T, "why it was switched to"),
    Column("position", I, "the event"),
)

HALTS: Final = (
    Column("instruction_id", T, "the parent", True),
    Column("since", NS, "from when trading was halted", True),
    Column("until", NS, "when work went on; null: not before it ended"),
    Column("mid_before", D, "mid before the halt"),
    Column("mid_after", D, "mid when work went on; null without `until`: the end price"),
    Column("cause", T, "why it was halted"),
)

TABLES: Final[Mapping[str, tuple[Column, ...]]] = MappingProxyType(
    {
        "instructions": INSTRUCTIONS,
        "orders": ORDERS,
        "fills": FILLS,
        "quotes": QUOTES,
        "prints": PRINTS,
        "sessions": SESSIONS,
        "phases": PHASES,
        "halts": HALTS,
    }
)
"""The tables that go in."""
