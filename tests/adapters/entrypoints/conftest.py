"""The real command line, and a portfolio that was run on it twice."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.entrypoints.cli import main
from tests.rights import bound_by_modes

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "decisions"
SESSION = "2024-06-12"
GENERATED = ["--market", "generated", "--session", SESSION]
PORTFOLIO = [
    str(EXAMPLES / "portfolio_generated.json"),
    *GENERATED,
    "--account",
    str(EXAMPLES / "account_generated.json"),
    "--seed",
    "3",
]
"""Twenty-four decisions on two symbols of the generated market."""


def environment() -> dict[str, str]:
    """Ours without settings of the machine's user."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FILLWRIGHT_", "APCA_"))}
    return {**kept, "COLUMNS": "100"}


def command(*arguments: object) -> list[str]:
    """The command line of a fillwright process."""
    return [sys.executable, "-m", "fillwright.adapters.entrypoints.cli", *map(str, arguments)]


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the real command in a process of its own."""
    return subprocess.run(
        command(*arguments), env=environment(), capture_output=True, check=False, **options
    )


def bound_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the real command with no more rights than the modes of files give it."""
    return subprocess.run(
        bound_by_modes(command(*arguments)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Done:
    """What a command in this process came to."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


def captured(*arguments: object) -> Done:
    """What a command in this process came to, where no test's output is captured."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
        out.flush()
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    return Done(int(code), written.getvalue(), err.getvalue())


class Cli:
    """Runs commands in this process, which spares their imports."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object) -> Done:
        self._capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        return Done(int(code), out, err.decode())


@pytest.fixture
def cli(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in this process, without settings of the machine's user."""
    for name in list(os.environ):
        if name.startswith("FILLWRIGHT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    return Cli(capsysbinary)


@dataclass(frozen=True)
class Run:
    """A finished run of the portfolio: its store and what the command printed."""

    store: Path
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """The JSON document that the run printed."""
        return json.loads(self.out)


def finished_run(store: Path, arguments: Sequence[str] = PORTFOLIO) -> Run:
    """Run the portfolio in a process of its own, to its end."""
    done = process("run", *arguments, "--store", store, "--json")
    assert done.returncode == 0, done.stderr.decode()
    return Run(store, done.stdout, done.stderr.decode())


@pytest.fixture(scope="session")
def portfolio_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The portfolio, run once for all test processes; only for reading."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    store = base / "portfolio" / "log.db"
    out, err = store.with_name("out"), store.with_name("err")
    with (base / "portfolio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not err.exists():
            store.parent.mkdir()
            run = finished_run(store)
            out.write_bytes(run.out)
            err.write_text(run.err)
    return Run(store, out.read_bytes(), err.read_text())


class Vouched:
    """A finished run whose checkpoints lie outside its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store" / "log.db"
        self.keys = folder / "keys"
        self.anchor = folder / "outside" / "anchor"

    @property
    def signing(self) -> list[object]:
        """Who exports, and from what."""
        return ["--store", self.store, "--anchor", self.anchor, *self._signer]

    @property
    def _signer(self) -> list[object]:
        return ["--signing-key", self.keys / "signing.key"]

    @property
    def outside(self) -> list[object]:
        """What somebody else has: the public key and the checkpoints."""
        return ["--key", self.keys / "verifier.pub", "--anchor", self.anchor]

    @property
    def here(self) -> list[object]:
        """The store and what vouches for it."""
        return ["--store", self.store, *self.outside]


def done_with(more: dict[str, str], *arguments: object) -> bytes:
    """What a command prints that runs with more in its environment."""
    done = subprocess.run(
        command(*arguments), env={**environment(), **more}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def run_with_checkpoints(store: object, keys: Path, anchor: Path) -> None:
    """The portfolio, run once with checkpoints signed by new keys."""
    made = json.loads(done_with({}, "keys", keys, "--name", "fund/one", "--json"))
    integrity = {
        "FILLWRIGHT_INTEGRITY__SIGNING_KEY": made["signing_key"],
        "FILLWRIGHT_INTEGRITY__ANCHOR": str(anchor),
        "FILLWRIGHT_INTEGRITY__CHECKPOINT_EVENTS": "100",
    }
    done_with(integrity, "run", *PORTFOLIO, "--store", store)


@pytest.fixture(scope="session")
def vouched(tmp_path_factory: pytest.TempPathFactory) -> Vouched:
    """The portfolio, run once with checkpoints; only for reading."""
    found = Vouched(tmp_path_factory.mktemp("vouched"))
    found.store.parent.mkdir()
    run_with_checkpoints(found.store, found.keys, found.anchor)
    return found


@pytest.fixture
def vouched_copy(vouched: Vouched, tmp_path: Path) -> Vouched:
    """The same, to be changed."""
    shutil.copytree(vouched.folder, tmp_path / "copy")
    return Vouched(tmp_path / "copy")
