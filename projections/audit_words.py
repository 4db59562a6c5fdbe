"""What each event says to a reader: the sentence, the reason, and what it was decided from."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from ..domain import events as e
from ..domain.money import plain
from ..domain.plan import PlanTerms
from ..domain.reasons import Check
from ..domain.reservations import Reservation
from .account_words import WORDS, Observed, Told
from .averages import PRICE_GRID, on_grid
from .instruction_events import REPORT_EVENTS

__all__ = ["Told", "told"]


def told(event: e.DomainEvent) -> Told | None:
    """What an event says, None for a class that this code does not know."""
    words = _WORDS.get(type(event))
    return None if words is None else words(event)


def _number(value: Decimal | None) -> str:
    return "unknown" if value is None else plain(value)


def _known(*pairs: tuple[str, object]) -> Observed:
    """Name and text of what is not None."""
    return tuple(
        (name, plain(value) if isinstance(value, Decimal) else str(value))
        for name, value in pairs
        if value is not None
    )


def _checks(checks: tuple[Check, ...]) -> Observed:
    return tuple((check.name, _check(check)) for check in checks)


def _check(check: Check) -> str:
    verdict = "passed" if check.passed else "refused"
    numbers = ""
    if check.value is not None and check.bound is not None:
        numbers = f": {plain(check.value)} of {plain(check.bound)} {check.unit}".rstrip()
    note = f" ({check.note})" if check.note else ""
    return f"{verdict}{numbers}{note}, limits version {check.limit_version}"


def _terms(plan: PlanTerms) -> Observed:
    return _known(
        ("strategy", plan.strategy.value),
        ("style", plan.style),
        ("urgency", plan.urgency.value),
        ("quantity", plan.quantity),
        ("bound bps", plan.bound_bps),
        ("bound price", plan.bound_price),
        ("start (ns)", plan.start_at),
        ("end (ns)", plan.end_at),
        ("on bound", plan.on_bound),
        ("must complete", plan.must_complete),
        ("participation cap", plan.participation_cap),
        ("expected slippage bps", plan.expected_slippage_bps),
    )


def _seen(provenance: e.Provenance | None) -> Observed:
    if provenance is None:
        return ()
    market, view = provenance.market, provenance.view
    quote = market.quote
    return _known(
        ("strategy", f"{provenance.strategy} version {provenance.version}"),
        ("bid", quote.bid if quote else None),
        ("ask", quote.ask if quote else None),
        ("bid size", quote.bid_size if quote else None),
        ("ask size", quote.ask_size if quote else None),
        ("quote age (ns)", market.quote_age_ns),
        ("market status", market.status),
        ("volume", market.volume),
        ("volatility bps", market.volatility_bps),
        ("trend bps", market.trend_bps),
        ("executed", view.executed),
        ("exposure", view.exposure),
        ("orders so far", view.placed),
        ("look again at (ns)", provenance.wake_at),
    )


def _received(event: e.DecisionReceived) -> Told:
    decision = event.decision
    if decision is None:
        what = f"decision {event.decision_id} received; it could not be read"
        return Told(what, event.data_note, _known(("content", event.content_hash)))
    asked = f"{decision.action} {decision.symbol}"
    if decision.target_weight is not None:
        asked += f" to {plain(decision.target_weight)} % of equity"
    return Told(
        f"decision {event.decision_id} received: {asked}",
        event.data_note,
        _known(
            ("account", event.account),
            ("submitted by", event.submitted_by and event.submitted_by.told),
            ("session", event.session_date),
            ("confidence", decision.confidence),
            ("urgency", decision.urgency.value),
            ("max slippage bps", decision.max_slippage_bps),
            ("arrival bid", event.arrival.bid if event.arrival else None),
            ("arrival ask", event.arrival.ask if event.arrival else None),
            ("arrival mid", event.arrival_mid),
        ),
    )


def _planned(event: e.InstructionPlanned) -> Told:
    plan = event.plan
    what = f"planned: {plan.side} {plain(plan.quantity)} {plan.symbol} by {plan.strategy.value}"
    if event.release_at is not None:
        what += f", deferred until {event.release_at} ns UTC"
    facts = _known(
        ("equity", event.equity),
        ("position", event.position),
        ("price", event.price),
        ("volume", event.volume),
    )
    facts += _reserved(event.reservation)
    guess = event.estimate
    if guess is not None:
        facts += _known(
            ("estimated cost bps", guess.cost_bps),
            ("of it half spread bps", guess.half_spread_bps),
            ("of it impact bps", guess.impact_bps),
            ("estimated risk bps", guess.risk_bps),
            ("expected fees", guess.fees),
        )
    why = "; ".join((*event.timing_rules, *event.notes))
    return Told(what, why, (*_terms(plan), *facts, *_checks(event.checks)))


def _assessed(event: e.DecisionAssessed) -> Told:
    seen = event.inputs
    quote = seen.market.quote
    facts = _known(
        ("equity", seen.equity),
        ("buying power", seen.buying_power),
        ("position", seen.position),
        ("bid", quote.bid if quote else None),
        ("ask", quote.ask if quote else None),
        ("trades used", seen.usage.trades),
        ("turnover used", seen.usage.turnover_usd),
        ("size after netting", seen.order_size),
    )
    return Told("looked at account, market and limits", seen.note or seen.timing_rule, facts)


def _deferred(event: e.ReleaseDeferred) -> Told:
    return Told(f"deferred until {event.release_at} ns UTC, nothing reserved", event.rule)


def _rejected(event: e.InstructionRejected) -> Told:
    why = "; ".join(f"{r.reason}: {r.message}" for r in event.refusals)
    seen = [
        (
            f"{r.reason} ({r.field})",
            f"observed {r.observed}, allowed {r.allowed}"
            + (f", would pass: {r.would_pass}" if r.would_pass else ""),
        )
        for r in event.refusals
    ]
    return Told("refused", why, (*seen, *_checks(event.checks)))


def _nothing(event: e.NothingToDo) -> Told:
    why = f"{event.reason}: {event.note}" if event.note else str(event.reason)
    return Told("nothing to do (NO_CHANGE)", why, _checks(event.checks))


def _released(event: e.InstructionReleased) -> Told:
    return Told("work begins", event.rule, _known(("mid at release", event.release_mid)))


def _reserved(kept: Reservation) -> Observed:
    return _known(
        ("reserved turnover", kept.turnover_usd),
        ("reserved buying power", kept.buying_power_usd),
        ("reducing reserve", kept.exempt or None),
    )


def _replanned(event: e.InstructionReplanned) -> Told:
    kept = _reserved(event.reservation) if event.reservation is not None else ()
    return Told("plan changed", event.rule, (*_terms(event.plan), *kept, *_checks(event.checks)))


def _switched(event: e.StrategySwitched) -> Told:
    what = f"strategy changed from {event.previous.value} to {event.plan.strategy.value}"
    seen = _known(("observed", event.observed), ("threshold", event.threshold))
    return Told(what, event.rule, (*seen, *_terms(event.plan)))


def _suspended(event: e.InstructionSuspended) -> Told:
    seen = _known(
        ("halted since", event.since),
        ("mid before", event.mid),
        ("still to trade", event.remaining),
    )
    return Told("suspended: no new orders", event.cause, seen)


def _resumed(event: e.InstructionResumed) -> Told:
    seen = _known(
        ("schedule stopped for (ns)", event.stopped_ns),
        ("mid after", event.mid),
        ("cost of the halt", event.cost),
    )
    return Told("resumed", "", seen)


def _end_requested(event: e.InstructionEndRequested) -> Told:
    failed = () if event.check is None else _checks((event.check,))
    return Told("is to end; its orders are cancelled first", str(event.reason), failed)


def _escalated(event: e.InstructionEscalated) -> Told:
    seen = _known(("bound price", event.bound_price), ("completing price", event.completing_price))
    return Told("paused at its price bound until a person decides", "slippage_bound", seen)


def _intended(event: e.OrderIntended) -> Told:
    price = "market" if event.limit_price is None else f"limit {plain(event.limit_price)}"
    what = (
        f"order {event.ordinal} decided: {event.side} {plain(event.quantity)} {event.symbol} "
        f"{price} {event.time_in_force} as {event.client_order_id}"
    )
    shown = _known(("display quantity", event.display_quantity))
    return Told(what, event.provenance.rule, (*shown, *_seen(event.provenance)))


def _cancel_requested(event: e.OrderCancelRequested) -> Told:
    what = f"cancel decided for {event.client_order_id}"
    return Told(what, event.rule, _seen(event.provenance))


def _reported(event: e.OrderReported) -> Told:
    report = event.report
    what = f"broker reports {report.kind} for {report.client_order_id}"
    if report.last_qty is not None:
        what += f": {plain(report.last_qty)} at {_number(report.last_price)}"
    seen = _known(
        ("broker's order", report.venue_order_id),
        ("execution", report.execution_id),
        ("concerns execution", report.ref_execution_id),
        ("executed so far", report.cum_qty),
        ("leaves", report.leaves_qty),
        ("fee", report.fee if report.fee else None),
        ("liquidity", report.liquidity),
        ("venue", report.venue),
        ("status", report.order_status),
        ("computed from snapshots", report.derived or None),
        ("market time (ns)", report.market_time),
    )
    return Told(what, report.text or "", seen)


def _filled(event: e.InstructionFilled) -> Told:
    average = _number(on_grid(PRICE_GRID, event.average_price))
    what = f"filled: {plain(event.executed)} at {average} on average"
    seen = _known(("slippage bps", event.slippage_bps), ("fees", event.fees))
    return Told(what, "all of it executed", seen)


def _cancelled(event: e.InstructionCancelled) -> Told:
    what = f"ended with {plain(event.executed)} executed"
    seen = _known(
        ("average price", on_grid(PRICE_GRID, event.average_price)),
        ("slippage bps", event.slippage_bps),
        ("fees", event.fees),
        ("completing price", event.completing_price),
    )
    return Told(what, str(event.reason), seen)


def _anomaly(event: e.InstructionAnomaly) -> Told:
    return Told(f"anomaly: {event.kind}", event.detail, _known(("order", event.client_order_id)))


def _foreign(event: e.ForeignExecution) -> Told:
    seen = _known(("order", event.venue_order_id), ("execution", event.execution_id))
    what = f"{event.side} {event.quantity} {event.symbol} at {event.price}"
    return Told(f"executed by an order that is not ours: {what}", "", seen)


def _account_anomaly(event: e.AccountAnomaly) -> Told:
    seen = _known(("symbol", event.symbol), ("value", event.value), ("bound", event.bound))
    return Told(f"anomaly: {event.kind}", event.detail, seen)


def _started(event: e.EngineStarted) -> Told:
    seen = _known(
        ("code version", event.code_version),
        ("clock", event.clock_source),
        ("clock offset (ns)", event.clock_offset_ns),
        ("broker", event.broker),
        ("seed", event.seed),
    )
    return Told(f"engine started in {event.mode} mode", "", seen)


def _rules(event: e.RulesInForce) -> Told:
    rules = event.planning
    seen = _known(
        ("strategy", rules.strategy.value),
        ("style", rules.style),
        ("switches at most", event.switching.switches_max),
        ("broker's refusals in a row at most", event.rejects_max),
    )
    return Told("rules of planning and switching in force", "", seen)


def _session_opened(event: e.SessionOpened) -> Told:
    seen = _known(("equity", event.equity), ("buying power", event.buying_power))
    return Told(f"session {event.session_date} opened for {event.account}", "", seen)


def _session_closed(event: e.SessionClosed) -> Told:
    seen = _known(
        ("open orders", event.open_orders), ("breaks", len(event.breaks)), ("equity", event.equity)
    )
    return Told(f"session {event.session_date} closed for {event.account}", "", seen)


def _limits(event: e.LimitChanged) -> Told:
    return Told(f"limits version {event.limits.version} in force", event.reason)


def _killed(event: e.KillSwitchEngaged) -> Told:
    return Told(f"kill switch engaged for {event.scope}", event.reason)


def _revived(event: e.KillSwitchReleased) -> Told:
    return Told(f"kill switch released for {event.scope}", event.reason)


def _captured(event: e.MarketDataCaptured) -> Told:
    seen = _known(
        ("rows", event.rows),
        ("gaps", event.gaps),
        ("sha256", event.sha256),
        ("from (ns)", event.from_ns),
        ("to (ns)", event.to_ns),
    )
    return Told(f"{event.kind} of {event.symbol} kept from {event.source}", event.feed, seen)


def _redacted(event: e.SubjectRedacted) -> Told:
    seen = _known(("retention (days)", event.retention_days))
    return Told(f"the personal text of {event.subject} was made unreadable", event.reason, seen)


_WORDS: Final[dict[type[e.DomainEvent], Callable[[Any], Told]]] = {
    e.DecisionReceived: _received,
    e.DecisionAssessed: _assessed,
    e.InstructionPlanned: _planned,
    e.ReleaseDeferred: _deferred,
    e.InstructionRejected: _rejected,
    e.NothingToDo: _nothing,
    e.InstructionReleased: _released,
    e.InstructionReplanned: _replanned,
    e.StrategySwitched: _switched,
    e.InstructionSuspended: _suspended,
    e.InstructionResumed: _resumed,
    e.InstructionEndRequested: _end_requested,
    e.InstructionEscalated: _escalated,
    e.OrderIntended: _intended,
    e.OrderCancelRequested: _cancel_requested,
    e.InstructionFilled: _filled,
    e.InstructionCancelled: _cancelled,
    e.InstructionAnomaly: _anomaly,
    e.AccountAnomaly: _account_anomaly,
    e.ForeignExecution: _foreign,
    e.EngineStarted: _started,
    e.RulesInForce: _rules,
    e.SessionOpened: _session_opened,
    e.SessionClosed: _session_closed,
    e.LimitChanged: _limits,
    e.KillSwitchEngaged: _killed,
    e.KillSwitchReleased: _revived,
    e.MarketDataCaptured: _captured,
    e.SubjectRedacted: _redacted,
    **dict.fromkeys(REPORT_EVENTS, _reported),
    **WORDS,
}
