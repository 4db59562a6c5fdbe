"""What the broker does follows from the market and the requests, never from when one looks."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.exchange.terms import Halt
from fillwright.adapters.paper.options import PaperOptions
from fillwright.adapters.paper.orders import PaperOrder
from fillwright.adapters.paper.refusals import ApiRefusal
from fillwright.adapters.paper.world import World
from fillwright.domain.ports import NANOS

SESSION = "20240612"
SYMBOLS = ("KO", "NVDA")
STEP_SECONDS = 120


@cache
def prices() -> dict[str, tuple[float, float]]:
    world = World(PaperOptions("k", "s", session=SESSION, seed=5))
    at, venue = world.now, world.desk.venue
    touches = {name: (venue.touch(name, -1, at), venue.touch(name, 1, at)) for name in SYMBOLS}
    return {name: (float(bid or 0), float(ask or 0)) for name, (bid, ask) in touches.items()}


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    symbol = draw(st.sampled_from(SYMBOLS))
    bid, ask = prices()[symbol]
    side = draw(st.sampled_from(("buy", "sell")))
    kind = draw(st.sampled_from(("market", "limit", "stop", "stop_limit", "trailing_stop")))
    near = round((bid + ask) / 2 + draw(st.integers(-30, 30)) / 100, 2)
    body: dict[str, Any] = {"symbol": symbol, "side": side, "type": kind}
    body["time_in_force"] = draw(st.sampled_from(("day", "gtc", "ioc", "fok")))
    body["qty"] = draw(st.sampled_from(("1", "7", "300", "2500", "0.5")))
    if kind in ("limit", "stop_limit"):
        body["limit_price"] = str(near)
    if kind in ("stop", "stop_limit"):
        body["stop_price"] = str(round(near + draw(st.integers(-10, 10)) / 100, 2))
    if kind == "trailing_stop":
        body["trail_price"] = draw(st.sampled_from(("0.02", "0.15")))
    if kind == "market" and draw(st.booleans()):
        away = 0.2 if side == "buy" else -0.2
        body["order_class"] = "bracket"
        body["take_profit"] = {"limit_price": str(round(near + away * 3, 2))}
        body["stop_loss"] = {"stop_price": str(round(near - away * 3, 2))}
    return body


Request = tuple[str, Any]
requests = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), orders()),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("reprice"), st.integers(0, 20)),
        st.tuples(st.just("halt"), st.sampled_from(SYMBOLS)),
    ),
    min_size=1,
    max_size=8,
)


def run(script: Sequence[Request], looks: int, journal: Path | None = None) -> list[Any]:
    """Everything told while ``script`` is worked, market time looked at ``looks`` times a step."""
    world = World(PaperOptions("k", "s", session=SESSION, seed=5, journal=journal))
    told: list[Any] = []
    world.listeners.append(lambda u: told.append((u.event, u.at, u.execution_id, u.order)))
    at = world.session.open + 1_800 * NANOS
    for number, request in enumerate(script):
        start = at + number * STEP_SECONDS * NANOS
        perform(world, request, start)
        for look in range(1, looks + 1):
            world.desk.working.advance(start + look * STEP_SECONDS * NANOS // (looks + 1))
    world.desk.working.advance(world.session.close + 5 * 3_600 * NANOS)
    check(list(world.desk.book), world)
    world.close()
    return told


def perform(world: World, request: Request, at: int) -> None:
    name, said = request
    desk, known = world.desk, list(world.desk.book)
    # A refusal is an answer like another; what it must not do is change anything.
    with suppress(ApiRefusal):
        if name == "submit":
            desk.submit(said, at)
        elif name == "halt":
            desk.halt(Halt(said, at, at + 60 * NANOS), at)
        elif said < len(known) and name == "cancel":
            desk.cancel(known[said].id, at)
        elif said < len(known):
            body = {"limit_price": str(round(prices()[known[said].symbol][0], 2))}
            desk.replace(known[said].id, body, at)


def check(orders: list[PaperOrder], world: World) -> None:
    for order in orders:
        assert order.filled <= (order.qty or order.filled)
        assert not order.cores or order.is_open
    for symbol in SYMBOLS:
        signed = sum(
            (fill.qty if fill.order.is_buy else -fill.qty)
            for fill in world.desk.ledger.fills
            if fill.order.symbol == symbol
        )
        assert world.desk.ledger.held(symbol) == signed
    cash = sum((fill.cash for fill in world.desk.ledger.fills), world.desk.ledger.start_cash)
    assert world.desk.ledger.cash == cash


@settings(max_examples=6)
@given(requests)
def test_how_often_one_looks_changes_nothing(script: list[Request]) -> None:
    assert run(script, looks=0) == run(script, looks=7)


def test_a_busy_script_has_every_kind_of_event() -> None:
    bid, ask = prices()["NVDA"]
    body = {"symbol": "NVDA", "side": "buy", "time_in_force": "day", "qty": "300"}
    script: list[Request] = []
    for reach in (0.05, 0.3, 2.0):
        exits = {
            "take_profit": {"limit_price": str(round(ask + reach, 2))},
            "stop_loss": {"stop_price": str(round(bid - reach - 1, 2))},
        }
        script.append(("submit", body | exits | {"type": "market", "order_class": "bracket"}))
        script.append(("submit", body | {"type": "limit", "limit_price": "60"}))
    script += [("reprice", 3), ("halt", "NVDA")]
    told = run(script, looks=3)
    assert {event for event, *_ in told} >= {"new", "fill", "canceled", "replaced", "expired"}
    assert told == run(script, looks=0)
