"""The columns of the mirror: their names, types and meaning."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final, NamedTuple

import pyarrow as pa

COLUMNS_VERSION: Final = 1
"""Goes up whenever the same log gives other columns; a mirror of another version is made anew."""

DECIMAL_DIGITS: Final = 38
DECIMAL_PLACES: Final = 18
DECIMAL: Final = pa.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES)
INTEGER: Final = pa.int64()
TEXT: Final = pa.string()
NAME: Final = pa.dictionary(pa.int32(), pa.string())
"""A text of few different values."""
YES_NO: Final = pa.bool_()
BYTES: Final = pa.binary()
COUNTERS: Final = pa.list_(
    pa.struct(
        [
            ("counter", TEXT),
            ("account", TEXT),
            ("session_date", TEXT),
            ("symbol", TEXT),
            ("side", TEXT),
            ("amount_micro", INTEGER),
        ]
    )
)

_GRID: Final = Decimal(1).scaleb(-DECIMAL_PLACES)


class Column(NamedTuple):
    """One column: ``about`` says what it holds and in what unit."""

    name: str
    type: pa.DataType
    about: str


COLUMNS: Final = (
    Column("position", INTEGER, "place in the log, from 1 without gaps"),
    Column("topic", NAME, "name and version of the event as stored"),
    Column("event", NAME, "name of the event without its version"),
    Column("originator_id", TEXT, "the aggregate: an instruction or an account"),
    Column("originator_version", INTEGER, "the event's number in it"),
    Column("record_time", INTEGER, "when it was recorded, ns UTC"),
    Column("market_time", INTEGER, "the venue's stamp, ns UTC"),
    Column("receive_time", INTEGER, "when we had it, ns UTC"),
    Column("actor", NAME, "who recorded it"),
    Column("correlation_id", TEXT, "what it belongs to"),
    Column("causation_id", TEXT, "what led to it"),
    Column("hash", BYTES, "the chain's hash up to and including this event"),
    Column("state", BYTES, "the stored bytes that the hash covers"),
    Column("account", NAME, "the account, where the event or its instruction names one"),
    Column("instruction_id", TEXT, "the instruction, None for events of an account"),
    Column("session_date", NAME, "the exchange session that it counts in"),
    Column("decision_id", TEXT, "the caller's name for the decision"),
    Column("symbol", NAME, "the instrument"),
    Column("action", NAME, "what a decision asks for"),
    Column("side", NAME, "buy or sell"),
    Column("strategy", NAME, "the strategy of decision or plan in force from here"),
    Column("style", NAME, "smart or naive"),
    Column("urgency", NAME, "how urgent it is"),
    Column("confidence", INTEGER, "the decision's confidence, 1 to 10"),
    Column("target_weight", DECIMAL, "percent of equity asked for"),
    Column("arrival_mid", DECIMAL, "mid when the decision was received, price"),
    Column("release_mid", DECIMAL, "mid when work began, price"),
    Column("ordered", DECIMAL, "shares of the plan in force from here"),
    Column("bound_price", DECIMAL, "worst price a child may have, price"),
    Column("start_at", INTEGER, "begin of the window, ns UTC"),
    Column("end_at", INTEGER, "end of the window, ns UTC"),
    Column("equity", DECIMAL, "the account's equity that was recorded"),
    Column("volume", DECIMAL, "session volume at plan or step, shares"),
    Column("mid", DECIMAL, "mid that a step was decided from, price"),
    Column("seen_at", INTEGER, "when that market was seen, ns UTC"),
    Column("rule", NAME, "the rule that fired"),
    Column("client_order_id", TEXT, "our id of the child order"),
    Column("order_quantity", DECIMAL, "shares of the child order"),
    Column("order_type", NAME, "market or limit"),
    Column("time_in_force", NAME, "day, ioc, opg or cls"),
    Column("limit_price", DECIMAL, "its limit, None for a market order"),
    Column("display_quantity", DECIMAL, "shares shown in the book, None for all"),
    Column("report_kind", NAME, "what the broker's report says"),
    Column("venue_order_id", TEXT, "the broker's id of the order"),
    Column("execution_id", TEXT, "the broker's id of the execution"),
    Column("ref_execution_id", TEXT, "the execution that a bust or correction names"),
    Column("last_quantity", DECIMAL, "shares of this execution as reported"),
    Column("last_price", DECIMAL, "its price as reported"),
    Column("fee", DECIMAL, "its fee as reported, account currency"),
    Column("liquidity", NAME, "added or removed"),
    Column("venue", NAME, "where it executed"),
    Column("derived", YES_NO, "whether it was computed from two snapshots"),
    Column("executed", DECIMAL, "shares that this event adds to what is executed"),
    Column("notional", DECIMAL, "shares times price that it adds, account currency"),
    Column("fees", DECIMAL, "fees that it adds, account currency"),
    Column("in_terms", DECIMAL, "shares that it adds within window and bound"),
    Column("exposure", DECIMAL, "executed and still open shares after it"),
    Column("unpriced", YES_NO, "whether an execution without a price counts after it"),
    Column("first_fill_at", INTEGER, "first execution that counts after it, ns UTC; 0 for none"),
    Column("last_fill_at", INTEGER, "last execution that counts after it, ns UTC; 0 for none"),
    Column("order_state", NAME, "state of the child order after it"),
    Column("order_executed", DECIMAL, "shares executed of the child order after it"),
    Column("order_open", YES_NO, "whether the child order may still execute after it"),
    Column("order_indeterminate", YES_NO, "whether its outcome is unknown after it"),
    Column("fills", INTEGER, "executions of the child order that count after it"),
    Column("state_after", NAME, "state of the instruction after it"),
    Column("released", YES_NO, "whether work has begun, after it"),
    Column("reasons", TEXT, "why it was refused, ended or had nothing to do"),
    Column("completing_price", DECIMAL, "price that would have completed it"),
    Column("end_mid", DECIMAL, "mid when it was cancelled, price"),
    Column("anomaly", NAME, "kind of an anomaly"),
    Column("detail", TEXT, "what is odd, or why a block was set"),
    Column("scope", NAME, "scope of a block"),
    Column("limit_version", INTEGER, "version of the limits"),
    Column("limits", TEXT, "the limits in force from here, as JSON"),
    Column("counters", COUNTERS, "what it changes in the counters of the limits, in millionths"),
    Column("rounded", YES_NO, f"whether a figure of it has more than {DECIMAL_PLACES} decimals"),
)

SCHEMA: Final = pa.schema([pa.field(column.name, column.type) for column in COLUMNS])

DECIMAL_NAMES: Final = frozenset(c.name for c in COLUMNS if c.type == DECIMAL)


def on_grid(value: Decimal) -> Decimal:
    """The value on the columns' grid, half to even; the same object where it is on it already."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMAL_PLACES:
        return value
    with localcontext() as context:
        context.prec = DECIMAL_DIGITS
        return value.quantize(_GRID, rounding=ROUND_HALF_EVEN)
