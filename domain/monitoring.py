"""What ``monitor_active_executions`` gives, as plain values with their names and types."""

from __future__ import annotations

from typing import Any, TypedDict


class ActiveOrder(TypedDict):
    """A child order; quantities are shares and prices USD as decimal text, times ns UTC."""

    client_order_id: str
    venue_order_id: str | None
    state: str
    side: str
    order_type: str
    time_in_force: str
    quantity: str
    executed: str
    leaves: str
    average_price: str | None
    limit_price: str | None
    display_quantity: str | None
    fees: str
    placed_at: int
    rule: str
    cancel_requested: bool
    indeterminate: bool
    open: bool


class ActiveInstruction(TypedDict):
    """An instruction that has not ended; figures as decimal text, times ns UTC.

    ``slippage_bps`` is the average price against the arrival mid, positive: cost. What is not known
    is None.
    """

    instruction_id: str
    account: str
    session_date: str
    decision_id: str
    symbol: str
    action: str
    side: str | None
    strategy: str | None
    style: str | None
    urgency: str | None
    confidence: int | None
    state: str
    status: str
    partial: bool
    restated: bool
    overfilled: bool
    suspended: bool
    escalated: bool
    switches: int
    requested: str
    executed: str
    open_quantity: str
    average_price: str | None
    notional: str
    arrival_mid: str | None
    release_mid: str | None
    bound_price: str | None
    completing_price: str | None
    slippage_bps: str | None
    fees: str
    reason: str | None
    refusals: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    data_note: str
    anomalies: list[Any]
    received_at: int
    planned_at: int | None
    release_at: int | None
    released_at: int | None
    first_fill_at: int | None
    last_fill_at: int | None
    window_ends_at: int | None
    ended_at: int | None
    first_position: int
    last_position: int
    orders: list[ActiveOrder]
    fills: list[Any]


class UsedLimit(TypedDict):
    """What is used of a limit, in its unit."""

    limit: str
    used: str
    allowed: str
    unit: str


class UsedLimits(TypedDict):
    """What the account used in its session, with the version and author of the limits in force."""

    account: str
    session_date: str
    equity: str
    limit_version: int
    limit_author: str
    uses: list[UsedLimit]
    over_cap: list[Any]
    kills: list[str]


class ActiveAlert(TypedDict):
    """Something to look at; ``message`` is one line for a person, ``since`` ns UTC or None."""

    kind: str
    severity: str
    subject: str
    observed: str | None
    threshold: str | None
    unit: str
    since: int | None
    detail: str
    about: str
    message: str


class SessionTold(TypedDict):
    """Whether figures of an account's session are ``preliminary`` or ``final``.

    Final is what agrees with the broker's statement or was signed off; ``statement`` is its
    SHA-256, empty before there is one, and ``breaks`` counts what differed.
    """

    account: str
    session_date: str
    standing: str
    breaks: int
    statement: str


class ActiveExecutions(TypedDict):
    """What is being executed at ``as_of`` (engine time, ns UTC), with limits, blocks and alerts."""

    as_of: int
    active_count: int
    active: list[ActiveInstruction]
    done_count: int
    sessions: list[SessionTold]
    limits: UsedLimits
    kills: list[str]
    alerts: list[ActiveAlert]
