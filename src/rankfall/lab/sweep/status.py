"""What the folder of a sweep holds: the results as one data frame, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...declared_arguments import declared
from ...errors import InputError
from ..cell import canonical_json
from .store import Store

if TYPE_CHECKING:
    import pandas as pd


@declared
def open_sweep(folder: str | PathLike[str]) -> pd.DataFrame:
    """The rows of all finished cells as one data frame.

    Parameters
    ----------
    folder : path
        The folder of a sweep.

    Returns
    -------
    DataFrame
        The axes' columns first (dotted names; a list is shown as text), then those of the rows. Cells come in
        the order of the study.

    Raises
    ------
    InputError
        If the folder holds no sweep, or a file in it is damaged.
    """
    import pandas as pd

    store = Store(Path(folder))
    frames = []
    for cell in store.study().cells:
        try:
            frame, _ = store.read(cell)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise InputError(f"{store.path(cell)} is damaged ({error}); run the sweep again.") from error
        axes = {name: _shown(value) for name, value in cell.axes.items()}
        columns = pd.DataFrame({name: [value] * len(frame) for name, value in axes.items()})
        frames.append(pd.concat([columns, frame], axis=1) if axes else frame)
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


@dataclass(frozen=True)
class SweepStatus:
    """What the folder of a sweep holds.

    Attributes
    ----------
    study : str
    n_cells, done, failed, open : int
    failures : tuple of (dict, str)
        Axes of every failed cell, and why.
    seconds : float
        Computing time so far, summed over cells, those that failed included.
    """

    study: str
    n_cells: int
    done: int
    failed: int
    open: int
    failures: tuple[tuple[dict[str, Any], str], ...]
    seconds: float


@declared
def sweep_status(folder: str | PathLike[str]) -> SweepStatus:
    """What the folder of a sweep holds: also while the sweep runs.

    Raises
    ------
    InputError
        If the folder holds no sweep, or cannot be read.
    """
    store = Store(Path(folder))
    study = store.study()
    cells = study.cells
    failures = store.failures(cells)
    done = store.finished(cells)
    keys = {cell.key for cell in cells}
    seconds = sum(float(line.get("seconds", 0)) for line in store.log() if line.get("key") in keys)
    failed = tuple((cell.axes, failures[cell.key]) for cell in cells if cell.key in failures)
    return SweepStatus(
        study.name, len(cells), done, len(failed), len(cells) - done - len(failed), failed, seconds
    )


def _shown(value: object) -> object:
    return canonical_json(value) if isinstance(value, (list, dict)) else value
