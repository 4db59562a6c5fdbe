"""What stays of instructions that a projection let go of: sums of digests, of a fixed size.

Two folds of one log let go of the same instructions in the same state, whatever order they come in,
exactly when their sums agree; a bucket in which they do not says which few to look at whole.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import msgspec
from pydantic import BaseModel

BUCKETS: Final = 1_024
DIGEST_BYTES: Final = 16
_WRAP: Final = (1 << (8 * DIGEST_BYTES)) - 1


def bucket_of(id: UUID) -> int:
    """The bucket of an instruction; ids are hashes, so all are of about one size."""
    return id.int % BUCKETS


class Sealed:
    """How many instructions were let go of, and per bucket the sum of their digests.

    A digest is of the id and of all that the projection tells of the instruction; one that comes
    back is taken out again by the same facts.
    """

    __slots__ = ("count", "sums")

    def __init__(self) -> None:
        self.count = 0
        self.sums = [0] * BUCKETS

    def add(self, id: UUID, facts: object) -> None:
        """Count an instruction that is let go of."""
        self.count += 1
        self._move(id, _digest(id, facts))

    def take(self, id: UUID, facts: object) -> None:
        """Take out one that is told again; ``facts`` are those that it was let go of with."""
        self.count -= 1
        self._move(id, -_digest(id, facts))

    def _move(self, id: UUID, amount: int) -> None:
        bucket = bucket_of(id)
        self.sums[bucket] = (self.sums[bucket] + amount) & _WRAP

    def merge(self, other: Sealed) -> None:
        """Count what another let go of too."""
        self.count += other.count
        self.sums = [(a + b) & _WRAP for a, b in zip(self.sums, other.sums, strict=True)]

    def told(self) -> dict[str, object]:
        """For a projection's state: nothing while nothing was let go of."""
        if not self.count:
            return {}
        sums = {f"{bucket:03x}": f"{of:032x}" for bucket, of in enumerate(self.sums) if of}
        return {"sealed": {"count": self.count, "sums": sums}}


def _fields(value: object) -> dict[str, Any]:
    """What a record says, for the encoder, which does not know them."""
    if isinstance(value, BaseModel):
        return value.__dict__
    raise TypeError(f"{type(value).__name__} has no place in a digest")


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_fields).encode


def _digest(id: UUID, facts: object) -> int:
    return int.from_bytes(
        blake2b(id.bytes + _encode(facts), digest_size=DIGEST_BYTES).digest(), "big"
    )
