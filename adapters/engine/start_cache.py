"""The file beside a store that spares a start the whole log.

    {"format": 1, "code": …, "account": …, "position": …, "hash": …, "sha256": …}
    {the state, as JSON}

``hash`` is the chain's at ``position``, ``code`` the digest of the code that folds events, and
``sha256`` is over the rest of the first line and the second. One that does not fit the log, the
code or its own digest is not used, and everything is folded from the first event. The log alone is
the truth: ``fillwright replay`` compares what is kept here with a rebuild.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from ... import __version__
from ..storage.location import is_postgres
from ..storage.log import Log
from .keeping import Kept

FORMAT: Final = 1
SUFFIX: Final = ".start"
FOLDING_PARTS: Final = ("domain", "projections", "adapters/engine")


class Unusable(Exception):
    """A kept state that a start cannot go on from; the text says why."""


@cache
def _adapter() -> TypeAdapter[Kept]:
    return TypeAdapter(Kept)


@cache
def code_digest() -> str:
    """The version with a digest of the source that folds events, so that other code is found."""
    digest = hashlib.sha256(__version__.encode())
    root = Path(__file__).resolve().parents[2]
    for part in FOLDING_PARTS:
        for path in sorted((root / part).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{__version__}+{digest.hexdigest()}"


def path_of(log: Log, account: str) -> Path | None:
    """Where the file of a log is; None for one in memory.

    On a server several engines share a log, and each keeps the sums of its own account.
    """
    if log.in_memory:
        return None
    return log.files.with_name(_name(log, account))


def _name(log: Log, account: str) -> str:
    shared = f".{account}" if is_postgres(log.url) else ""
    return log.files.name + shared + SUFFIX


def write(log: Log, account: str, kept: Kept) -> bool:
    """Put the file in the place of the one before, whole or not at all; False when it is not.

    A disk that cannot take it holds up nothing: the next start reads more of the log.
    """
    path, hash = path_of(log, account), _hash_at(log, kept.position)
    if path is None or not hash:
        return False
    body = _adapter().dump_json(kept)
    header = {
        "format": FORMAT,
        "code": code_digest(),
        "account": account,
        "position": kept.position,
        "hash": hash,
    }
    whole = {**header, "sha256": _digest(header, body)}
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(json.dumps(whole).encode() + b"\n" + body)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        return False
    return True


def read(log: Log, account: str) -> Kept:
    """The state to go on from.

    Raises:
        Unusable: there is none, or it is not of this log, account or code, or not as written.
    """
    path = path_of(log, account)
    try:
        header, kept = _read(log, path.read_bytes() if path is not None else b"")
    except OSError as error:
        raise Unusable(f"there is none: {error.strerror}") from error
    if header.get("account") != account:
        raise Unusable(f"it is of account {header.get('account')}")
    return kept


def read_all(log: Log) -> list[tuple[str, Kept]]:
    """What a start could go on from with its account, the earliest position first."""
    if log.in_memory:
        return []
    found = []
    for path in log.files.parent.glob(f"{glob.escape(log.files.name)}*{SUFFIX}"):
        with contextlib.suppress(Unusable, OSError):
            header, kept = _read(log, path.read_bytes())
            account = str(header.get("account"))
            if path.name == _name(log, account):
                found.append((account, kept))
    return sorted(found, key=lambda one: one[1].position)


def _read(log: Log, data: bytes) -> tuple[dict[str, Any], Kept]:
    """The header and the state, where they are of this log and code and as they were written."""
    header, body = _parts(data)
    claimed = header.pop("sha256", None)
    if header.get("format") != FORMAT:
        raise Unusable("another version of fillwright wrote it")
    if claimed != _digest(header, body):
        raise Unusable("it is not as it was written")
    if header.get("code") != code_digest():
        raise Unusable("other code wrote it")
    position = header["position"]
    if _hash_at(log, position) != header["hash"]:
        raise Unusable(f"the log at position {position} is not the one that it was written from")
    try:
        kept = _adapter().validate_json(body)
    except ValidationError as error:
        raise Unusable("it is not as it was written") from error
    if not kept.position == kept.limits.position == kept.books.position == position:
        raise Unusable("its parts are of different positions")
    return header, kept


def _hash_at(log: Log, position: int) -> str:
    """The chain's hash at a position, empty where the log has none."""
    return dict(log.hashes(position - 1, position)).get(position, b"").hex()


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, body = data.partition(b"\n")
    try:
        header = json.loads(line)
    except ValueError as error:
        raise Unusable("it is not as it was written") from error
    if not isinstance(header, dict):
        raise Unusable("it is not as it was written")
    return header, body


def _digest(header: dict[str, Any], body: bytes) -> str:
    first = json.dumps(header, sort_keys=True).encode()
    return hashlib.sha256(first + b"\n" + body).hexdigest()
