"""A third party's time stamp on a checkpoint, by a real authority on loopback."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillwright.adapters.integrity.anchors import AnchorError, checkpoints_at
from fillwright.adapters.integrity.checkpointing import checkpointing
from fillwright.adapters.integrity.checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from fillwright.adapters.integrity.notes import Note, NoteError, write_keys
from fillwright.adapters.integrity.terms import IntegritySettings
from fillwright.adapters.integrity.timestamps import check_stamp, stamp_of, stamped
from fillwright.domain.errors import InvalidInput
from tests.adapters.integrity.authority import authority, make_certificates
from tests.adapters.integrity.evidence import KEY
from tests.adapters.storage.helpers import filled

MARK = Checkpoint(KEY.name, 3, bytes(32), bytes(32), 17).signed(KEY)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("authority") / "tsa"
    with authority(folder) as url:
        yield url, folder / "root.pem"


@pytest.fixture(scope="module")
def mark(tsa: tuple[str, Path]) -> SignedCheckpoint:
    return stamped(MARK, tsa[0])


def test_a_stamp_says_when_the_checkpoint_was_seen(
    tsa: tuple[str, Path], mark: SignedCheckpoint
) -> None:
    at = check_stamp(mark.note, tsa[1])
    assert abs(datetime.datetime.now(datetime.UTC) - at) < datetime.timedelta(minutes=10)


def test_the_note_stays_one_that_other_tools_read(mark: SignedCheckpoint) -> None:
    read = parse_checkpoint(mark.text)
    assert read == mark
    read.note.require(KEY.verifier)
    assert stamp_of(read.note) is not None
    assert stamp_of(MARK.note) is None


def test_a_stamp_of_another_note_or_authority_is_not_believed(
    tsa: tuple[str, Path], mark: SignedCheckpoint, tmp_path: Path
) -> None:
    other = Checkpoint(KEY.name, 4, bytes(32), bytes(32), 17).signed(KEY)
    moved = Note(other.note.text, (*other.note.signatures, mark.note.signatures[-1]))
    with pytest.raises(NoteError, match="not to be believed"):
        check_stamp(moved, tsa[1])
    make_certificates(tmp_path / "other")
    with pytest.raises(NoteError, match="not to be believed"):
        check_stamp(mark.note, tmp_path / "other" / "root.pem")
    with pytest.raises(NoteError, match="no time stamp"):
        check_stamp(MARK.note, tsa[1])
    with pytest.raises(InvalidInput, match="time_stamp_roots"):
        check_stamp(mark.note, tmp_path / "none.pem")


def test_an_authority_that_is_away_or_talks_nonsense_is_said_to(tmp_path: Path) -> None:
    with pytest.raises(AnchorError, match="gave no stamp"):
        stamped(MARK, "http://127.0.0.1:9/")
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"nothing")
    with pytest.raises(AnchorError, match="gave no stamp"):
        stamped(MARK, nonsense.as_uri())


def test_checkpoints_of_a_run_are_stamped(tsa: tuple[str, Path], tmp_path: Path) -> None:
    write_keys(KEY, tmp_path / "keys" / "signing.key", tmp_path / "keys" / "verifier.pub")
    terms = IntegritySettings(signing_key=tmp_path / "keys" / "signing.key", time_stamp_url=tsa[0])
    (tmp_path / "store").mkdir()
    with checkpointing(str(filled(tmp_path / "store" / "log.db")), terms):
        pass
    (mark,) = checkpoints_at(str(terms.anchor_or_default))
    assert mark.size == 10
    check_stamp(mark.note, tsa[1])
