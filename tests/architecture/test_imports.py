"""Who may import what, and under which name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["domain", "projections", "adapters"]

# Slow to import, and of no use before something is run.
HEAVY_MODULES = {"alpaca", "eventsourcing", "numpy", "pandas", "pyarrow", "pydantic", "typer"}


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter that stands in the repository root."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_not_importable_by_its_own_name(folder: str) -> None:
    done = run_python(f"import {folder}")
    assert done.returncode != 0
    assert f"ImportError: import fillwright.{folder}, not {folder}" in done.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_importable_under_the_package(folder: str) -> None:
    done = run_python(f"import fillwright.{folder} as m; print(m.__name__)")
    assert done.stdout.strip() == f"fillwright.{folder}", done.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_link_of_the_package_is_relative_and_leads_to_its_folder(folder: str) -> None:
    link = ROOT / "src" / "fillwright" / folder
    assert link.readlink() == Path("..") / ".." / folder
    assert link.resolve() == ROOT / folder


def test_importing_the_package_loads_nothing_heavy() -> None:
    done = run_python("import fillwright, sys, json; print(json.dumps(sorted(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert not HEAVY_MODULES & set(json.loads(done.stdout))


def test_the_import_contracts_hold() -> None:
    done = run_python(
        "from importlinter.cli import lint_imports; import sys; "
        "sys.exit(lint_imports(no_cache=True))"
    )
    assert done.returncode == 0, done.stdout + done.stderr
