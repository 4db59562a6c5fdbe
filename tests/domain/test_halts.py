"""Halts, bands and the price test, from the venue's messages."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.halts import HALT_CODES, OPEN_CODES, PASSING_CODES, HaltBook
from fillwright.domain.luld import inside_band
from fillwright.domain.market import HaltCause, PriceBand, TradingStatus

D = Decimal
HALTED = TradingStatus.HALTED


def test_a_halt_lasts_from_its_message_to_the_resumption() -> None:
    book = HaltBook()
    assert book.status("ABC") is None
    book.take_status("ABC", "H", "T1", 100)
    assert book.status("ABC") is HALTED
    book.take_status("ABC", "Q", "T3", 200)
    assert book.status("ABC") is HALTED, "quotes resume before trading does"
    book.take_status("ABC", "T", "", 300)
    assert book.status("ABC") is None
    assert book.status("XYZ") is None, "another symbol's halt is not its own"


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [
        ("H", "T1", HaltCause.NEWS),
        ("2", "M", HaltCause.LULD_PAUSE),
        ("P", "LUDP", HaltCause.LULD_PAUSE),
        ("P", "", HaltCause.LULD_PAUSE),
        ("2", "1", HaltCause.MARKET_WIDE),
        ("H", "MWC2", HaltCause.MARKET_WIDE),
        ("H", "H10", HaltCause.REGULATORY),
        ("H", "O1", HaltCause.OPERATIONAL),
        ("H", "whatever", HaltCause.OTHER),
    ],
)
def test_the_cause_is_the_reason_codes(code: str, reason: str, cause: HaltCause) -> None:
    book = HaltBook()
    book.take_status("ABC", code, reason, 100)
    state = book.trading("ABC")
    assert state is not None
    assert (state.halt, state.halted_since) == (cause, 100)


def test_an_unknown_code_is_halted_for_new_orders_and_named() -> None:
    book = HaltBook()
    assert "'?'" in book.take_status("ABC", "?", "", 100)
    assert book.status("ABC") is TradingStatus.UNKNOWN


@pytest.mark.parametrize("code", sorted(PASSING_CODES))
def test_indications_and_imbalances_stop_nothing(code: str) -> None:
    book = HaltBook()
    assert book.take_status("ABC", code, "", 100) == ""
    assert book.status("ABC") is None


def test_a_market_wide_halt_holds_for_symbols_of_which_nothing_was_said() -> None:
    book = HaltBook()
    book.take_band("KO", D(50), D(60), 10)
    book.take_status("ABC", "H", "MWC1", 100)
    for symbol in ("ABC", "KO", "never-heard-of"):
        assert book.status(symbol) is HALTED
        state = book.trading(symbol)
        assert state is not None
        assert state.halt is HaltCause.MARKET_WIDE
    book.take_status("KO", "H", "MWC1", 101)
    book.take_status("ABC", "T", "MWCQ", 900)
    assert book.status("ABC") is None
    assert book.status("never-heard-of") is None
    assert book.status("KO") is HALTED, "its own halt goes on until it is told to resume"
    book.take_status("ABC", "H", "MWC2", 1_000)
    assert book.status("never-heard-of") is HALTED, "the next level halts it again"


def test_the_reopening_print_is_the_first_after_trading_resumed() -> None:
    book = HaltBook()
    book.take_status("ABC", "H", "T1", 100)
    book.take_print("ABC", 150)
    book.take_status("ABC", "T", "", 200)
    book.take_print("ABC", 199)
    state = book.trading("ABC")
    assert state is not None
    assert (state.resumed_at, state.reopened_at) == (200, None)
    book.take_print("ABC", 205)
    book.take_print("ABC", 230)
    state = book.trading("ABC")
    assert state is not None
    assert state.reopened_at == 205


def test_a_band_holds_until_a_later_one_a_halt_or_none() -> None:
    book = HaltBook()
    book.take_band("ABC", D(95), D(105), 100)
    book.take_band("ABC", D(90), D(91), 50)
    state = book.trading("ABC")
    assert state is not None
    assert state.band == PriceBand(lower=D(95), upper=D(105), at=100)
    book.take_band("ABC", D(0), D(0), 120)
    state = book.trading("ABC")
    assert state is not None
    assert state.band is None


def test_the_price_test_is_known_once_it_was_told() -> None:
    book = HaltBook()
    book.take_band("ABC", D(95), D(105), 1)
    state = book.trading("ABC")
    assert state is not None
    assert state.price_test is None
    book.take_status("ABC", "E", "A", 2)
    state = book.trading("ABC")
    assert state is not None
    assert state.price_test is True
    book.take_status("ABC", "E", "D", 3)
    state = book.trading("ABC")
    assert state is not None
    assert state.price_test is False


codes = st.sampled_from([*sorted(HALT_CODES | OPEN_CODES | PASSING_CODES), "E", "?", ""])
reasons = st.sampled_from(["T1", "LUDP", "MWC1", "MWCQ", "1", "", "M"])
messages = st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), codes, reasons), max_size=30)


@given(messages)
def test_a_symbol_trades_exactly_when_its_last_halt_and_the_markets_are_over(
    said: list[tuple[str, str, str]],
) -> None:
    """Against a plain model: per symbol the last of halt, odd code and resumption."""
    book = HaltBook()
    last: dict[str, str] = {}
    for at, (symbol, code, reason) in enumerate(said, 1):
        book.take_status(symbol, code, reason, at)
        if code in OPEN_CODES:
            last[symbol] = "open"
        elif code in HALT_CODES:
            last[symbol] = "halted"
        elif code not in PASSING_CODES and code != "E":
            last[symbol] = "unknown"
    for symbol, state in last.items():
        found = book.status(symbol)
        if state == "open":
            assert found in (None, HALTED)
        else:
            assert found is not None
            assert found.value == state


prices = st.integers(1, 30_000).map(lambda cents: D(cents) / 100)


@given(
    limit=st.none() | prices,
    lower=prices,
    width=st.integers(1, 2_000),
    sign=st.sampled_from([1, -1]),
    tick=st.sampled_from([D("0.01"), D("0.05")]),
)
def test_inside_a_band_no_price_is_dearer_than_asked_nor_beyond_the_band(
    limit: Decimal | None, lower: Decimal, width: int, sign: int, tick: Decimal
) -> None:
    band = PriceBand(lower=lower, upper=lower + D(width) / 100, at=0)
    banded = inside_band(limit, sign, band, tick)
    if banded.limit is None:
        assert banded.held
        narrow = band.upper - band.lower < tick
        behind = limit is not None and (
            (sign > 0 and limit < band.lower) or (sign < 0 and limit > band.upper)
        )
        assert narrow or behind
        return
    assert band.lower <= banded.limit <= band.upper
    assert banded.changed or banded.limit == limit
    if limit is not None:
        assert (banded.limit - limit) * sign <= 0
    if banded.changed:
        assert banded.limit % tick == 0


def test_a_halt_whose_end_was_missed_is_over_when_a_print_after_the_gap_shows_it() -> None:
    book = HaltBook()
    book.take_status("ABC", "H", "T1", 100)
    book.take_print("ABC", 150)
    assert book.status("ABC") is HALTED, "a late report of an old print ends nothing"
    book.missed("ABC", 200)
    book.take_print("ABC", 200)
    assert book.status("ABC") is HALTED, "this print may be of before the halt"
    book.take_print("ABC", 201)
    assert book.status("ABC") is None
    state = book.trading("ABC")
    assert state is not None
    assert (state.halt, state.reopened_at) == (None, 201)


def test_a_market_wide_halt_whose_end_was_missed_is_over_for_who_is_seen_to_trade() -> None:
    book = HaltBook()
    book.take_status("ABC", "H", "MWC1", 100)
    for symbol in ("ABC", "XYZ"):
        book.missed(symbol, 200)
    book.take_print("XYZ", 201)
    assert (book.status("XYZ"), book.status("ABC")) == (None, HALTED)
    book.take_status("ABC", "H", "MWC1", 300)
    book.take_print("ABC", 301)
    assert book.status("ABC") is HALTED, "it was told again after the gap"


def test_without_a_band_nothing_changes() -> None:
    assert inside_band(D("10.00"), 1, None, D("0.01")) == (D("10.00"), False)
    assert inside_band(None, -1, None, D("0.01")).held is False


def test_what_the_venue_tells_of_rule_201_comes_before_what_prices_say() -> None:
    book = HaltBook()
    book.take_prices("ABC", in_force=False, since=100)
    assert told(book) is False
    book.take_status("ABC", "E", "A", 150)
    book.take_prices("ABC", in_force=False, since=100)
    assert told(book) is True
    book.take_status("ABC", "E", "D", 200)
    book.take_prices("ABC", in_force=True, since=100)
    assert told(book) is False, "the venue has ended it"


def test_a_test_that_the_venue_told_ends_with_the_session_after() -> None:
    book = HaltBook()
    book.take_status("ABC", "E", "A", 150)
    book.take_prices("ABC", in_force=False, since=150)
    assert told(book) is True, "told in the session before"
    book.take_prices("ABC", in_force=False, since=151)
    assert told(book) is False


def told(book: HaltBook) -> bool | None:
    state = book.trading("ABC")
    assert state is not None
    return state.price_test
