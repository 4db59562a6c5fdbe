"""Keys, notes and checkpoints are those that existing tools read."""

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.integrity.checkpoints import Checkpoint, parse_checkpoint
from fillwright.adapters.integrity.merkle import root_of
from fillwright.adapters.integrity.notes import (
    NoteError,
    SignerKey,
    VerifierKey,
    parse_note,
    read_signer,
    read_verifier,
    write_keys,
)
from fillwright.domain.errors import InvalidInput

# The published example of Go's golang.org/x/mod/sumdb/note.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = SignerKey("fillwright/test", bytes(range(32)))


def test_a_key_of_the_go_tools_is_read_and_written_the_same() -> None:
    assert VerifierKey.parse(GO_VERIFIER).text == GO_VERIFIER
    assert SignerKey.parse(GO_SIGNER).text == GO_SIGNER
    assert SignerKey.parse(GO_SIGNER).verifier.text == GO_VERIFIER


def test_a_note_of_the_go_tools_is_verified_and_signed_to_the_same_bytes() -> None:
    note = parse_note(GO_NOTE)
    assert note.text == GO_TEXT
    assert note.whole == GO_NOTE
    assert note.signed_by(VerifierKey.parse(GO_VERIFIER))
    assert SignerKey.parse(GO_SIGNER).sign(GO_TEXT) == GO_NOTE


def test_a_note_of_another_key_or_text_is_refused() -> None:
    note = parse_note(KEY.sign("one\n"))
    other = SignerKey("fillwright/test", bytes(32)).verifier
    with pytest.raises(NoteError, match="and not by the key fillwright/test"):
        note.require(other)
    changed = parse_note(KEY.sign("one\n").replace("one", "two"))
    with pytest.raises(NoteError, match="does not fit the text"):
        changed.require(KEY.verifier)


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    witness = f"— witness.example/w1 {base64.b64encode(bytes(80)).decode()}\n"
    note = parse_note(KEY.sign("one\n") + witness)
    note.require(KEY.verifier)
    assert note.whole.endswith(witness)


@pytest.mark.parametrize(
    "text",
    ["", "one\n", "one\n\n", "one\n\n— nobody\n", "one\n\n— a !!!\n", "one\n\n- a AAAA\n", "\n\n"],
)
def test_what_is_no_note_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NoteError):
        parse_note(text).require(KEY.verifier)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_any_text_is_signed_and_read_back(text: str) -> None:
    note = parse_note(KEY.sign(f"{text}\n"))
    assert note.text == f"{text}\n"
    note.require(KEY.verifier)


def test_a_checkpoint_is_a_c2sp_checkpoint() -> None:
    root = root_of([b"a", b"b"])
    made = Checkpoint("fillwright/test", 2, root, bytes(32), 1_700_000_000_000_000_000).signed(KEY)
    lines = made.text.split("\n")
    assert lines[:3] == ["fillwright/test", "2", base64.b64encode(root).decode()]
    assert parse_checkpoint(made.text) == made
    made.note.require(KEY.verifier)


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n2\n", "\n02\n"), ("\n2\n", "\n-2\n"), ("head ", "tail "), ("time 1", "time x")],
)
def test_what_is_no_checkpoint_is_said_to_be_none(old: str, new: str) -> None:
    text = Checkpoint("fillwright/test", 2, bytes(32), bytes(32), 17).body
    assert old in text
    with pytest.raises(NoteError):
        parse_checkpoint(KEY.sign(text.replace(old, new)))


def test_keys_are_written_once_and_the_private_one_for_its_owner_only(tmp_path: Path) -> None:
    key = SignerKey.generate("fillwright/main")
    private, public = tmp_path / "keys" / "main.key", tmp_path / "keys" / "main.pub"
    write_keys(key, private, public)
    assert stat.S_IMODE(os.stat(private).st_mode) == 0o600
    assert read_signer(private) == key
    assert read_verifier(public) == key.verifier
    assert "secret" not in repr(key)
    with pytest.raises(InvalidInput, match="does not exist yet"):
        write_keys(key, private, public)
    private.chmod(0o640)
    with pytest.raises(InvalidInput, match="only its owner may read"):
        read_signer(private)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+AAAA",
        GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        GO_VERIFIER.replace("PeterNeumann", "Peter Neumann"),
        GO_VERIFIER.replace("ARpc", "Ahpc"),
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="verifier key"):
        VerifierKey.parse(text)


def test_a_private_key_given_for_a_public_one_is_never_repeated() -> None:
    secret = SignerKey.generate("fillwright/main").text
    with pytest.raises(InvalidInput, match="private key") as refused:
        VerifierKey.parse(secret)
    assert secret[-20:-4] not in str(refused.value)


def test_a_private_key_that_is_wrong_is_never_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        SignerKey.parse(GO_SIGNER.replace("c74f20a3", "c74f20a4"))
    assert "AYEKFALV" not in str(caught.value)
    with pytest.raises(InvalidInput, match="without spaces"):
        SignerKey.generate("two words")
