"""What a verification is told as, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..captured_segments import CheckedSegments
    from ..integrity.verifying import Verification

ACTOR: Final = "verify"
ONLY_OUTSIDE: Final = (
    "whether the end was cut off",
    "whether the whole log was replaced, by an older copy too",
    "whether it was rewritten with a chain that fits",
)
"""What nothing inside a store can show."""


def not_checked(found: Verification) -> list[str]:
    """What was not read, or could not be checked from inside; empty when all was."""
    if not found.anchored_size:
        return list(ONLY_OUTSIDE)
    after, before = found.size - found.anchored_size, found.checked_from
    again = [
        f"whether an event up to position {before} was changed since: a whole verify reads them"
    ]
    late = [f"the last {after} events against a checkpoint outside"]
    return [*(again if before else []), *(late if after > 0 else [])]


def verification_json(
    store: str, found: Verification, segments: CheckedSegments, faults: list[str]
) -> dict[str, Any]:
    """The outcome as one document."""
    from ..storage.location import without_password

    return {
        "store": without_password(store),
        "ok": found.ok and not faults and not segments.unreadable,
        "outcome": "failed" if faults else found.outcome,
        "events": found.good if not found.ok else found.size,
        "from": found.checked_from,
        "head": {"position": found.size, "hash": found.head},
        "root": found.root,
        "checkpoints": found.checkpoints,
        "anchored_position": found.anchored_size,
        "not_checked": [*not_checked(found), *segments.unreadable],
        "first_bad_position": found.first_bad_position,
        "what": found.what,
        "faults": [fault for fault in faults if fault not in segments.bad],
        "segments": segments.good,
        "segment_faults": list(segments.bad),
    }


def verification_text(found: Verification, segments: int) -> str:
    """The good outcome in a few lines."""
    since = f" after position {found.checked_from}" if found.checked_from else ""
    checked = found.size - found.checked_from
    vouched = "consistent, not anchored: nothing outside the store was compared"
    if found.anchored_size:
        vouched = (
            f"anchored: the hash at {found.checked_from} is that of a checkpoint kept outside"
            if found.checked_from
            else f"anchored: the first {found.anchored_size} are those of {found.checkpoints} "
            "checkpoints kept outside"
        )
    agree = "are as they were written" if found.anchored_size else "agree with each other"
    open_points = "".join(f"not checked: {what}\n" for what in not_checked(found))
    return (
        f"{checked} events{since} and {segments} segments {agree}\n"
        f"{vouched}\n{open_points}"
        f"head {found.size} {found.head.hex()}\n"
        f"root {found.root.hex()}"
    )


def keep_record(store: str, found: Verification, faults: list[str]) -> None:
    """Record the outcome in the second stream; a store that cannot be written is left alone."""
    import time

    from ...domain.errors import StoreError
    from ...domain.ops import VerificationDone
    from ..storage.location import parse_location
    from ..storage.ops_log import OpsLog

    if parse_location(store) is None:
        return
    what = found.what or (faults[0] if faults else "")
    try:
        with OpsLog.open(store) as ops:
            ops.append(
                VerificationDone(
                    record_time=time.time_ns(),
                    actor=ACTOR,
                    log_position=found.size,
                    log_hash=found.head.hex(),
                    from_position=found.checked_from,
                    outcome="failed" if what else found.outcome,
                    first_bad_position=found.first_bad_position,
                    what=what,
                )
            )
    except StoreError:
        from . import output

        output.note("the outcome is not kept: the store cannot be written")
