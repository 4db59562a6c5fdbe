"""Time stamps of a third party on checkpoints (RFC 3161), kept as one more signature line.

What is stamped is the signed note as it was before, so that the stamp covers the signature too. The
line's key id is the beginning of SHA-256(name, newline, 0xff, "fillwright rfc3161"), the way the
signed-note format asks for algorithms it does not name; tools that do not know it pass over it.
"""

from __future__ import annotations

import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ...domain.errors import InvalidInput
from .anchors import StampError
from .checkpoints import SignedCheckpoint
from .notes import Note, NoteError, Signature, key_id

NAME: Final = "rfc3161"
_ALGORITHM: Final = b"\xfffillwright rfc3161"
KEY_ID: Final = key_id(NAME, _ALGORITHM)
SECONDS_MAX: Final = 20
ANSWER_BYTES_MAX: Final = 1 << 20


def stamped(checkpoint: SignedCheckpoint, url: str) -> SignedCheckpoint:
    """The checkpoint with a time stamp of the authority at ``url``.

    Raises:
        StampError: the authority cannot be reached, or refuses.
    """
    library = _library()
    note = checkpoint.note
    asked = library.TimestampRequestBuilder().data(note.whole.encode()).nonce(nonce=True).build()
    request = urllib.request.Request(
        url, data=asked.as_bytes(), headers={"Content-Type": "application/timestamp-query"}
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
            data = answer.read(ANSWER_BYTES_MAX)
        response = library.decode_timestamp_response(data)
    except (OSError, ValueError) as error:
        raise StampError(f"the time-stamping authority {url} gave no stamp: {error}") from error
    if response.status != 0 or response.tst_info.nonce != asked.nonce:
        raise StampError(f"the time-stamping authority {url} refused (status {response.status})")
    line = Signature(NAME, KEY_ID, data)
    return SignedCheckpoint(checkpoint.checkpoint, Note(note.text, (*note.signatures, line)))


def stamp_of(note: Note) -> bytes | None:
    """The time stamp on a note, None when it has none."""
    found = [one.data for one in note.signatures if (one.name, one.key_id) == (NAME, KEY_ID)]
    return found[0] if found else None


def check_stamp(note: Note, roots: Path) -> datetime:
    """When the authority saw the note; its certificate has to lead to one in ``roots`` (PEM).

    Raises:
        NoteError: there is no stamp, or it is not of this note by an authority that is believed.
        InvalidInput: the certificates cannot be read.
    """
    from cryptography import x509

    library = _library()
    data = stamp_of(note)
    if data is None:
        raise NoteError("it has no time stamp")
    try:
        certificates = x509.load_pem_x509_certificates(roots.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput("time_stamp_roots", roots, f"a PEM file ({error})") from error
    others = tuple(one for one in note.signatures if (one.name, one.key_id) != (NAME, KEY_ID))
    builder = library.VerifierBuilder()
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    try:
        response = library.decode_timestamp_response(data)
        builder.build().verify_message(response, Note(note.text, others).whole.encode())
    except (library.VerificationError, ValueError) as error:
        raise NoteError(f"its time stamp is not to be believed: {error}") from error
    at: datetime = response.tst_info.gen_time
    return at


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise InvalidInput(
            "time_stamp_url",
            "set",
            "an installation with the extra: pip install 'fillwright[timestamp]'",
        ) from error
    return rfc3161_client
