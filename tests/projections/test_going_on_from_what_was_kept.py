"""Views that go on from kept sums, or forget and read again, are those of the whole log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fillwright.domain import events as e
from fillwright.projections.account_books import AccountBooks, KeptBooks
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.runner import Recorded, compare, follow
from fillwright.projections.session_usage import KeptLimits
from tests.projections.story import ACCOUNT
from tests.projections.test_rebuilt_equals_live import MOVES, Teller

LIMITS = TypeAdapter(KeptLimits)
BOOKS = TypeAdapter(KeptBooks)


def history_of(log: list[Recorded]) -> Callable[[UUID, int], Iterator[Recorded]]:
    def history(id: UUID, before: int) -> Iterator[Recorded]:
        for recorded in log:
            event = recorded.event
            if event.originator_id == id and event.originator_version < before:
                yield recorded

    return history


def told(moves: list[tuple[int, int, int]]) -> list[Recorded]:
    teller = Teller()
    for move in [(0, 1, 50), *moves]:
        teller.act(*move)
    return teller.story.log


def instructions_of(log: list[Recorded]) -> list[UUID]:
    return [r.event.originator_id for r in log if isinstance(r.event, e.DecisionReceived)]


@given(MOVES, st.floats(0, 1))
def test_limits_and_books_go_on_from_any_position(
    moves: list[tuple[int, int, int]], part: float
) -> None:
    log = told(moves)
    cut = round(part * len(log))
    history = history_of(log)
    limits = DailyLimits()
    books = AccountBooks(limits.instruction)
    follow([limits, books], log[:cut])
    kept_limits = LIMITS.validate_json(LIMITS.dump_json(limits.kept(ACCOUNT)))
    kept_books = BOOKS.validate_json(BOOKS.dump_json(books.kept(ACCOUNT)))
    later_limits = DailyLimits.from_kept(kept_limits, history)
    later_books = AccountBooks.from_kept(kept_books, later_limits.instruction, history)
    follow([later_limits, later_books], log[cut:])
    whole_limits, whole_books = DailyLimits(), AccountBooks()
    follow([whole_limits, whole_books], log)
    assert later_limits.counters() == whole_limits.counters()
    assert later_limits.usage(ACCOUNT) == whole_limits.usage(ACCOUNT)
    later_limits.recall(instructions_of(log))
    assert compare(later_limits, whole_limits) == ()
    assert compare(later_books, whole_books) == ()


@given(MOVES, st.integers(1, 30))
def test_a_view_that_forgets_tells_the_same_when_it_is_asked(
    moves: list[tuple[int, int, int]], every: int
) -> None:
    log = told(moves)
    ids = instructions_of(log)
    limits = DailyLimits(history_of(log))
    books = AccountBooks(limits.instruction, history_of(log))
    for recorded in log:
        follow([limits, books], [recorded])
        if recorded.position % every == 0:
            for id in ids:
                limits.forget(id)
                books.forget(id)
    limits.recall(ids)
    whole_limits, whole_books = DailyLimits(), AccountBooks()
    follow([whole_limits, whole_books], log)
    assert compare(limits, whole_limits) == ()
    assert compare(books, whole_books) == ()
