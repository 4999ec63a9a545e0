"""No public name and no signature changes unseen, and each has a level of stability (docs/stability.md)."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("public_api", ROOT / "scripts" / "public_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def levels(script: ModuleType) -> dict[str, str]:
    return script.levels()


def test_public_names_are_those_written_down(script: ModuleType, levels: dict[str, str]) -> None:
    written = script.FILE.read_text(encoding="utf-8").splitlines()
    found = script.lines(levels)
    changes = "\n".join(
        line for line in difflib.unified_diff(written, found, "written", "found", n=0, lineterm="")
    )
    assert written == found, (
        f"If this is meant: python scripts/public_api.py, and see docs/stability.md.\n{changes}"
    )


def test_every_package_and_every_name_has_a_level(script: ModuleType, levels: dict[str, str]) -> None:
    import rankfall as rf

    for name in (*script.packages(), *(f"rankfall.{name}" for name in rf.__all__)):
        assert script.level(name, levels) in script.LEVELS, name
    # the names at the top are those that users see: none of them is internal
    assert "internal" not in {script.level(f"rankfall.{name}", levels) for name in rf.__all__}


def test_no_module_takes_the_place_of_a_public_name(script: ModuleType, levels: dict[str, str]) -> None:
    """Importing a module binds its name in its package, over what the package gives out under this name.

    What gives out names itself, as `rankfall.theory.rolling` does, is meant.
    """
    for package in (name for name in script.packages() if script.level(name, levels) != "internal"):
        module = importlib.import_module(package)
        inside = {found.name for found in pkgutil.iter_modules(getattr(module, "__path__", []))}
        for name in inside & set(module.__all__):
            importlib.import_module(f"{package}.{name}")
            given = getattr(module, name)
            assert not isinstance(given, ModuleType) or hasattr(given, "__all__"), f"{package}.{name}"


def test_levels_are_of_names_that_exist(script: ModuleType, levels: dict[str, str]) -> None:
    names = {line.split(maxsplit=2)[2].partition(" = ")[0] for line in script.lines(levels)}
    known = {name.partition("(")[0].partition(" is a ")[0] for name in names} | set(script.packages())
    commands = {" ".join(name.split()[:2]) for name in known if " " in name}
    assert set(levels) - known - commands == set()


def test_the_level_is_that_of_the_nearest_name(script: ModuleType) -> None:
    known = {"rankfall.A": "stable", "rankfall.A.b": "provisional", "rankfall do": "stable"}
    assert script.level("rankfall.A.c", known) == "stable"
    assert script.level("rankfall.A.b", known) == "provisional"
    assert script.level("rankfall do --it", known) == "stable"
    for name in ("rankfall.Ab", "rankfall other", "rankfall"):
        with pytest.raises(KeyError):
            script.level(name, known)


def test_a_name_stands_in_the_table_once(script: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| Names | Level |\n|---|---|\n| `a`, `b` | stable |\n| `b` | internal | more |\n")
    with pytest.raises(SystemExit, match="names b twice"):
        script.levels(page)


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int = 0
    colour: Colour = Colour.RED
    kept: dict[str, int] = field(default_factory=dict)
    _own: int = 0

    @cached_property
    def later(self) -> int:
        return 1

    @classmethod
    def at(cls, x: int | None = None, *, call: Callable[..., object] = print) -> Point:
        return cls(x or 0)

    def move(self, by: tuple[int, ...] = (1,), /, *more: float, to: Point | None = None) -> None:
        pass


def test_signatures_have_names_kinds_and_defaults(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "PACKAGE", Point.__module__.partition(".")[0])
    assert list(script._of_value(Point, "Point")) == [
        ("class", "Point", "(x=0, colour=Colour.RED, kept=<made anew>)"),
        ("classmethod", "Point.at", "(x=None, *, call=print)"),
        ("field", "Point.colour", ""),
        ("field", "Point.kept", ""),
        ("property", "Point.later", ""),
        ("method", "Point.move", "(by=(1,), /, *more, to=None)"),
        ("field", "Point.x", ""),
    ]
    assert list(script._of_value(Colour, "Colour")) == [
        ("class", "Colour", " is a Enum"),
        ("choice", "Colour.RED", " = 'red'"),
    ]
