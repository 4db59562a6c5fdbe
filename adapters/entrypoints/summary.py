"""The end of a run, for people and for programs: everything is told from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from rich.console import Group, RenderableType
from rich.text import Text

from ...domain.reasons import Reason
from ...projections import rendering
from ...projections.rendering import alerts_table, limits_gauge, standing_line
from ..engine.admission import Admitted
from ..running import FileDecision, Outcome
from ..storage.location import is_postgres, parse_location, without_password
from . import output
from .views import Views

INVALID: Final = frozenset(
    {
        Reason.INVALID_DECISION,
        Reason.UNREADABLE,
        Reason.UNKNOWN_SYMBOL,
        Reason.TARGET_REQUIRED,
        Reason.TARGET_TOO_SMALL,
        Reason.DECISION_ID_REQUIRED,
        Reason.DECISION_ID_REUSED,
    }
)
"""Reasons that say that a row was no valid decision, whatever the limits and the market."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run ends with; ``symbols`` are those of its market."""

    outcome: Outcome
    views: Views
    symbols: tuple[str, ...] = ()

    @property
    def invalid(self) -> tuple[FileDecision, ...]:
        """Rows that were no valid decisions."""
        return tuple(row for row, admitted in self.outcome.decisions if _is_invalid(admitted))

    def present(self, *after: RenderableType, json_output: bool) -> None:
        """Print it with what comes ``after``, or as JSON alone, and what is worth saying beside."""
        if json_output:
            output.print_json(self.to_json())
        else:
            output.show(self.view(), *after)
        for text in self.notes():
            output.note(text)

    def to_json(self) -> dict[str, object]:
        """The whole result; the same log always gives the same document."""
        return {
            "log": {
                "store": without_password(self.views.store),
                "position": self.views.position,
                "head_hash": self.views.head_hash,
                "seed": self.views.seed,
            },
            "decisions": [_row(row, admitted) for row, admitted in self._by_line()],
            "blotter": self.views.blotter.rows(),
            "report": self.views.report(),
        }

    def view(self) -> RenderableType:
        """Blotter, refusals, limits, cost by strategy, alerts, and where the log is."""
        views, report = self.views, self.views.report()
        parts: list[RenderableType] = [rendering.blotter(views.blotter.rows())]
        if report.refused:
            parts.append(rendering.refusals(report.refused, self.symbols, self._rows()))
        parts.append(rendering.quality(report.quality, report.note))
        parts.append(Text())
        parts += [limits_gauge(limits) for limits in report.limits]
        parts += [alerts_table(report.alerts), *standing_line(report.standing), log_line(views)]
        return Group(*parts)

    def notes(self) -> Iterator[str]:
        """What is worth saying beside the result."""
        if self.outcome.appended == 0:
            yield "This run was finished before: nothing was appended, the first result is shown."
        for row, admitted in self._by_line():
            if admitted.reused is not None:
                yield f"row {row.line}: {admitted.reused.message} Its first outcome stands."

    def _rows(self) -> dict[UUID, int]:
        return {admitted.instruction.id: row.line for row, admitted in reversed(self._by_line())}

    def _by_line(self) -> list[tuple[FileDecision, Admitted]]:
        return sorted(self.outcome.decisions, key=lambda pair: pair[0].line)


def log_line(views: Views) -> RenderableType:
    """Where the log is and where it ends."""
    path = parse_location(views.store)
    place = without_password(views.store) if is_postgres(views.store) else str(path or "in memory")
    text = Text("log  ", style="dim")
    text.append(place, style="bold")
    text.append(f", {views.position:,} events\nhead {views.head_hash}", style="dim")
    return text


def _is_invalid(admitted: Admitted) -> bool:
    refused = any(refusal.reason in INVALID for refusal in admitted.instruction.refusals)
    return refused or admitted.reused is not None


def _row(row: FileDecision, admitted: Admitted) -> dict[str, object]:
    return {
        "row": row.line,
        "decision_id": admitted.instruction.decision_id,
        "instruction_id": admitted.instruction.id,
        "state": admitted.instruction.state,
        "reused": admitted.reused,
    }
