"""A generated portfolio that was run once, for reports to be made of."""

import shutil
from pathlib import Path

import pytest

from fillwright.adapters.reporting.source import Source, read_source
from tests.adapters.entrypoints.conftest import Run, cli, portfolio_run

__all__ = ["cli", "portfolio_run"]


@pytest.fixture(scope="session")
def source(portfolio_run: Run) -> Source:
    """Its store, read once."""
    return read_source(str(portfolio_run.store))


@pytest.fixture
def store(portfolio_run: Run, tmp_path: Path) -> Path:
    """A copy of its store that may be written to."""
    copy = tmp_path / "log.db"
    shutil.copy(portfolio_run.store, copy)
    shutil.copytree(f"{portfolio_run.store}.market", f"{copy}.market")
    return copy
