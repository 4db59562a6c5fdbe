"""A hand-written example of every record of the second stream."""

from __future__ import annotations

from typing import Any

from fillwright.domain import ops

from .event_examples import DIGEST, NOW


def _head() -> dict[str, Any]:
    return {
        "record_time": NOW,
        "actor": "compliance",
        "log_position": 1_204,
        "log_hash": DIGEST,
    }


def ops_examples() -> list[ops.OpsRecord]:
    """One example of every record."""
    return [
        ops.VerificationDone(
            **_head(),
            from_position=1_000,
            outcome="failed",
            first_bad_position=1_117,
            what="altered: its hash does not fit what is stored",
        ),
        ops.Anchored(
            **_head(),
            root=DIGEST[::-1],
            frontier=(DIGEST, DIGEST[::-1], DIGEST, DIGEST),
            note=f"fillwright/main\n1204\n...\nhead {DIGEST}\ntime {NOW}\n\n— fillwright/main …\n",
            anchor="file:///srv/anchor/main.anchor",
            time_stamped=True,
        ),
    ]
