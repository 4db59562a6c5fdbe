"""What a folder may hold after the power fails: built from the journal of a server's writes.

The model of the disk and of its file system:

- What was written before the last completed sync of its file *began* is there. A write that was
  made by another process while that sync ran may be missing.
- Each later write is there, lost, or there in some of its sectors (512 B) only, whatever became of
  the others. A sector is never half written.
- A file that grew may have its new length and zeros in it. A cut to a length is there or not.
- Names are made, moved and removed one at a time, each whole: a move is never half there. A name is
  lasting once its folder was synced, or the file itself after the name was made. The second is not
  promised by POSIX, but it is what ext4, XFS and btrfs do, and PostgreSQL builds on it: it never
  syncs the folder in which it makes a table's file.
- Names that are not lasting yet are there up to some one of them (a file system with a journal,
  which keeps their order), or each for itself (the harder case).
- Nothing that was on the disk before the recording is lost, nothing rots, and a disk that says that
  it has synced has synced.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.power_loss.images import SECTOR
from tests.power_loss.journal import Note

FOLDER: Final = "folder"
WHOLE, LOST, TORN, ZEROS = "whole", "lost", "torn", "zeros"


class CannotTell(Exception):
    """The recording has what the model does not know."""


@dataclass(eq=False)
class Write:
    """Bytes at an offset, or with None a cut to that length."""

    offset: int
    data: bytes | None
    done: int | None = None


@dataclass(eq=False)
class File:
    """One file: where it lay at first, what is lasting of it, and what was done to it since."""

    origin: str | None
    lasting: bytearray
    pending: list[Write] = field(default_factory=list)


@dataclass(eq=False)
class Naming:
    """A change of names, there whole or not at all: what each stands for from then on."""

    number: int
    names: dict[str, File | str | None]
    done: int | None = None


Names = dict[str, File | str]


class Disk:
    """A folder as it would be on a disk, note by note of a recording."""

    def __init__(self, base: Path, inodes: dict[int, str]) -> None:
        self._base = base
        self._files: dict[int, File] = {
            inode: File(path, bytearray((base / path).read_bytes()))
            for inode, path in inodes.items()
        }
        self._lasting: Names = {file.origin: file for file in self._files.values() if file.origin}
        for path in base.rglob("*"):
            if path.is_dir():
                self._lasting[str(path.relative_to(base))] = FOLDER
        self._now = dict(self._lasting)
        self._namings: list[Naming] = []
        self._settled = 0
        self._begun: dict[int, tuple[Note, int, Write | Naming | None]] = {}
        self._count = 0

    # -- going on ------------------------------------------------------------------------------

    def take(self, note: Note) -> None:
        """Go on by one note."""
        self._count += 1
        if note.what == "!":
            return
        if note.what == ".":
            self._end(note)
            return
        if note.process in self._begun:
            raise CannotTell(f"a call within another: {note}")
        self._begun[note.process] = (note, self._count, self._begin(note))

    def _begin(self, note: Note) -> Write | Naming | None:
        if note.what in "wzt":
            return self._written(note)
        if note.what in "sS":
            return None
        naming = Naming(self._count, self._renamed(note))
        self._namings.append(naming)
        return naming

    def _written(self, note: Note) -> Write | None:
        file = self._files.get(note.file)
        if file is None:
            raise CannotTell(f"a file that nobody opened: {note}")
        data: bytes | None = note.content
        if note.what == "z":
            data = bytes(int.from_bytes(note.content, "little"))
        elif note.what == "t":
            data = None
        write = Write(note.number, data)
        file.pending.append(write)
        return write

    def _renamed(self, note: Note) -> dict[str, File | str | None]:
        name = note.content.decode()
        if note.what == "o" and self._now.get(name) is self._files.get(note.file, ""):
            return {}  # two opened it at once, and both believe that they made it
        if note.what == "o":
            self._files[note.file] = file = File(None, bytearray())
            return {name: file}
        if note.what in "rl":
            old, _, new = name.partition("\0")
            found = self._files[note.file]
            return {new: found} if note.what == "l" else {old: None, new: found}
        if note.what in "ud":
            return {name: None}
        if note.what == "m":
            return {name: FOLDER}
        raise CannotTell(f"an unknown note: {note}")

    def _end(self, note: Note) -> None:
        begun, number, change = self._begun.pop(note.process)
        if isinstance(change, Naming):
            if note.number < 0:
                self._namings.remove(change)
            else:
                rename(self._now, change)
            change.done = self._count
        elif isinstance(change, Write):
            if change.data is not None and note.number < len(change.data):
                change.data = change.data[: max(note.number, 0)]
            elif note.number < 0:
                self._files[begun.file].pending.remove(change)
            change.done = self._count
        elif note.number == 0 and begun.what == "s":
            self._synced(self._files[begun.file], number)
        elif note.number == 0:
            folder = begun.content.decode()
            self._settle(number, lambda name, _: folder in (name, name.rpartition("/")[0]))

    def _synced(self, file: File, number: int) -> None:
        covered = [one for one in file.pending if one.done is not None and one.done < number]
        for one in covered:
            apply(file.lasting, one)
        file.pending = [one for one in file.pending if one not in covered]
        self._settle(number, lambda _, named: named is file)

    def _settle(self, number: int, is_synced: Callable[[str, File | str | None], bool]) -> None:
        """Make names lasting that were done before ``number``, with what else was done to them."""
        made = [one for one in self._namings if one.done is not None and one.done < number]
        touched: set[str] = set()
        settled = []
        for naming in reversed(made):
            if not touched.isdisjoint(naming.names) or any(
                is_synced(name, named) for name, named in naming.names.items()
            ):
                touched.update(naming.names)
                settled.append(naming)
        for naming in reversed(settled):
            rename(self._lasting, naming)
            self._namings.remove(naming)
            self._settled = max(self._settled, naming.number)

    # -- images --------------------------------------------------------------------------------

    def whole(self) -> Image:
        """Everything done is there, as when only the processes end."""
        return self._image(self._namings, lambda file: file.pending)

    def least(self) -> Image:
        """Nothing but what was synced is there."""
        return self._image([], lambda file: [])

    def torn(self, folder: str) -> Image:
        """Everything done is there, but of late writes in a folder the first sector only."""
        torn = {file for name, file in self._now.items() if name.startswith(f"{folder}/")}

        def kept(file: File) -> Iterator[Write]:
            for one in file.pending:
                if file in torn and one.data is not None:
                    yield Write(one.offset + len(one.data), b"")
                    yield Write(one.offset, one.data[: SECTOR - one.offset % SECTOR])
                else:
                    yield one

        return self._image(self._namings, kept)

    def some(self, choose: random.Random) -> Image:
        """Whatever may be there, by chance."""
        if choose.random() < 0.5:
            before = sum(one.number < self._settled for one in self._namings)
            namings = self._namings[: choose.randint(before, len(self._namings))]
        else:
            namings = [one for one in self._namings if choose.random() < 0.5]
        by_file = choose.random() < 0.25

        def kept(file: File) -> Iterator[Write]:
            fates = (WHOLE, LOST) if by_file else (WHOLE, LOST, TORN, ZEROS)
            fate = choose.choice(fates)
            for one in file.pending:
                if not by_file:
                    fate = choose.choice(fates)
                yield from _remains(one, fate, choose)

        return self._image(namings, kept)

    def _image(
        self, namings: list[Naming], kept: Callable[[File], Iterator[Write] | list[Write]]
    ) -> Image:
        names = dict(self._lasting)
        for naming in namings:
            rename(names, naming)
        contents: dict[File, bytes] = {}
        for file in names.values():
            if isinstance(file, File) and file not in contents:
                data = bytearray(file.lasting)
                for one in kept(file):
                    apply(data, one)
                contents[file] = bytes(data)
        return Image(
            {name: contents[one] for name, one in names.items() if isinstance(one, File)},
            {name for name, one in names.items() if one is FOLDER},
        )


@dataclass(frozen=True)
class Image:
    """The files and folders that are there after a power cut."""

    files: dict[str, bytes]
    folders: set[str]

    def put(self, folder: Path) -> None:
        """Write it into a new folder, readable by its owner only, as servers ask."""
        folder.mkdir(mode=0o700)
        for name in sorted(self.folders):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)


def rename(names: Names, naming: Naming) -> None:
    """Do a change of names."""
    for name, named in naming.names.items():
        if named is None:
            names.pop(name, None)
        else:
            names[name] = named


def apply(data: bytearray, write: Write) -> None:
    """Do a write, or a cut to a length, to a file's bytes."""
    if len(data) < write.offset:
        data.extend(bytes(write.offset - len(data)))
    if write.data is None:
        del data[write.offset :]
    else:
        data[write.offset : write.offset + len(write.data)] = write.data


def _remains(write: Write, fate: str, choose: random.Random) -> Iterator[Write]:
    """What is left of a write."""
    if fate == WHOLE or (fate == TORN and write.data is None):
        yield write
    elif fate == ZEROS and write.data is not None:
        yield Write(write.offset + len(write.data), b"")
    elif fate == TORN and write.data is not None:
        end = write.offset + len(write.data)
        for start in range(write.offset // SECTOR * SECTOR, end, SECTOR):
            if choose.random() < 0.5:
                start, stop = max(start, write.offset), min(start + SECTOR, end)
                part = write.data[start - write.offset : stop - write.offset]
                yield Write(start, part)
