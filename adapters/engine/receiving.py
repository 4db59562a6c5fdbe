"""A decision on the record: what came, from whom, and the market as it came."""

from __future__ import annotations

import json

from ...domain.decision import Decision
from ...domain.instruction import Instruction
from ...domain.intake import Intake
from ...domain.market import Quote
from ...domain.principals import Submitter
from .desk import Desk


def record_received(
    desk: Desk,
    instruction: Instruction,
    decision_id: str,
    text: str,
    *,
    session_date: str,
    content_hash: str,
    decision: Decision | None,
    by: Submitter | None,
    arrival: Quote | None = None,
    data_note: str = "",
) -> None:
    """Record a decision; ``text`` is sealed, and ``by`` is the engine's own principal by default.

    ``arrival`` is a valid two-sided quote or None, which ``data_note`` explains.
    """
    subject = f"{desk.name}:{decision_id}"
    instruction.receive(
        desk.stamp(
            str(instruction.id),
            f"decision:{decision_id}"[:200],
            market_time=arrival.at if arrival else None,
            receive_time=desk.now,
        ),
        account=desk.name,
        session_date=session_date,
        decision_id=decision_id,
        content_hash=content_hash,
        decision=decision,
        arrival=arrival,
        data_note=data_note,
        subject=subject,
        sealed_text=desk.keystore.seal(subject, text, str(instruction.id)),
        submitted_by=by if by is not None else desk.submitter,
    )


def personal_text(read: Intake) -> str:
    """What of a decision is sealed: its reasoning and risk factors."""
    fields = {"reasoning": read.reasoning, "risk_factors": list(read.risk_factors)}
    return json.dumps(fields, sort_keys=True)
