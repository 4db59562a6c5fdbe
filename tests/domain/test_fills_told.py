"""The statement "all fills up to …" never claims more than is on our record."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.fills_told import (
    MS,
    FillsBook,
    FillsKnown,
    FillsTold,
    FillTold,
    covered,
    known_until,
    unvouched_since,
)
from fillwright.domain.orders import Execution, Executions
from fillwright.domain.orders.executions import bust as busted
from fillwright.domain.ports import NANOS, ExecutionReport, ReportKind

D = Decimal


class Happened(NamedTuple):
    """A fill at the venue, and whether and under which id the record has it."""

    told: FillTold
    quantity: Decimal
    recorded: bool
    under_same_id: bool


@st.composite
def days(draw: st.DrawFn) -> list[Happened]:
    """Executions of a few orders in the order of time."""
    found: list[Happened] = []
    done = {"a": D(0), "b": D(0), "c": D(0)}
    at = 0
    for number in range(draw(st.integers(0, 12))):
        name = draw(st.sampled_from(sorted(done)))
        quantity = D(draw(st.integers(1, 5)))
        at += draw(st.integers(0, 3 * MS))
        done[name] += quantity
        told = FillTold(name, f"v-{name}", f"e-{number}", done[name], at)
        found.append(Happened(told, quantity, draw(st.booleans()), draw(st.booleans())))
    return found


def books(day: list[Happened], *, complete: bool = False) -> dict[str, Executions]:
    """What the record has of each order."""
    made = {name: Executions() for name in ("a", "b", "c")}
    for number, (told, quantity, recorded, same) in enumerate(day):
        if recorded or complete:
            id = told.execution_id if same else f"other-{number}"
            fill = Execution(id, quantity, D(10), quantity, told.cum_qty, 0, told.at)
            made[told.client_order_id] = made[told.client_order_id].with_fill(fill, D(0))
    return made


@given(days(), st.lists(st.integers(0, 40), min_size=1, max_size=4), st.data())
def test_every_fill_before_the_statement_is_on_record(
    day: list[Happened], ends: list[int], data: st.DataObject
) -> None:
    ends = [end * MS for end in ends]
    record = books(day)
    book, told_up_to = FillsBook(), 0
    for end in sorted(ends):
        whole = data.draw(st.booleans())
        fresh = [one.told for one in day if told_up_to <= one.told.at < end]
        if not whole:  # some are missing, and the list says so
            fresh = [fill for fill in fresh if data.draw(st.booleans())]
        again = data.draw(st.lists(st.sampled_from(fresh), max_size=2)) if fresh else []
        book.take(FillsTold((*again, *fresh), end if whole else None, "events"))
        told_up_to = end if whole else told_up_to
        missing = book.compare(record.get)
        known = book.until
        if known is not None:
            assert known <= told_up_to
            assert all(one.recorded for one in day if one.told.at < known)
        assert all(fill.at >= known for fill in missing if known is not None)

    # Once the record has them all, nothing holds the statement back.
    assert book.compare(books(day, complete=True).get) == ()
    assert book.until == (told_up_to // MS * MS if book.told_until is not None else None)


@given(st.permutations([D(1), D(2), D(3), D(5)]), st.sets(st.integers(0, 3)))
def test_covered_is_the_stretch_without_a_hole(sizes: list[Decimal], had: set[int]) -> None:
    book, cum, whole, is_open = Executions(), D(0), D(0), False
    for number, size in enumerate(sizes):
        cum += size
        is_open = is_open or number not in had
        whole = whole if is_open else cum
        if number in had:
            fill = Execution(f"e{number}", size, None, size, cum, 0, number)
            book = book.with_fill(fill, D(0))
    assert covered(book) == whole


def test_after_a_bust_only_the_execution_id_tells() -> None:
    fill = Execution("e1", D(0), D(9), D(10), D(10), 0, 1)
    book = Executions()._replace(by_id={"e1": fill}, restated_at=(2,))
    known = FillsBook()
    other = FillTold("a", "v", "e2", D(5), 3 * MS)
    known.take(FillsTold((FillTold("a", "v", "e1", D(10), 1), other), 9 * MS, "events"))
    assert known.compare(lambda _: book) == (other,)
    assert known.until == 3 * MS


def test_an_order_that_is_not_on_record_is_somebody_else_s_and_a_nameless_one_may_be_ours() -> None:
    book = FillsBook()
    nameless = FillTold("", "v-2", "e2", D(1), 5 * MS)
    book.take(FillsTold((FillTold("theirs", "v-1", "e1", D(1), 4), nameless), 9 * MS, "pages"))
    assert book.compare(lambda _: None) == (nameless,)
    assert book.until == 5 * MS


def test_a_list_that_was_never_whole_makes_no_statement() -> None:
    book = FillsBook()
    book.take(FillsTold((), None, "events", "it broke off"))
    assert book.until is None
    assert known_until(None, ()) is None
    assert FillsKnown(None, "events", "it broke off").words.endswith("is open: it broke off")
    assert FillsKnown().words == ""
    at = 1_718_200_000 * NANOS + 12_999_999
    said = "all fills up to 2024-06-12T13:46:40.012Z are on record, by the broker's activity events"
    assert FillsKnown(at, "activity_events").words == said


def test_without_a_statement_it_is_asked_from_before_the_open_and_before_any_open_order() -> None:
    day = 86_400 * NANOS
    assert unvouched_since(10 * day, [], 11 * day) == 10 * day - day // 2
    assert unvouched_since(10 * day, [3 * day], 11 * day) == 3 * day
    assert unvouched_since(None, [], 11 * day) == 11 * day - day // 2


def restating(kind: ReportKind, changed: str, at: int, **fields: Any) -> ExecutionReport:
    return ExecutionReport(
        kind=kind,
        client_order_id="a",
        market_time=at,
        receive_time=at,
        execution_id=f"of-{changed}",
        ref_execution_id=changed,
        **fields,
    )


def test_a_bust_is_to_be_taken_in_once_and_bounds_the_statement_until_it_is() -> None:
    fill = Execution("e1", D(10), D(9), D(10), D(10), 0, 1)
    book = Executions().with_fill(fill, D(0))
    bust = restating(ReportKind.TRADE_BUST, "e1", 3 * MS)
    unknown = restating(ReportKind.TRADE_CORRECT, "e7", 5 * MS, last_qty=D(1), last_price=D(9))
    known = FillsBook()
    known.take(FillsTold((), 9 * MS, "events", restated=(unknown, bust)))
    assert known.restated(lambda _: book) == (bust,), "what it would correct is not on the record"
    assert known.until == 3 * MS
    for after in (
        busted(book, bust)[0],
        busted(book, replace(bust, execution_id="under-another-id"))[0],
    ):
        again = FillsBook()
        again.take(FillsTold((), 9 * MS, "events", restated=(unknown, bust)))
        assert again.restated(lambda _, after=after: after) == ()
        assert again.until == 5 * MS
    assert known.restated(lambda _: None) == (), "somebody else's"
    assert known.until == 9 * MS
