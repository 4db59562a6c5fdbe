"""What a disk may hold after the power fails: built from a recording of writes and syncs.

All that was written before the last completed sync of its file is there. Each later write is there,
lost, or there in some of its sectors only, whatever became of the others: a disk may write in any
order. A file's name is lasting once its folder was synced, which SQLite does with the first sync of
a journal or write-ahead log that it made.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512
Entry = tuple[Any, ...]
Image = dict[str, bytes]


@dataclass
class File:
    """One file: what is lasting, and what was done to it since its last sync."""

    data: bytearray = field(default_factory=bytearray)
    pending: list[Entry] = field(default_factory=list)
    named: bool = False
    removed: bool = False
    folder_synced: bool = False


class Disk:
    """The files as they would be on a disk, entry by entry of a recording."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}

    def take(self, entry: Entry) -> None:
        """Go on by one entry."""
        what, name = entry[0], entry[1] if len(entry) > 1 else ""
        if what == "create":
            self.files[name] = File()
        elif what in ("write", "truncate"):
            self.files[name].pending.append(entry)
        elif what == "delete":
            self.files[name].removed = True
        elif what == "sync":
            file = self.files[name]
            for each in file.pending:
                apply(file.data, each)
            file.pending.clear()
            if not file.folder_synced and name.endswith(("-journal", "-wal")):
                file.folder_synced = True
                self._sync_folder()

    def _sync_folder(self) -> None:
        for name in [name for name, file in self.files.items() if file.removed]:
            del self.files[name]
        for file in self.files.values():
            file.named = True

    def whole(self) -> Image:
        """Everything written is there."""
        return self._image(lambda file: file.pending, lambda file: not file.removed)

    def least(self) -> Image:
        """Nothing but what was synced is there; what was removed is there again."""
        return self._image(lambda file: [], lambda file: file.named)

    def some(self, choose: random.Random) -> Image:
        """Whatever may be there, by chance."""

        def kept(file: File) -> Iterator[Entry]:
            for entry in file.pending:
                fate = choose.choice(("lost", "whole", "torn"))
                if fate == "whole" or (fate == "torn" and entry[0] == "truncate"):
                    yield entry
                elif fate == "torn":
                    yield from _sectors(entry, choose)

        def is_there(file: File) -> bool:
            if file.named and not file.removed:
                return True
            return choose.random() < 0.5

        return self._image(kept, is_there)

    def _image(self, kept: Any, is_there: Any) -> Image:
        image: Image = {}
        for name, file in self.files.items():
            if not is_there(file):
                continue
            data = bytearray(file.data)
            for entry in kept(file):
                apply(data, entry)
            image[name] = bytes(data)
        return image


def apply(data: bytearray, entry: Entry) -> None:
    """Do a write or truncation to a file's bytes."""
    what, _, offset, *rest = entry
    if what == "truncate":
        del data[offset:]
        return
    new: bytes = rest[0]
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(new)] = new


def _sectors(entry: Entry, choose: random.Random) -> Iterator[Entry]:
    """Some of the sectors of a write."""
    what, name, offset, data = entry
    start = 0
    while start < len(data):
        end = min(len(data), (offset + start) // SECTOR * SECTOR + SECTOR - offset)
        if choose.random() < 0.5:
            yield what, name, offset + start, data[start:end]
        start = end


def put(image: Image, folder: Path) -> None:
    """Write an image into an empty folder."""
    for name, data in image.items():
        (folder / name).write_bytes(data)


def images(entries: Sequence[Entry], point: int, seeds: Sequence[int]) -> Iterator[Image]:
    """Different images of a power cut after entry ``point``: most, least, and some by chance."""
    disk = Disk()
    for entry in entries[: point + 1]:
        disk.take(entry)
    seen = set()
    made = [disk.whole(), disk.least()]
    made += [disk.some(random.Random(f"{point}:{seed}")) for seed in seeds]
    for image in made:
        key = hash(tuple(sorted(image.items())))
        if key not in seen:
            seen.add(key)
            yield image
