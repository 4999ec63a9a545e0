"""The shape of the code: no circles of imports anywhere, small files, and each option declared once."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rankfall as rf
from rankfall.completion import options

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "rankfall"


def modules() -> dict[str, Path]:
    """Every module of the package, the benchmarks and the scripts by its name."""
    found = {}
    for folder, prefix in ((PACKAGE, "rankfall."), (ROOT / "benchmarks", ""), (ROOT / "scripts", "")):
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[(prefix + ".".join(parts)).strip(".")] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a module imports, anywhere in it: for type checking and inside functions, too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                for wanted in (f"{target}.{alias.name}", target):
                    if wanted in known:
                        yield wanted
                        break


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = [stack.pop()]
            while component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {name: set(imported(name, path, known)) - {name} for name, path in known.items()}
    # the names of a package's face are looked up when they are used
    for name, path in known.items():
        if path.name == "__init__.py" and "import_module" in path.read_text(encoding="utf-8"):
            graph[name] = set()
    assert circles(graph) == []


def test_the_tree_of_a_completion_is_its_algorithm() -> None:
    folder = PACKAGE / "completion"
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    folders = {path.name for path in folder.iterdir() if path.is_dir()} - {"__pycache__"}
    assert len(files) <= 5, files
    assert folders == {"descent", "exact", "noisy", "ordered", "solvers", "result", "deliver", "kinds"}


@pytest.mark.parametrize("folder", ["completion"])
def test_files_are_short(folder: str) -> None:
    for path in (PACKAGE / folder).glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def test_no_file_is_long() -> None:
    for path in modules().values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


# -- each option of complete() is declared once ------------------------------------------------------------


def test_the_signature_of_complete_is_that_of_its_options() -> None:
    parameters = inspect.signature(rf.complete).parameters
    # data and a function, not options
    beside = {"X", "callback", "censored", "kinds", "missing_values", "progress", "weights"}
    assert tuple(name for name in parameters if name not in beside) == options.names()
    for name in options.names():
        assert parameters[name].default == options.default_of(name), name
        assert re.search(rf"^    {name} : ", rf.complete.__doc__ or "", re.MULTILINE), name


@pytest.mark.parametrize("estimator", [rf.LowRankImputer, rf.LowRankRegressor])
def test_estimators_have_the_options_of_complete(estimator: type) -> None:
    parameters = inspect.signature(estimator).parameters
    # random_state; an imputer fills everything; of one table only
    others = {"seed", "fill", "row_positions", "column_positions", "groups"}
    for name in set(options.names()) - others:
        default = "none" if name == "ordered" else options.default_of(name)  # splits shuffle rows
        assert parameters[name].default == default, name
