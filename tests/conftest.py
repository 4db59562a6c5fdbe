"""What all tests share: hypothesis profiles and the folder of recorded data."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
