"""Scheduled events are read from files, and what is wrong in one is named by row and field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.inputs.events import KINDS, FileEvents, NoEvents
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ports import NANOS, ScheduledEvent

FOMC = int(datetime(2013, 10, 30, 18, 0, tzinfo=UTC).timestamp()) * NANOS


def read(folder: Path, content: object, name: str = "events.json") -> FileEvents:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return FileEvents.read(folder / name)


def test_both_formats_give_the_same_events(tmp_path: Path) -> None:
    rows = [
        {"at": "2013-10-30T14:00:00-04:00", "kind": "fomc", "description": "Rate decision"},
        {"at": FOMC + 1, "kind": "Earnings", "symbol": "BRK.B"},
    ]
    text = (
        "kind,at,symbol,description\n"
        "fomc,2013-10-30T18:00:00Z,,Rate decision\n"
        f"earnings,{FOMC + 1},BRK.B,\n"
    )
    expected = (
        ScheduledEvent(at=FOMC, kind="fomc", symbol=None, description="Rate decision"),
        ScheduledEvent(at=FOMC + 1, kind="earnings", symbol="BRK.B"),
    )
    assert read(tmp_path, rows).between("BRK.B", FOMC, FOMC + 2) == expected
    assert read(tmp_path, text, "events.CSV").between("BRK.B", FOMC, FOMC + 2) == expected


def test_a_span_holds_its_start_and_not_its_end(tmp_path: Path) -> None:
    events = read(tmp_path, [{"at": FOMC, "kind": "fomc"}])
    assert len(events) == 1
    assert len(events.between("ABC", FOMC, FOMC + 1)) == 1
    assert len(events.between("ABC", FOMC - 1, FOMC)) == 0
    assert len(events.between("ABC", FOMC + 1, FOMC + 9)) == 0


def test_an_event_of_one_symbol_does_not_touch_another(tmp_path: Path) -> None:
    events = read(tmp_path, [{"at": FOMC, "kind": "earnings", "symbol": "ABC"}])
    assert len(events.between("ABC", 0, FOMC + 1)) == 1
    assert len(events.between("XYZ", 0, FOMC + 1)) == 0


def test_times_are_exact_to_the_microsecond(tmp_path: Path) -> None:
    events = read(tmp_path, [{"at": "2013-10-30T18:00:00.123457+00:00", "kind": "other"}])
    assert events.between("ABC", 0, 1 << 62)[0].at == FOMC + 123_457_000


GOOD = {"at": "2013-10-30T18:00:00Z", "kind": "fomc"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**GOOD, "at": "2013-10-30T18:00:00"}, "row 2 at: .* allowed: ISO 8601 with an offset"),
        ({**GOOD, "at": "soon"}, "row 2 at: 'soon'"),
        ({**GOOD, "at": ""}, "row 2 at"),
        ({**GOOD, "at": True}, "row 2 at"),
        ({**GOOD, "at": 1.5}, "row 2 at"),
        ({**GOOD, "at": None}, "row 2 at"),
        ({**GOOD, "at": -5}, "row 2 at"),
        ({**GOOD, "at": 1 << 62}, "row 2 at"),
        ({**GOOD, "at": "9999-12-31T00:00:00Z"}, "row 2 at"),
        ({**GOOD, "at": "0001-01-01T00:00:00+23:00"}, "row 2 at"),
        ({"at": "2013-10-30T18:00:00Z"}, "row 2 kind: '' .* allowed: earnings, dividend"),
        ({**GOOD, "kind": "party"}, "row 2 kind: 'party' .* allowed: earnings, dividend"),
        ({**GOOD, "symbol": "abc"}, "row 2 symbol: 'abc' .* allowed: a symbol in capitals"),
        ({**GOOD, "tag": 1}, "row 2 field tag: '1' .* allowed: at, kind, symbol, description"),
        ({**GOOD, "description": "x" * 501}, "row 2 description: .* at most 500 characters"),
        ([], "row 2: '\\[\\]' .* allowed: an object with the fields"),
    ],
)
def test_a_bad_row_is_named_with_its_field_and_what_is_allowed(
    tmp_path: Path, row: object, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, [GOOD, row])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.txt", "[]", "ends in .json or .csv"),
        ("events.json", "{", "allowed: JSON"),
        ("events.json", "{}", "allowed: a list of events"),
        ("events.csv", "", "header: 'an empty file'"),
        ("events.csv", "at,symbol\n1,ABC\n", "header: 'at, symbol'"),
        ("events.csv", "at,kind\n1,fomc\n1,fomc,3\n", "row 2: .* no more values than fields"),
        ("events.csv", 'at,kind\n1,"fomc\n', "allowed: CSV"),
        ("events.csv", "at,kind\n1\n", "row 1 kind: ''"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path, content, name)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json: No such file"):
        FileEvents.read(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b"[\xff]")
    with pytest.raises(InvalidInput, match="text in UTF-8"):
        FileEvents.read(tmp_path / "latin.json")


def test_no_events_has_none() -> None:
    assert NoEvents().between("ABC", 0, 1 << 62) == ()


@given(
    times=st.lists(st.integers(0, 1_000), max_size=30),
    start=st.integers(0, 1_000),
    length=st.integers(0, 1_000),
)
def test_between_is_the_plain_filter(times: list[int], start: int, length: int) -> None:
    symbols = [None, "ABC", "XYZ"]
    events = [
        ScheduledEvent(at=at, kind=KINDS[k % len(KINDS)], symbol=symbols[k % 3])
        for k, at in enumerate(times)
    ]
    found = FileEvents(events).between("ABC", start, start + length)
    wanted = [e for e in events if start <= e.at < start + length and e.symbol != "XYZ"]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    assert [e.at for e in found] == sorted(e.at for e in found)
