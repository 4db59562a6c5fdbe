"""Keys for personal text, apart from the log: destroying one makes its text unreadable for ever.

The log keeps ciphertext, and its chain covers the ciphertext, so that a destroyed key leaves a log
that verifies and shows ``[redacted]`` (ruling 23). AES-SIV (RFC 5297) gives the same ciphertext for
the same key, context and text: a run that is repeated writes the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ...domain.errors import StoreDamaged, StoreError

REDACTED: Final = "[redacted]"
"""What is shown in the place of a text whose key is destroyed."""

KEY_BITS: Final = 512
SUBJECT_MAX: Final = 200
_FORMAT: Final = 1
_MODE: Final = 0o600
_SALT: Final = b"fillwright keystore 1"
_EMPTY: Final = re.compile(rb"\s*")


class Keystore:
    """A key per subject (a decision, a person), kept in a file that only its owner may read.

    Each line of the file is one record: a format line, then ``{"subject", "key"}`` or
    ``{"subject", "destroyed": true}``. A new key is on disk before :meth:`seal` returns, so that no
    stored text can outlive its key by accident. With a ``seed`` keys are derived instead (for
    simulation: whoever knows the seed can derive them again), and the file holds only what was
    destroyed.
    """

    def __init__(self, path: Path | None, seed: int | None) -> None:
        self.path = path
        self._seed = seed
        self._keys: dict[str, bytes] = {}
        self._destroyed: set[str] = set()
        self._seen: tuple[int, int] | None = None
        self._whole_bytes = 0
        self._lock = RLock()

    @classmethod
    def open(cls, path: Path | str | None, *, seed: int | None = None) -> Keystore:
        """Open a keystore, reading its file when there is one; None keeps keys in memory only.

        Raises:
            StoreError: the file cannot be read.
            StoreDamaged: it is not a keystore.
        """
        store = cls(None if path is None else Path(path).expanduser().absolute(), seed)
        with store._lock:
            store._refresh()
        return store

    def needs_writing(self, subject: str) -> bool:
        """Whether sealing for ``subject`` would first put a new key on the disk."""
        with self._lock:
            is_kept = self.path is not None and self._seed is None
            return is_kept and subject not in self._keys

    def prepare(self, subject: str) -> None:
        """Have the key of ``subject`` on disk already when :meth:`seal` is called.

        May be called from any thread, so that nobody waits for the disk and for something else one
        after the other.

        Raises:
            StoreError: the subject's key was destroyed, or a new one cannot be kept.
        """
        _check_subject(subject)
        with self._lock:
            if self._key(subject) is None:
                self._make_key(subject)

    def seal(self, subject: str, text: str, context: str) -> str:
        """Encrypt ``text`` for ``subject``; base64.

        ``context`` says where the text belongs (such as ``reasoning``): it cannot be unsealed under
        another. The same arguments always give the same result.

        Raises:
            StoreError: the subject's key was destroyed, or a new one cannot be kept.
        """
        _check_subject(subject)
        with self._lock:
            key = self._key(subject) or self._make_key(subject)
        sealed = AESSIV(key).encrypt(_padded(text), [context.encode(), subject.encode()])
        return base64.b64encode(sealed).decode("ascii")

    def unseal(self, subject: str, sealed: str, context: str) -> str | None:
        """Decrypt a sealed text; None when its key is destroyed (show :data:`REDACTED`).

        Raises:
            StoreError: this keystore has never had a key for the subject.
            StoreDamaged: the text was altered, or sealed for another subject or context.
        """
        with self._lock:
            key = self._key(subject)
            if key is None:
                if subject in self._destroyed:
                    return None
                raise StoreError(
                    f"there is no key for {subject} in {self.path or 'this keystore'}; "
                    "open the log together with the keystore it was written with"
                )
        try:
            data = base64.b64decode(sealed, validate=True)
            plain = AESSIV(key).decrypt(data, [context.encode(), subject.encode()])
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise StoreDamaged(
                f"the sealed text of {subject} ({context}) is not what was sealed, "
                "or the keystore belongs to another log"
            ) from error
        return plain[1:].decode("utf-8", "surrogatepass")

    def destroy(self, subject: str) -> None:
        """Make all text of ``subject`` unreadable for ever; sealing for it is refused from now on.

        Retention and legal hold are the caller's to check first. Copies of the file made earlier
        (backups) still hold the key.
        """
        with self._lock, self._exclusive():
            self._refresh()
            self._keys.pop(subject, None)
            self._destroyed.add(subject)
            self._rewrite()

    # -- keys ----------------------------------------------------------------------------------

    def _key(self, subject: str) -> bytes | None:
        self._refresh()
        if subject in self._destroyed:
            return None
        key = self._keys.get(subject)
        if key is None and self._seed is not None:
            key = self._keys[subject] = self._derive(subject, self._seed)
        return key

    def _make_key(self, subject: str) -> bytes:
        with self._exclusive():
            self._refresh()
            if subject in self._destroyed:
                raise StoreError(
                    f"the key of {subject} was destroyed; no text can be sealed for it"
                )
            if subject not in self._keys:
                key = AESSIV.generate_key(KEY_BITS)
                self._append({"subject": subject, "key": base64.b64encode(key).decode("ascii")})
                self._keys[subject] = key
            return self._keys[subject]

    @staticmethod
    def _derive(subject: str, seed: int) -> bytes:
        derivation = HKDF(SHA512(), length=KEY_BITS // 8, salt=_SALT, info=subject.encode())
        return derivation.derive(str(seed).encode())

    # -- the file ------------------------------------------------------------------------------

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other processes from writing the file."""
        if self.path is None:
            yield
            return
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise self._cannot("written", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _refresh(self) -> None:
        """Read what was added to the file since it was read last."""
        if self.path is None:
            return
        try:
            status = os.stat(self.path)
            if self._seen == (status.st_ino, status.st_size):
                return
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._cannot("read", error) from error
        # Another process may have destroyed a key, which makes the file anew: read all of it.
        self._keys.clear()
        self._destroyed.clear()
        lines = data.split(b"\n")
        if lines[-1]:
            lines.pop()  # cut off by a crash while it was appended; its seal never returned
        for number, line in enumerate(lines, start=1):
            if not _EMPTY.fullmatch(line):
                self._take(line, number)
        self._seen = (status.st_ino, len(data))
        self._whole_bytes = data.rfind(b"\n") + 1

    def _take(self, line: bytes, number: int) -> None:
        try:
            record: dict[str, Any] = json.loads(line)
            if "format" in record:
                if record["format"] != _FORMAT:
                    raise ValueError(f"format {record['format']} is not known")
            elif record.get("destroyed"):
                self._destroyed.add(record["subject"])
                self._keys.pop(record["subject"], None)
            else:
                self._keys[record["subject"]] = base64.b64decode(record["key"], validate=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged(f"{self.path}, line {number}: not a keystore ({error})") from error

    def _append(self, record: dict[str, Any]) -> None:
        if self.path is None:
            return
        if not self.path.exists():
            self._rewrite()
        line = _line(record)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, self._whole_bytes)
                _write_all(descriptor, line, self._whole_bytes)
                os.fsync(descriptor)
                self._whole_bytes += len(line)
                self._seen = (os.fstat(descriptor).st_ino, self._whole_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._cannot("written", error) from error

    def _rewrite(self) -> None:
        """Put a new file in the place of the old one, whole or not at all."""
        if self.path is None:
            return
        records: list[dict[str, Any]] = [{"format": _FORMAT}]
        records += [{"subject": subject, "destroyed": True} for subject in sorted(self._destroyed)]
        if self._seed is None:
            records += [
                {"subject": subject, "key": base64.b64encode(key).decode("ascii")}
                for subject, key in self._keys.items()
            ]
        data = b"".join(map(_line, records))
        try:
            _replace_file(self.path, data)
            self._seen = (os.stat(self.path).st_ino, len(data))
        except OSError as error:
            raise self._cannot("written", error) from error
        self._whole_bytes = len(data)

    def _cannot(self, what: str, error: OSError) -> StoreError:
        return StoreError(
            f"the keystore {self.path} cannot be {what}: {error.strerror or error}. "
            "Check its folder, owner and free space"
        )


def _check_subject(subject: str) -> None:
    if not 0 < len(subject) <= SUBJECT_MAX:
        raise StoreError(f"the subject {subject[:40]!r} is not 1 to {SUBJECT_MAX} characters")


def _padded(text: str) -> bytes:
    # AES-SIV takes no empty text; one byte in front, for every text, keeps them apart.
    return b"\x01" + text.encode("utf-8", "surrogatepass")


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _replace_file(path: Path, data: bytes) -> None:
    # mkstemp makes the file readable by its owner only.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        try:
            _write_all(descriptor, data, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
