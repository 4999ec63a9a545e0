"""The libraries that rankfall stands on: their versions, and whether they can be imported."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ..version import __version__
from .child import ask
from .report import Check

# where the installation does not say what it requires (a source tree on the path)
_KNOWN = (
    "numpy",
    "scipy",
    "numba",
    "narwhals",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "threadpoolctl",
    "matplotlib",
    "bokeh",
)
_MODULES = {"scikit-learn": "sklearn"}
_SECONDS = 120.0
# what hangs makes those hang that import it, and the files have been read from the disk by then
_SECONDS_AGAIN = 20.0


@dataclass(frozen=True)
class Library:
    """A library by the name that pip knows, and the lowest version that will do (empty: any)."""

    name: str
    least: str = ""

    @property
    def module(self) -> str:
        """What is imported."""
        return _MODULES.get(self.name, self.name.lower().replace("-", "_"))

    @property
    def requirement(self) -> str:
        """For pip."""
        return f"{self.name}>={self.least}" if self.least else self.name


@dataclass(frozen=True)
class Found:
    """A library as it was imported.

    Attributes
    ----------
    wanted : Library
    version : str or None
    fault : str
        A sentence; empty if nothing is wrong with it.
    hidden_by : str
        A file of its name that was loaded in its place.
    """

    wanted: Library
    version: str | None
    fault: str = ""
    hidden_by: str = ""


def versions() -> Check:
    """Import every library that rankfall needs, in another interpreter."""
    found = [_judged(library, facts) for library, facts in _imported(required())]
    facts = {
        "rankfall": __version__,
        "python": platform.python_version(),
        "libraries": {each.wanted.name: each.version for each in found},
        "broken": [each.wanted.module for each in found if each.fault],
    }
    own = f"rankfall {__version__}, {platform.python_implementation()} {platform.python_version()}"
    faults = [each for each in found if each.fault]
    if not faults:
        rest = ", ".join(f"{each.wanted.name} {each.version or 'of unknown version'}" for each in found)
        return Check("versions", "ok", f"{own}, {rest}.", facts=facts)
    good = ", ".join(f"{each.wanted.name} {each.version}" for each in found if not each.fault)
    message = f"{' '.join(each.fault for each in faults)} Without fault: {own}{', ' if good else ''}{good}."
    return Check("versions", "problem", message, _remedy(faults), facts)


def _remedy(faults: list[Found]) -> str:
    hiding = [each.hidden_by for each in faults if each.hidden_by]
    if hiding:
        return f"Rename {' and '.join(hiding)}."
    names = " ".join(f'"{each.wanted.requirement}"' for each in faults)
    reinstall = (
        f"{sys.executable} -m pip install --upgrade --force-reinstall {names}; or a fresh environment: "
        f"{sys.executable} -m venv FOLDER, and install rankfall there."
    )
    settings = [name for name in os.environ if name.startswith("NUMBA_")]
    if settings and any(each.wanted.module == "numba" for each in faults):
        return f"Unset {' and '.join(settings)}, and run this again. If that does not help: {reinstall}"
    return reinstall


def required() -> tuple[Library, ...]:
    """What this installation of rankfall says it needs, extras left out, and llvmlite, which numba brings."""
    try:
        lines = metadata.requires("rankfall") or []
    except metadata.PackageNotFoundError:
        lines = []
    found = [_library(line) for line in lines if "extra ==" not in line] or [Library(name) for name in _KNOWN]
    order = {name: k for k, name in enumerate(_KNOWN)}
    found.sort(key=lambda library: (order.get(library.name, len(order)), library.name))
    names = [library.name for library in found]
    place = names.index("numba") + 1 if "numba" in names else len(names)
    return (*found[:place], Library("llvmlite"), *found[place:])


def _library(line: str) -> Library:
    # such as "numpy<3,>=2.0"
    name, least = re.match(r"[\w.-]+", line), re.search(r">=\s*([\d.]+)", line)
    return Library(name[0] if name else line, least[1] if least else "")


def _imported(libraries: tuple[Library, ...]) -> list[tuple[Library, dict]]:
    """What importing each of them says; those after one that crashes or hangs get another interpreter."""
    out: list[tuple[Library, dict]] = []
    left, seconds = list(libraries), _SECONDS
    while left:
        answer = ask("imports", [library.module for library in left], timeout=seconds)
        seconds = _SECONDS_AGAIN
        told = {facts["module"]: facts for facts in answer.facts if "module" in facts}
        done = [library for library in left if library.module in told]
        out += [(library, told[library.module]) for library in done]
        left = [library for library in left if library.module not in told]
        if left and answer.get("begun") == left[0].module:
            out.append((left.pop(0), {"failure": answer.failure}))
        elif left:
            out += [(library, {"failure": answer.failure or "no answer"}) for library in left]
            break
    return out


def _judged(library: Library, facts: dict) -> Found:
    name = library.name
    try:
        distribution = metadata.distribution(name)
        installed, folder = distribution.version, Path(str(distribution.locate_file(""))).resolve()
    except metadata.PackageNotFoundError:
        installed, folder = None, None
    version = facts.get("version") or installed
    if "failure" in facts:
        at = f" {installed}" if installed else ""
        return Found(library, version, f"{name}{at} cannot be imported ({facts['failure']}).")
    file = facts.get("file")
    if not facts.get("version") and (
        folder is None or not file or folder not in Path(file).resolve().parents
    ):
        return Found(library, None, f"{file} is loaded in place of {name}.", str(file))
    if library.least and version and _numbers(version) < _numbers(library.least):
        return Found(
            library, version, f"{name} {version} is too old: rankfall needs {library.least} or later."
        )
    return Found(library, version)


def _numbers(version: str) -> tuple[int, ...]:
    """2.4.0rc1 as (2, 4, 0): the numbers of a release."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
