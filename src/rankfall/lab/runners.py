"""From the name of a runner to the function that computes a cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .cell import Cell
from .studies import study_module, study_names

if TYPE_CHECKING:
    import pandas as pd

GENERIC = "train"


def find(runner: str, folder: Path | None = None) -> Callable[[Cell], pd.DataFrame]:
    """The function of a runner: "train", a packaged study, or ``module:function``.

    Paths in the settings of "train" start from `folder`.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if runner == GENERIC:
        from .train_runner.run import run

        return partial(run, folder=folder)
    if ":" in runner:
        return _own(runner)
    if runner not in study_names():
        choices = ", ".join((GENERIC, *study_names()))
        raise InputError(f"there is no runner {runner!r}; choose from {choices}, or write module:function.")
    return study_module(runner).run


def check(cell: Cell, place: str) -> None:
    """Refuse settings that the runner does not know; only the generic one has a fixed list."""
    if cell.runner == GENERIC:
        from .train_runner.settings import check_settings

        check_settings(cell.settings, place)


def check_values(cell: Cell) -> None:
    """Refuse values of a cell that no run could use."""
    if cell.runner == GENERIC:
        from .train_runner.settings import check_values as check

        check(cell.settings)


def check_together(cell: Cell) -> None:
    """Refuse values of a cell that do not fit each other."""
    if cell.runner == GENERIC:
        from .train_runner.settings import check_together as check

        check(cell.settings)


def accepts(runner: str, name: str) -> bool:
    """Whether a runner has a setting of this dotted name, even if the study's settings leave it out."""
    if runner != GENERIC:
        return False
    from .train_runner.settings import is_setting

    return is_setting(name)


def data_files(cell: Cell, folder: Path, known: dict[str, str]) -> dict[str, str]:
    """The data files that a cell reads, as its settings name them, with the SHA-256 of each."""
    if cell.runner != GENERIC:
        return {}
    from .train_runner.run import hashes

    return hashes(cell.settings, folder, known)


def add_data(runner: str, settings: dict[str, Any], data: dict[str, str]) -> None:
    """Write the SHA-256 of a cell's data file beside its name."""
    path = settings.get("problem", {}).get("path") if runner == GENERIC and data else None
    if path in data:
        settings["problem"]["sha256"] = data[path]


def _own(runner: str) -> Callable[[Cell], Any]:
    module, _, function = runner.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, ValueError) as error:
        raise InputError(f"the runner {runner!r} cannot be imported ({error}).") from error
    except AttributeError as error:
        raise InputError(f"the runner {runner!r} does not exist: {module} has no {function}.") from error
    if not callable(found):
        raise InputError(f"the runner {runner!r} is not a function.")
    return found
