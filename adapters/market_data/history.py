"""What earlier days say about today: average daily volume and the intraday volume curve.

Read from one-minute bars. Only sessions before the asked date are ever used, so no figure knows
the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from ...domain.corporate import CorporateAction, names_before, volume_factor
from ...domain.plan import CURVE_BUCKETS_MAX
from ...domain.ports import MINUTE_NS, Session
from ...domain.strategies.schedule import U_SHAPED_CURVE
from ..corporate_actions import read_actions
from ..exchange.tape import Float64Array, Int64Array, MarketFolderError
from .sessions import SessionCalendar

BARS_FILE: Final = "bars_1m.parquet"
ACTIONS_FILE: Final = "corporate_actions.json"
HISTORY_DAYS_MAX: Final = 20
"""How many earlier sessions an average looks at; 20 is a trading month."""
HISTORY_AGE_DAYS_MAX: Final = 90
"""Sessions longer ago than this many calendar days say nothing about today's volume."""
EDGE_MINUTES_MAX: Final = 30
"""A day counts as whole when its bars begin and end within this many minutes of the session."""
CURVE_SCALE: Final = 10_000
"""Bucketed curves are integers that add up to about this much."""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Volumes of one symbol by minute start, ns UTC and rising.

    ``low`` and ``close`` are prices, NaN where a minute has none, and None where nobody asked.
    """

    ts: Int64Array
    volume: Float64Array
    low: Float64Array | None = None
    close: Float64Array | None = None

    def prices_in(self, session: Session) -> tuple[float, float] | None:
        """Low and last price of the minutes of a session, None without any."""
        if self.low is None or self.close is None:
            return None
        first, end = (int(self.ts.searchsorted(at)) for at in (session.open, session.close))
        lows, closes = self.low[first:end], self.close[first:end]
        closes = closes[np.isfinite(closes)]
        return (float(np.nanmin(lows)), float(closes[-1])) if len(closes) else None


@dataclass(frozen=True, eq=False)
class _Day:
    session: Session
    minutes: Float64Array

    @cached_property
    def total(self) -> float:
        return float(self.minutes.sum())


class BarHistory:
    """Daily volumes and volume curves from the one-minute bars of earlier sessions."""

    def __init__(
        self,
        bars: Mapping[str, Bars],
        calendar: SessionCalendar,
        actions: Iterable[CorporateAction] = (),
    ) -> None:
        """Use ``bars`` by symbol, cut into sessions by ``calendar``.

        The bars are raw: volumes from before one of ``actions`` are brought to shares of the day
        that is asked about, and those under an earlier name are found. A source that adjusts by
        itself is given no actions.
        """
        self._bars = dict(bars)
        self._calendar = calendar
        self._actions = tuple(actions)
        self._days: dict[str, tuple[_Day, ...]] = {}
        self._curves: dict[tuple[str, Session], tuple[float, ...]] = {}

    @property
    def actions(self) -> tuple[CorporateAction, ...]:
        """What the bars, which are raw, have to be adjusted by."""
        return self._actions

    def prices_in(self, name: str, session: Session) -> tuple[float, float] | None:
        """Raw low and last price of a session under the name of that day, None without any."""
        bars = self._bars.get(name)
        return None if bars is None else bars.prices_in(session)

    @classmethod
    def from_folder(cls, folder: str | Path, calendar: SessionCalendar) -> BarHistory:
        """Read ``bars_1m.parquet`` of a market folder, or of the folder it lies in; may be absent.

        Bars of the file are raw, and ``corporate_actions.json`` beside it says what adjusts them.

        Raises:
            MarketFolderError: the file is there and not readable.
            InvalidInput: the corporate actions are there and not readable.
        """
        bars, actions = _beside(folder, BARS_FILE), _beside(folder, ACTIONS_FILE)
        known = () if actions is None else read_actions(actions).announced
        adjusting = [each.action for each in known]
        return cls({} if bars is None else _read_bars(bars), calendar, adjusting)

    def average_daily_volume(self, symbol: str, day: str) -> Decimal | None:
        """Mean shares a day over up to 20 whole sessions before ``day`` (ISO), None without any."""
        days = self._before(symbol, day)
        if not days:
            return None
        if not self._actions:
            return Decimal(round(sum(each.total for each in days) / len(days)))
        names = (symbol, *names_before(symbol, self._actions, day))
        total = sum(
            each.total * float(volume_factor(names, self._actions, each.session.date, day))
            for each in days
        )
        return Decimal(round(total / len(days)))

    def volume_curve(self, symbol: str, session: Session) -> tuple[float, ...]:
        """Expected fraction of the session's volume per minute, adding up to 1.

        The mean of the fractions of up to 20 earlier whole sessions; a session of another length
        is stretched to this one. Without any, the U-shaped default of the strategies.
        """
        known = self._curves.get((symbol, session))
        if known is None:
            known = self._curves[symbol, session] = self._mean_curve(symbol, session)
        return known

    def _mean_curve(self, symbol: str, session: Session) -> tuple[float, ...]:
        length = session_minutes(session)
        days = self._before(symbol, session.date)
        shapes = [_stretched(each.minutes / each.total, length) for each in days]
        if not shapes:
            shapes = [_stretched(np.array(U_SHAPED_CURVE, dtype=np.float64), length)]
        mean = np.sum(shapes, axis=0)
        return tuple((mean / mean.sum()).tolist())

    def volume_buckets(
        self, symbol: str, session: Session, buckets: int = len(U_SHAPED_CURVE)
    ) -> tuple[int, ...]:
        """The volume curve as whole relative weights of ``buckets`` equal parts of the session.

        This is what a VWAP plan stores. No bucket is 0, so that every part of the day trades.

        Raises:
            ValueError: ``buckets`` is not within 1 to ``CURVE_BUCKETS_MAX``.
        """
        if not 1 <= buckets <= CURVE_BUCKETS_MAX:
            raise ValueError(f"buckets must be 1 to {CURVE_BUCKETS_MAX}, not {buckets}")
        shares = _stretched(np.array(self.volume_curve(symbol, session)), buckets)
        return tuple(max(1, round(share * CURVE_SCALE)) for share in shares.tolist())

    def day_volume_estimate(
        self, symbol: str, session: Session, now: int, volume: Decimal
    ) -> Decimal | None:
        """Expected volume of the whole session, in shares, given what has printed by ``now``.

        With ``f`` the curve's share by now, the pace says ``volume / f`` and history says ADV. They
        are weighed by ``f``, because the pace tells little early and everything late; what has
        printed is the least it can be. None while there is neither history nor pace.
        """
        elapsed = min(max(now - session.open, 0), session.close - session.open)
        curve = self.volume_curve(symbol, session)
        whole, rest = divmod(elapsed, MINUTE_NS)
        done = sum(curve[:whole]) + (curve[whole] * rest / MINUTE_NS if rest else 0.0)
        share = Decimal(str(round(min(done, 1.0), 6)))
        usual = self.average_daily_volume(symbol, session.date)
        if usual is None:
            return None if share == 0 or volume == 0 else (volume / share).quantize(Decimal(1))
        expected = volume + (1 - share) * usual
        return max(volume, volume + (1 - share) * expected).quantize(Decimal(1))

    def _before(self, symbol: str, day: str) -> list[_Day]:
        last = date.fromisoformat(day)
        first = last - timedelta(days=HISTORY_AGE_DAYS_MAX)
        name = last.isoformat()
        earlier = [
            each
            for each in self._sessions_of(symbol, name)
            if first.isoformat() <= each.session.date < name
        ]
        return earlier[-HISTORY_DAYS_MAX:]

    def _sessions_of(self, symbol: str, day: str) -> Sequence[_Day]:
        """Its sessions, those under an earlier name included, in order of date."""
        known = [action for action in self._actions if action.new_symbol is not None]
        if not known:
            return self._sessions(symbol)
        found: dict[str, _Day] = {}
        upto, name = day, symbol
        for former in (*names_before(symbol, known, day), None):
            since = max(
                (a.ex_date for a in known if a.new_symbol == name and a.ex_date <= upto),
                default="",
            )
            found |= {
                each.session.date: each
                for each in self._sessions(name)
                if since <= each.session.date < upto
            }
            if former is None:
                break
            upto, name = since, former
        return [found[date] for date in sorted(found)]

    def _sessions(self, symbol: str) -> tuple[_Day, ...]:
        if symbol not in self._days:
            bars = self._bars.get(symbol)
            days = () if bars is None else tuple(_whole_days(bars, self._calendar))
            self._days[symbol] = days
        return self._days[symbol]


def _beside(folder: str | Path, name: str) -> Path | None:
    root = Path(folder)
    return next((p / name for p in (root, root.parent) if (p / name).is_file()), None)


def session_minutes(session: Session) -> int:
    """Length of a session in minutes, a begun minute counting."""
    return -(-(session.close - session.open) // MINUTE_NS)


def _read_bars(path: Path) -> dict[str, Bars]:
    # Costs 40 MB and is needed only where files are read.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        priced = {"low", "close"} <= set(file.schema_arrow.names)
        columns = ["ts_ns", "symbol", "volume", *(("low", "close") if priced else ())]
        table = file.read(columns=columns, use_threads=False)
        ts = table.column("ts_ns").to_numpy().astype(np.int64)
        volume = np.nan_to_num(table.column("volume").to_numpy().astype(np.float64))
        prices = [table.column(name).to_numpy().astype(np.float64) for name in columns[3:]]
        names = np.asarray(table.column("symbol").to_pylist(), dtype=object)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise MarketFolderError(f"{path}: not readable one-minute bars: {error}") from error
    bars = {}
    for symbol in sorted(set(names.tolist())):
        rows = np.flatnonzero(names == symbol)
        rows = rows[np.argsort(ts[rows], kind="stable")]
        bars[symbol] = Bars(ts[rows], volume[rows], *(each[rows] for each in prices))
    return bars


def _whole_days(bars: Bars, calendar: SessionCalendar) -> Iterable[_Day]:
    """Sessions whose bars reach from near the open to near the close."""
    row = 0
    while row < len(bars.ts):
        moment = int(bars.ts[row])
        session = calendar.session_at(moment)
        if session is None:
            row = int(bars.ts.searchsorted(calendar.next_session(moment).open))
            continue
        end = int(bars.ts.searchsorted(session.close))
        offsets = (bars.ts[row:end] - session.open) // MINUTE_NS
        length = session_minutes(session)
        minutes = np.zeros(length)
        np.add.at(minutes, offsets, bars.volume[row:end])
        edges = int(offsets[0]) < EDGE_MINUTES_MAX and length - int(offsets[-1]) <= EDGE_MINUTES_MAX
        if edges and minutes.sum() > 0:
            yield _Day(session, minutes)
        row = end


def _stretched(shape: Float64Array, length: int) -> Float64Array:
    """The same relative curve over ``length`` equal parts, adding up to 1."""
    cumulative = np.concatenate(([0.0], np.cumsum(shape)))
    grid = np.linspace(0.0, len(shape), length + 1)
    parts: Float64Array = np.diff(np.interp(grid, np.arange(len(shape) + 1), cumulative))
    parts /= parts.sum()
    return parts
