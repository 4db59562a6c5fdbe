"""Checkpoints are made while a log grows, left outside it, and taken up again."""

import http.server
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import structlog

from fillwright.adapters.integrity.anchors import AnchorError, checkpoints_at, leave, split_notes
from fillwright.adapters.integrity.checkpointing import checkpointing
from fillwright.adapters.integrity.checkpoints import Checkpoint, SignedCheckpoint
from fillwright.adapters.integrity.merkle import Frontier
from fillwright.adapters.integrity.notes import SignerKey, write_keys
from fillwright.adapters.integrity.terms import IntegritySettings
from fillwright.adapters.integrity.verifying import Outside, verify_log
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ops import Anchored
from tests.adapters.integrity.evidence import KEY
from tests.adapters.storage.helpers import Sample, filled


def mark(size: int) -> SignedCheckpoint:
    tree = Frontier()
    for number in range(size):
        tree.append(bytes([number] * 32))
    return Checkpoint(KEY.name, size, tree.root(), bytes(32), 1_000 + size).signed(KEY)


@pytest.fixture
def terms(tmp_path: Path) -> IntegritySettings:
    folder = tmp_path / "keys"
    write_keys(KEY, folder / "signing.key", folder / "verifier.pub")
    return IntegritySettings(
        signing_key=folder / "signing.key",
        verifier_key=folder / "verifier.pub",
        checkpoint_events=10,
    )


def until(true: object, seconds: float = 30) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_checkpoints_are_made_meanwhile_and_at_the_end(
    tmp_path: Path, terms: IntegritySettings
) -> None:
    store = tmp_path / "store" / "log.db"
    store.parent.mkdir()
    anchor = terms.anchor_or_default
    assert anchor is not None
    with Log.open(store) as log, checkpointing(str(store), terms):
        one = Sample(1)
        log.append(one.happen(12))
        until(lambda: Path(anchor).exists())
        log.append(one.happen(3))
    marks = checkpoints_at(anchor)
    assert [one.size for one in marks] == [12, 15]
    for one in marks:
        one.note.require(KEY.verifier)
    with Log.open(store, writer=False) as log, OpsLog.of(log) as ops:
        assert verify_log(log, Outside(KEY.verifier, marks)).outcome == "anchored"
        records = [recorded.record for recorded in ops.records()]
        assert [one.log_position for one in records] == [12, 15]
        assert all(isinstance(one, Anchored) and one.anchor == anchor for one in records)


def test_they_go_on_where_the_last_process_ended_and_repeat_nothing(
    tmp_path: Path, terms: IntegritySettings
) -> None:
    store = tmp_path / "store" / "log.db"
    store.parent.mkdir()
    filled(store, events=6)
    for _ in range(2):
        with checkpointing(str(store), terms):
            pass
    with Log.open(store) as log, checkpointing(str(store), terms):
        log.append(Sample(5).happen())
    marks = checkpoints_at(str(terms.anchor_or_default))
    assert [one.size for one in marks] == [6, 7]
    with Log.open(store, writer=False) as log:
        assert verify_log(log, Outside(KEY.verifier, marks)).outcome == "anchored"


def test_the_log_is_the_same_with_and_without_them(
    tmp_path: Path, terms: IntegritySettings
) -> None:
    plain, watched = tmp_path / "plain.db", tmp_path / "store" / "log.db"
    watched.parent.mkdir()
    filled(plain)
    with checkpointing(str(watched), terms):
        filled(watched)
    with Log.open(plain, writer=False) as one, Log.open(watched, writer=False) as other:
        assert list(one.raw_events()) == list(other.raw_events())


def test_an_anchor_that_cannot_be_reached_holds_nothing_up_and_is_said(
    tmp_path: Path, terms: IntegritySettings
) -> None:
    store = tmp_path / "store" / "log.db"
    store.parent.mkdir()
    lost = terms.model_copy(update={"anchor": "http://127.0.0.1:9/none"})
    with structlog.testing.capture_logs() as said, Log.open(store) as log:
        with checkpointing(str(store), lost):
            log.append(Sample(1).happen(20))
        assert log.head().position == 20
    assert "cannot be written" in said[-1]["event"]
    with checkpointing(str(store), terms):  # the next one leaves what that one could not
        pass
    assert [one.size for one in checkpoints_at(str(terms.anchor_or_default))] == [20]


def test_key_and_anchor_may_not_lie_with_the_log(tmp_path: Path, terms: IntegritySettings) -> None:
    store = filled(tmp_path / "keys" / "log.db")
    with (
        pytest.raises(InvalidInput, match=r"integrity\.signing_key"),
        checkpointing(str(store), terms),
    ):
        pass
    other = filled(tmp_path / "log.db")
    near = terms.model_copy(update={"anchor": str(tmp_path / "anchor")})
    with pytest.raises(InvalidInput, match=r"integrity\.anchor"), checkpointing(str(other), near):
        pass


def test_without_a_key_nothing_is_made(tmp_path: Path) -> None:
    store = filled(tmp_path / "log.db")
    with checkpointing(str(store), IntegritySettings()):
        pass
    with OpsLog.open(store, writer=False) as ops:
        assert ops.head().position == 0


# -- anchors ---------------------------------------------------------------------------------------


def test_a_file_keeps_every_note_as_it_was_left(tmp_path: Path) -> None:
    anchor = tmp_path / "deep" / "anchor"
    marks = [mark(size) for size in (1, 2, 3)]
    for one in marks:
        leave(f"file://{anchor}", one)
    assert checkpoints_at(str(anchor)) == marks


@pytest.mark.parametrize("kept", range(0, 260, 7))
def test_what_a_crash_cut_off_is_passed_over_and_the_next_note_follows(
    tmp_path: Path, kept: int
) -> None:
    anchor = tmp_path / "anchor"
    leave(str(anchor), mark(1))
    whole = anchor.stat().st_size
    leave(str(anchor), mark(2))
    with anchor.open("r+b") as file:
        file.truncate(min(whole + kept, anchor.stat().st_size - 1))
    assert mark(1) in checkpoints_at(str(anchor))
    leave(str(anchor), mark(3))
    found = checkpoints_at(str(anchor))
    assert found in ([mark(1), mark(3)], [mark(1), mark(2), mark(3)])


@pytest.mark.parametrize("kept", range(1, 260, 7))
def test_of_a_first_note_that_a_crash_cut_off_nothing_stays(tmp_path: Path, kept: int) -> None:
    anchor = tmp_path / "anchor"
    leave(str(anchor), mark(1))
    with anchor.open("r+b") as file:
        file.truncate(min(kept, anchor.stat().st_size - 1))
    leave(str(anchor), mark(2))
    assert checkpoints_at(str(anchor))[-1] == mark(2)


def test_a_note_that_the_disk_takes_in_parts_is_left_whole(tmp_path: Path) -> None:
    anchor = tmp_path / "anchor"
    write = os.write
    with patch("os.write", lambda descriptor, data: write(descriptor, data[:50])):
        leave(str(anchor), mark(1))
    assert checkpoints_at(str(anchor)) == [mark(1)]


@pytest.mark.parametrize(
    "held", ["x", "\n", "my notes", "a\n\nb\n", "\n\n\0\0x", "fund\n\n— somebody x\n"]
)
def test_a_file_that_is_no_anchor_of_ours_is_left_as_it_is(tmp_path: Path, held: str) -> None:
    anchor = tmp_path / "notes.txt"
    anchor.write_text(held)
    with pytest.raises(AnchorError, match=r"holds something else .* Name another file"):
        leave(str(anchor), mark(1))
    assert anchor.read_text() == held


def test_of_a_note_that_a_power_cut_left_the_length_of_nothing_stays(tmp_path: Path) -> None:
    anchor = tmp_path / "anchor"
    leave(str(anchor), mark(1))
    with anchor.open("ab") as file:
        file.write(bytes(200))
    leave(str(anchor), mark(2))
    assert checkpoints_at(str(anchor)) == [mark(1), mark(2)]


@pytest.mark.parametrize("anchor", ["htp://example.org/a", "s3://bucket/a", "postgresql://h/d"])
def test_what_begins_as_a_url_is_not_taken_for_a_file(
    tmp_path: Path, terms: IntegritySettings, monkeypatch: pytest.MonkeyPatch, anchor: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for act in (lambda: leave(anchor, mark(1)), lambda: checkpoints_at(anchor)):
        with pytest.raises(InvalidInput, match=r"integrity\.anchor.*https:// URL"):
            act()
    elsewhere = terms.model_copy(update={"anchor": anchor})
    (tmp_path / "store").mkdir()
    store = str(tmp_path / "store" / "log.db")
    with pytest.raises(InvalidInput, match=r"integrity\.anchor"), checkpointing(store, elsewhere):
        raise AssertionError("it began")
    assert not list(tmp_path.glob("*:*"))


def test_an_anchor_that_holds_something_else_is_said_to(tmp_path: Path) -> None:
    anchor = tmp_path / "anchor"
    with pytest.raises(AnchorError, match="cannot be read"):
        checkpoints_at(str(anchor))
    anchor.write_text("nothing\n\n— a AAAAAAAA\n")
    with pytest.raises(AnchorError, match="no checkpoint"):
        checkpoints_at(str(anchor))
    with pytest.raises(AnchorError, match="cannot be written"):
        leave(str(tmp_path), mark(1))


def test_a_command_gets_the_note(tmp_path: Path) -> None:
    leave(f"command:tee {tmp_path / 'anchor'}", mark(2))
    assert checkpoints_at(str(tmp_path / "anchor")) == [mark(2)]
    with pytest.raises(AnchorError, match="cannot be written"):
        leave("command:false", mark(2))
    with pytest.raises(AnchorError, match="cannot be asked"):
        checkpoints_at("command:false")


@contextmanager
def notary() -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that keeps what is posted and gives all of it back."""
    kept: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"\n".join(kept))

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/anchor", kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_url_gets_the_note_and_gives_all_of_them() -> None:
    with notary() as (url, kept):
        leave(url, mark(1))
        leave(url, mark(4))
        assert kept[0].decode() == mark(1).text
        assert checkpoints_at(url) == [mark(1), mark(4)]


def test_notes_with_more_signatures_are_split_all_the_same() -> None:
    other = SignerKey("witness", bytes(32)).sign("x\n").split("\n\n")[1]
    text = f"{mark(1).text}{other}\n{mark(2).text}"
    assert list(split_notes(text)) == [mark(1).text + other, mark(2).text]
