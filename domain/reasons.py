"""Closed lists of reasons: why we refused, why an instruction ended, what was odd."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from .market import Record


class Reason(StrEnum):
    """Why a decision was refused."""

    INVALID_DECISION = "invalid_decision"
    UNREADABLE = "unreadable"
    UNKNOWN_SYMBOL = "unknown_symbol"
    TARGET_REQUIRED = "target_required"
    TARGET_TOO_SMALL = "target_too_small"
    DECISION_ID_REQUIRED = "decision_id_required"
    DECISION_ID_REUSED = "decision_id_reused"
    NO_PRICE = "no_price"
    STALE_MARKET_DATA = "stale_market_data"
    MARKET_CLOSED = "market_closed"
    SYMBOL_HALTED = "symbol_halted"
    CLOSING_BUFFER = "closing_buffer"
    DAILY_TRADES = "daily_trades"
    DAILY_TURNOVER = "daily_turnover"
    DAILY_LOSS = "daily_loss"
    POSITION_SIZE = "position_size"
    MAX_SLIPPAGE = "max_slippage"
    SPREAD_EXCEEDS_BOUND = "spread_exceeds_bound"
    PRICE_COLLAR = "price_collar"
    ORDER_VALUE = "order_value"
    ORDER_QUANTITY = "order_quantity"
    ADV_FRACTION = "adv_fraction"
    DUPLICATE = "duplicate"
    THROTTLED = "throttled"
    RESTRICTED = "restricted"
    SELF_CROSS = "self_cross"
    BUYING_POWER = "buying_power"
    ACCOUNT_FIGURES = "account_figures"
    SHORT_SALE = "short_sale"
    UNSETTLED_ORDER = "unsettled_order"
    ACCOUNT_STATUS = "account_status"
    SETTLED_FUNDS = "settled_funds"
    GOOD_FAITH = "good_faith"
    UNEXPLAINED_POSITION = "unexplained_position"
    STRATEGY_APPROVAL = "strategy_approval"
    PERMISSION = "permission"
    CLOCK = "clock"
    KILLED = "killed"
    BROKER_REJECTED = "broker_rejected"
    BROKER_UNAVAILABLE = "broker_unavailable"
    AUCTION = "auction"
    ORDER_TERMS = "order_terms"


class NothingReason(StrEnum):
    """Why there was nothing to do."""

    ALREADY_AT_TARGET = "already_at_target"
    OPPOSITE_OF_ACTION = "opposite_of_action"
    NO_POSITION = "no_position"
    ROUNDS_TO_ZERO = "rounds_to_zero"
    ZERO_SIZE_PLAN = "zero_size_plan"
    NETTED = "netted"


class EndReason(StrEnum):
    """Why an instruction ended before all of it traded."""

    WINDOW_ELAPSED = "window_elapsed"
    SLIPPAGE_BOUND = "slippage_bound"
    PARTICIPATION_CAP = "participation_cap"
    SESSION_END = "session_end"
    LIMIT_NOT_REACHED = "limit_not_reached"
    PRICE_NOT_REACHED = "price_not_reached"
    USER = "user"
    KILL_SWITCH = "kill_switch"
    HALTED = "halted"
    SHUTDOWN = "shutdown"
    BROKER_REJECTED = "broker_rejected"
    VENUE_OVERFILL = "venue_overfill"
    CORPORATE_ACTION = "corporate_action"
    BUSTED = "busted"
    AUCTION_UNFILLED = "auction_unfilled"
    LIMITS = "limits"


class OnBound(StrEnum):
    """What to do while the market is outside the price bound."""

    REST = "rest"
    CANCEL = "cancel"
    ESCALATE = "escalate"


class Refusal(Record):
    """One refused check: what was seen, what is allowed, and what would pass."""

    reason: Reason
    field: str
    observed: str
    allowed: str
    would_pass: str | None = None
    message: str


class Check(Record):
    """One pre-trade check with its value, bound and the version of the limit.

    ``value`` and ``bound`` are None where the check is not a comparison of numbers.
    """

    name: str
    passed: bool
    value: Decimal | None = None
    bound: Decimal | None = None
    unit: str = ""
    limit_version: int = 0
    note: str = ""


class Disposition(StrEnum):
    """What an exception or an anomaly turned out to be."""

    EXPLAINED = "explained"
    CORRECTED = "corrected"
    FALSE_ALARM = "false_alarm"
    ACCEPTED = "accepted"
    REPORTED = "reported"


class Anomalous(StrEnum):
    """What was odd, recorded and never dropped."""

    CURRENT_WEIGHT_DISAGREES = "current_weight_disagrees"
    ORDER_REPORT = "order_report"
    UNKNOWN_ORDER = "unknown_order"
    POSITION_BREAK = "position_break"
    OVERFILL = "overfill"
    DATA_QUALITY = "data_quality"
    USAGE_OVER_CAP = "usage_over_cap"
    STRATEGY_OVERREACH = "strategy_overreach"
    COUNTERS_DISAGREE = "counters_disagree"
