"""When slices are due and how many shares by then: exact, integer in time, seeded.

A schedule is arithmetic on the plan and the view, so it needs no memory: any call at any moment
finds the same targets, and a late call finds no more due than the schedule has due by then.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from ..money import ONE, ZERO, cumulative_target
from ..plan import PlanTerms, StrategyParameters
from .contract import InstructionView

_MASK: Final = (1 << 64) - 1

U_SHAPED_CURVE: Final = (20, 12, 9, 8, 7, 6, 6, 6, 7, 8, 9, 11, 16)
"""Relative volumes of thirteen equal buckets of a session (half hours of a full New York one).

The familiar U: heavy after the open, quiet over lunch, heavy into the close.
"""


class Window(NamedTuple):
    """The part of a plan that is still to be scheduled.

    ``base`` shares were executed before it began and ``quantity`` are spread over ``slices`` equal
    spans of ``[start, end)``, integer ns UTC.
    """

    start: int
    end: int
    quantity: Decimal
    base: Decimal
    slices: int


def window_of(plan: PlanTerms, view: InstructionView) -> Window:
    """The span to schedule in and the shares to spread over it.

    After a halt or a switch of strategy the remainder is spread anew over what is left of the
    window from ``view.resumed_at``, so that the time lost is not caught up in a burst. Where the
    engine knows only how long halts lasted, schedule time stands still for that long and the
    schedule is as much shorter. There are never more slices than lots.
    """
    slices = plan.parameters.slices
    start, end, quantity, base = plan.start_at, plan.end_at, plan.quantity, ZERO
    if view.resumed_at is not None and view.resumed_at > start:
        base = min(view.resumed_executed, quantity)
        quantity -= base
        length = max(end - start, 1)
        start = min(view.resumed_at, end)
        slices = max(1, -((start - end) * slices // length))
    elif view.stopped_ns:
        start = min(start + view.stopped_ns, end)
    lots = int(quantity / plan.lot)
    return Window(start, end, quantity, base, max(1, min(slices, lots)))


def mix(seed: int, index: int) -> int:
    """A well-spread 64-bit number for ``(seed, index)``: splitmix64 (Steele, Lea, Flood 2014)."""
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def slice_time(window: Window, index: int, parameters: StrategyParameters, seed: int) -> int:
    """When slice ``index`` (0-based) is due, in ns UTC: the first decision time of its moment.

    Slices begin ``index / slices`` into the window, shifted later by a share of a gap that is
    below ``parameters.randomise``; as that is below 1, slices never swap and all lie in the window.
    Decisions are taken every ``parameters.interval_ns`` of the window (rule M2 of the fill model),
    which a slice waits for unless the window ends before.
    """
    at = _moment(window, index, parameters, seed)
    late = (at - window.start) % parameters.interval_ns
    following = at + parameters.interval_ns - late
    return following if late and following < window.end else at


def slices_due(window: Window, now: int, parameters: StrategyParameters, seed: int) -> int:
    """How many slices are due at ``now``: 0 before the first, ``window.slices`` at the end."""
    if now < window.start:
        return 0
    length = window.end - window.start
    if length <= 0 or now >= window.end:
        return window.slices
    # What lies at or before the last decision time is due; of equal spans the one that this time
    # lies in may have its moment still ahead when moments are shifted.
    elapsed = now - window.start
    decision = elapsed - elapsed % parameters.interval_ns
    due = ((decision + 1) * window.slices - 1) // length
    if _moment(window, due, parameters, seed) <= window.start + decision:
        due += 1
    while due < window.slices and slice_time(window, due, parameters, seed) <= now:
        due += 1
    return due


def _moment(window: Window, index: int, parameters: StrategyParameters, seed: int) -> int:
    length = window.end - window.start
    at = window.start + length * index // window.slices
    if parameters.randomise:
        following = window.start + length * (index + 1) // window.slices
        span = int((following - at) * parameters.randomise)
        at += span * (mix(seed, index) >> 11) >> 53
    return at


def linear_target(window: Window, due: int, lot: Decimal) -> Decimal:
    """Shares due in all after ``due`` equal slices, what was executed before included.

    round(quantity * due / slices), half to even, the last the exact remainder.
    """
    return window.base + cumulative_target(window.quantity, due, window.slices, lot)


def fraction_target(window: Window, fraction: Decimal, lot: Decimal) -> Decimal:
    """Shares due in all when ``fraction`` of the window's quantity is: half to even, exact at 1."""
    if fraction >= ONE:
        return window.base + window.quantity
    units = window.quantity * fraction / lot
    # Rounding up to a lot may pass a quantity that is no multiple of it.
    due = min(units.to_integral_value(rounding=ROUND_HALF_EVEN) * lot, window.quantity)
    return window.base + due


@lru_cache(maxsize=1024)
def almgren_chriss_holdings(curvature: Decimal, slices: int) -> tuple[Decimal, ...]:
    """The share of a position still held after each of ``slices`` equal spans, 1 first, 0 last.

    Almgren and Chriss (2000): x_j = sinh(k(T - t_j)) / sinh(kT) with
    2(cosh(k tau) - 1) = lambda sigma^2 tau^2 / (eta - gamma tau / 2). ``curvature`` is that right
    side times ``slices`` squared, about (kT)^2: 0 is the straight line, positive trades earlier
    (averse to risk), negative later. The ratio of hyperbolic sines is one of Chebyshev polynomials
    of the second kind, U_{N-j-1}(c) / U_{N-1}(c) with c = cosh(k tau), which needs no
    transcendental function and holds for c of 1 and below too: the same digits on every machine.
    """
    twice_cosh = 2 + curvature / (slices * slices)
    chebyshev = [ZERO, ONE]
    while len(chebyshev) <= slices:
        chebyshev.append(twice_cosh * chebyshev[-1] - chebyshev[-2])
    whole = chebyshev[slices]
    return tuple(chebyshev[slices - j] / whole for j in range(slices + 1))


def almgren_chriss_curvature(
    *,
    risk_aversion: Decimal,
    sigma: Decimal,
    eta: Decimal,
    gamma: Decimal,
    horizon: Decimal,
    slices: int,
) -> Decimal:
    """The ``curvature`` of :func:`almgren_chriss_holdings` for the paper's parameters.

    ``risk_aversion`` is lambda per unit of money, ``sigma`` the volatility in price per square root
    of time, ``eta`` and ``gamma`` the temporary and permanent impact per share (and unit of time),
    ``horizon`` the time to trade in.
    """
    tau = horizon / slices
    return risk_aversion * sigma * sigma * horizon * horizon / (eta - gamma * tau / 2)


def almgren_chriss_cost(
    holdings: tuple[Decimal, ...],
    *,
    sigma: Decimal,
    eta: Decimal,
    gamma: Decimal,
    epsilon: Decimal,
    horizon: Decimal,
) -> tuple[Decimal, Decimal]:
    """Expected cost and its variance, in money, of a trajectory of holdings in shares.

    E = gamma X^2 / 2 + epsilon sum|n| + (eta - gamma tau / 2) / tau sum n^2 and
    V = sigma^2 tau sum x^2 over the holdings after each trade (Almgren and Chriss 2000).
    """
    trades = [before - after for before, after in pairwise(holdings)]
    tau = horizon / len(trades)
    whole = holdings[0]
    temporary = (eta - gamma * tau / 2) / tau * sum((n * n for n in trades), ZERO)
    spread = epsilon * sum((abs(n) for n in trades), ZERO)
    expected = gamma * whole * whole / 2 + spread + temporary
    variance = sigma * sigma * tau * sum((x * x for x in holdings[1:]), ZERO)
    return expected, variance


def trajectory_fraction(window: Window, now: int, curvature: Decimal) -> Decimal:
    """The share of the window's quantity due at ``now``, between slices in a straight line."""
    if now <= window.start:
        return ZERO
    if now >= window.end:
        return ONE
    elapsed = now - window.start
    length = window.end - window.start
    if not curvature:
        return Decimal(elapsed) / length
    holdings = almgren_chriss_holdings(curvature, window.slices)
    index, rest = divmod(elapsed * window.slices, length)
    before, after = holdings[index], holdings[index + 1]
    return ONE - before + (before - after) * rest / length


def curve_share(
    curve: tuple[int, ...], session_open: int, session_close: int, start: int, end: int
) -> Decimal:
    """The share of a session's volume that a volume curve expects in ``[start, end)``.

    Volume is even within a bucket; outside the session there is none.
    """
    return _cumulative(curve, session_open, session_close, end) - _cumulative(
        curve, session_open, session_close, start
    )


def _cumulative(curve: tuple[int, ...], opens: int, closes: int, now: int) -> Decimal:
    if now <= opens or closes <= opens:
        return ZERO
    if now >= closes:
        return ONE
    index, rest = divmod((now - opens) * len(curve), closes - opens)
    before = sum(curve[:index])
    return (before + Decimal(curve[index] * rest) / (closes - opens)) / sum(curve)


def curve_fraction(
    curve: tuple[int, ...], session_open: int, session_close: int, window: Window, now: int
) -> Decimal:
    """The share of the window's volume that the curve expects by ``now``.

    A window in which the curve expects none is followed in a straight line.
    """
    if now <= window.start:
        return ZERO
    if now >= window.end:
        return ONE
    whole = curve_share(curve, session_open, session_close, window.start, window.end)
    if whole <= 0:
        return trajectory_fraction(window, now, ZERO)
    return curve_share(curve, session_open, session_close, window.start, now) / whole
