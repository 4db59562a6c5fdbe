"""The exchange survives its client and itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.journal import Journal, JournalError, JournalMismatchError
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.exchange.terms import Faults, Fees, Halt, Outage, Terms
from fillwright.domain.ports import (
    BrokerCommand,
    CancelOrder,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    SubmitOrder,
    TimeInForce,
)

S = 1_000_000_000
TERMS = Terms(check_buying_power=False, fees=Fees.us_equities())


@pytest.fixture
def day(make_day: Callable[..., SymbolDay]) -> SymbolDay:
    """A quiet market with one print through 9.99 after 3 s."""
    return make_day([(0, 9.99, 100, 10.01, 200)], [(3 * S, 9.98, 40, -1)])


OpenJournal = Callable[[Path], Journal]


@pytest.fixture
def open_journal() -> Iterator[OpenJournal]:
    """Opens journals and closes them when the test is over."""
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(closing(Journal(path)))


def limit(name: str) -> SubmitOrder:
    """A bid for 100 at 9.99 that shows 60."""
    request = OrderRequest(
        name,
        "ABC",
        Side.BUY,
        Decimal("100"),
        OrderType.LIMIT,
        TimeInForce.DAY,
        Decimal("9.99"),
        Decimal("60"),
    )
    return SubmitOrder(request)


def test_requests_come_back_as_they_were(tmp_path: Path, open_journal: OpenJournal) -> None:
    sent: list[BrokerCommand] = [limit("a"), CancelOrder("a", "sim-a"), CancelOrder("b", None)]
    journal = open_journal(tmp_path / "venue.db")
    journal.append(7, sent)
    journal.close()
    assert list(open_journal(tmp_path / "venue.db").requests()) == [(7, each) for each in sent]


def test_a_reopened_exchange_goes_on_where_it_was(
    day: SymbolDay, tmp_path: Path, open_journal: OpenJournal
) -> None:
    path = tmp_path / "venue.db"
    before = Exchange([day], TERMS, journal=open_journal(path))
    before.handle([limit("a")], S)
    before.handle([limit("b")], 4 * S)
    assert before.find_order("a") is not None

    after = Exchange([day], TERMS, journal=open_journal(path))
    assert after.now == 4 * S
    found = after.find_order("a")
    assert found is not None
    assert (found.filled_qty, found.status) == (Decimal(40), "partially_filled")
    # Reports from before are asked for; what is under way still comes.
    assert [report.client_order_id for report in after.drain(9 * S)] == ["b"]
    assert after.reports_since(["a"], 9 * S) == before.reports_since(["a"], 9 * S)
    after.handle([limit("a")], 10 * S)
    (report,) = after.drain(10 * S)
    assert (report.kind, report.raw) == (ReportKind.REJECTED, {"duplicate": True})


def test_a_batch_is_one_commit_and_counted_from_the_journal_alone(
    day: SymbolDay, tmp_path: Path, open_journal: OpenJournal
) -> None:
    labels: list[str] = []
    path = tmp_path / "venue.db"
    exchange = Exchange([day], TERMS, journal=open_journal(path), on_boundary=labels.append)
    exchange.handle([limit("a"), limit("b"), CancelOrder("a", None)], S)
    exchange.handle([limit("b")], 2 * S)
    assert labels == ["journal:before", "journal:after"] * 2
    other = open_journal(path)
    assert other.order_count() == 2
    assert other.duplicates() == {"b": 2}
    positions = Exchange([day], TERMS, journal=other).positions(9 * S)
    assert {name: each.quantity for name, each in positions.items()} == {"ABC": Decimal(40)}


class Crash(Exception):
    """The client dies here."""


@pytest.mark.parametrize(("label", "taken"), [("journal:before", 0), ("journal:after", 1)])
def test_a_crash_around_the_commit_leaves_all_or_nothing(
    day: SymbolDay, tmp_path: Path, open_journal: OpenJournal, label: str, taken: int
) -> None:
    def crash(at: str) -> None:
        if at == label:
            raise Crash

    exchange = Exchange([day], TERMS, journal=open_journal(tmp_path / "v.db"), on_boundary=crash)
    with pytest.raises(Crash):
        exchange.handle([limit("a"), limit("b")], S)
    again = Exchange([day], TERMS, journal=open_journal(tmp_path / "v.db"))
    assert len(again.orders()) == 2 * taken


def test_a_refused_write_is_not_acknowledged(
    day: SymbolDay, tmp_path: Path, open_journal: OpenJournal
) -> None:
    journal = open_journal(tmp_path / "v.db")
    exchange = Exchange([day], TERMS, journal=journal)
    with sqlite3.connect(tmp_path / "v.db") as other:
        other.execute("DROP TABLE request")
    other.close()
    with pytest.raises(sqlite3.Error):
        exchange.handle([limit("a")], S)
    assert exchange.find_order("a") is None


def test_requests_lost_in_an_outage_are_not_journaled(day: SymbolDay) -> None:
    outages = (Outage(S, 2 * S), Outage(3 * S, 4 * S, accepted=True))
    terms = Terms(check_buying_power=False, faults=Faults(outages=outages))
    journal = Journal()
    exchange = Exchange([day], terms, journal=journal)
    exchange.handle([limit("lost")], S)
    exchange.handle([limit("kept")], 3 * S)
    assert [request.client_order_id for request in journal.submitted()] == ["kept"]
    assert Exchange([day], terms, journal=journal).find_order("lost") is None


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        (Terms(check_buying_power=True, fees=TERMS.fees), r"terms\.check_buying_power"),
        (Terms(check_buying_power=False), r"terms\.fees\.taf_per_share"),
        (Terms(check_buying_power=False, fees=TERMS.fees, latency_ns=1), r"terms\.latency_ns"),
        (Terms(Decimal(5), check_buying_power=False, fees=TERMS.fees), r"terms\.cash"),
        (Terms(positions={"ABC": Decimal(1)}, fees=TERMS.fees), r"terms\.positions\.ABC"),
        (Terms(faults=Faults(seed=3), fees=TERMS.fees), r"terms\.faults\.seed"),
        (Terms(halts=(Halt("ABC", 1, 2),), fees=TERMS.fees), r"terms\.halts"),
    ],
)
def test_a_journal_is_not_opened_under_other_terms(
    day: SymbolDay, tmp_path: Path, open_journal: OpenJournal, terms: Terms, named: str
) -> None:
    Exchange([day], TERMS, journal=open_journal(tmp_path / "v.db"))
    with pytest.raises(JournalMismatchError, match=named):
        Exchange([day], terms, journal=open_journal(tmp_path / "v.db"))


def test_nor_against_another_market(
    day: SymbolDay, make_day: Callable[..., SymbolDay], tmp_path: Path, open_journal: OpenJournal
) -> None:
    Exchange([day], TERMS, journal=open_journal(tmp_path / "v.db"))
    other = make_day([(0, 9.99, 100, 10.01, 201)])
    with pytest.raises(JournalMismatchError, match=r"markets\.ABC"):
        Exchange([other], TERMS, journal=open_journal(tmp_path / "v.db"))


def test_another_file_is_not_a_journal(tmp_path: Path, open_journal: OpenJournal) -> None:
    (tmp_path / "v.db").write_bytes(b"not a database at all, but long enough to be read as one")
    with pytest.raises(JournalError, match="not an exchange journal"):
        open_journal(tmp_path / "v.db")


def test_a_journal_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "nowhere" / "v.db")


def test_another_format_is_refused(
    day: SymbolDay, tmp_path: Path, open_journal: OpenJournal
) -> None:
    Exchange([day], TERMS, journal=open_journal(tmp_path / "v.db"))
    with sqlite3.connect(tmp_path / "v.db") as other:
        other.execute("UPDATE header SET format = 99")
    other.close()
    with pytest.raises(JournalError, match="format 99"):
        Exchange([day], TERMS, journal=open_journal(tmp_path / "v.db"))
