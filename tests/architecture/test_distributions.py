"""What is built is what stands in the folders."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["domain", "projections", "adapters"]


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a distribution of the source tree with the project's own back end."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


def modules_of_the_folders() -> set[str]:
    return {
        str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
    }


def modules_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.endswith(".py")}


def test_the_wheel_holds_the_facade_and_every_module_of_the_folders(wheel: Path) -> None:
    wanted = {f"fillwright/{module}" for module in modules_of_the_folders()}
    assert modules_in(wheel) == wanted | {"fillwright/__init__.py"}


def test_the_wheel_is_typed_licensed_and_has_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        command = archive.read(entry_points).decode()
    assert "fillwright/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "fillwright = fillwright.adapters.entrypoints.cli:entry" in command


def test_the_wheel_imports_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import fillwright, fillwright.domain, fillwright.projections, fillwright.adapters; "
            "print(fillwright.domain.__file__)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "fillwright" / "domain" / "__init__.py"


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        # Python before 3.11.4 has no filters; an archive that was just built needs none.
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert (source / "tests").is_dir()
    (tmp_path / "rebuilt").mkdir()
    again = build(source, tmp_path / "rebuilt", "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()
