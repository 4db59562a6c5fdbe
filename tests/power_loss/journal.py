"""The journal of a recording: what a server's processes wrote, and what our own process noted.

``preload.c`` is built here and loaded into the server; each note is one write to a file opened for
appending, so all of them stand in one order. Our own notes go the same way: what was acknowledged
stands after all that was written and synced for it.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

CANNOT: Final = "power loss cannot be recorded"
"""Begins the reason of a skip; ``.ci/run`` takes none that has it."""
SOURCE: Final = Path(__file__).with_name("preload.c")
HEAD: Final = struct.Struct("<Ii8sQq")
MARK: Final = b"!"


class CannotRecord(Exception):
    """This machine does not let a server's writes be watched."""


class Note(NamedTuple):
    """One note: who, what, on which file, an offset or length or result, and what belongs to it."""

    process: int
    what: str
    file: int
    number: int
    content: bytes


def build(library: Path) -> None:
    """Make the library that a server is started with.

    Raises:
        CannotRecord: there is no compiler, or this is not Linux.
    """
    if sys.platform != "linux":
        raise CannotRecord(f"{CANNOT} on {sys.platform}")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotRecord(f"{CANNOT} without a C compiler (apt-get install gcc libc6-dev)")
    options = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC"]
    done = subprocess.run(
        [compiler, *options, "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotRecord(f"{CANNOT}, {compiler} fails: {done.stderr.strip()}")
    library.chmod(0o755)


def environment(library: Path, journal: Path, data: Path) -> dict[str, str]:
    """What a program needs to have its writes below ``data`` noted."""
    return {
        "LD_PRELOAD": str(library),
        "FILLWRIGHT_JOURNAL": str(journal),
        "FILLWRIGHT_RECORDED": str(data),
    }


class Marker:
    """Writes our own notes into the journal of a server."""

    def __init__(self, journal: Path) -> None:
        self._descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND)

    def __call__(self, **said: Any) -> None:
        content = json.dumps(said).encode()
        note = HEAD.pack(len(content), os.getpid(), MARK, 0, 0) + content
        assert os.write(self._descriptor, note) == len(note)


def read(journal: Path) -> Iterator[Note]:
    """All notes in order; one that is not whole is an error."""
    with journal.open("rb") as file:
        while head := file.read(HEAD.size):
            length, process, what, inode, number = HEAD.unpack(head)
            content = file.read(length)
            assert len(content) == length, "the journal is cut off"
            yield Note(process, what.rstrip(b"\0").decode(), inode, number, content)
