"""What all tests share: hypothesis profiles and the folder of recorded data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import ABSENT, SYNCS, PostgresServer, binaries, fresh_store

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every run, so that a red run is about the change.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=1_000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of recorded market data and published scenarios; skips where it is missing."""
    folder = Path(os.environ.get("FILLWRIGHT_SHARED_DIR") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"shared data not present: {folder}")
    return folder.resolve()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process; skips where none is installed."""
    programs = binaries()
    if programs is None:
        pytest.skip(ABSENT)
    server = PostgresServer(programs, fsync=SYNCS)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, tmp_path: Path) -> str:
    """A migrated store in a schema of its own, with its files in the test's folder."""
    return fresh_store(postgres_server, tmp_path)
