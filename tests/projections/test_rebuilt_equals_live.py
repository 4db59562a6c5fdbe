"""Any history, told event by event or from nothing, gives the same bytes (design §11).

Histories come from the real aggregates: whatever the market might say of their orders.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy, TradeAction
from fillwright.domain.instruction import Instruction
from fillwright.domain.ports import ReportKind
from fillwright.domain.reasons import Anomalous, EndReason
from fillwright.domain.states import InstructionState
from fillwright.projections.blotter import Blotter
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.execution_quality import ExecutionQuality
from fillwright.projections.reconciliation import Reconciliation
from fillwright.projections.runner import Projection, Recorded, compare, follow
from tests.projections.story import ACCOUNT, DAY, OPEN, D, Story

MICRO = 1_000_000


class Teller:
    """Turns a list of numbers into a history that the engine and a broker could have made."""

    def __init__(self) -> None:
        self.story = Story()
        self.made: list[Instruction] = []
        self.executions: list[tuple[Instruction, str, str, int]] = []
        self.days = 0
        self.story.open_session()

    def act(self, move: int, pick: int, size: int) -> None:
        """Make one step; a step that the lifecycle does not allow now is left out."""
        moves: list[Callable[[int, int], None]] = [
            self.decide,
            self.decide,
            self.place,
            self.place,
            self.fill,
            self.fill,
            self.fill,
            self.acknowledge,
            self.cancel,
            self.repeat,
            self.bust,
            self.correct,
            self.lose,
            self.reject,
            self.expire,
            self.finish,
            self.refuse_or_nothing,
            self.account_event,
            self.replan,
            self.note,
            self.late_next_day,
        ]
        moves[move % len(moves)](pick, size)

    def chosen(self, pick: int) -> Instruction | None:
        return self.made[pick % len(self.made)] if self.made else None

    def order(self, pick: int) -> tuple[Instruction, str] | None:
        it = self.chosen(pick)
        if it is None or not it.orders:
            return None
        ids = list(it.orders)
        return it, ids[pick % len(ids)]

    def decide(self, pick: int, size: int) -> None:
        it = self.story.receive(
            ("BAC", "IBM")[pick % 2],
            (TradeAction.BUY, TradeAction.SELL)[size % 2],
            None if pick % 7 == 0 else "10.00",
        )
        strategy = list(ExecutionStrategy)[pick % len(ExecutionStrategy)]
        release_at = self.story.now + 5 if size % 11 == 0 else None
        self.story.plan(it, 1 + size, strategy, exempt=size % 5 == 0, release_at=release_at)
        self.made.append(it)
        if release_at is None:
            self.story.release(it)

    def place(self, pick: int, size: int) -> None:
        it = self.chosen(pick)
        if it is None or it.plan is None or not it.is_active:
            return
        room = int(it.plan.quantity - it.exposure - it.taken_back)
        if room > 0:
            self.story.place(it, 1 + size % room)

    def fill(self, pick: int, size: int) -> None:
        if (found := self.order(pick)) is None:
            return
        it, order = found
        shares = 1 + size % 60
        name = self.story.fill(it, order, shares, f"{990 + size % 21}e-2", fee="0.01")
        self.executions.append((it, order, name, shares))

    def acknowledge(self, pick: int, size: int) -> None:
        self.say(pick, ReportKind.NEW)

    def lose(self, pick: int, size: int) -> None:
        self.say(pick, ReportKind.UNKNOWN_OUTCOME)

    def reject(self, pick: int, size: int) -> None:
        self.say(pick, ReportKind.REJECTED)

    def expire(self, pick: int, size: int) -> None:
        self.say(pick, ReportKind.EXPIRED)

    def say(self, pick: int, kind: ReportKind) -> None:
        if (found := self.order(pick)) is not None:
            self.story.report(*found, kind)

    def cancel(self, pick: int, size: int) -> None:
        if (found := self.order(pick)) is not None:
            self.story.cancel(*found)

    def repeat(self, pick: int, size: int) -> None:
        if self.executions:
            it, order, name, shares = self.executions[pick % len(self.executions)]
            self.story.fill(it, order, shares, execution=name)

    def bust(self, pick: int, size: int) -> None:
        if self.executions:
            it, order, name, _ = self.executions[pick % len(self.executions)]
            self.story.bust(it, order, name)

    def correct(self, pick: int, size: int) -> None:
        if self.executions:
            it, order, name, _ = self.executions[pick % len(self.executions)]
            self.story.report(
                it,
                order,
                ReportKind.TRADE_CORRECT,
                execution_id=f"c{size}-{name}",
                ref_execution_id=name,
                last_qty=D(1 + size % 40),
                last_price=D("9.97"),
            )

    def finish(self, pick: int, size: int) -> None:
        it = self.chosen(pick)
        if it is not None and not it.is_done and not it.live_orders:
            self.story.finish(it, list(EndReason)[size % len(EndReason)])

    def refuse_or_nothing(self, pick: int, size: int) -> None:
        it = self.chosen(pick)
        if it is None or it.state is not InstructionState.PLANNED or pick % 2:
            it = self.story.receive()
        if size % 2:
            self.story.refuse(it)
        else:
            self.story.nothing(it)

    def account_event(self, pick: int, size: int) -> None:
        match pick % 5:
            case 0:
                self.story.set_limits(trades_max_per_day=size, version=1 + size)
            case 1:
                self.story.kill(f"symbol:{size % 3}")
            case 2:
                self.story.revive(f"symbol:{size % 3}")
            case 3:
                self.story.reconcile()
            case _:
                self.days += 1
                self.story.close_session()
                self.story.open_session(
                    f"2013-10-{8 + self.days:02d}", positions={"BAC": size}, days=self.days
                )

    def replan(self, pick: int, size: int) -> None:
        it = self.chosen(pick)
        if it is None or it.plan is None or it.is_done:
            return
        wider = it.plan.model_copy(update={"bound_price": D("10.50"), "end_at": it.plan.end_at + 1})
        if it.is_active and size % 2:
            it.switch(self.story.stamp(), wider, rule="r", observed="o", threshold="t")
        else:
            kept = it.reservation
            if kept is not None and not it.released and size % 3:
                # As at a release: another side, fewer shares, maybe another session.
                wider = wider.model_copy(update={"side": wider.side.opposite})
                turned = {"side": wider.side, "session_date": self.story.date}
                kept = kept.of(kept.quantity).model_copy(update=turned)
            else:
                kept = None
            it.replan(self.story.stamp(), wider, "bound_widened", reservation=kept)
        self.story.take(it)

    def note(self, pick: int, size: int) -> None:
        if (it := self.chosen(pick)) is not None:
            it.note(self.story.stamp(), list(Anomalous)[size % len(Anomalous)], "odd")
            self.story.take(it)

    def late_next_day(self, pick: int, size: int) -> None:
        if (found := self.order(pick)) is not None:
            self.story.fill(*found, 1 + size % 9, venue_time=OPEN + self.days * DAY + size)


MOVES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(0, 120)), min_size=20, max_size=80
)


def views() -> list[Projection]:
    return [DailyLimits(), Blotter(), ExecutionQuality(), Reconciliation()]


def stored(recorded: Recorded) -> Recorded:
    """What comes back from a store: the event written as JSON and read again."""
    event = recorded.event
    read = type(event).model_validate_json(event.model_dump_json())
    return Recorded(recorded.position, read, recorded.hash)


@given(MOVES)
def test_live_and_rebuilt_projections_are_the_same_bytes(moves: list[tuple[int, int, int]]) -> None:
    teller, live = Teller(), views()
    limits = live[0]
    assert isinstance(limits, DailyLimits)
    cache: dict[str, int] = {}
    for move in [(0, 1, 50), *moves]:
        fed = limits.position
        teller.act(*move)
        follow(live, teller.story.log[fed:])
        limits.usage(ACCOUNT)  # reading in between must not change anything
        limits.to_bytes()
        for key, change in limits.take_counter_changes().items():
            cache[key] = cache.get(key, 0) + change
    rebuilt = views()
    follow(rebuilt, [stored(recorded) for recorded in teller.story.log])
    for one, other in zip(live, rebuilt, strict=True):
        assert compare(one, other) == ()
        assert one.to_bytes() == other.to_bytes()
    assert {key: amount for key, amount in cache.items() if amount} == limits.counters()


@given(MOVES)
def test_sums_agree_whatever_the_market_did(moves: list[tuple[int, int, int]]) -> None:
    teller = Teller()
    for move in [(0, 1, 50), *moves]:
        teller.act(*move)
    limits: DailyLimits = teller.story.told_to(DailyLimits())
    blotter: Blotter = teller.story.told_to(Blotter())
    for row in blotter.rows():
        assert row.executed == sum((fill.quantity for fill in row.fills), Decimal(0))
        assert row.executed == sum((order.executed for order in row.orders), Decimal(0))
    counters = limits.counters()
    for date in limits.sessions(ACCOUNT):
        usage = limits.usage(ACCOUNT, date)
        scope = f"{ACCOUNT}:{date}"
        assert counters.get(f"trades:{scope}", 0) == usage.trades * MICRO
        assert counters.get(f"turnover:{scope}", 0) == usage.turnover_usd * MICRO
        assert counters.get(f"reducing_turnover:{scope}", 0) == usage.reducing_turnover_usd * MICRO
        assert counters.get(f"buying_power:{scope}", 0) == usage.buying_power_used_usd * MICRO
        assert usage.trades >= 0
        assert usage.turnover_usd >= 0
    for used in limits.usage(ACCOUNT).symbols.values():
        assert used.buy_leaves >= 0
        assert used.sell_leaves >= 0


@given(MOVES)
def test_when_all_has_ended_nothing_stays_reserved(moves: list[tuple[int, int, int]]) -> None:
    teller = Teller()
    for move in [(0, 1, 50), *moves]:
        teller.act(*move)
    for it in teller.made:
        for order in list(it.orders):
            if order in it.live:
                teller.story.report(it, order, ReportKind.CANCELED)
        if not it.is_done and not it.live_orders:
            teller.story.finish(it)
    limits: DailyLimits = teller.story.told_to(DailyLimits())
    for used in limits.usage(ACCOUNT).symbols.values():
        assert (used.buy_leaves, used.sell_leaves, used.unsettled) == (0, 0, False)
