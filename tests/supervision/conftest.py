"""A store with a run in it, and the people who supervise it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fillwright.adapters.storage.copying import copy_store
from fillwright.adapters.storage.log import Log
from tests.adapters.entrypoints.conftest import (
    GENERATED,
    Cli,
    Done,
    cli,
    finished_run,
)
from tests.postgres import fresh_store

__all__ = ["cli"]

HERE = Path(__file__).parent
ROLES = {
    "kim": '"risk", "admin"',
    "ada": '"risk", "compliance", "admin"',
    "rob": '"trade"',
    "eve": '"read"',
    "pm-7": '"read", "submit"',
    "kim2": '"risk", "compliance"',
}
PERSONS = {"pm-7": "kim", "kim2": "Kim"}
"""An agent and a second name of one person."""


def token(name: str) -> str:
    return f"token-of-{name}-which-is-long"


def row(name: str, roles: str) -> str:
    digest = hashlib.sha256(token(name).encode()).hexdigest()
    kind = "agent" if name == "pm-7" else "person"
    person = PERSONS.get(name, name)
    return (
        f'[[principals]]\nname = "{name}"\nperson = "{person}"\nkind = "{kind}"\n'
        f'roles = [{roles}]\ntoken_sha256 = "{digest}"\n'
    )


def principals_file(folder: Path, **other: str) -> Path:
    """The people as a file; ``other`` gives some other roles, an empty text leaves one out."""
    roles = {**ROLES, **{name.replace("_", "-"): value for name, value in other.items()}}
    file = folder / f"principals-{len(list(folder.glob('principals-*')))}.toml"
    file.write_text("\n".join(row(name, value) for name, value in roles.items() if value))
    return file


STORES = ("file", "postgres")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a server only some of each suite run in ``make test``, and the others with the long."""
    for item in items:
        given = getattr(item, "callspec", None)
        if not item.path.is_relative_to(HERE) or given is None:
            continue
        is_on_server = "postgres" in (given.params.get("place"), given.params.get("house"))
        if is_on_server and item.get_closest_marker("on_a_server") is None:
            item.add_marker(pytest.mark.soak)


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty store of each kind: a file, and a schema on a server."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    Log.open(tmp_path / "log.db").close()
    return tmp_path / "log.db"


class House:
    """A store, and its people at the command line."""

    def __init__(
        self,
        folder: Path,
        cli: Cli,
        setenv: Callable[[str, str], None],
        store: Path | str | None = None,
    ) -> None:
        self.folder, self.store = folder, store or folder / "log.db"
        self._cli, self._setenv = cli, setenv

    def by(self, name: str, *arguments: object) -> Done:
        """What a command comes to that somebody runs."""
        self._setenv("FILLWRIGHT_TOKEN", token(name))
        return self._cli(*arguments, "--store", self.store)

    def set_up(self) -> None:
        done = self.by("kim", "principals", "set", principals_file(self.folder))
        assert done.code == 0, done.err

    def propose(self, name: str, *arguments: object) -> str:
        done = self.by(name, "changes", "propose", *arguments, "--reason", "a reason", "--json")
        assert done.code == 0, done.err
        return str(done.json["change"])

    def approve(self, name: str, change: str) -> Done:
        return self.by(name, "changes", "approve", change, "--reason", "looked at", "--json")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a short run in it; only for copying."""
    folder = tmp_path_factory.mktemp("supervised")
    rows = [
        '{"decision_id": "s-1", "symbol": "KO", "action": "BUY", "target_weight": 1, '
        '"confidence": 8, "strategy": "twap", "window": "5m", "max_slippage": 60}',
        '{"decision_id": "s-2", "symbol": "AAPL", "action": "BUY", "target_weight": 50, '
        '"confidence": 8, "strategy": "market"}',
    ]
    decisions = folder / "decisions.jsonl"
    decisions.write_text("\n".join(rows))
    finished_run(folder / "log.db", [str(decisions), *GENERATED, "--seed", "3"])
    return folder


@pytest.fixture
def empty_house(
    place: Path | str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> House:
    """An empty store of either kind, without people yet."""
    return House(tmp_path, cli, monkeypatch.setenv, place)


@pytest.fixture(params=STORES)
def house(
    request: pytest.FixtureRequest,
    small_run: Path,
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> House:
    """A copy of the run in a store of either kind, without people yet."""
    folder = tmp_path / "house"
    shutil.copytree(small_run, folder)
    if request.param == "file":
        return House(folder, cli, monkeypatch.setenv)
    # The other files of the run keep their names, which begin with the store's.
    store = fresh_store(request.getfixturevalue("postgres_server"), folder, "log.db")
    (folder / "log.db").rename(folder / "run.db")
    copy_store(str(folder / "run.db"), store)
    return House(folder, cli, monkeypatch.setenv, store)
