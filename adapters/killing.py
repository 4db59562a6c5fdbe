"""The kill switch and its release from outside the engine: latch, cancel at the broker, prove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from .. import __version__
from ..domain import events as e
from ..domain.account import TradingAccount
from ..domain.errors import BrokerUnavailable, InvalidInput, StoreError
from ..domain.ids import account_stream_id, is_own_client_order_id
from ..domain.killing import ACCOUNT_SCOPE, latch_key, read_scope
from ..domain.ports import Broker, BrokerOrder, CancelOrder, Clock
from ..domain.reservations import CounterUpdate
from .account_record import account_of
from .standing import Compared, Standing, compare
from .storage.latch import Latched, LatchFile, Wire
from .storage.location import is_missing
from .storage.log import Log
from .storage.records import Conflict, CounterExceeded
from .supervision.permissions import check_release, use_release
from .supervision.supervising import Caller
from .timekeeping.clocks import SystemClock

RECORD_TRIES_MAX: Final = 100
LOOK_SECONDS: Final = 0.3
CANCEL_AGAIN_SECONDS: Final = 2.0
WIRE_SECONDS_MAX: Final = 15.0


@dataclass(slots=True)
class Killed:
    """What a kill did, and what is not proven dead.

    ``latched_in`` says where the block is: ``log``, ``file``. ``is_quiet`` tells that no process
    was still sending what it had checked before the block. ``broker`` is empty when none was asked.
    """

    account: str
    scope: str
    latched_in: tuple[str, ...] = ()
    cancelled: set[str] = field(default_factory=set)
    still_open: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    is_quiet: bool = False
    broker: str = ""
    looks: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_proven(self) -> bool:
        """Whether nothing in the scope can trade any more, by the broker's own word."""
        return bool(self.broker) and not (self.still_open or self.unknown) and self.is_quiet


class KillSwitch:
    """Blocks and releases the account of one store."""

    def __init__(self, store: str, account: str = "main", clock: Clock | None = None) -> None:
        """Look at the store; ``account`` is meant where its log names none.

        Raises:
            StoreError: there is no such store.
        """
        if is_missing(store):
            raise StoreError(f"{store}: there is no store; name the one that the engine writes")
        self.store, self._clock = store, clock or SystemClock()
        self._file, self._wire = LatchFile(store), Wire(store)
        try:
            with Log.open(store, writer=False) as log:
                self.account = account_of(log, account)
        except StoreError:
            self.account = account  # blocked in the file all the same

    # -- kill ----------------------------------------------------------------------------------

    async def kill(
        self,
        scope: str,
        reason: str,
        actor: str,
        broker: Callable[[], Broker] | None,
        *,
        all_orders: bool = False,
        timeout_seconds: float = 60.0,
        progress: Callable[[Killed], None] = lambda _: None,
    ) -> Killed:
        """Block first, then cancel at the broker until it has nothing open and nothing is unknown.

        The block is seen by every process before it is on disk; the cancels do not wait for that.
        ``all_orders`` cancels what is not ours as well. Positions are left as they are.

        Raises:
            InvalidInput: the scope is none.
            StoreError: it could not be blocked anywhere; what was open is cancelled all the same.
        """
        made = Killed(self.account, read_scope(scope))
        latched = Latched(self.account, made.scope, reason, actor, self._clock.now())
        self._latch_at_once(made, latched)
        recording = asyncio.get_running_loop().run_in_executor(None, self._record, made, latched)
        try:
            if broker is not None:
                await self._sweep(made, broker(), all_orders, timeout_seconds, progress)
        except (BrokerUnavailable, InvalidInput) as error:
            made.problems.append(str(error))
        finally:
            await recording
        if not made.latched_in:
            raise StoreError(f"NOT blocked: {'; '.join(made.problems)}")
        return made

    def _latch_at_once(self, made: Killed, latched: Latched) -> None:
        try:
            self._file.add(latched, durable=False)
            made.latched_in = ("file",)
        except StoreError as error:
            made.problems.append(str(error))

    def _record(self, made: Killed, latched: Latched) -> None:
        try:
            if "file" in made.latched_in:
                self._file.add(latched)
        except StoreError as error:
            made.problems.append(str(error))
        try:
            self._append(latched)
            made.latched_in = ("log", *made.latched_in)
        except StoreError as error:
            made.problems.append(f"not in the log: {error}")

    def _append(self, latched: Latched) -> None:
        """Record the block, if it is not recorded, in a transaction of its own (ruling 24)."""
        with Log.open(self.store, exclusive=False) as log:
            for _ in range(RECORD_TRIES_MAX):
                account = _account(log, self.account)
                if latched.scope in account.kills:
                    return
                account.engage_kill(self._stamp(latched.actor), latched.scope, latched.reason)
                key = latch_key(account.id, latched.scope)
                try:
                    log.append(account, counters=[CounterUpdate(key, 1, None)])
                except Conflict:
                    continue  # the engine was faster
                return
        raise StoreError(f"{self.store}: the account's record changed at every try")

    def _stamp(self, actor: str) -> e.Stamp:
        return e.Stamp(self._clock.now(), actor[:120], "account", f"kill/{__version__}")

    async def _sweep(
        self,
        made: Killed,
        broker: Broker,
        all_orders: bool,
        timeout_seconds: float,
        progress: Callable[[Killed], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        made.broker = broker.capabilities.name
        ends = loop.time() + timeout_seconds
        quiet = loop.run_in_executor(None, self._wire.quiet, WIRE_SECONDS_MAX)
        sent_at: dict[str, float] = {}
        standing, is_last = Standing(self.account), False
        while True:
            was_quiet = quiet.done() and quiet.result()
            try:
                is_last = await self._look(made, broker, all_orders, standing, sent_at)
            except BrokerUnavailable as error:
                _say_once(made, str(error))
                is_last = False
            progress(made)
            if (is_last and was_quiet) or loop.time() >= ends:
                break
            await asyncio.sleep(LOOK_SECONDS)
        made.is_quiet = await quiet

    async def _look(
        self,
        made: Killed,
        broker: Broker,
        all_orders: bool,
        standing: Standing,
        sent_at: dict[str, float],
    ) -> bool:
        """Cancel what is open and see what is unknown; whether there is neither."""
        made.looks += 1
        listed = await broker.open_orders()
        meant = [one for one in listed if self._covers(made.scope, one, all_orders, standing)]
        now = asyncio.get_running_loop().time()
        long_ago = now - CANCEL_AGAIN_SECONDS
        due = [one for one in meant if sent_at.get(one.venue_order_id, long_ago) <= long_ago]
        await broker.send([CancelOrder(o.client_order_id, o.venue_order_id) for o in due])
        sent_at.update({one.venue_order_id: now for one in due})
        made.cancelled.update(one.client_order_id for one in due)
        made.still_open = tuple(sorted(one.client_order_id for one in meant))
        made.unknown = await self._unknown(made, broker, standing, listed)
        return not made.still_open and not made.unknown

    def _covers(self, scope: str, order: BrokerOrder, all_orders: bool, standing: Standing) -> bool:
        own = is_own_client_order_id(order.client_order_id)
        if not own and not all_orders:
            return False
        kind, _, name = scope.partition(":")
        if kind == "symbol":
            return order.symbol == name
        if kind == "strategy":
            self._follow(standing)
            owner = standing.live().get(order.client_order_id)
            return (
                owner is not None and owner.plan is not None and owner.plan.strategy.value == name
            )
        return True

    async def _unknown(
        self, made: Killed, broker: Broker, standing: Standing, listed: Iterable[BrokerOrder]
    ) -> tuple[str, ...]:
        """Own orders of the scope of which neither the log nor the broker tells the fate."""
        self._follow(standing)
        here = {order.client_order_id for order in listed}
        unknown = []
        for name, instruction in standing.live().items():
            plan = instruction.plan
            terms = (f"symbol:{plan.symbol}", f"strategy:{plan.strategy.value}") if plan else ()
            if name in here or made.scope not in (ACCOUNT_SCOPE, *terms):
                continue
            seen = None
            if broker.capabilities.lookup_by_client_id:
                seen = await broker.find_order(name)
            if seen is None or seen.is_open:
                unknown.append(name)
        return tuple(sorted(unknown))

    def _follow(self, standing: Standing) -> None:
        try:
            with Log.open(self.store, writer=False) as log:
                standing.follow(log)
        except StoreError as error:
            raise BrokerUnavailable(f"what is ours cannot be read: {error}") from None

    # -- release -------------------------------------------------------------------------------

    async def release(
        self,
        scope: str,
        reason: str,
        person: str,
        broker: Broker | None,
        caller: Caller | None = None,
    ) -> Compared | None:
        """Lift a block in a person's name, after a clean comparison; revives nothing.

        Without a broker (a simulated one lives in its own run) the log alone has to show that
        nothing is open. Where principals are set up it uses an approved change, and is in the name
        of the caller's principal, whatever ``person`` says.

        Raises:
            AccessDenied: no other person has approved it.
            InvalidInput: no person, no such block, own orders that may trade, or differences.
            BrokerUnavailable: the broker cannot be asked.
        """
        scope, person = read_scope(scope), person.strip()
        person = check_release(self.store, self.account, scope, caller) or person
        if not person:
            raise InvalidInput("person", person, "the name of the person who releases it")
        standing = Standing(self.account)
        with Log.open(self.store, exclusive=False) as log:
            standing.follow(log)
            found = None if broker is None else await compare(log, standing, broker)
            self._check(scope, standing, found)
            used = use_release(self.store, self.account, scope, caller)
            stamp = self._stamp(f"person:{person if used is None else used.name}")
            stamp = stamp if used is None else stamp._replace(causation_id=used.cause)
            # The file first: an engine that saw it behind the release would block anew.
            self._file.remove(self.account, scope)
            for _ in range(RECORD_TRIES_MAX):
                if self._append_release(log, scope, reason, stamp, found):
                    return found
        raise StoreError(f"{self.store}: the account's record changed at every try")

    def _check(self, scope: str, standing: Standing, found: Compared | None) -> None:
        blocked = {*standing.account.kills, *(one.scope for one in self._file.read(self.account))}
        if scope not in blocked:
            named = ", ".join(sorted(blocked)) or "nothing is blocked"
            raise InvalidInput("scope", scope, f"one that is blocked: {named}")
        live = sorted(standing.live())
        if live:
            observed = f"{len(live)} own orders that may trade: {', '.join(live[:5])}"
            raise InvalidInput("release", observed, "no own order that may still trade")
        if found is not None and not found.is_clean:
            observed = "; ".join(_told(one) for one in found.breaks[:5])
            raise InvalidInput("release", observed, "a comparison with the broker without breaks")

    def _append_release(
        self, log: Log, scope: str, reason: str, stamp: e.Stamp, found: Compared | None
    ) -> bool:
        account = _account(log, self.account)
        key = latch_key(account.id, scope)
        if found is not None:
            account.reconciled(
                stamp,
                "kill_release",
                found.orders_compared,
                found.fills_compared,
                found.breaks,
                found.fills,
            )
        counters = []
        if scope in account.kills:
            account.release_kill(stamp, scope, reason)
            counters = [CounterUpdate(key, -1, None)]
        try:
            log.append(account, counters=counters)
        except (Conflict, CounterExceeded):
            return False
        return True


def _account(log: Log, name: str) -> TradingAccount:
    return TradingAccount.replay(name, log.stream(account_stream_id(name)))


def _say_once(made: Killed, text: str) -> None:
    if text not in made.problems:
        made.problems.append(text)


def _told(found: e.Break) -> str:
    subject = found.client_order_id or found.symbol or ""
    return f"{found.kind} {subject}: ours {found.ours}, the broker's {found.theirs}"
