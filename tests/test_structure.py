"""The rules for all source files: no import circles, one name a class, files and functions short.

Type-only imports count: a circle that only the type checker sees is one for a reader as well.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LONGEST_CIRCLE = 2
"""Files that may import each other."""
LONGEST_FILE = 400
"""Lines."""
LONGEST_FUNCTION = 55
"""Lines, with signature and docstring."""
REPEATED = {"__init__.py", "__main__.py", "errors.py"}
"""File names that may stand in every package."""


@cache
def sources() -> dict[str, ast.Module]:
    """The syntax trees of all source files by their path."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for package in ("gateway", "workers")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def module_of(path: str) -> str:
    """The dotted name of the module in a file."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports() -> dict[str, set[str]]:
    """Module -> the project's modules that it imports anywhere in its file.

    A name that is imported from a package counts as its submodule where there is one, else as the
    package's `__init__`.
    """
    modules = {module_of(path) for path in sources()}
    found: dict[str, set[str]] = {}
    for path, tree in sources().items():
        module = module_of(path)
        found[module] = {name for name in _imported(tree) if name in modules} - {module}
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    modules = {module_of(path) for path in sources()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in modules else node.module


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components with more than one member (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for successor in graph[node]:
            if successor not in index:
                visit(successor)
                low[node] = min(low[node], low[successor])
            elif successor in stack:
                low[node] = min(low[node], index[successor])
        if low[node] == index[node]:
            at = stack.index(node)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                components.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return components


def pynetdicom_modules() -> set[str]:
    """The files of the modules that stand in place of pynetdicom's, and hold nothing themselves."""
    return {
        Path(path).name
        for path, tree in sources().items()
        if path.count("/") == 1 and "sys.modules[__name__] =" in ast.unparse(tree)
    }


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert sorted(circles(graph)) == [["a", "b", "c"], ["e", "f"]]


def test_no_circle_of_imports_has_more_than_two_files() -> None:
    assert [one for one in circles(imports()) if len(one) > LONGEST_CIRCLE] == []


def test_a_class_name_stands_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(path)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_file_name_stands_once() -> None:
    """But for those that others chose: commands of the command line, modules of pynetdicom."""
    chosen = {f"gateway/{name}" for name in pynetdicom_modules()}
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        if path not in chosen and not path.startswith("gateway/cli/"):
            places[Path(path).name].append(path)
    repeated = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in repeated.items() if name not in REPEATED} == {}


@pytest.mark.parametrize("path", sorted(sources()))
def test_files_and_functions_are_short(path: str) -> None:
    lines = (ROOT / path).read_text().count("\n")
    assert lines <= LONGEST_FILE
    for node in ast.walk(sources()[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{node.name} is too long"


def broad_handlers() -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Each `except Exception`, `except BaseException` and bare `except`, with its file."""
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and (node.type is None or _is_broad(node.type)):
                yield path, node


def _is_broad(kind: ast.expr) -> bool:
    named = (node.id for node in ast.walk(kind) if isinstance(node, ast.Name))
    return not {"Exception", "BaseException"}.isdisjoint(named)


def _fault_of(path: str, handler: ast.ExceptHandler) -> str:
    """What is wrong with a handler; one that ends by raising the same error needs no reason."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return ""
    lines = (ROOT / path).read_text().splitlines()[handler.lineno - 1 : handler.body[0].lineno - 1]
    reasons = [line.partition("#")[2].strip() for line in lines]
    if not [one for one in reasons if one and not one.startswith("noqa")]:
        return "does not say why"
    idle = all(isinstance(one, ast.Pass | ast.Continue) for one in handler.body)
    return "swallows the error" if idle else ""


def test_what_catches_everything_says_why_and_swallows_nothing() -> None:
    faults = [
        f"{path}:{handler.lineno} {fault}"
        for path, handler in broad_handlers()
        if (fault := _fault_of(path, handler))
    ]
    assert faults == []
