"""Every way of changing a log is found, and named, on either database."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.integrity.checkpointing import Checkpointer
from fillwright.adapters.integrity.verifying import verify_log
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain.errors import StoreDamaged
from tests.adapters.integrity.evidence import (
    KEY,
    OTHER_KEY,
    Evidence,
    anchored,
    change_state,
    fit_head,
    opened,
    put_in_place,
    rewrite,
)
from tests.postgres import PostgresServer

Rows = list[list[Any]]


def server_of(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The server that a test's parameter asks for; None for a file."""
    if request.param == "file":
        return None
    found = request.getfixturevalue("postgres_server")
    assert isinstance(found, PostgresServer)
    return found


@pytest.fixture(params=["file", "postgres"])
def evidence(request: pytest.FixtureRequest, tmp_path: Path) -> Evidence:
    """Ten events, with checkpoints outside at four and at seven."""
    return anchored(tmp_path, server=server_of(request))


def altered(state: bytes) -> bytes:
    return state.replace(b"halt", b"HALT")


def test_an_untouched_log_is_as_it_was_and_vouched_for(evidence: Evidence) -> None:
    found = evidence.verify()
    assert (found.outcome, found.size, found.anchored_size, found.checkpoints) == (
        "anchored",
        10,
        7,
        2,
    )
    later = evidence.verify(incremental=True)
    assert (later.outcome, later.checked_from, later.root) == ("anchored", 7, found.root)


def test_a_changed_byte_is_found(evidence: Evidence) -> None:
    change_state(evidence.store, "stored_events", 6, b"halt 5", b"halt 6")
    found = evidence.verify()
    assert (found.outcome, found.first_bad_position, found.good) == ("failed", 6, 5)
    assert "altered: its hash does not fit" in found.what


def test_a_changed_order_is_found(evidence: Evidence) -> None:
    def swap(rows: Rows) -> None:
        rows[2][1:], rows[4][1:] = rows[4][1:], rows[2][1:]

    rewrite(evidence.store, swap, rehash=False)
    found = evidence.verify()
    assert (found.outcome, found.first_bad_position) == ("failed", 3)


def test_a_removed_middle_event_is_found(evidence: Evidence) -> None:
    with opened(evidence.store) as connection:
        connection.execute("DELETE FROM stored_events WHERE position = 5")
    found = evidence.verify()
    assert (found.outcome, found.first_bad_position) == ("failed", 5)
    assert "missing: the next event is at position 6" in found.what


def test_a_removed_tail_is_found_by_the_checkpoint_outside(evidence: Evidence) -> None:
    with opened(evidence.store) as connection:
        connection.execute("DELETE FROM stored_events WHERE position > 5")
        fit_head(evidence.store, connection)
    with Log.open(evidence.store, writer=False) as log:
        assert log.verify().ok  # the chain alone cannot tell
    found = evidence.verify()
    assert (found.outcome, found.first_bad_position) == ("failed", 6)
    assert "a checkpoint of 7 events was left outside; its end was cut off" in found.what
    later = evidence.verify(incremental=True)
    assert (later.outcome, later.first_bad_position) == ("failed", 6)


@pytest.mark.parametrize(
    ("change", "position", "said"),
    [
        ("DELETE FROM stored_events WHERE position > 5", 6, "its end was cut off; .* ends at 5"),
        ("DELETE FROM stored_events", 1, "its end was cut off; the log ends at 0"),
        ("UPDATE head SET position = 8", 9, "added by somebody else; .* ends at 10.* names 8"),
        ("UPDATE head SET position = 12", 11, "its end was cut off; .* ends at 10.* names 12"),
        ("UPDATE head SET hash = decode(repeat('ab', 32), 'hex')", 10, "names another hash there"),
        ("DELETE FROM head", 1, "the row that says where the log ends is missing"),
    ],
)
def test_an_end_that_is_not_where_the_servers_head_row_has_it_is_found_without_a_checkpoint(
    change: str, position: int, said: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    evidence = anchored(tmp_path, server=postgres_server)
    with opened(evidence.store) as connection:
        connection.execute(change)
    with Log.open(evidence.store, writer=False) as log:
        for found in (log.verify(), verify_log(log)):
            assert (found.ok, found.first_bad_position) == (False, position)
            assert re.search(said, found.what), found.what
    assert not evidence.verify(incremental=True).ok


def test_a_removed_aggregate_is_found(evidence: Evidence) -> None:
    with Log.open(evidence.store, writer=False) as log:
        first = next(log.raw_events()).originator_id
    with opened(evidence.store) as connection:
        connection.execute("DELETE FROM stored_events WHERE originator_id = ?", (first,))
    assert evidence.verify().first_bad_position == 1


def test_a_removed_aggregate_whose_chain_was_made_anew_is_found(evidence: Evidence) -> None:
    def remove(rows: Rows) -> None:
        rows[:] = [row for row in rows if row[2] != rows[1][2]]

    rewrite(evidence.store, remove, rehash=True)
    with Log.open(evidence.store, writer=False) as log:
        assert log.verify().ok
    found = evidence.verify()
    assert found.outcome == "failed"
    assert "the first 4 events are not those of the checkpoint" in found.what


def test_an_inserted_event_is_found_without_and_with_a_new_chain(
    evidence: Evidence, tmp_path: Path
) -> None:
    def insert(rows: Rows) -> None:
        more = list(rows[5])
        more[6] = altered(more[6])
        rows.insert(6, more)
        for position, row in enumerate(rows, start=1):
            row[0] = position
        more[3] += 100  # the table itself takes no event twice

    copy = evidence.copy(tmp_path / "copy")
    rewrite(evidence.store, insert, rehash=False)
    assert evidence.verify().first_bad_position == 7
    rewrite(copy.store, insert, rehash=True)
    with Log.open(copy.store, writer=False) as log:
        assert log.verify().ok
    found = copy.verify()
    assert found.outcome == "failed"
    assert "something after position 4 is other than it was then" in found.what


def test_a_replaced_database_is_found(evidence: Evidence, tmp_path: Path) -> None:
    other = anchored(tmp_path / "other", sizes=(5,), beyond=20, server=evidence.server)
    rewrite(other.store, lambda rows: rows[0].__setitem__(6, altered(rows[0][6])), rehash=True)
    put_in_place(other.store, evidence.store)
    with Log.open(evidence.store, writer=False) as log:
        assert log.verify().ok
    found = evidence.verify()
    assert found.outcome == "failed"
    assert "rewritten" in found.what


def test_an_older_copy_in_its_place_is_found(evidence: Evidence, tmp_path: Path) -> None:
    older = evidence.copy(tmp_path / "older")
    evidence.append(5)
    evidence.checkpoint()
    put_in_place(older.store, evidence.store)
    found = evidence.verify()
    assert (found.outcome, found.first_bad_position) == ("failed", 11)
    assert "an older copy was put in its place" in found.what


def test_an_event_filed_under_another_aggregate_is_found(evidence: Evidence) -> None:
    with opened(evidence.store) as connection:
        done = connection.execute("UPDATE stored_events SET stream = 9 WHERE position = 6")
        assert done.rowcount == 1
    found = evidence.verify()
    assert (found.outcome, found.first_bad_position) == ("failed", 6)
    assert "filed under another aggregate" in found.what


def test_checkpoints_signed_by_another_key_are_refused(evidence: Evidence) -> None:
    """Whoever rewrites the log and its checkpoints does not have the key."""
    rewrite(evidence.store, lambda rows: rows[1].__setitem__(6, altered(rows[1][6])), rehash=True)
    evidence.anchor.unlink()
    with opened(evidence.store) as connection:
        connection.execute("DELETE FROM ops_records")
    forged = Evidence(evidence.store, evidence.anchor, OTHER_KEY, evidence.server)
    forged.checkpoint()
    assert forged.verify().outcome == "anchored"
    found = evidence.verify()
    assert found.outcome == "failed"
    assert "and not by the key fillwright/test" in found.what


def test_a_log_rewritten_and_signed_with_the_same_key_is_found(
    evidence: Evidence, tmp_path: Path
) -> None:
    """The key was stolen with the machine; what it had signed before lies elsewhere."""
    thief = evidence.copy(tmp_path / "thief")
    rewrite(thief.store, lambda rows: rows[4].__setitem__(6, altered(rows[4][6])), rehash=True)
    thief.anchor.unlink()
    with opened(thief.store) as connection:
        connection.execute("DELETE FROM ops_records")
    thief.checkpoint()
    assert thief.verify().outcome == "anchored"
    rewritten = Evidence(thief.store, evidence.anchor, KEY)
    found = rewritten.verify()
    assert (found.outcome, found.anchored_size) == ("failed", 4)
    assert "the first 7 events are not those of the checkpoint" in found.what
    # Left at the same anchor beside the true ones, the new checkpoints do not help either.
    with evidence.anchor.open("a") as file:
        file.write(thief.anchor.read_text())
    assert rewritten.verify().outcome == "failed"


def test_two_checkpoints_that_disagree_are_found(evidence: Evidence, tmp_path: Path) -> None:
    thief = evidence.copy(tmp_path / "thief")
    rewrite(thief.store, lambda rows: rows[0].__setitem__(6, altered(rows[0][6])), rehash=True)
    with opened(thief.store) as connection:
        connection.execute("DELETE FROM ops_records")
        connection.execute("DELETE FROM stored_events WHERE position > 7")
        fit_head(thief.store, connection)
    thief.checkpoint()
    both = Evidence(evidence.store, thief.anchor, KEY)
    found = both.verify()
    assert found.outcome == "failed"
    assert "two checkpoints at 7 events have different roots" in found.what


def test_an_edited_checkpoint_is_found(evidence: Evidence) -> None:
    text = evidence.anchor.read_text()
    evidence.anchor.write_text(text.replace("\n7\n", "\n6\n"))
    found = evidence.verify()
    assert found.outcome == "failed"
    assert "checkpoint 2 of 2: the signature of fillwright/test" in found.what


def test_an_incremental_check_finds_a_log_rewritten_up_to_the_checkpoint_it_begins_at(
    evidence: Evidence,
) -> None:
    """Nothing was appended since, so no event is read that would have to follow from its hash."""
    evidence.checkpoint()
    rewrite(evidence.store, lambda rows: rows[5].__setitem__(6, altered(rows[5][6])), rehash=True)
    found = evidence.verify(incremental=True)
    assert (found.outcome, found.checked_from, found.first_bad_position) == ("failed", 10, None)
    assert "the event at 10 is not the one of the checkpoint" in found.what


def test_nothing_more_is_signed_once_the_log_is_not_what_was_signed(evidence: Evidence) -> None:
    rewrite(evidence.store, lambda rows: rows[1].__setitem__(6, altered(rows[1][6])), rehash=True)
    with Log.open(evidence.store, writer=False) as log, OpsLog.open(evidence.store) as ops:
        maker = Checkpointer(log, ops, KEY, str(evidence.anchor))
        with pytest.raises(StoreDamaged, match="nothing more is signed"):
            maker.make()


def test_an_edited_frontier_in_the_second_stream_is_not_believed(evidence: Evidence) -> None:
    """An incremental check begins where the key has signed, or reads all of the log."""
    assert evidence.verify(incremental=True).checked_from == 7
    with opened(evidence.store) as connection:
        asked = "SELECT state FROM ops_records WHERE position = 2"
        record = json.loads(bytes(connection.execute(asked).fetchone()[0]))
        record["frontier"][0] = "00" * 32
        edited = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        connection.execute("UPDATE ops_records SET state = ? WHERE position = 2", (edited,))
    found = evidence.verify(incremental=True)
    assert (found.outcome, found.checked_from) == ("anchored", 4)


# -- any tampering ---------------------------------------------------------------------------------

STORE_EVENTS = 24


@pytest.fixture(scope="module", params=["file", "postgres"])
def pristine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Evidence, Evidence]:
    """A store, and a copy of it to be tampered with."""
    folder = tmp_path_factory.mktemp("pristine")
    made = anchored(folder, sizes=(5, 12, STORE_EVENTS), beyond=0, server=server_of(request))
    return made, made.copy(folder / "copy")


def snapshot(store: Path | str) -> list[tuple[Any, ...]]:
    with opened(store) as connection:
        found = connection.execute("SELECT * FROM stored_events ORDER BY position").fetchall()
        return list(found)


@st.composite
def tampering(draw: st.DrawFn) -> tuple[str, list[int], bytes]:
    kind = draw(st.sampled_from(["byte", "swap", "remove", "cut", "insert", "column", "topic"]))
    at = draw(st.lists(st.integers(0, STORE_EVENTS - 1), min_size=2, max_size=2))
    return kind, at, draw(st.binary(min_size=1, max_size=3))


def tamper(rows: Rows, kind: str, at: list[int], data: bytes) -> None:
    one, two = at
    if kind == "byte":
        state = bytearray(rows[one][6])
        state[two % len(state)] ^= data[0] or 1
        rows[one][6] = bytes(state)
    elif kind == "swap":
        rows[one][2:], rows[two][2:] = rows[two][2:], rows[one][2:]
    elif kind == "remove":
        del rows[min(at) : max(at) + 1]
    elif kind == "cut":
        del rows[one:]
    elif kind == "insert":
        rows.insert(one, [*rows[two][:6], rows[two][6] + data])
    elif kind == "column":
        rows[one][3] += 1 + data[0]
    else:
        rows[one][4] = f"{rows[one][4]}{data[0] % 10}"


@settings(max_examples=40)
@given(tampering(), st.booleans())
def test_every_tampering_with_a_checkpointed_log_is_found(
    pristine: tuple[Evidence, Evidence], change: tuple[str, list[int], bytes], rehash: bool
) -> None:
    """With ``rehash`` positions, streams, versions and the chain are made to fit again."""
    kind, at, data = change
    whole, copy = pristine
    put_in_place(whole.store, copy.store)
    before = snapshot(copy.store)
    try:
        rewrite(copy.store, lambda rows: tamper(rows, kind, at, data), rehash=rehash)
    except (sqlite3.IntegrityError, psycopg.IntegrityError):
        return  # the table itself refuses it: nothing was changed
    found = copy.verify()
    changed = snapshot(copy.store) != before
    assert found.ok is not changed, (kind, at, data, found.what)
    if changed:
        assert found.what
