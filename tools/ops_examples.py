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
        ops.ReportIssued(
            **_head(),
            kind="best-execution",
            from_session="2024-11-01",
            to_session="2024-11-29",
            parameters='{"sp500":[]}',
            code_version="0.2.0",
            report=DIGEST,
            segments=(DIGEST[::-1],),
            supersedes=DIGEST[::-1],
        ),
        ops.ReviewRecorded(
            **_head(),
            report=DIGEST,
            from_session="2024-10-01",
            to_session="2024-12-31",
            symbol="IBM",
            order_type=None,
            factors=(("speed", "no change"), ("price improvement", "better than last quarter")),
            decision="keep",
            subject="review:kim",
            sealed_reason="c2VhbGVk",
        ),
        ops.CommentaryWritten(
            **_head(),
            report=DIGEST,
            model="example-1",
            input=DIGEST[::-1],
            subject="commentary",
            sealed_prompt="c2VhbGVk",
            sealed_text="c2VhbGVkIHRvbw==",
            refused="97 is not in the report",
        ),
    ]
