"""Run the commands that a Markdown page shows, so that the page cannot be wrong.

Every block fenced as ``sh`` or ``console`` says after its language what is done with it::

    ```sh run            the block is run as one script, from the repository root
    ```sh skip           the block is shown only (it needs a key, or is run elsewhere)

In a ``console`` block the lines that start with ``$ `` are the commands and the rest is what they
print, which is not compared. An unmarked block is an error: nobody would know that it is not run.

A block fenced as ``text printed`` shows lines of what the block run before it prints: each must be
there, however it is spaced, save those that are only dots.

usage: python tools/readme_commands.py [PAGE ...]      (README.md when none is named)
"""

import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK_SECONDS_MAX = 600
FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>.*)$")


class PageError(Exception):
    """The page cannot be read as blocks to run; the message names file and line."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, with the line of its opening fence."""

    page: str
    line: int
    language: str
    mark: str
    text: str
    printed: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """The commands of the block, without what they print."""
        if self.language != "console":
            return self.text
        lines = self.text.splitlines()
        return "\n".join(line[2:] for line in lines if line.startswith(("$ ", "> ")))


def fenced_blocks(page: str, text: str) -> Iterator[Block]:
    """Yield every fenced block of a page, of whatever language."""
    opened: tuple[int, str, list[str]] | None = None
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = FENCE.match(line)
        if opened is None:
            if match:
                opened, body = (number, match["fence"], match["info"].split()), []
        elif line.rstrip() == opened[1]:
            language, mark = [*opened[2], "", ""][:2]
            yield Block(page, opened[0], language, mark, "\n".join(body))
            opened = None
        else:
            body.append(line)
    if opened is not None:
        raise PageError(f"{page}:{opened[0]}: the block is never closed")


def blocks_to_run(page: str, text: str) -> list[Block]:
    """Return the blocks marked ``run``; refuse a page with a shell block that is not marked."""
    chosen = []
    for block in fenced_blocks(page, text):
        if (block.language, block.mark) == ("text", "printed"):
            if not chosen:
                raise PageError(f"{page}:{block.line}: no block is run before what is printed")
            lines = (line for line in block.text.splitlines() if line.strip(" .…"))
            chosen[-1] = replace(chosen[-1], printed=(*chosen[-1].printed, *lines))
        if block.language not in {"sh", "console"}:
            continue
        if block.mark not in {"run", "skip"}:
            raise PageError(f"{page}:{block.line}: mark the block 'run' or 'skip'")
        if block.mark == "run":
            if not block.script.strip():
                raise PageError(f"{page}:{block.line}: the block holds no command")
            chosen.append(block)
    return chosen


def missing(lines: tuple[str, ...], output: str) -> str:
    """Say which lines were not printed, as words in a row however they are spaced; else nothing."""
    words = " ".join(output.split())
    absent = [line for line in lines if " ".join(line.split()) not in words]
    return "".join(f"not printed: {line.strip()}\n" for line in absent).rstrip()


def run(block: Block) -> bool:
    """Run one block; say where it stands and how it went."""
    scripts = sysconfig.get_path("scripts")
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    start = time.monotonic()
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.script],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_SECONDS_MAX,
            check=False,
        )
        output = done.stdout
        failure = f"exit {done.returncode}" if done.returncode else missing(block.printed, output)
    except subprocess.TimeoutExpired:
        failure, output = f"no end within {BLOCK_SECONDS_MAX} s", ""
    verdict = failure or "ok"
    print(f"{block.page}:{block.line}: {verdict} ({time.monotonic() - start:.1f} s)", flush=True)
    if failure:
        print(f"{block.script}\n--- printed:\n{output}", flush=True)
    return not failure


def main(pages: list[str]) -> int:
    """Run the blocks of every page; 1 when one failed, 2 when a page cannot be read."""
    try:
        blocks = [
            block
            for page in pages or ["README.md"]
            for block in blocks_to_run(page, (ROOT / page).read_text(encoding="utf-8"))
        ]
    except PageError as error:
        print(error, file=sys.stderr)
        return 2
    results = [run(block) for block in blocks]
    print(f"{len(results)} blocks run, {results.count(False)} failed", flush=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
