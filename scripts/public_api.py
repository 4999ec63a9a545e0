"""Write down every public name with its signature and its level of stability, into tests/public_api.txt.

    python scripts/public_api.py

A test compares the file with the code, so that no promised name changes unseen. Run this after an intended
change, and read the difference. The table in docs/stability.md gives the levels, by name or by package.

One line for each name: level, kind, name, and the parameters with their defaults. Annotations are left out:
versions of Python print them differently.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
FILE = ROOT / "tests" / "public_api.txt"
PAGE = ROOT / "docs" / "stability.md"
PACKAGE = "rankfall"
LEVELS = ("stable", "provisional", "internal")
_ROW = re.compile(rf"^\| (.+?) \| ({'|'.join(LEVELS)}) \|", re.MULTILINE)
_SIMPLE = (type(None), bool, int, float, complex, str, bytes)


def levels(page: Path = PAGE) -> dict[str, str]:
    """The level of every name in the table of the page; a name stands for all that is in it as well."""
    out: dict[str, str] = {}
    for names, level in _ROW.findall(page.read_text(encoding="utf-8")):
        for name in re.findall(r"`([^`]+)`", names):
            if name in out:
                raise SystemExit(f"{page.name} names {name} twice.")
            out[name] = level
    return out


def level(name: str, known: dict[str, str]) -> str:
    """The level of a name: its own, or that of the nearest thing around it.

    Raises
    ------
    KeyError
        If the page says nothing about it.
    """
    around = name
    while around not in known:
        around, separator, _ = around.rpartition(" " if " " in around else ".")
        # the package itself has no level: what is at its top is promised name by name
        if not separator or around == PACKAGE:
            raise KeyError(f"The table of docs/stability.md gives no level to {name}.")
    return known[around]


def packages() -> list[str]:
    """Every module and package directly below rankfall."""
    found = pkgutil.iter_modules(import_module(PACKAGE).__path__, f"{PACKAGE}.")
    return sorted(module.name for module in found if not module.name.endswith(".__main__"))


def lines(known: dict[str, str]) -> list[str]:
    """The whole file, line by line."""
    shown: dict[int, str] = {}
    top = import_module(PACKAGE)
    out = list(_of_module(top, shown))
    for name in packages():
        if level(name, known) != "internal":
            out += _of_module(import_module(name), shown)
    out += _commands()
    return [f"{level(name, known):<11} {kind:<11} {name}{rest}" for kind, name, rest in out]


# -- names ------------------------------------------------------------------------------------------------

Line = tuple[str, str, str]


def _of_module(module: ModuleType, shown: dict[int, str]) -> Iterator[Line]:
    for short in sorted(module.__all__):
        value, name = getattr(module, short), f"{module.__name__}.{short}"
        if inspect.ismodule(value):
            yield "module", name, ""
            if name not in packages() and name.startswith(f"{PACKAGE}."):
                yield from _of_module(value, shown)
        elif id(value) in shown and not isinstance(value, _SIMPLE):
            yield "alias", name, f" = {shown[id(value)]}"
        else:
            shown[id(value)] = name
            yield from _of_value(value, name)


def _of_value(value: object, name: str) -> Iterator[Line]:
    if inspect.isclass(value):
        yield from _of_class(value, name)
    elif inspect.isroutine(value):
        yield "function", name, signature(value)
    else:
        yield "constant", name, f" = {shown_default(value)}" if isinstance(value, _SIMPLE) else ""


def _of_class(kind: type, name: str) -> Iterator[Line]:
    bases = ", ".join(base.__name__ for base in kind.__bases__ if base is not object)
    # the signatures of exceptions and enumerations are Python's own, and differ between its versions
    own = not issubclass(kind, (BaseException, Enum))
    yield "class", name, (signature(kind) if own else "") + (f" is a {bases}" if bases else "")
    for short, (what, rest) in sorted(_members(kind).items()):
        yield what, f"{name}.{short}", rest


def _members(kind: type) -> dict[str, tuple[str, str]]:
    """Public members that this package defines: those of other libraries change with their versions."""
    out: dict[str, tuple[str, str]] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.partition(".")[0] != PACKAGE:
            continue
        for short, member in vars(owner).items():
            found = None if short.startswith("_") else _member(member, isinstance(member, kind))
            if found is not None:
                out[short] = found
    if is_dataclass(kind):
        out |= {field.name: ("field", "") for field in fields(kind) if not field.name.startswith("_")}
    return out


def _member(member: object, is_choice: bool) -> tuple[str, str] | None:
    """Kind and signature; None for what another library put there, as scikit-learn does to estimators."""
    if is_choice and isinstance(member, Enum):
        return "choice", f" = {member.value!r}"
    if isinstance(member, (property, cached_property)):
        return "property", ""
    if isinstance(member, (classmethod, staticmethod)):
        return type(member).__name__, signature(member.__func__, bound=isinstance(member, classmethod))
    if inspect.isfunction(member):
        return "method", signature(member, bound=True)
    return None if inspect.isroutine(member) else ("attribute", "")


# -- signatures -------------------------------------------------------------------------------------------


def signature(function: object, bound: bool = False) -> str:
    """Names, kinds and defaults of the parameters; `bound` leaves out the first."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    parameters = list(found.parameters.values())[1 if bound else 0 :]
    bare = [
        p.replace(annotation=inspect.Parameter.empty, default=_Shown.of(p.default))
        for p in parameters
        if not p.name.startswith("_")
    ]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


class _Shown:
    """A default as it is to be printed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    @classmethod
    def of(cls, default: object) -> object:
        """The default itself where there is none."""
        return default if default is inspect.Parameter.empty else cls(shown_default(default))


def shown_default(value: object) -> str:
    """A default in words that no version, address or order of a set changes."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, _SIMPLE):
        return repr(value)
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(shown_default, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if value is MISSING or type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return "<made anew>"
    if inspect.isclass(value) or inspect.isroutine(value):
        return value.__name__
    if is_dataclass(value):
        pairs = (f"{f.name}={shown_default(getattr(value, f.name))}" for f in fields(value))
        return f"{type(value).__name__}({', '.join(pairs)})"
    return f"<{type(value).__name__}>"


# -- the command line -------------------------------------------------------------------------------------


def _commands() -> Iterator[Line]:
    import typer

    from rankfall.cli.app import app

    for name, command in sorted(typer.main.get_command(app).commands.items()):  # type: ignore[attr-defined]
        full = f"{PACKAGE} {name}"
        arguments = [p.metavar for p in command.params if p.param_type_name == "argument"]
        yield "command", full, "".join(f" {argument}" for argument in arguments)
        for parameter in sorted(command.params, key=lambda p: max(p.opts, key=len)):
            if parameter.param_type_name == "option" and parameter.name != "help":
                value = "" if parameter.is_flag else f" {parameter.metavar}"
                yield "option", f"{full} {max(parameter.opts, key=len)}", value + _short(parameter.opts)


def _short(options: list[str]) -> str:
    others = [option for option in options if option != max(options, key=len)]
    return f" (or {', '.join(others)})" if others else ""


def main() -> None:
    from rankfall.files import atomic_path

    try:
        text = "\n".join(lines(levels())) + "\n"
    except KeyError as error:
        raise SystemExit(error.args[0]) from error
    before = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    with atomic_path(FILE) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
    changed = set(before.splitlines()) ^ set(text.splitlines())
    sys.stdout.write(f"{FILE.relative_to(ROOT)}: {len(changed)} lines changed.\n")


if __name__ == "__main__":
    main()
