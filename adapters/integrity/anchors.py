"""Where checkpoints are left outside the store: a file, a URL, or a command.

A file anchor holds signed notes one after the other with an empty line between; it is only ever
appended to, so it may lie on a disk that allows no more than that. A URL gets each note by POST and
gives all of them by GET. A command gets each note on its standard input and cannot be read back.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...domain.errors import FillwrightError, InvalidInput
from .checkpoints import SignedCheckpoint, parse_checkpoint
from .notes import NoteError

COMMAND: Final = "command:"
URLS: Final = ("http://", "https://")
FILE: Final = "file://"
SIGNATURE_MARK: Final = "— "
SECONDS_MAX: Final = 20
ANCHOR_BYTES_MAX: Final = 1 << 30


class AnchorError(FillwrightError):
    """An anchor cannot be written or read."""


class StampError(AnchorError):
    """What is left at an anchor could not be stamped by the authority that is configured."""


def check_form(anchor: str) -> None:
    """Refuse an anchor that would be taken for a file although it was meant for something else.

    Raises:
        InvalidInput: it begins as a URL of a kind that we do not know.
    """
    if "://" in anchor and not anchor.startswith((FILE, *URLS, COMMAND)):
        allowed = "a file, file://PATH, an http:// or https:// URL, or command: and a command"
        raise InvalidInput("integrity.anchor", anchor, allowed)


def leave(anchor: str, checkpoint: SignedCheckpoint) -> None:
    """Leave a checkpoint at an anchor; returns once it is there, on disk for a file.

    Raises:
        AnchorError: it could not be left.
        InvalidInput: it is no anchor.
    """
    check_form(anchor)
    text = checkpoint.text
    try:
        if anchor.startswith(URLS):
            _post(anchor, text)
        elif anchor.startswith(COMMAND):
            _tell(anchor.removeprefix(COMMAND), text)
        else:
            _append(_path(anchor), text, checkpoint.checkpoint.origin)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise AnchorError(f"the anchor {anchor} cannot be written: {error}") from error


def checkpoints_at(anchor: str) -> list[SignedCheckpoint]:
    """Every checkpoint that was left at an anchor, in the order in which they were left.

    Raises:
        AnchorError: it cannot be read, or holds something else.
        InvalidInput: it is no anchor.
    """
    check_form(anchor)
    if anchor.startswith(COMMAND):
        raise AnchorError("a command cannot be asked for its checkpoints: name the file or URL")
    try:
        if anchor.startswith(URLS):
            with urllib.request.urlopen(anchor, timeout=SECONDS_MAX) as answer:
                text = answer.read(ANCHOR_BYTES_MAX).decode()
        else:
            text = _path(anchor).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AnchorError(f"the anchor {anchor} cannot be read: {error}") from error
    try:
        return [parse_checkpoint(note) for note in split_notes(text)]
    except NoteError as error:
        raise AnchorError(f"the anchor {anchor} holds what is no checkpoint: {error}") from error


def is_unused(anchor: str) -> bool:
    """Whether it is a file that nothing was left in yet."""
    return not anchor.startswith((COMMAND, *URLS)) and not _path(anchor).exists()


def split_notes(text: str) -> Iterator[str]:
    """The notes of an anchor's text: each is a text, an empty line and lines of signatures.

    What a crash left unfinished is passed over: a text without signatures, or a last line without
    its end. Such a checkpoint was never acknowledged.
    """
    body: list[str] = []
    signatures: list[str] = []
    ended = False  # the empty line after the body was seen
    for line in [*text.splitlines(keepends=True), "\n"]:
        if not line.endswith("\n"):
            continue
        if line.startswith(SIGNATURE_MARK) and ended:
            signatures.append(line)
            continue
        if signatures:
            yield f"{''.join(body)}\n{''.join(signatures)}"
        if signatures or (ended and line != "\n"):
            body, signatures, ended = [], [], False
        if line == "\n":
            ended = bool(body)
        else:
            body.append(line)


def _path(anchor: str) -> Path:
    return Path(anchor.removeprefix(FILE)).expanduser()


def _append(path: Path, text: str, origin: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _drop_unfinished(path, file.fileno(), origin)
        left = f"{text}\n".encode()
        while left:  # a disk that is nearly full takes a part, and says nothing
            left = left[os.write(file.fileno(), left) :]
        os.fsync(file.fileno())


def _drop_unfinished(path: Path, descriptor: int, origin: str) -> None:
    """Cut off a note of ours that a crash left unfinished, so that the next one can be read.

    Raises:
        AnchorError: the file does not end as one of ours; nothing of it is cut off.
    """
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 2, max(size - 2, 0)) == b"\n\n":
        return
    held = os.pread(descriptor, size, 0)
    after = held.rfind(b"\n\n")
    whole = after + 2 if after >= 0 else 0
    left = held[whole:].rstrip(b"\0")  # of what a power cut kept the length only
    begun = (f"{origin}\n".encode(), f"{SIGNATURE_MARK}{origin} ".encode())
    if not any(left.startswith(one) or one.startswith(left) for one in begun):
        raise AnchorError(
            f"the anchor {path} holds something else than checkpoints of {origin}: nothing was "
            "written to it. Name another file"
        )
    os.ftruncate(descriptor, whole)


def _post(url: str, text: str) -> None:
    request = urllib.request.Request(
        url, data=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
        answer.read(1)


def _tell(command: str, text: str) -> None:
    subprocess.run(
        shlex.split(command), input=text.encode(), check=True, timeout=SECONDS_MAX, shell=False
    )
