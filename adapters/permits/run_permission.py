"""What lets an engine trade may end while it runs: a role, or the permission to trade live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...domain.errors import StoreError
from ...domain.ops.control import ChangeKind
from ...domain.principals import AccessDenied
from ...domain.reasons import Reason, Refusal
from ..supervision.permissions import LIVE_SCOPE, RUN, RUN_LIVE
from ..supervision.supervising import Caller
from .control_tail import ControlTail

UNREADABLE: Final = "who may trade cannot be read"


class RunPermission:
    """A permit that holds while the engine's principal may trade and live, if it is, is permitted.

    Asked at each decision and before each order is sent, so that what is withdrawn, expires or is
    narrowed stops new orders at once; cancels go out all the same. While no principals are set up
    nothing is asked; the moment they are, it is.
    """

    def __init__(
        self,
        tail: ControlTail,
        account: str,
        caller: Caller,
        now: Callable[[], int],
        *,
        is_live: bool,
    ) -> None:
        """``now`` gives the time on the wall, ns UTC."""
        self._tail, self._account, self._caller = tail, account, caller
        self._now, self._is_live = now, is_live

    def renew(self) -> None:
        """There is nothing to renew: it looks each time."""

    def why_not(self, strategy: str) -> Refusal | None:
        """The refusal of any order while the engine may not trade."""
        try:
            why = self._denied()
        except StoreError as error:
            why = f"{UNREADABLE}: {error}"
        if why is None:
            return None
        return Refusal(
            reason=Reason.PERMISSION,
            field="permission",
            observed=why,
            allowed="an engine whose principal may trade, live while that is permitted",
            would_pass="a permission in force: `fillwright changes list`",
            message=f"permission: {why}",
        )

    def _denied(self) -> str | None:
        state = self._tail.state()
        if not state.is_set_up:
            return None
        try:
            me = state.recognise(self._caller.user, self._caller.token_sha256)
            state.require(me, RUN_LIVE if self._is_live else RUN)
        except AccessDenied as denied:
            return str(denied)
        at = state.moment(self._now(), 0, "0" * 64).at
        if self._is_live and state.usable(ChangeKind.LIVE, self._account, LIVE_SCOPE, at) is None:
            return f"trading live is not permitted any more on account {self._account}"
        return None
