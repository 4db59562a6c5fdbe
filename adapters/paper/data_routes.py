"""Market data: ``/v2/stocks/…``, historical by pages, latest, and snapshots."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from .adjusting import Adjusted
from .answers import answer, listed, service_of
from .frames import DAY_NS, Timeframe, period_starts, read_timeframe
from .refusals import ApiRefusal, bad_data
from .tape import Row, Tape, Tapes, snapshot
from .wire import parse_time, stamp

ROWS_DEFAULT: Final = 1_000
ROWS_MAX: Final = 10_000
SYMBOLS_MAX: Final = 1_000
FEEDS: Final = ("sip", "iex", "delayed_sip", "boats", "overnight", "otc")
KINDS: Final = {"bars": "bar", "quotes": "quote", "trades": "trade"}
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a historical request asks for; times in ns UTC."""

    symbols: Sequence[str]
    start: int
    end: int
    limit: int
    descending: bool
    frame: Timeframe
    adjusted: Adjusted
    token: tuple[str, int] | None


@router.get("/v2/stocks/snapshots")
async def snapshots(request: Request) -> Response:
    """Snapshots of several symbols."""
    world = service_of(request).world
    now = world.now
    shown = {
        symbol: _stamped_all(snapshot(tape, now))
        for symbol, tape in _tapes(world.tapes, _symbols(request))
    }
    return answer(shown)


@router.get("/v2/stocks/{symbol}/snapshot")
async def one_snapshot(request: Request, symbol: str) -> Response:
    """The snapshot of one symbol."""
    world = service_of(request).world
    tape = world.tapes.find(symbol.upper())
    shown = {} if tape is None else _stamped_all(snapshot(tape, world.now))
    return answer({"symbol": symbol.upper(), **shown})


@router.get("/v2/stocks/{kind}/latest")
async def latest(request: Request, kind: str) -> Response:
    """The latest bar, quote or trade of several symbols."""
    world = service_of(request).world
    _check_kind(kind)
    now = world.now
    rows = {
        symbol: _latest(tape, kind, now) for symbol, tape in _tapes(world.tapes, _symbols(request))
    }
    return answer({kind: {symbol: row for symbol, row in rows.items() if row is not None}})


@router.get("/v2/stocks/{symbol}/{kind}/latest")
async def one_latest(request: Request, symbol: str, kind: str) -> Response:
    """The latest bar, quote or trade of one symbol."""
    world = service_of(request).world
    _check_kind(kind)
    tape = world.tapes.find(symbol.upper())
    row = None if tape is None else _latest(tape, kind, world.now)
    if row is None:
        raise ApiRefusal(404, f"no {KINDS[kind]} found for {symbol.upper()}")
    return answer({"symbol": symbol.upper(), KINDS[kind]: row})


@router.get("/v2/stocks/{kind}")
async def historical(request: Request, kind: str) -> Response:
    """Bars, quotes or trades of several symbols: by symbol, then by time."""
    world = service_of(request).world
    _check_kind(kind)
    found, token = _page(
        world.tapes, kind, _asked(request, _symbols(request), world.now), world.now
    )
    return answer({kind: found, "next_page_token": token})


@router.get("/v2/stocks/{symbol}/{kind}")
async def one_historical(request: Request, symbol: str, kind: str) -> Response:
    """Bars, quotes or trades of one symbol."""
    world = service_of(request).world
    _check_kind(kind)
    name = symbol.upper()
    now = world.now
    found, token = _page(world.tapes, kind, _asked(request, [name], now), now)
    return answer({kind: found.get(name, []), "symbol": name, "next_page_token": token})


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ApiRefusal(404, "endpoint not found.")


def _symbols(request: Request) -> list[str]:
    symbols = sorted({symbol.upper() for symbol in listed(request, "symbols")})
    if not symbols:
        raise bad_data("symbols is required")
    if len(symbols) > SYMBOLS_MAX:
        raise bad_data("too many symbols")
    return symbols


def _tapes(tapes: Tapes, symbols: Sequence[str]) -> list[tuple[str, Tape]]:
    found = [(symbol, tapes.find(symbol)) for symbol in symbols]
    return [(symbol, tape) for symbol, tape in found if tape is not None]


def _asked(request: Request, symbols: Sequence[str], now: int) -> Asked:
    query = request.query_params
    try:
        frame = read_timeframe(query.get("timeframe") or "1Min")
        today = int(period_starts(np.array([now], dtype=np.int64), Timeframe(1, "Day"))[0])
        start = parse_time(query["start"]) if query.get("start") else today
        end = parse_time(query["end"], end_of_day=True) if query.get("end") else now
        limit = int(query.get("limit") or ROWS_DEFAULT)
        token = _read_token(query.get("page_token"))
        adjusted = Adjusted.read(query.get("adjustment") or "")
    except (ValueError, OverflowError) as error:
        raise bad_data(str(error)[:100]) from error
    if not 1 <= limit <= ROWS_MAX:
        raise bad_data(f"limit must be between 1 and {ROWS_MAX}")
    if query.get("start") and query.get("end") and start > end:
        raise bad_data("end should not be before start")
    for name, choices in (("feed", FEEDS), ("sort", ("asc", "desc"))):
        given = query.get(name)
        if given and not set(given.split(",")) <= set(choices):
            raise bad_data(f"invalid {name}: {given[:40]}")
    descending = query.get("sort") == "desc"
    return Asked(symbols, start, min(end, now), limit, descending, frame, adjusted, token)


def _page(
    tapes: Tapes, kind: str, asked: Asked, now: int
) -> tuple[dict[str, list[Row]], str | None]:
    """Up to ``limit`` rows in all, and the token of the next page."""
    left, found, last = asked.limit, dict[str, list[Row]](), ("", 0)
    for symbol, tape in _tapes(tapes, asked.symbols):
        after = None
        if asked.token is not None:
            if symbol < asked.token[0]:
                continue
            after = asked.token[1] if symbol == asked.token[0] else None
        keys, row_of = _rows(tape, kind, asked, now)
        if after is not None:
            keys = [k for k in keys if (k < after if asked.descending else k > after)]
        if not keys:
            continue
        if not left:
            # The page ended with the symbol before.
            return found, _write_token(*last)
        found[symbol] = [_stamped(row_of(key)) for key in keys[:left]]
        if len(keys) > left:
            return found, _write_token(symbol, keys[left - 1])
        left -= len(keys)
        last = (symbol, keys[-1])
    return found, None


def _rows(
    tape: Tape, kind: str, asked: Asked, now: int
) -> tuple[Sequence[int], Callable[[int], Row]]:
    """Keys of the rows in their order, and how to get a row; a key stays the same on every page."""
    keys: Sequence[int]
    row_of: Callable[[int], Row]
    if kind == "bars":
        found = tape.bars_of(asked.frame, asked.start, asked.end, now, asked.adjusted)
        bars = {row["t"]: row for row in found}
        keys, row_of = list(bars), bars.__getitem__
    elif kind == "quotes":
        keys, row_of = tape.quote_rows(asked.start, asked.end), tape.quote
    else:
        keys, row_of = tape.trade_rows(asked.start, asked.end), tape.trade
    return (keys[::-1] if asked.descending else keys), row_of


def _latest(tape: Tape, kind: str, now: int) -> Row | None:
    if kind == "bars":
        bars = tape.bars_of(Timeframe(1, "Min"), now - DAY_NS, now, now)
        return _stamped(bars[-1]) if bars else None
    is_quote = kind == "quotes"
    rows = tape.quote_rows(0, now) if is_quote else tape.trade_rows(0, now)
    if not rows:
        return None
    return _stamped(tape.quote(rows[-1]) if is_quote else tape.trade(rows[-1]))


def _stamped(row: Row) -> Row:
    return {**row, "t": stamp(row["t"])}


def _stamped_all(rows: dict[str, Row | None]) -> dict[str, Any]:
    return {name: None if row is None else _stamped(row) for name, row in rows.items()}


def _write_token(symbol: str, key: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{key}".encode()).decode()


def _read_token(text: str | None) -> tuple[str, int] | None:
    if not text:
        return None
    try:
        symbol, _, key = base64.urlsafe_b64decode(text).decode().rpartition("|")
        return symbol, int(key)
    except (binascii.Error, ValueError) as error:
        raise ValueError("invalid page_token") from error
