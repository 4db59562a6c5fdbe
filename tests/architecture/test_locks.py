"""The lock files meet what pyproject.toml asks for, and name no place to install from."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def locked(name: str) -> dict[str, str]:
    """Return version by package name."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def group(groups: dict[str, Any], name: str) -> list[str]:
    """Return the requirements of a dependency group, those of included groups with them."""
    found: list[str] = []
    for entry in groups[name]:
        found += group(groups, entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def unmet(requirements: Iterable[str], pins: dict[str, str]) -> list[str]:
    parsed = [Requirement(line) for line in requirements]
    return [
        str(wanted)
        for wanted in parsed
        if not wanted.specifier.contains(pins.get(canonicalize_name(wanted.name), "0"))
    ]


def test_running_needs_are_locked() -> None:
    content = project()
    wanted = content["project"]["dependencies"] + content["build-system"]["requires"]
    assert unmet(wanted, locked("requirements.lock")) == []


def test_extras_and_development_tools_are_locked() -> None:
    content = project()
    wanted = group(content["dependency-groups"], "dev")
    for extra in content["project"]["optional-dependencies"].values():
        wanted += extra
    assert unmet(wanted, locked("requirements-dev.lock")) == []


def test_both_lock_files_agree() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_version_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    assert [line for line in text.splitlines() if "==" in line and "--hash=" not in line] == []
