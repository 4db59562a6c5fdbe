"""From a decision and the facts to a plan, a refusal, a deferral, or nothing to do.

Pure: the same arguments always give the same outcome, and every check is in it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from uuid import UUID

from ..auctions import Auction, BeforeOpen
from ..decision import Decision, ExecutionUrgency
from ..errors import InvariantBroken
from ..fees import FeeSchedule
from ..money import plain
from ..ports import NANOS, Session, Side
from ..reasons import Anomalous, Reason, Refusal
from .auctions import before_open, late_decision, times_of, with_auction, with_limit
from .estimate import estimate
from .facts import Deferred, Facts, Noted, Nothing, Outcome, Planned, Refused
from .pretrade import Findings, Trial, general_checks, merged
from .pretrade_size import (
    SizedTrial,
    sell_mark,
    sized_checks,
    sized_trial,
    unmade_checks,
    with_marks,
)
from .sizing import NoSize, Sized, Sizing, size_decision, weight_pct
from .terms import Start, build_terms

RECHECKED: Final = frozenset(
    {"trading_status", "reference_price", "quote_age", "spread_within_bound"}
)
"""What a deferred decision need not pass yet: it is looked at again at the release."""

NEEDS_OPEN_MARKET: Final = frozenset({"account_figures"}) | RECHECKED
"""What says nothing new while the market is closed."""


def plan_decision(decision: Decision, facts: Facts, instruction_id: UUID) -> Outcome:
    """Decide what becomes of a decision.

    The reservation of a :class:`Planned` is to be taken in the same append; if the counters refuse
    it there, somebody else was admitted first and the decision is planned again on fresh facts.
    """
    start = start_of(decision, facts)
    late = late_decision(decision, facts)
    if isinstance(late, Decision) and facts.session is not None:
        decision, start = late, Start(facts.now, facts.session)
    general = general_checks(Trial(decision, facts, start))
    if isinstance(late, Refusal):
        general = merged([general, Findings((), (("auction", late),))])
    anomalies = _anomalies(decision, facts)
    sizing = size_decision(decision, facts)
    if isinstance(sizing, NoSize):
        return Nothing(sizing.reason, sizing.note, general.checks, anomalies)
    if isinstance(late, Decision) and isinstance(sizing, Sized):
        decision = with_limit(decision, facts, sizing.side)
    if facts.session is None or not facts.session.contains(facts.now):
        early = before_open(decision, facts)
        if early is BeforeOpen.AUCTION and facts.next_session is not None:
            return _opening(decision, facts, sizing, instruction_id, general, anomalies)
        return _closed(decision, facts, sizing, general, anomalies, early)
    waiting = start is not None and bool(start.deferred)
    excused = RECHECKED if waiting else frozenset[str]()
    planned, findings = _plan(decision, facts, sizing, start, instruction_id, general, anomalies)
    blocking = tuple(r for name, r in findings.refusals if name not in excused)
    if blocking:
        return Refused(blocking, findings.checks, anomalies)
    if start is not None and waiting:
        return Deferred(planned, start.at, start.deferred, findings.checks)
    if planned is None:
        raise InvariantBroken("a decision without a plan has a refusal")
    return planned


def start_of(decision: Decision, facts: Facts) -> Start | None:
    """When work would begin: now, or later for a decision that avoids the open or the close.

    None when there is no session, or none left that is known. URGENT avoids nothing.
    """
    session, rules = facts.session, facts.rules
    if session is None:
        return None
    if decision.urgency is ExecutionUrgency.URGENT:
        return Start(facts.now, session)
    after_open = session.open + rules.avoid_open_seconds * NANOS
    if facts.now < after_open:
        return Start(after_open, session, "avoids the minutes after the open")
    if facts.now >= session.close - rules.avoid_close_seconds * NANOS:
        if facts.next_session is None:
            return None
        return Start(
            _after_open(facts.next_session, facts),
            facts.next_session,
            "avoids the minutes before the close",
        )
    release = facts.timing.release_at
    latest = session.close - facts.limits.closing_buffer_seconds * NANOS
    if release is not None and facts.now < release < latest:
        return Start(release, session, facts.timing.rule or "waits for better timing")
    return Start(facts.now, session)


def _after_open(session: Session, facts: Facts) -> int:
    return session.open + facts.rules.avoid_open_seconds * NANOS


def _closed(
    decision: Decision,
    facts: Facts,
    sizing: Sizing,
    general: Findings,
    anomalies: tuple[Noted, ...],
    early: BeforeOpen,
) -> Outcome:
    """The market is closed: wait for the next open if that is wanted, else refuse."""
    checks = general.checks + unmade_checks(facts)
    blocking = tuple(r for name, r in general.refusals if name not in NEEDS_OPEN_MARKET)
    if isinstance(sizing, Refusal):
        blocking = (*blocking, sizing)
    following = facts.next_session
    if early is BeforeOpen.WAIT and following is not None:
        blocking = tuple(r for r in blocking if r.reason is not Reason.MARKET_CLOSED)
        if not blocking:
            urgent = decision.urgency is ExecutionUrgency.URGENT
            release = following.open if urgent else _after_open(following, facts)
            return Deferred(None, release, "waits for the next open", checks)
    return Refused(blocking, checks, anomalies)


def _opening(
    decision: Decision,
    facts: Facts,
    sizing: Sizing,
    instruction_id: UUID,
    general: Findings,
    anomalies: tuple[Noted, ...],
) -> Outcome:
    """Before the open: into the opening auction, once that takes orders."""
    session = facts.next_session
    if session is None:
        raise InvariantBroken("an opening auction is of a session that is known")
    times = times_of(Auction.OPEN, session, facts)
    if facts.now < times.enter_from:
        waiting = tuple(r for name, r in general.refusals if name not in NEEDS_OPEN_MARKET)
        blocking = tuple(r for r in waiting if r.reason is not Reason.MARKET_CLOSED)
        checks = general.checks + unmade_checks(facts)
        if blocking:
            return Refused(blocking, checks, anomalies)
        return Deferred(None, times.enter_from, "waits for the opening auction", checks)
    wanted = decision.model_copy(update={"auction": Auction.OPEN})
    start = Start(facts.now, session)
    planned, findings = _plan(wanted, facts, sizing, start, instruction_id, general, anomalies)
    excused = {"market_open", "trading_status"}
    blocking = tuple(r for name, r in findings.refusals if name not in excused)
    if blocking or planned is None:
        return Refused(blocking, findings.checks, anomalies)
    return planned


def _plan(
    decision: Decision,
    facts: Facts,
    sizing: Sizing,
    start: Start | None,
    instruction_id: UUID,
    general: Findings,
    anomalies: tuple[Noted, ...],
) -> tuple[Planned | None, Findings]:
    """The plan as far as it can be made, with all findings; None without size, price or start."""
    unmade = Findings(unmade_checks(facts), ())
    if isinstance(sizing, Refusal):
        return None, merged([general, unmade, Findings((), (("size", sizing),))])
    quote = facts.quote
    failed = {name for name, _ in general.refusals}
    unusable = failed & {"instrument", "account_figures"}
    if not isinstance(sizing, Sized) or quote is None or start is None or unusable:
        return None, merged([general, unmade])
    terms = build_terms(decision, facts, sizing, start, instruction_id)
    if isinstance(terms, Refusal):
        return None, merged([general, unmade, Findings((), (("price_collar", terms),))])
    terms = with_auction(terms, decision, facts, sizing, start)
    if isinstance(terms, Refusal):
        return None, merged([general, unmade, Findings((), (("auction", terms),))])
    terms = with_marks(terms, decision, facts)
    trial = sized_trial(decision, facts, terms, quote)
    findings = merged([general, sized_checks(trial)])
    return _planned(trial, sizing, findings, anomalies), findings


def _planned(
    trial: SizedTrial, sizing: Sized, findings: Findings, anomalies: tuple[Noted, ...]
) -> Planned:
    facts = trial.facts
    notes = list(sizing.notes)
    if facts.arrival_mid is None:
        notes.append("no valid quote at arrival: the bound is measured from the mid at planning")
    if trial.reservation.exempt:
        notes.append("trade and turnover are taken from the reducing reserve")
    return Planned(
        terms=trial.terms,
        reservation=trial.reservation,
        checks=findings.checks,
        equity=facts.account.equity,
        position=facts.held,
        price=trial.quote.mid,
        limit_version=facts.limits.version,
        estimate=estimate(
            trial.terms,
            facts.market,
            trial.quote,
            facts.rules.impact_coefficient,
            _expected_fees(trial),
        ),
        sell_mark=sell_mark(trial),
        notes=tuple(notes),
        anomalies=anomalies,
    )


def _expected_fees(trial: SizedTrial) -> Decimal | None:
    """By the rates of the session that the plan is for; None where one of them is not known."""
    facts, terms = trial.facts, trial.terms
    session = facts.session or facts.next_session
    if session is None or not facts.rules.fee_rates:
        return None
    return FeeSchedule(facts.rules.fee_rates, base=()).expected(
        date=session.date,
        is_sell=terms.side is Side.SELL,
        quantity=terms.quantity,
        price=trial.quote.mid,
    )


def _anomalies(decision: Decision, facts: Facts) -> tuple[Noted, ...]:
    """A stated current weight that disagrees with the broker's position (design §6)."""
    stated, quote = decision.current_weight, facts.quote
    if stated is None or quote is None or not facts.figures_usable:
        return ()
    actual = weight_pct(facts.held, quote.mid, facts.account.equity)
    if abs(actual - stated) <= facts.rules.weight_tolerance_points:
        return ()
    detail = (
        f"current_weight {plain(stated)} % but the broker's position is "
        f"{plain(actual.quantize(Decimal('0.01')))} % of equity"
    )
    return (Noted(Anomalous.CURRENT_WEIGHT_DISAGREES, detail),)
