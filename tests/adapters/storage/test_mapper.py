"""Stored bytes are canonical, come back equal, and are refused when they would not."""

from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fillwright.adapters.storage.mapper import EventMapper
from fillwright.domain import events as e
from fillwright.domain.errors import StoreDamaged, StoreError, StoreNewer
from fillwright.domain.ports import ExecutionReport, ReportKind
from tools.event_examples import head
from tools.golden_events import examples

TOPICS = sorted(examples())


def report_event(**fields: Any) -> e.OrderFilled:
    report = ExecutionReport(
        kind=ReportKind.TRADE, client_order_id="c", market_time=1, receive_time=2, **fields
    )
    return e.OrderFilled(**head(), report=report)


def test_the_library_converts_there_and_back() -> None:
    mapper = EventMapper()
    event: Any = examples()["OrderFilled.v1"]
    stored = mapper.to_stored_event(event)
    assert (stored.topic, stored.originator_version) == ("OrderFilled.v1", 3)
    assert b"fillwright" not in stored.state.replace(b"fw-", b"")
    assert mapper.to_domain_event(stored) == event


@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_event_gives_the_same_bytes_when_written_again(topic: str) -> None:
    mapper = EventMapper()
    state = mapper.encode(examples()[topic]).state
    assert mapper.encode(mapper.decode(topic, state)).state == state


def test_numbers_are_texts_and_keep_their_digits() -> None:
    state = EventMapper().encode(report_event(last_price=Decimal("100.0050"))).state
    assert b'"last_price":"100.0050"' in state


decimals = st.decimals(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | st.text()
raw_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    raw=st.dictionaries(st.text(), raw_values, max_size=4),
    price=st.none() | decimals,
    text=st.none() | st.text(),
)
def test_any_report_comes_back_equal(
    raw: dict[str, object], price: Decimal | None, text: str | None
) -> None:
    mapper = EventMapper()
    event = report_event(last_price=price, raw=raw, text=text)
    encoded = mapper.encode(event)
    decoded = mapper.decode(encoded.topic, encoded.state)
    assert decoded == event
    assert mapper.encode(decoded).state == encoded.state


@given(
    scope=st.text(),
    reason=st.text(),
    record_time=st.integers(-(2**63), 2**63 - 1),
    market_time=st.none() | st.integers(0, 2**63 - 1),
)
def test_any_event_comes_back_equal(
    scope: str, reason: str, record_time: int, market_time: int | None
) -> None:
    mapper = EventMapper()
    fields = head() | {"record_time": record_time, "market_time": market_time}
    event = e.KillSwitchEngaged(**fields, scope=scope, reason=reason)
    encoded = mapper.encode(event)
    assert mapper.decode(encoded.topic, encoded.state) == event


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({"qty": 1.5}, "report.raw.qty"),
        ({"legs": [{"price": Decimal(1)}]}, r"report.raw.legs\[0\].price"),
        ({"legs": ("a",)}, "report.raw.legs"),
        ({1: "a"}, "report.raw has the key 1"),
        ({"nested": {"b": b"x"}}, "report.raw.nested.b"),
    ],
)
def test_a_value_without_one_spelling_is_refused_where_it_stands(raw: Any, where: str) -> None:
    with pytest.raises(StoreError, match=where):
        EventMapper().encode(report_event(raw=raw))


@pytest.mark.parametrize("price", [Decimal("NaN"), Decimal("Infinity"), 1.5, "1.5"])
def test_a_number_that_nobody_checked_is_refused(price: Any) -> None:
    """A plain dataclass inside an event is not checked when the event is made."""
    report = ExecutionReport(
        kind=ReportKind.TRADE,
        client_order_id="c",
        market_time=1,
        receive_time=2,
        last_price=price,
    )
    event = e.OrderFilled(**head(), report=report)
    with pytest.raises(StoreError, match=r"OrderFilled\.v1 cannot be stored"):
        EventMapper().encode(event)


def test_a_text_that_reads_like_no_number_is_stored() -> None:
    mapper = EventMapper()
    event = report_event(text="NaN")
    assert mapper.decode("OrderFilled.v1", mapper.encode(event).state) == event


@pytest.mark.parametrize("topic", ["Unheard.v1", "OrderFilled.v2", "OrderFilled.v99"])
def test_what_a_later_version_wrote_is_named(topic: str) -> None:
    with pytest.raises(StoreNewer, match=topic.replace(".", r"\.")):
        EventMapper().decode(topic, b"{}")


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("OrderFilled.v1", b"{}"),
        ("OrderFilled.v1", b"no json"),
        ("OrderFilled.v1", b"\xff\xfe"),
        ("OrderFilled.v1", b"[]"),
        ("OrderFilled", b"{}"),
        ("OrderFilled.vx", b"{}"),
        ("OrderFilled.v0", b"{}"),
    ],
)
def test_bytes_that_are_no_event_are_damaged_at_their_position(topic: str, state: bytes) -> None:
    with pytest.raises(StoreDamaged, match="position 17"):
        EventMapper().decode(topic, state, 17)


def test_a_number_is_read_only_from_a_text() -> None:
    state = EventMapper().encode(report_event(last_price=Decimal("1.50"))).state
    mapper = EventMapper()
    mapper.decode("OrderFilled.v1", state)
    with pytest.raises((StoreDamaged, ValidationError)):
        mapper.decode("OrderFilled.v1", state.replace(b'"1.50"', b'"one"'))


def test_a_class_with_an_inexact_field_cannot_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(e.CATALOGUE, "Inexact.v1", raising=False)

    class Inexact(e.DomainEvent):
        """Has a float."""

        TOPIC: ClassVar[str] = "Inexact"
        prices: tuple[float, ...]

    del e.CATALOGUE["Inexact.v1"]
    with pytest.raises(TypeError, match="prices is a float"):
        EventMapper().encode(Inexact(**head(), prices=(1.0,)))
