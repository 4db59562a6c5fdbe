"""The tables that a query may read: views over the columns of the mirror."""

from __future__ import annotations

from typing import Final, NamedTuple


class View(NamedTuple):
    """A view over ``mirrored``, the columns as they lie in the segments."""

    name: str
    about: str
    sql: str


EVENTS: Final = View(
    "events",
    "Every event with all its columns, `recorded_at` as a time stamp and `json` as stored.",
    """
SELECT *, make_timestamp_ns(record_time) AS recorded_at, decode(state) AS json FROM mirrored
""",
)

DECISIONS: Final = View(
    "decisions",
    "Every decision that was received.",
    """
SELECT position, instruction_id, account, session_date, decision_id, symbol, action,
  target_weight, strategy, style, urgency, confidence, arrival_mid, record_time AS received_at
FROM mirrored WHERE event = 'DecisionReceived'
""",
)

# An end that comes after the last step by more than a minute has no mid (see execution_quality).
INSTRUCTIONS: Final = View(
    "instructions",
    "Every instruction as it stands: plan, what executed, how it ended, and what its cost needs.",
    """
SELECT instruction_id,
  min(position) AS first_position,
  max(position) AS last_position,
  arg_max(account, position) AS account,
  arg_max(session_date, position) AS session_date,
  any_value(decision_id) AS decision_id,
  arg_max(symbol, position) AS symbol,
  any_value(action) AS action,
  arg_max(side, position) FILTER (WHERE ordered IS NOT NULL) AS side,
  arg_max(strategy, position) AS strategy,
  arg_max(state_after, position) AS state,
  arg_max(released, position) AS released,
  arg_max(ordered, position) AS ordered,
  coalesce(sum(executed), 0)::DECIMAL(38,18) AS executed,
  arg_max(exposure, position) AS exposure,
  coalesce(sum(notional), 0)::DECIMAL(38,18) AS notional,
  coalesce(sum(fees), 0)::DECIMAL(38,18) AS fees,
  coalesce(sum(in_terms), 0)::DECIMAL(38,18) AS in_terms,
  coalesce(arg_max(unpriced, position), false) AS unpriced,
  any_value(arrival_mid) AS arrival_mid,
  any_value(release_mid) AS release_mid,
  arg_max(bound_price, position) AS bound_price,
  min(record_time) FILTER (WHERE event = 'DecisionReceived') AS received_at,
  max(record_time) FILTER (WHERE event IN
    ('InstructionRejected', 'NothingToDo', 'InstructionFilled', 'InstructionCancelled')
  ) AS ended_at,
  nullif(arg_max(first_fill_at, position), 0) AS first_fill_at,
  nullif(arg_max(last_fill_at, position), 0) AS last_fill_at,
  arg_max(volume, position) FILTER (WHERE ordered IS NOT NULL) AS volume_at_start,
  arg_max({'at': seen_at, 'mid': mid, 'volume': volume}, position)
    FILTER (WHERE seen_at IS NOT NULL) AS seen,
  arg_max(reasons, position) FILTER (WHERE event IN
    ('InstructionRejected', 'NothingToDo', 'InstructionCancelled')) AS reasons
FROM mirrored WHERE instruction_id IS NOT NULL
GROUP BY instruction_id
""",
)

ORDERS: Final = View(
    "orders",
    "Every child order as it stands.",
    """
SELECT instruction_id, client_order_id,
  any_value(account) AS account,
  any_value(symbol) AS symbol,
  any_value(side) AS side,
  any_value(order_quantity) AS quantity,
  any_value(order_type) AS order_type,
  any_value(time_in_force) AS time_in_force,
  any_value(limit_price) AS limit_price,
  any_value(rule) FILTER (WHERE event = 'OrderIntended') AS rule,
  min(record_time) FILTER (WHERE event = 'OrderIntended') AS placed_at,
  any_value(venue_order_id) AS venue_order_id,
  arg_max(order_state, position) AS state,
  arg_max(order_executed, position) AS executed,
  arg_max(order_open, position) AS open,
  arg_max(order_indeterminate, position) AS indeterminate,
  arg_max(fills, position) AS fills,
  coalesce(sum(notional), 0)::DECIMAL(38,18) AS notional,
  coalesce(sum(fees), 0)::DECIMAL(38,18) AS fees
FROM mirrored WHERE order_state IS NOT NULL
GROUP BY instruction_id, client_order_id
""",
)

FILLS: Final = View(
    "fills",
    "Every report of an execution, a bust or a correction, with what it changed.",
    """
SELECT position, instruction_id, client_order_id, account, session_date, symbol,
  report_kind, execution_id, ref_execution_id, last_quantity AS quantity, last_price AS price,
  fee, liquidity, venue, derived, executed, notional, fees, market_time, record_time
FROM mirrored
WHERE report_kind IN ('trade', 'trade_bust', 'trade_correct') OR executed <> 0
""",
)

LIMITS: Final = View(
    "limits",
    "What is reserved and used of each limit, by account and session: trades, dollars or shares.",
    """
SELECT c.account, c.session_date, c.counter, c.symbol, c.side,
  (sum(c.amount_micro)::DECIMAL(38,0) * 0.000001::DECIMAL(7,6))::DECIMAL(38,6) AS used
FROM (SELECT unnest(counters) AS c FROM mirrored WHERE counters IS NOT NULL)
GROUP BY ALL HAVING sum(c.amount_micro) <> 0
""",
)

VIEWS: Final = (EVENTS, DECISIONS, INSTRUCTIONS, ORDERS, FILLS, LIMITS)
