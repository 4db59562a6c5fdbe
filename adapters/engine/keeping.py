"""What an engine goes on from at its next start instead of the log: a cache, not the truth.

Only sums are kept. The accounts' records, and instructions that are open or that something more
happens to, are told again from their own streams of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ...domain.account import TradingAccount
from ...projections.account_books import AccountBooks, KeptBooks
from ...projections.daily_limits import DailyLimits
from ...projections.session_usage import KeptLimits
from .desk import Desk
from .known import Moved


@dataclass(slots=True)
class Kept:
    """The state of one account's engine at ``position``; ``moved`` are sums of ended instructions.

    Nothing of other accounts that share the log is in it. ``sealed`` instructions had ended there;
    those of ``still_open`` had not.
    """

    position: int
    limits: KeptLimits
    books: KeptBooks
    sealed: int
    moved: list[Moved]
    still_open: list[UUID]


def begin(desk: Desk, kept: Kept | None) -> None:
    """Put the desk where ``kept`` stands, or before the first event.

    Raises:
        StoreDamaged: the log does not have an instruction that was open.
    """
    history = desk.log.history
    desk.account = TradingAccount.named(desk.name)
    if kept is None:
        desk.seen = 0
        desk.usage = DailyLimits(history)
        desk.books = AccountBooks(desk.usage.instruction, history)
        desk.instructions.begin()
        return
    desk.seen = kept.position
    desk.usage = DailyLimits.from_kept(kept.limits, history)
    desk.books = AccountBooks.from_kept(kept.books, desk.usage.instruction, history)
    for recorded in history(desk.account.id):
        if recorded.position <= kept.position:
            desk.account.apply(recorded.event)
    desk.instructions.begin(kept.position, kept.sealed, kept.moved, kept.still_open)


def keep(desk: Desk) -> Kept | None:
    """The desk's state where its log ends; None while something is not on the record as it is here.

    It shares its parts with the desk, so it is to be written out at once.
    """
    waiting = desk.gathered or desk.jobs or desk.touched or desk.account.has_news
    usage, books = desk.usage, desk.books
    if waiting or desk.own or desk.unwritten or not desk.in_order:
        return None
    if usage.stopped or books.stopped or books.position != usage.position:
        return None
    for view in (usage, books):
        view.pass_to(desk.seen)  # what else there is up to here is of other accounts
    sealed, moved, still_open = desk.instructions.to_start_from()
    kept = (usage.kept(desk.name), books.kept(desk.name))
    return Kept(usage.position, *kept, sealed, moved, still_open)
