"""Chains of daily instructions under one parent id, as the log has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from ..domain import events as e
from ..domain.chains import Link, following
from ..domain.money import ZERO
from ..domain.principals import Submitter
from ..domain.states import INSTRUCTION_TERMINAL
from .instruction_book import InstructionBook
from .runner import RecordedEvent


@dataclass(frozen=True, slots=True)
class Chain:
    """A parent with its links in the order of their days."""

    links: tuple[Link, ...]

    @property
    def root(self) -> str:
        """The id of the decision that began it."""
        return self.links[0].root

    @property
    def executed(self) -> Decimal:
        """Shares executed by all links."""
        return sum((link.executed for link in self.links), ZERO)

    @property
    def is_open(self) -> bool:
        """Whether a link is at work or one is to follow."""
        last = self.links[-1]
        return last.state not in INSTRUCTION_TERMINAL or following(last) is not None


class DueLink(NamedTuple):
    """The decision, as it is handed in, that takes the chain of ``root`` on, and in whose name."""

    root: str
    raw: dict[str, object]
    by: Submitter | None


class ChainBook(InstructionBook):
    """Every chain of a log."""

    def __init__(self) -> None:
        super().__init__()
        self._submitters: dict[UUID, Submitter] = {}

    def apply(self, recorded: RecordedEvent) -> None:
        """Take in the event, and in whose name a chain was begun."""
        super().apply(recorded)
        event = recorded.event
        if not isinstance(event, e.DecisionReceived) or event.submitted_by is None:
            return
        if event.decision is not None and event.decision.sessions is not None:
            self._submitters[event.originator_id] = event.submitted_by

    def state(self) -> object:
        """Every chain."""
        return {"chains": list(self.chains().values())}

    def chains(self, account: str | None = None) -> Mapping[str, Chain]:
        """Chains by the id of their parent, in the order in which they began."""
        links: dict[str, list[Link]] = {}
        for followed in self.instructions().values():
            told = followed.instruction
            decision = told.decision
            if decision is None or decision.sessions is None:
                continue
            if account is not None and told.account != account:
                continue
            root = decision.parent_id or told.decision_id
            number = len(links.setdefault(root, [])) + 1
            links[root].append(
                Link(
                    root,
                    number,
                    followed.session_date,
                    decision,
                    told.state,
                    told.executed,
                    told.end_reason,
                    self._submitters.get(told.id),
                )
            )
        return {root: Chain(tuple(found)) for root, found in links.items()}

    def due(self, session_date: str, account: str | None = None) -> tuple[DueLink, ...]:
        """The decisions that take chains on in a session after their last link's.

        Each is in the name of whoever submitted the parent, whoever runs the session.
        """
        found = []
        for chain in self.chains(account).values():
            last = chain.links[-1]
            if last.session_date < session_date and last.state in INSTRUCTION_TERMINAL:
                raw = following(last)
                if raw is not None:
                    found.append(DueLink(chain.root, raw, chain.links[0].submitted_by))
        return tuple(found)
