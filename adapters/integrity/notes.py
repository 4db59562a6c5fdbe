"""Signed notes and their Ed25519 keys, as C2SP signed-note and Go's sumdb/note write them.

A note is text that ends with a newline, an empty line, and one signature a line::

    — <name> base64(<4 bytes of key id><signature>)

The key id is the beginning of SHA-256(name, newline, algorithm byte, public key); the algorithm
byte of Ed25519 is 1. Signatures of keys that are not known are passed over, as the format asks.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ...domain.errors import FillwrightError, InvalidInput

ED25519: Final = 1
KEY_BYTES: Final = 32
NOTE_BYTES_MAX: Final = 1 << 20
_SIGNATURE: Final = re.compile(r"— (?P<name>[^\s+]+) (?P<data>[A-Za-z0-9+/]+={0,2})")
_NAME: Final = re.compile(r"[^\s+]{1,200}")
_SECRET: Final = "PRIVATE+KEY+"
_SECRET_MODE: Final = 0o600


class NoteError(FillwrightError):
    """A signed note is malformed, or not signed by the key it has to be signed by."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under; written as ``name+id+base64``."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that a signature says its key by."""
        return key_id(self.name, bytes([ED25519]) + self.public)

    @property
    def text(self) -> str:
        """The key as existing tools take it."""
        data = base64.b64encode(bytes([ED25519]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{data}"

    @property
    def label(self) -> str:
        """Name and id, to say in a sentence which key is meant."""
        return f"{self.name}+{self.id.hex()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read ``name+id+base64``.

        Raises:
            InvalidInput: it is not such a key; a private key given for it is not repeated.
        """
        if _SECRET in text:
            raise InvalidInput("verifier key", "(a private key)", "its public half, verifier.pub")
        name, public = _parse_key(text.strip(), "verifier key")
        return cls(name, public)

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A private key with the name it signs under; its representation never shows the secret."""

    name: str
    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> SignerKey:
        """A new key.

        Raises:
            InvalidInput: the name has spaces or a plus sign, or is too long.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput("name", name, "1 to 200 characters without spaces and +")
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> SignerKey:
        """Read ``PRIVATE+KEY+name+id+base64``.

        Raises:
            InvalidInput: it is not such a key; the message does not repeat it.
        """
        text = text.strip()
        if not text.startswith(_SECRET):
            raise InvalidInput("signing key", "(not shown)", "a key made by `fillwright keys`")
        name, secret = _parse_key(text.removeprefix(_SECRET), "signing key", secret=True)
        return cls(name, secret)

    @property
    def text(self) -> str:
        """The key as existing tools take it; secret."""
        data = base64.b64encode(bytes([ED25519]) + self.secret).decode()
        return f"{_SECRET}{self.name}+{self.verifier.id.hex()}+{data}"

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._key().public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The signed note of a text that ends with a newline."""
        if not text.endswith("\n"):
            raise ValueError("the text of a note ends with a newline")
        signature = self._key().sign(text.encode())
        return f"{text}\n{signature_line(self.name, self.verifier.id + signature)}"

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the signer's name, its key's id and the signature itself."""

    name: str
    key_id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; ``text`` is what is signed."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def whole(self) -> str:
        """The note as it is written."""
        lines = (signature_line(one.name, one.key_id + one.data) for one in self.signatures)
        return f"{self.text}\n{''.join(lines)}"

    def signed_by(self, key: VerifierKey) -> bool:
        """Whether a signature of this key is there and right.

        Raises:
            NoteError: a signature names this key and is not its signature of the text.
        """
        text, found = self.text.encode(), False
        for signature in self.signatures:
            if (signature.name, signature.key_id) != (key.name, key.id):
                continue
            if not key.verify(text, signature.data):
                raise NoteError(f"the signature of {key.label} does not fit the text it signs")
            found = True
        return found

    def require(self, key: VerifierKey) -> None:
        """Accept the note only when this key signed it.

        Raises:
            NoteError: it did not; says who did.
        """
        if not self.signed_by(key):
            signers = ", ".join(f"{s.name}+{s.key_id.hex()}" for s in self.signatures)
            raise NoteError(f"it is signed by {signers}, and not by the key {key.label}")


def key_id(name: str, data: bytes) -> bytes:
    """The id of a key: four bytes of a hash over its name, algorithm and public key."""
    return hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]


def signature_line(name: str, data: bytes) -> str:
    """One line of a note's signatures."""
    return f"— {name} {base64.b64encode(data).decode()}\n"


def parse_note(text: str) -> Note:
    """Take a signed note apart.

    Raises:
        NoteError: it has no signature, or not the form of a note.
    """
    if len(text) > NOTE_BYTES_MAX:
        raise NoteError(f"it is longer than {NOTE_BYTES_MAX} bytes")
    body, found, lines = text.rpartition("\n\n")
    if not found or not lines.endswith("\n"):
        raise NoteError("it is not a signed note: text, an empty line, and lines of signatures")
    return Note(f"{body}\n", tuple(_signatures(lines.splitlines())))


def _signatures(lines: Sequence[str]) -> list[Signature]:
    found = []
    for line in lines:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise NoteError(f"{line[:60]!r} is not the signature line of a note")
        try:
            data = base64.b64decode(match["data"], validate=True)
        except binascii.Error as error:
            raise NoteError(f"{line[:60]!r} is not a signature: {error}") from error
        if len(data) < 5:
            raise NoteError(f"{line[:60]!r} is too short for a signature")
        found.append(Signature(match["name"], data[:4], data[4:]))
    return found


# -- files -----------------------------------------------------------------------------------------


def read_verifier(path: str | Path) -> VerifierKey:
    """Read a public key from a file; raises InvalidInput when it is not one."""
    return VerifierKey.parse(_read(path, "verifier key"))


def read_signer(path: str | Path) -> SignerKey:
    """Read a private key that only its owner may read.

    Raises:
        InvalidInput: it is not one, or others may read the file.
    """
    text = _read(path, "signing key")
    mode = os.stat(path).st_mode & 0o077
    if mode:
        raise InvalidInput(
            "signing key", path, f"a file that only its owner may read (chmod 600 {path})"
        )
    return SignerKey.parse(text)


def write_keys(key: SignerKey, private: Path, public: Path) -> None:
    """Write both halves; neither file may exist, and only the owner may read the private one.

    Raises:
        InvalidInput: a file exists already.
        OSError: a file cannot be written.
    """
    for path in (private, public):
        if path.exists():
            raise InvalidInput("key file", path, "a file that does not exist yet")
    private.parent.mkdir(parents=True, exist_ok=True)
    _write(private, key.text, _SECRET_MODE)
    try:
        _write(public, key.verifier.text, 0o644)
    except BaseException:
        private.unlink()  # one half would stand in the way of the next try
        raise


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def _read(path: str | Path, what: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(what, path, f"a readable key file ({error})") from error


def _parse_key(text: str, what: str, *, secret: bool = False) -> tuple[str, bytes]:
    name, first, rest = text.partition("+")
    id_hex, second, encoded = rest.partition("+")
    shown = "(not shown)" if secret else text
    allowed = "name+id+base64 of an Ed25519 key, as `fillwright keys` writes it"
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        data = b""
    if not (first and second and _NAME.fullmatch(name)):
        raise InvalidInput(what, shown, allowed)
    if len(data) != KEY_BYTES + 1 or data[0] != ED25519:
        raise InvalidInput(what, shown, allowed)
    public = data
    if secret:
        public = bytes([ED25519]) + SignerKey(name, data[1:]).verifier.public
    if key_id(name, public).hex() != id_hex:
        raise InvalidInput(what, shown, f"{allowed}; its id does not fit its name and key")
    return name, data[1:]
