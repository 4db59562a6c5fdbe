"""Corporate actions that wait for a person, where an account holds or trades the symbol."""

from __future__ import annotations

from datetime import datetime

from ..domain.corporate import BY_HAND, CorporateAction
from ..domain.ports import NANOS


class WaitingActions:
    """Which are announced, which symbols are used, and under which exception each is looked at."""

    def __init__(self) -> None:
        self._used: dict[str, set[str]] = {}
        self._known: dict[tuple[str, str], tuple[CorporateAction, str]] = {}

    def use(self, account: str, symbol: str) -> tuple[CorporateAction, ...]:
        """A symbol is held or decided on: what of it nobody was asked to look at yet."""
        used = self._used.setdefault(account, set())
        if symbol in used:
            return ()
        used.add(symbol)
        return tuple(
            action
            for (owner, _), (action, exception) in self._known.items()
            if owner == account and action.symbol == symbol and not exception
        )

    def announce(self, account: str, action: CorporateAction) -> tuple[str, bool]:
        """One is recorded: the exception of an earlier announcement of it, and whether it waits."""
        before = self.settle(account, action.action_id)
        if action.kind not in BY_HAND:
            return before, False
        self._known[account, action.action_id] = action, ""
        return before, action.symbol in self._used.get(account, ())

    def raised(self, account: str, action: CorporateAction, exception: str) -> None:
        """Somebody is asked to look at it."""
        self._known[account, action.action_id] = action, exception

    def settle(self, account: str, action_id: str) -> str:
        """It waits no more; gives its exception, empty where there is none."""
        return self._known.pop((account, action_id), (None, ""))[1]


def effect_at(action: CorporateAction) -> int:
    """Midnight UTC of the ex-date, ns: before it nothing of it can be settled."""
    return int(datetime.fromisoformat(f"{action.ex_date}T00:00:00+00:00").timestamp()) * NANOS
