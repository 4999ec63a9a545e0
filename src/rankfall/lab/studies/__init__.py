"""The packaged studies, each a TOML file and the module beside it.

``<name>.toml`` says which cells there are; ``<name with underscores>.py`` has three functions:

- ``run(cell: Cell) -> pandas.DataFrame``: the rows of one cell;
- ``judge(results: pandas.DataFrame) -> tuple[Claim, ...]``: the claims, from the rows of all cells with a
  column for every axis;
- ``draw(results: pandas.DataFrame) -> matplotlib.figure.Figure``.

A study exists when its TOML file does; there is no other list.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from ...errors import InputError

FOLDER = Path(__file__).parent


def study_names() -> tuple[str, ...]:
    """Names of the packaged studies, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def study_path(name: str) -> Path:
    """The TOML file of a packaged study.

    Raises
    ------
    InputError
        If there is no such study; the message lists those that exist.
    """
    names = study_names()
    if name not in names:
        raise InputError(f"There is no study {name!r}; the studies are: {', '.join(names) or 'none yet'}.")
    return FOLDER / f"{name}.toml"


def study_module(name: str) -> ModuleType:
    """The module of a packaged study, with its functions ``run``, ``judge`` and ``draw``.

    Raises
    ------
    InputError
        If there is no such study.
    """
    study_path(name)
    return import_module(f"{__name__}.{name.replace('-', '_')}")
