"""Checkpoints: how many events the log has, their Merkle root and the chain's head, signed.

The body is a C2SP tlog-checkpoint: origin, size and root, then two extension lines of ours::

    fillwright/main
    1204
    <root, base64>
    head <chain hash at that position, hex>
    time <ns UTC>
    records <how many the second stream has> <its chain hash there, hex>

The last line is absent in checkpoints of before; it binds what was done with the log to what the
log is, so that a record that is taken away or rewritten later is found as an event would be.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from ..storage.records import Head
from .merkle import EMPTY_ROOT
from .notes import Note, NoteError, SignerKey, parse_note

_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log at one moment: ``size`` events with this ``root``; ``head`` is the chain's hash.

    ``origin`` names the log, ``time`` is when the checkpoint was made (ns UTC). ``records`` is how
    many records the second stream had and the hash of its chain there, None where it does not say.
    """

    origin: str
    size: int
    root: bytes
    head: bytes
    time: int
    records: Head | None = None

    @property
    def body(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        lines = [self.origin, str(self.size), root, f"head {self.head.hex()}", f"time {self.time}"]
        if self.records is not None:
            lines.append(f"records {self.records.position} {self.records.hash.hex()}")
        return "".join(f"{line}\n" for line in lines)

    def signed(self, key: SignerKey) -> SignedCheckpoint:
        """This checkpoint with a key's signature."""
        return SignedCheckpoint(self, parse_note(key.sign(self.body)))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with the note it was read from, or is written as."""

    checkpoint: Checkpoint
    note: Note

    @property
    def size(self) -> int:
        """How many events it covers."""
        return self.checkpoint.size

    @property
    def text(self) -> str:
        """The signed note."""
        return self.note.whole


def parse_checkpoint(text: str) -> SignedCheckpoint:
    """Read a signed checkpoint; its signatures are not checked by this.

    Raises:
        NoteError: it is not a checkpoint as we write them.
    """
    note = parse_note(text)
    lines = note.text.splitlines()
    if len(lines) < 5:
        raise NoteError("it is not a checkpoint of a fillwright log: lines are missing")
    origin, size, encoded = lines[:3]
    extensions = dict(line.partition(" ")[::2] for line in lines[3:])
    head, time = extensions.get("head", ""), extensions.get("time", "")
    try:
        root = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        root = b""
    if not (origin and _DIGITS.fullmatch(size) and len(root) == 32):
        raise NoteError("it is not a checkpoint: origin, size and root do not come first")
    if not (_HEX.fullmatch(head) and _DIGITS.fullmatch(time)):
        raise NoteError("it is not a checkpoint of a fillwright log: head or time is missing")
    records = _records(extensions.get("records"))
    found = Checkpoint(origin, int(size), root, bytes.fromhex(head), int(time), records)
    if found.size == 0 and found.root != EMPTY_ROOT:
        raise NoteError("it says the log is empty and gives the root of another tree")
    return SignedCheckpoint(found, note)


def _records(said: str | None) -> Head | None:
    """What a checkpoint says of the second stream, None where it says nothing."""
    if said is None:
        return None
    count, _, hash = said.partition(" ")
    if not (_DIGITS.fullmatch(count) and _HEX.fullmatch(hash)):
        raise NoteError("it does not say of the second stream how many records and which hash")
    return Head(int(count), bytes.fromhex(hash))
