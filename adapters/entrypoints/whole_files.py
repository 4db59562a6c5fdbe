"""Results in a file that somebody names: whole or not at all, and never over evidence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from ...domain.errors import InvalidInput

_BEGINNING_BYTES: Final = 4_096
_BEGINNINGS: Final = (
    b"SQLite format 3\x00",
    b"\x37\x7f\x06\x82",  # what was committed last, beside a database
    b"\x37\x7f\x06\x83",
    b"PRIVATE+KEY+",
    b'{"format":1}\n',  # the keys of personal text
)
_SIGNATURE: Final = "\n\n— ".encode()


def refuse_evidence(out: Path) -> None:
    """Refuse to write over a store, a journal, a private key, a keystore or an anchor.

    Raises:
        InvalidInput: the file is one of them.
    """
    if not out.is_file():
        return
    with out.open("rb") as file:
        begins = file.read(_BEGINNING_BYTES)
    if begins.startswith(_BEGINNINGS) or _SIGNATURE in begins:
        raise InvalidInput("out", out, "a file that is no store, key or anchor")


def write_whole(out: Path, data: bytes) -> None:
    """Put ``data`` in the place of what the file held, once all of it is written.

    Raises:
        InvalidInput: the file is a store, a key or an anchor.
        OSError: it cannot be written; what was there is there still.
    """
    refuse_evidence(out)
    if out.is_symlink() or (out.exists() and not out.is_file()):
        out.write_bytes(data)  # /dev/stdout, a pipe
        return
    part = out.with_name(f"{out.name}.part")
    try:
        part.write_bytes(data)
        if out.exists():
            shutil.copymode(out, part)  # who may read it stays as it was
        os.replace(part, out)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
