"""A generated portfolio that was run once, for reports to be made of."""

import shutil
from pathlib import Path

import pytest

from fillwright.adapters.reporting.source import Source, read_source
from tests.adapters.entrypoints.conftest import Run, cli, finished_run

__all__ = ["cli"]


@pytest.fixture(scope="session")
def told_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The portfolio, run once; only for reading."""
    return finished_run(tmp_path_factory.mktemp("reported") / "log.db")


@pytest.fixture(scope="session")
def source(told_run: Run) -> Source:
    """Its store, read once."""
    return read_source(str(told_run.store))


@pytest.fixture
def store(told_run: Run, tmp_path: Path) -> Path:
    """A copy of its store that may be written to."""
    copy = tmp_path / "log.db"
    shutil.copy(told_run.store, copy)
    shutil.copytree(f"{told_run.store}.market", f"{copy}.market")
    return copy
