"""Pre-trade checks that need no quantity: who may trade what, when, and on which figures.

Checks fail closed: what is missing, stale or not a number refuses. Every check that is made is
recorded, passed or not; ``pretrade_size`` has those that need a quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from ..decision import Decision
from ..market import TradingStatus
from ..moments import utc_text
from ..money import ZERO, plain
from ..ports import NANOS
from ..reasons import Check, Reason, Refusal
from .facts import Facts
from .terms import Start, choose_strategy

BPS_STEP: Final = Decimal("0.01")
NEXT_SESSION: Final = "the next session"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed check shows the caller; ``reason`` replaces the check's usual one."""

    field: str
    observed: str
    allowed: str
    would_pass: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found: the numbers it compared, and the failure if it failed."""

    value: Decimal | None = None
    bound: Decimal | None = None
    unit: str = ""
    note: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A decision under check; ``start`` is None when it can begin in no known session."""

    decision: Decision
    facts: Facts
    start: Start | None


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check: its name in events, the reason it refuses with, and the function that makes it."""

    name: str
    reason: Reason
    make: Callable[[Trial], Verdict]


@dataclass(frozen=True, slots=True)
class Findings:
    """The checks made, and a refusal for each that failed (by check name)."""

    checks: tuple[Check, ...]
    refusals: tuple[tuple[str, Refusal], ...]


def conclude(name: str, reason: Reason, verdict: Verdict, version: int) -> Findings:
    """One verdict as a check and, if it failed, a refusal."""
    failure = verdict.failure
    check = Check(
        name=name,
        passed=failure is None,
        value=verdict.value,
        bound=verdict.bound,
        unit=verdict.unit,
        limit_version=version,
        note=verdict.note,
    )
    if failure is None:
        return Findings((check,), ())
    refusal = Refusal(
        reason=failure.reason or reason,
        field=failure.field,
        observed=failure.observed,
        allowed=failure.allowed,
        would_pass=failure.would_pass,
        message=_message(name, failure),
    )
    return Findings((check,), ((name, refusal),))


def merged(findings: Sequence[Findings]) -> Findings:
    """Several findings as one, in order."""
    return Findings(
        tuple(check for each in findings for check in each.checks),
        tuple(refusal for each in findings for refusal in each.refusals),
    )


def general_checks(trial: Trial) -> Findings:
    """Make every check that needs no quantity."""
    version = trial.facts.limits.version
    return merged(
        [conclude(spec.name, spec.reason, spec.make(trial), version) for spec in GENERAL_CHECKS]
    )


def _message(name: str, failure: Failure) -> str:
    text = f"{name}: {failure.field} is {failure.observed}; allowed: {failure.allowed}"
    return f"{text}; would pass: {failure.would_pass}" if failure.would_pass else text


def _next_open(facts: Facts) -> str:
    session = facts.next_session
    return NEXT_SESSION if session is None else f"from {utc_text(session.open)}"


def _kill(trial: Trial) -> Verdict:
    decision = trial.decision
    strategy = choose_strategy(decision, trial.facts).value
    names = (decision.symbol, *trial.facts.names.former)
    scopes = {"account", f"strategy:{strategy}", *(f"symbol:{n}".casefold() for n in names)}
    blocked = sorted(s for s in trial.facts.usage.killed if s.casefold() in scopes)
    if not blocked:
        return Verdict()
    observed = ", ".join(blocked)
    return Verdict(
        note=observed,
        failure=Failure("kill_switch", observed, "no kill switch engaged", "a person's release"),
    )


def _instrument(trial: Trial) -> Verdict:
    market, symbol = trial.facts.market, trial.decision.symbol
    if not trial.facts.symbol_known:
        renamed = trial.facts.names.renamed_to or None
        allowed = "a symbol that can be traded here"
        return Verdict(failure=Failure("symbol", symbol, allowed, renamed))
    if market.symbol != symbol:
        observed = f"market data of {market.symbol}"
        return Verdict(failure=Failure("symbol", observed, f"market data of {symbol}"))
    for name, number in (("tick", market.tick), ("lot", market.lot)):
        if not number.is_finite() or number <= 0:
            return Verdict(failure=Failure(name, str(number), f"a {name} above 0"))
    return Verdict()


def _restricted(trial: Trial) -> Verdict:
    names = (trial.decision.symbol, *trial.facts.names.former)
    listed = [name for name in names if name in trial.facts.limits.restricted]
    if not listed:
        return Verdict()
    note = "" if listed[0] == names[0] else f"formerly {listed[0]}"
    observed = f"{names[0]}, {note}" if note else names[0]
    allowed = "a symbol that is not on the restricted list"
    return Verdict(note=note, failure=Failure("symbol", observed, allowed))


def _market_open(trial: Trial) -> Verdict:
    facts = trial.facts
    if facts.session is not None and facts.session.contains(facts.now):
        return Verdict()
    would_pass = _next_open(facts)
    return Verdict(failure=Failure("session", "market closed", "an open market", would_pass))


def _trading_status(trial: Trial) -> Verdict:
    status = trial.facts.market.status
    if status is TradingStatus.OPEN:
        return Verdict(note=status.value)
    closed = status is TradingStatus.CLOSED
    would_pass = _next_open(trial.facts) if closed else "after trading resumes"
    failure = Failure(
        "trading_status",
        status.value,
        TradingStatus.OPEN.value,
        would_pass,
        Reason.MARKET_CLOSED if closed else None,
    )
    return Verdict(note=status.value, failure=failure)


def _closing_buffer(trial: Trial) -> Verdict:
    facts, start = trial.facts, trial.start
    if facts.session is None:
        return Verdict(note="not evaluated: market closed")
    buffer = Decimal(facts.limits.closing_buffer_seconds)
    if start is None:
        left = Decimal(facts.session.close - facts.now) / NANOS
        avoid = Decimal(facts.rules.avoid_close_seconds)
        would_pass = f"{_next_open(facts)}, or urgency URGENT more than {buffer} s before the close"
        failure = Failure(
            "session", f"{plain(left)} s to the close", f"more than {avoid} s", would_pass
        )
        return Verdict(left, avoid, "seconds", "", failure)
    left = Decimal(start.session.close - start.at) / NANOS
    if left > buffer:
        return Verdict(left, buffer, "seconds", start.deferred)
    failure = Failure(
        "session", f"{plain(left)} s to the close", f"more than {buffer} s", _next_open(facts)
    )
    return Verdict(left, buffer, "seconds", "", failure)


def _reference_price(trial: Trial) -> Verdict:
    quote = trial.facts.market.quote
    if quote is None:
        return Verdict(failure=Failure("quote", "no quote", "a two-sided quote"))
    if quote.is_two_sided:
        return Verdict(value=quote.mid, unit="price")
    observed = f"bid {plain(quote.bid)}, ask {plain(quote.ask)}"
    return Verdict(failure=Failure("quote", observed, "an ask above the bid"))


def _quote_age(trial: Trial) -> Verdict:
    facts = trial.facts
    bound = facts.limits.quote_age_seconds_max
    if facts.market.quote is None:
        return Verdict(
            bound=bound,
            unit="seconds",
            failure=Failure("quote", "no quote", f"a quote of at most {plain(bound)} s"),
        )
    known = facts.market.quote_age_ns
    age = Decimal(facts.now - facts.market.quote.at if known is None else known) / NANOS
    if age <= bound:
        return Verdict(age, bound, "seconds")
    failure = Failure("quote_age", f"{plain(age)} s", f"at most {plain(bound)} s", "a fresh quote")
    return Verdict(age, bound, "seconds", "", failure)


def _account_figures(trial: Trial) -> Verdict:
    facts = trial.facts
    if facts.figures_usable:
        return Verdict(value=facts.account.equity, unit="USD")
    observed = (
        f"equity {facts.account.equity}, at session start {facts.usage.session_equity_usd}, "
        f"buying power {facts.account.buying_power}, position {facts.position}"
    )
    return Verdict(failure=Failure("account", observed, "finite figures and an equity above 0"))


def _unsettled(trial: Trial) -> Verdict:
    if not trial.facts.usage.of(trial.decision.symbol).unsettled:
        return Verdict()
    failure = Failure(
        "symbol",
        f"an order in {trial.decision.symbol} has an unknown outcome",
        "no order of unknown outcome in the symbol",
        "after the broker's record settles it",
    )
    return Verdict(failure=failure)


def _duplicate(trial: Trial) -> Verdict:
    facts = trial.facts
    window = Decimal(facts.limits.duplicate_window_seconds)
    if facts.identified or facts.admitted:
        return Verdict(bound=window, unit="seconds", note="the decision has an id of its own")
    last = facts.usage.recent.get(trial.decision.content_hash())
    if last is None:
        return Verdict(bound=window, unit="seconds")
    age = Decimal(facts.now - last) / NANOS
    if age >= window:
        return Verdict(age, window, "seconds")
    failure = Failure(
        "decision",
        f"the same decision {plain(age)} s ago",
        f"at least {window} s between equal decisions",
        f"a decision_id of its own, or from {utc_text(last + int(window) * NANOS)}",
    )
    return Verdict(age, window, "seconds", "", failure)


def _throttle(trial: Trial) -> Verdict:
    facts = trial.facts
    most = facts.limits.decisions_per_minute_max
    if facts.admitted:
        return Verdict(bound=Decimal(most), unit="per minute", note="admitted before")
    count = facts.usage.admitted_in_last_minute(facts.now) + 1
    value, bound = Decimal(count), Decimal(most)
    if count <= most:
        return Verdict(value, bound, "per minute")
    failure = Failure(
        "decisions_per_minute", str(count), f"at most {most}", "a minute without admissions"
    )
    return Verdict(value, bound, "per minute", "", failure)


def _max_slippage(trial: Trial) -> Verdict:
    limits, bound = trial.facts.limits, trial.decision.max_slippage_bps
    most = limits.slippage_bps_max
    if bound is None:
        if limits.allow_no_bound:
            return Verdict(None, most, "bps", "no bound was asked for")
        failure = Failure("max_slippage", "no bound", f"at most {plain(most)} bps", plain(most))
        return Verdict(None, most, "bps", "", failure)
    if bound <= most:
        return Verdict(bound, most, "bps")
    failure = Failure(
        "max_slippage", f"{plain(bound)} bps", f"at most {plain(most)} bps", plain(most)
    )
    return Verdict(bound, most, "bps", "", failure)


def _spread(trial: Trial) -> Verdict:
    quote, bound = trial.facts.quote, trial.decision.max_slippage_bps
    if quote is None:
        return Verdict(None, bound, "bps", "not evaluated: no two-sided quote")
    half = quote.half_spread_bps
    if bound is None or half <= bound:
        return Verdict(half, bound, "bps")
    passing = max(half.quantize(BPS_STEP, rounding=ROUND_CEILING), ZERO)
    failure = Failure(
        "max_slippage",
        f"{plain(bound)} bps with a half spread of {plain(half.quantize(Decimal('0.0001')))} bps",
        "at least the half spread",
        f"max_slippage {plain(passing)}",
    )
    return Verdict(half, bound, "bps", "", failure)


GENERAL_CHECKS: Final[tuple[CheckSpec, ...]] = (
    CheckSpec("kill_switch", Reason.KILLED, _kill),
    CheckSpec("instrument", Reason.UNKNOWN_SYMBOL, _instrument),
    CheckSpec("restricted_list", Reason.RESTRICTED, _restricted),
    CheckSpec("market_open", Reason.MARKET_CLOSED, _market_open),
    CheckSpec("trading_status", Reason.SYMBOL_HALTED, _trading_status),
    CheckSpec("closing_buffer", Reason.CLOSING_BUFFER, _closing_buffer),
    CheckSpec("reference_price", Reason.NO_PRICE, _reference_price),
    CheckSpec("quote_age", Reason.STALE_MARKET_DATA, _quote_age),
    CheckSpec("account_figures", Reason.ACCOUNT_FIGURES, _account_figures),
    CheckSpec("unsettled_order", Reason.UNSETTLED_ORDER, _unsettled),
    CheckSpec("duplicate", Reason.DUPLICATE, _duplicate),
    CheckSpec("throttle", Reason.THROTTLED, _throttle),
    CheckSpec("max_slippage", Reason.MAX_SLIPPAGE, _max_slippage),
    CheckSpec("spread_within_bound", Reason.SPREAD_EXCEEDS_BOUND, _spread),
)
"""The checks in the order they are made and recorded."""
