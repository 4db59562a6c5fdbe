"""Whole-engine tests trade on one generated session, made once; see ``world``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation import world
from tests.simulation.world import THOROUGH

MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where there is one: it is the process that dies here, not the disk.

    With ``FILLWRIGHT_THOROUGH=1`` on disk, because all points together need more room.
    """
    in_memory = not THOROUGH and MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(
        prefix="fillwright-", dir=MEMORY if in_memory else None
    ) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True, scope="session")
def server_for_all(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``FILLWRIGHT_SIMULATION_STORE=postgres`` every run's log is on a real server."""
    if os.environ.get("FILLWRIGHT_SIMULATION_STORE") == "postgres":
        world.SERVER = request.getfixturevalue("postgres_server")
    yield
    world.SERVER = None
