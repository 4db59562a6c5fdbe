"""A program whose writes are recorded to try the recorder; started as a process.

    python -m tests.power_loss.folder_work FOLDER SEED

Several processes of it write, cut, move, link and remove files in one folder, by every call that
the recorder knows.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

PROCESSES, STEPS = 3, 60
LONGEST = 3_000


def step(choose: random.Random, mine: Path, shared: Path) -> None:
    """Do one thing to one of this process's files, or to the one of all."""
    name, other = (mine / f"{choose.randrange(4)}" for _ in range(2))
    data = choose.choice((choose.randbytes(choose.randrange(LONGEST)), bytes(700)))
    match choose.randrange(9):
        case 0:
            name.write_bytes(data)
        case 1:
            # Each has a part of its own: in which order two write to one place nobody can say.
            write_at(shared, os.O_RDWR, 3 * LONGEST * int(mine.name), data)
        case 2:
            write_at(name, os.O_RDWR | os.O_CREAT, choose.randrange(LONGEST), data)
        case 3:
            with name.open("ab", buffering=0) as file:
                file.write(data)
                os.ftruncate(file.fileno(), choose.randrange(LONGEST))
        case 4:
            if name.exists():
                os.truncate(name, choose.randrange(LONGEST))
                name.rename(other)
        case 5:
            name.unlink(missing_ok=True)
        case 6:
            if name.exists() and not other.exists():
                os.link(name, other)
        case 7:
            (mine / "folder").mkdir(exist_ok=True)
            (mine / "folder").rmdir()
        case _:
            (mine / "kept").mkdir(exist_ok=True)
            write_at(mine / "kept" / "file", os.O_RDWR | os.O_CREAT, 0, data)


def write_at(path: Path, flags: int, offset: int, data: bytes) -> None:
    """Write in the middle of a file, in one part or two, and sync it."""
    descriptor = os.open(path, flags, 0o600)
    os.pwrite(descriptor, data, offset)
    os.pwritev(descriptor, [data[:10], data[10:20]], offset + 5)
    os.posix_fallocate(descriptor, offset, LONGEST)
    os.fsync(descriptor)
    os.close(descriptor)


def main(arguments: Sequence[str]) -> int:
    """Work in several processes at once."""
    folder, seed = Path(arguments[0]), arguments[1]
    shared = folder / "shared"
    shared.write_bytes(b"of all")
    children = []
    for number in range(PROCESSES):
        mine = folder / str(number)
        mine.mkdir()
        if (child := os.fork()) == 0:
            choose = random.Random(f"{seed}:{number}")
            for _ in range(STEPS):
                step(choose, mine, shared)
            os._exit(0)
        children.append(child)
    return max(os.waitpid(child, 0)[1] for child in children)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
