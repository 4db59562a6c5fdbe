"""The whole grid over processes: the same outcomes in the same order, however many work on it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from ...domain.errors import InvalidInput
from ..exchange.scaled import ScaledDay
from ..exchange.tape import SymbolDay
from ..market_data.history import BarHistory
from ..timekeeping.calendar import ExchangeCalendar
from .findings import Skipped
from .folder import listed, read_day, unlisted
from .grid import HORIZONS_SECONDS, SIZES, Parent, parents_of
from .outcome import Outcome
from .policies import Policy, Stress
from .runner import Bench, GridMarket

NANOS_PER_MS: Final = 1_000_000
PARTS_PER_DAY: Final = 8
"""Into how many tasks the parents of a symbol-day are dealt out."""
MESSAGES_PER_MINUTE: Final = 200
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to evaluate; ``concurrent`` parents share one account's messages."""

    folder: Path
    policies: tuple[Policy, ...]
    symbols: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    horizons: tuple[int, ...] = HORIZONS_SECONDS
    sizes: tuple[Decimal, ...] = SIZES
    latency_ms: int = 50
    messages_per_minute: int = MESSAGES_PER_MINUTE
    concurrent: int = 1
    stress: Stress = field(default_factory=Stress)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcomes in the order of days, parents and policies, and what was left out."""

    request: Request
    outcomes: list[Outcome]
    skipped: list[Skipped]

    @property
    def parents(self) -> int:
        """How many parents were worked, each by every policy."""
        return len({outcome.parent.name for outcome in self.outcomes})


@dataclass(frozen=True, slots=True)
class _Task:
    request: Request
    symbol: str
    date: str
    part: int


@dataclass(frozen=True, slots=True)
class _Done:
    task: _Task
    outcomes: list[tuple[int, Outcome]]
    skipped: list[Skipped]


def processes_default() -> int:
    """As many as there are processors for us."""
    return max(len(os.sched_getaffinity(0)), 1)


def evaluate(
    request: Request, processes: int | None = None, progress: Progress = lambda done, total: None
) -> Evaluation:
    """Work every parent of every day by every policy.

    ``progress`` is told how many of how many tasks are done.

    Raises:
        MarketFolderError: the folder has no readable list of symbol-days.
        InvalidInput: a symbol or date is not known.
    """
    listing = listed(request.folder, request.symbols)
    missing = sorted(set(request.dates) - {date for _, date in listing})
    if missing:
        have = ", ".join(sorted({date for _, date in listing})) or "none"
        raise InvalidInput("dates", ", ".join(missing), f"dates of the folder: {have}")
    days = [day for day in listing if not request.dates or day[1] in request.dates]
    tasks = [_Task(request, *day, part) for day in days for part in range(PARTS_PER_DAY)]
    skipped: list[Skipped] = [
        Skipped("", "", f"size {size} is more than the whole volume")
        for size in request.sizes
        if size > 1
    ]
    if not request.symbols and not request.dates:
        skipped += unlisted(request.folder, listing)
    found: dict[tuple[str, str, int], _Done] = {}
    _LAST.clear()
    progress(0, len(tasks))
    with _finished(tasks, processes or processes_default()) as finished:
        for done in finished:
            found[done.task.symbol, done.task.date, done.task.part] = done
            progress(len(found), len(tasks))
    outcomes: list[Outcome] = []
    for symbol, date in days:
        parts = [found[symbol, date, part] for part in range(PARTS_PER_DAY)]
        skipped += parts[0].skipped
        numbered = sorted((each for part in parts for each in part.outcomes), key=lambda x: x[0])
        outcomes += [outcome for _, outcome in numbered]
    return Evaluation(request, outcomes, skipped)


@contextmanager
def _finished(tasks: Sequence[_Task], processes: int) -> Iterator[Iterator[_Done]]:
    """Tasks as they are done, here or in other processes."""
    if processes <= 1:
        yield (work(task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures: list[Future[_Done]] = [pool.submit(work, task) for task in tasks]
        try:
            yield (future.result() for future in as_completed(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def work(task: _Task) -> _Done:
    """Work one part of a symbol-day's parents by every policy."""
    request = task.request
    ready = ready_for(request, task.symbol, task.date)
    if isinstance(ready, Skipped):
        return _Done(task, [], [ready])
    bench, parents, skipped = ready
    policies = request.policies
    outcomes: list[tuple[int, Outcome]] = []
    groups = [
        parents[first : first + request.concurrent]
        for first in range(0, len(parents), request.concurrent)
    ]
    number = 0
    for index, group in enumerate(groups):
        mine = index % PARTS_PER_DAY == task.part
        for place, policy in enumerate(policies):
            if not mine:
                continue
            if request.concurrent == 1:
                worked = [bench.work(group[0], policy)]
            else:
                worked = bench.work_together(
                    group, policy, messages_per_minute=request.messages_per_minute
                )
            for offset, outcome in enumerate(worked):
                outcomes.append(((number + offset) * len(policies) + place, outcome))
        number += len(group)
    return _Done(task, outcomes, skipped)


_LAST: dict[str, tuple[Request, str, str, tuple[Bench, list[Parent], list[Skipped]] | Skipped]] = {}
"""The day this process worked on last; tasks of one day come one after another."""


def ready_for(
    request: Request, symbol: str, date: str
) -> tuple[Bench, list[Parent], list[Skipped]] | Skipped:
    """A symbol-day ready to work on, with its parents and what was left out of them."""
    last = _LAST.get("day")
    if last is not None and last[:3] == (request, symbol, date):
        return last[3]
    made = _prepare(request, symbol, date)
    _LAST["day"] = (request, symbol, date, made)
    return made


def _prepare(
    request: Request, symbol: str, date: str
) -> tuple[Bench, list[Parent], list[Skipped]] | Skipped:
    calendar = ExchangeCalendar()
    read = read_day(request.folder, symbol, date, calendar, named=symbol in request.symbols)
    if isinstance(read, Skipped):
        return read
    sizes = [size for size in request.sizes if size <= 1]
    parents, skipped = parents_of(read.day, read.stretch, request.horizons, sizes)
    day = _stressed(read.day, request.stress)
    history = BarHistory.from_folder(request.folder, read.calendar)
    market = GridMarket([day], read.calendar, history=history)
    bench = Bench(
        market,
        ScaledDay(day),
        read.session,
        latency_ns=request.latency_ms * NANOS_PER_MS,
        messages_per_minute=request.messages_per_minute,
        stress=request.stress,
    )
    return bench, parents, [*read.left_out, *skipped]


def _stressed(day: SymbolDay, stress: Stress) -> SymbolDay:
    return day if stress.queue_share is None else replace(day, queue_share=stress.queue_share)
