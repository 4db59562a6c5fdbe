"""A corporate action that waits for a person is an exception once it touches the account."""

from __future__ import annotations

from decimal import Decimal

from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.corporate import ActionKind, CorporateAction
from fillwright.domain.ops.exceptions import ExceptionKind
from fillwright.domain.ports import NANOS, Account, Position, Session
from fillwright.domain.supervision.exceptions import ExceptionBook, Held, Urgency
from fillwright.projections.raised import RaisedExceptions
from fillwright.projections.runner import Recorded, follow

HOUR = 3_600 * NANOS
OPEN = 1_718_199_000 * NANOS  # 2024-06-12 13:30 UTC
SESSION = Session("2024-06-12", OPEN, OPEN + 23_400 * NANOS)


def merger(id: str, symbol: str, date: str = "2024-06-12") -> CorporateAction:
    return CorporateAction(
        action_id=id, kind=ActionKind.MERGER, symbol=symbol, ex_date=date, other_symbol="BIG"
    )


class Story:
    """An account whose record grows, and the exceptions told from it."""

    def __init__(self) -> None:
        self.account = TradingAccount.named("main")
        self.told = RaisedExceptions()
        self.now, self._place = OPEN - HOUR, 0

    def stamp(self, actor: str = "engine/1") -> e.Stamp:
        return e.Stamp(self.now, actor, "account", "test")

    def announce(self, action: CorporateAction) -> None:
        self.account.record_action(self.stamp(), "main", action, "alpaca", "{}")
        self.follow()

    def open(self, *symbols: str) -> None:
        """Open the session with a hundred shares of each."""
        held = {name: Position(name, Decimal(100), Decimal(1_000)) for name in symbols}
        money = Decimal(1_000_000)
        self.now = OPEN
        figures = Account(money, money, money, OPEN)
        self.account.open_session(self.stamp(), "main", SESSION, figures, held)
        self.follow()

    def follow(self) -> None:
        for event in self.account.collect_events():
            self._place += 1
            follow([self.told], [Recorded(self._place, event, b"")])

    def held(self, at: int) -> tuple[Held, ...]:
        return ExceptionBook(self.told.raised()).held(at)


def test_it_has_an_owner_and_a_due_time_from_the_moment_its_symbol_is_held() -> None:
    story = Story()
    story.announce(merger("m-1", "TGT"))
    story.announce(merger("m-2", "ELSE"))
    assert story.held(OPEN + HOUR) == ()  # nothing of either is held or traded
    story.open("TGT", "KO")
    (one,) = story.held(OPEN + HOUR)
    assert (one.raised.kind, one.raised.urgency, one.owner) == (
        ExceptionKind.ALERT,
        Urgency.WARNING,
        "role:risk",
    )
    assert (one.raised.subject, one.raised.raised_at, one.due_at) == ("TGT", OPEN, OPEN + 24 * HOUR)
    assert "TGT: merger with BIG on 2024-06-12" in one.raised.detail
    assert not one.raised.is_settled


def test_one_that_is_announced_ahead_is_due_from_its_ex_date_on() -> None:
    story = Story()
    story.open("TGT")
    story.announce(merger("m-1", "TGT", "2024-06-14"))
    midnight = 1_718_323_200 * NANOS
    assert story.held(midnight - 1) == ()
    (one,) = story.held(midnight)
    assert one.due_at == midnight + 24 * HOUR


def test_it_is_settled_by_a_person_or_by_another_announcement() -> None:
    story = Story()
    story.open("TGT", "OLD")
    story.announce(merger("m-1", "TGT"))
    story.announce(merger("m-2", "OLD"))
    story.announce(merger("m-2", "OLD", "2024-06-13"))
    story.account.settle_actions(story.stamp("person:kim"), "main", "TGT", "shares were exchanged")
    story.follow()
    later = OPEN + 48 * HOUR
    found = [one.raised for one in story.held(later)]
    settled = {(one.subject, one.is_settled) for one in found if one.kind is ExceptionKind.ALERT}
    assert settled == {("TGT", True), ("OLD", True), ("OLD", False)}
    (override,) = [one for one in found if one.kind is ExceptionKind.OVERRIDE]
    assert override.originators == ("kim",)
    assert "shares were exchanged" in override.detail


def test_what_is_computed_waits_for_nobody() -> None:
    story = Story()
    story.open("KO")
    split = CorporateAction(
        action_id="s-1",
        kind=ActionKind.SPLIT,
        symbol="KO",
        ex_date="2024-06-12",
        new_rate=Decimal(2),
        old_rate=Decimal(1),
    )
    story.announce(split)
    assert story.held(OPEN + HOUR) == ()
