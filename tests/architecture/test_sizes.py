"""A screen per function, a sitting per file.

The exceptions below carry the size they may have. The list only shrinks: an exception that is no
longer needed has to go, and one that has become smaller has to say so.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["domain", "projections", "adapters", "src", "tools"]

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400

# "domain/some_module.py": lines
LONG_FILES: dict[str, int] = {}

# "domain/some_module.py::Class.method": lines
LONG_FUNCTIONS: dict[str, int] = {}


def source_files() -> list[Path]:
    links = ROOT / "src" / "fillwright"
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path.parent == links or links not in path.parents
    )


def functions(node: ast.AST, prefix: str = "") -> list[tuple[str, int]]:
    """Return (qualified name, lines) of all functions; an outer one includes its inner ones."""
    found = []
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{child.name}".lstrip(".")
            if not isinstance(child, ast.ClassDef):
                assert child.end_lineno is not None
                found.append((name, child.end_lineno - child.lineno + 1))
        found += functions(child, name)
    return found


@pytest.fixture(scope="module")
def file_lines() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files()
    }


@pytest.fixture(scope="module")
def function_lines() -> dict[str, int]:
    return {
        f"{path.relative_to(ROOT)}::{name}": lines
        for path in source_files()
        for name, lines in functions(ast.parse(path.read_text(encoding="utf-8")))
    }


def over(sizes: dict[str, int], limit: int) -> dict[str, int]:
    return {name: lines for name, lines in sizes.items() if lines > limit}


def test_a_file_is_read_in_one_sitting(file_lines: dict[str, int]) -> None:
    assert over(file_lines, FILE_LINES_MAX) == LONG_FILES


def test_a_function_fits_on_a_screen(function_lines: dict[str, int]) -> None:
    assert over(function_lines, FUNCTION_LINES_MAX) == LONG_FUNCTIONS


def test_the_sources_are_found(file_lines: dict[str, int]) -> None:
    assert {"domain/__init__.py", "src/fillwright/__init__.py"} <= file_lines.keys()
