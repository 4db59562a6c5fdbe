"""Personal text is sealed per subject, and gone when its key is."""

import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.storage.keystore import REDACTED, Keystore
from fillwright.domain.errors import StoreDamaged, StoreError

SUBJECT = "decision:17"
TEXT = "momentum fades; the manager wants out — 全部"


@pytest.mark.parametrize("seed", [None, 7])
def test_what_was_sealed_is_unsealed_after_opening_again(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "keys"
    sealed = Keystore.open(path, seed=seed).seal(SUBJECT, TEXT, "reasoning")
    assert TEXT not in sealed
    assert Keystore.open(path, seed=seed).unseal(SUBJECT, sealed, "reasoning") == TEXT


def test_the_same_text_is_sealed_the_same_way(tmp_path: Path) -> None:
    keys = Keystore.open(tmp_path / "keys")
    assert keys.seal(SUBJECT, TEXT, "a") == keys.seal(SUBJECT, TEXT, "a")
    assert keys.seal(SUBJECT, TEXT, "a") != keys.seal(SUBJECT, TEXT, "b")
    assert keys.seal(SUBJECT, TEXT, "a") != keys.seal("another", TEXT, "a")


def test_a_key_that_was_prepared_is_on_the_disk_and_seals_the_same(tmp_path: Path) -> None:
    keys = Keystore.open(tmp_path / "keys")
    assert keys.needs_writing(SUBJECT)
    keys.prepare(SUBJECT)
    assert not keys.needs_writing(SUBJECT)
    kept = (tmp_path / "keys").read_bytes()
    sealed = keys.seal(SUBJECT, TEXT, "c")
    assert (tmp_path / "keys").read_bytes() == kept
    assert Keystore.open(tmp_path / "keys").unseal(SUBJECT, sealed, "c") == TEXT
    keys.destroy(SUBJECT)
    with pytest.raises(StoreError, match="destroyed"):
        keys.prepare(SUBJECT)
    assert not Keystore.open(tmp_path / "derived", seed=7).needs_writing(SUBJECT)
    assert not Keystore.open(None).needs_writing(SUBJECT)


def test_a_seed_gives_the_same_bytes_in_every_run() -> None:
    sealed = Keystore.open(None, seed=7).seal(SUBJECT, TEXT, "reasoning")
    assert sealed == Keystore.open(None, seed=7).seal(SUBJECT, TEXT, "reasoning")
    assert sealed != Keystore.open(None, seed=8).seal(SUBJECT, TEXT, "reasoning")


@given(text=st.text())
def test_any_text_comes_back(text: str) -> None:
    keys = Keystore.open(None, seed=1)
    assert keys.unseal(SUBJECT, keys.seal(SUBJECT, text, "c"), "c") == text


def test_a_text_cut_off_inside_a_character_comes_back() -> None:
    keys = Keystore.open(None, seed=1)
    assert keys.unseal(SUBJECT, keys.seal(SUBJECT, "\ud800", "c"), "c") == "\ud800"


@pytest.mark.parametrize("seed", [None, 7])
def test_a_destroyed_key_redacts_for_ever(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "keys"
    keys = Keystore.open(path, seed=seed)
    other = keys.seal("other", TEXT, "c")
    sealed = keys.seal(SUBJECT, TEXT, "c")
    keys.destroy(SUBJECT)
    for opened in (keys, Keystore.open(path, seed=seed)):
        assert opened.unseal(SUBJECT, sealed, "c") is None
        assert opened.unseal("other", other, "c") == TEXT
        with pytest.raises(StoreError, match="destroyed"):
            opened.seal(SUBJECT, "again", "c")
    assert REDACTED == "[redacted]"


def test_a_destroyed_key_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    keys = Keystore.open(path)
    keys.seal(SUBJECT, TEXT, "c")
    line = next(line for line in path.read_text().splitlines() if SUBJECT in line)
    keys.destroy(SUBJECT)
    assert line not in path.read_text()
    assert sorted(os.listdir(tmp_path)) == ["keys", "keys.lock"]


def test_a_key_destroyed_elsewhere_is_gone_here(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    keys = Keystore.open(path)
    sealed = keys.seal(SUBJECT, TEXT, "c")
    Keystore.open(path).destroy(SUBJECT)
    assert keys.unseal(SUBJECT, sealed, "c") is None


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    keys = Keystore.open(path)
    keys.seal(SUBJECT, TEXT, "c")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys.destroy(SUBJECT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_cut_off_by_a_crash_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    sealed = Keystore.open(path).seal(SUBJECT, TEXT, "c")
    with path.open("ab") as file:
        file.write(b'{"subject":"half')
    keys = Keystore.open(path)
    other = keys.seal("other", TEXT, "c")
    again = Keystore.open(path)
    assert again.unseal(SUBJECT, sealed, "c") == TEXT
    assert again.unseal("other", other, "c") == TEXT


def test_an_altered_text_or_another_context_is_damaged() -> None:
    keys = Keystore.open(None, seed=1)
    sealed = keys.seal(SUBJECT, TEXT, "c")
    for text, context in ((sealed, "d"), ("AAAA" + sealed[4:], "c"), ("no base64!", "c")):
        with pytest.raises(StoreDamaged, match="not what was sealed"):
            keys.unseal(SUBJECT, text, context)


def test_a_key_that_never_was_is_an_error_that_names_the_subject(tmp_path: Path) -> None:
    sealed = Keystore.open(tmp_path / "one").seal(SUBJECT, TEXT, "c")
    with pytest.raises(StoreError, match=SUBJECT):
        Keystore.open(tmp_path / "two").unseal(SUBJECT, sealed, "c")


@pytest.mark.parametrize("content", ["no json\n", '{"format":2}\n', '{"subject":"x"}\n', "[]\n"])
def test_another_file_is_not_a_keystore(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(StoreDamaged, match="line 1: not a keystore"):
        Keystore.open(path)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    keys = Keystore.open(tmp_path / "missing" / "keys")
    with pytest.raises(StoreError, match="missing"):
        keys.seal(SUBJECT, TEXT, "c")


def seal_many(path: Path, name: str) -> None:
    keys = Keystore.open(path)
    for number in range(20):
        keys.seal(f"{name}:{number}", TEXT, "c")
        keys.seal(f"shared:{number}", TEXT, "c")


def test_processes_share_a_keystore(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=seal_many, args=(path, name)) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    lines = path.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 1 + 60
