"""Captured market data beside a store: where it lies, if it is what the log names, its copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..domain.events import MarketDataCaptured
from .market_data.capture import SegmentError, SegmentUnreadable, copy_segment, read_segment
from .storage.location import parse_location
from .storage.log import Log

SEGMENTS_SUFFIX: Final = ".market"
"""What the folder of segments is called, after the store's file."""


class CopiedSegments(NamedTuple):
    """How many ``segments`` lie beside a copy, and what is wrong with the others."""

    segments: int
    missing: tuple[str, ...]


def segments_beside(store: str) -> Path | None:
    """The folder of a store's segments, None for a log in memory.

    Raises:
        StoreError: it is no location of a store.
    """
    path = parse_location(store)
    return None if path is None else path.with_name(path.name + SEGMENTS_SUFFIX)


class CheckedSegments(NamedTuple):
    """How many are as their hash says, what is wrong with others, and which cannot be read."""

    good: int = 0
    bad: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def check_segments(log: Log) -> CheckedSegments:
    """Look whether the captured segments are as their hash says.

    Raises:
        StoreError: the log cannot be read.
    """
    folder = segments_beside(log.url)
    good, bad, unreadable = 0, list[str](), list[str]()
    for position, event in _captured(log):
        try:
            if folder is None:
                raise SegmentError(f"segment {event.sha256}: a log in memory has none beside it")
            read_segment(folder, event.sha256)
            good += 1
        except SegmentUnreadable as error:
            unreadable.append(f"{error} (position {position})")
        except SegmentError as error:
            bad.append(f"{error} (position {position})")
    return CheckedSegments(good, tuple(bad), tuple(unreadable))


def copy_segments(source: str, copy: str) -> CopiedSegments:
    """Copy the segments that a copy of a store names from beside the source to beside the copy.

    Raises:
        StoreError: the copy cannot be read.
        OSError: its folder cannot be written.
    """
    folder, target = segments_beside(source), segments_beside(copy)
    with Log.open(copy, writer=False) as log:
        named = dict.fromkeys(event.sha256 for _, event in _captured(log))
    if folder is None or target is None:
        return CopiedSegments(0, tuple(f"segment {sha256}: no folder for it" for sha256 in named))
    missing = []
    for sha256 in named:
        try:
            copy_segment(sha256, folder, target)
        except SegmentError as error:
            missing.append(str(error))
    return CopiedSegments(len(named) - len(missing), tuple(missing))


def _captured(log: Log) -> Iterator[tuple[int, MarketDataCaptured]]:
    for raw in log.raw_events():
        if raw.topic.partition(".")[0] == MarketDataCaptured.TOPIC:
            event = log.decode(raw)
            if isinstance(event, MarketDataCaptured):
                yield raw.position, event
