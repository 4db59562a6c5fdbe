"""Which account a writer owns on a server that several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEASE_SECONDS_DEFAULT_MIN: Final = 2.0
LEASE_PER_REQUEST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Ownership:
    """The account, how long to wait for it, and how long one request to the broker may take.

    ``wait_seconds`` is for a process that stands by. A lease outlives ``request_seconds``, so that
    nobody else can own the account while a request of ours is under way (ruling 27); where the
    store's URL does not say how long it is, it is twice that, and two seconds at least.
    """

    account: str = "default"
    wait_seconds: float = 0.0
    request_seconds: float = 1.0

    @property
    def lease_seconds(self) -> float:
        """How long a lease is where the store's URL does not say."""
        return max(LEASE_SECONDS_DEFAULT_MIN, LEASE_PER_REQUEST * self.request_seconds)


DEFAULT_OWNERSHIP: Final = Ownership()
