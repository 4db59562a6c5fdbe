"""A log of any size: one small real session, told again and again under new ids."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import count as count_up
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from bench.twap_day import LIMITS, day_of, rules, work
from bench.twap_market import LATENCY_NS, random_walk
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.simulation import VenueTerms, simulate
from fillwright.adapters.storage.chain import GENESIS, link
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Head, RawRecorded
from fillwright.adapters.storage.schema import EVENTS_TABLE

PARENTS: Final = 40
QUOTES: Final = 20_000
ROWS_AT_A_TIME: Final = 5_000
EMPTY: Final = Head(0, GENESIS)
FIRST_DAY: Final = date(2024, 1, 8)
"""The day of the template's session; each copy has the next."""


class Template(NamedTuple):
    """The account's own events of the session, and those of its instructions, in their order."""

    account: list[RawRecorded]
    instructions: list[RawRecorded]


def template(account: str = "sim") -> Template:
    """A session of forty TWAP parents of eight slices, with everything on record."""
    venue = VenueTerms(
        cash=Decimal("1e10"), fees=Fees(), latency_ns=LATENCY_NS, check_buying_power=False
    )
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        store = str(Path(folder) / "day.db")
        with simulate(
            [day_of(random_walk(QUOTES))],
            account=account,
            store=store,
            venue=venue,
            rules=rules(64),
            limits=LIMITS,
        ) as simulation:
            asyncio.run(work(simulation, PARENTS, 0))
        with Log.open(store, writer=False) as log:
            raws = list(log.raw_events())
    own = raws[0].originator_id
    return Template(
        [raw for raw in raws if raw.originator_id == own],
        [raw for raw in raws if raw.originator_id != own],
    )


def rows(
    source: Template, count: int, still_open: int = 0, after: Head = EMPTY
) -> Iterator[tuple[object, ...]]:
    """``count`` rows as the store's table has them, or a few more: whole sessions, a day each.

    Behind them come sessions that were broken off with a first order at the venue, as many as give
    ``still_open`` instructions. They follow ``after``, a head of other accounts' events.
    """
    (position, previous), account_version = after, 0
    account = source.account[0].originator_id
    account_first = after.position + 1
    first_orders = {
        raw.originator_id: raw.originator_version
        for raw in reversed(source.instructions)
        if raw.topic.startswith("OrderAcknowledged.")
    }
    opened = 0
    for copy in count_up():
        broken_off = position - after.position >= count
        if broken_off and opened >= still_open:
            return
        firsts: dict[str, int] = {account: account_first}
        day = (FIRST_DAY + timedelta(days=copy)).isoformat().encode()
        for raw in (*source.account, *source.instructions):
            id, version, state = raw.originator_id, raw.originator_version, raw.state
            if broken_off and version > first_orders.get(id, version):
                continue
            opened += broken_off and id != account and version == 1
            if id == account:
                if copy and not raw.topic.startswith("SessionOpened."):
                    continue
                account_version += 1
                state = state.replace(
                    f'"originator_version":{version},'.encode(),
                    f'"originator_version":{account_version},'.encode(),
                )
                version = account_version
            else:
                old = UUID(hex=id)
                new = UUID(int=old.int ^ copy)
                id = new.hex
                state = state.replace(str(old).encode(), str(new).encode())
                state = state.replace(old.hex.encode(), id.encode())
            state = state.replace(FIRST_DAY.isoformat().encode(), day)
            position += 1
            first = firsts.setdefault(id, position)
            previous = link(previous, position, bytes.fromhex(id), version, raw.topic, state)
            yield position, first, id, version, raw.topic, previous, state


def make(store: Path, count: int, still_open: int = 0) -> int:
    """Write a store of at least ``count`` events (see :func:`rows`); gives how many it has."""
    with Log.open(store):
        pass
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    source, batch, last = template(), [], 0
    insert = f"INSERT INTO {EVENTS_TABLE} VALUES (?,?,?,?,?,?,?)"

    def write() -> None:
        # In pieces: one transaction of a large log would need the disk twice.
        connection.execute("BEGIN")
        connection.executemany(insert, batch)
        connection.execute("COMMIT")
        batch.clear()

    for row in rows(source, count, still_open):
        batch.append(row)
        last = int(str(row[0]))
        if len(batch) == ROWS_AT_A_TIME:
            write()
    write()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return last
