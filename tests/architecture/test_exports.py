"""Everything that is exported exists and says what it means."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import fillwright

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["domain", "projections", "adapters"]
EXPORTS = sorted(set(fillwright.__all__) - {"__version__"})


def own_docstring(exported: object) -> str:
    """Return the docstring written for this object, not one inherited or made by a decorator."""
    if not isinstance(exported, type):
        return inspect.getdoc(exported) or ""
    written = exported.__dict__.get("__doc__") or ""
    return "" if written.startswith(f"{exported.__name__}(") else written


def source_files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", EXPORTS)
def test_a_name_of_the_facade_exists_and_is_documented(name: str) -> None:
    assert own_docstring(getattr(fillwright, name)).strip()


def test_the_facade_refuses_a_name_it_does_not_export() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        fillwright.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_facade_lists_its_names() -> None:
    assert set(fillwright.__all__) <= set(dir(fillwright))


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_every_name_in_an_all_list_is_documented() -> None:
    silent = []
    for path in source_files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(("fillwright", *parts)).removesuffix(".__init__")
        if "__all__" not in path.read_text(encoding="utf-8"):
            continue
        module = importlib.import_module(name)
        for exported in getattr(module, "__all__", []):
            value = getattr(module, exported)
            if (inspect.isclass(value) or inspect.isroutine(value)) and not own_docstring(value):
                silent.append(f"{name}.{exported}")
    assert silent == []
