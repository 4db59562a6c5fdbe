"""The hash chain: each stored event is bound to everything stored before it.

    hash = sha256(previous hash | position | originator id | originator version
                  | length of topic | topic | state)

Integers are big-endian (8, 8 and 2 bytes), the id is its 16 bytes, and the length before the topic
keeps two different events from ever giving the same input. The first previous hash is 32 zero
bytes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from struct import Struct
from typing import Final

GENESIS: Final = bytes(32)
"""The hash before the first event."""

TOPIC_BYTES_MAX: Final = 255

_PREFIX: Final = Struct(">32sQ16sQ")
_LENGTH: Final = Struct(">H")
_sha256 = hashlib.sha256
_pack = _PREFIX.pack


def link(
    previous: bytes, position: int, originator: bytes, version: int, topic: str, state: bytes
) -> bytes:
    """The hash of the event at ``position``; ``originator`` is the id's 16 bytes."""
    prefix = _pack(previous, position, originator, version)
    return _sha256(prefix + _named(topic) + state).digest()


@lru_cache(maxsize=1_024)
def _named(topic: str) -> bytes:
    name = topic.encode()
    return _LENGTH.pack(len(name)) + name
