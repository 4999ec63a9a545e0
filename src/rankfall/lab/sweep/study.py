"""A study: which cells there are."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from .. import runners
from ..cell import Cell, lookup


@dataclass(frozen=True)
class Study:
    """A list of cells, described by settings and the axes along which they vary.

    Attributes
    ----------
    name : str
    runner : str
        What computes a cell: "train", the name of a packaged study, or ``"module:function"`` for a function
        of your own that takes a :class:`~rankfall.lab.cell.Cell` and returns a data frame.
    settings : dict
        Nested tables; what all cells share unless an axis says otherwise.
    grid : dict
        Dotted names of settings, and the values each takes; the cells are the product, last name fastest.
    cases : tuple of dict
        Groups of values that go together, by dotted name; the cells are cases times grid.
    root_seed : int
    seed_axes : tuple of str
        Settings whose values enter the seeds; cells that differ only elsewhere share their noise.
    time_limit : float or None
        Seconds for each cell.
    quick : bool
        Whether the overrides for a quick version have been put in.
    data : dict
        Data files that the settings name, and the SHA-256 of each; part of the cells, so that other data are
        other cells.
    folder : Path or None
        Folder of the TOML file, from which paths in the settings start.
    """

    name: str
    runner: str = "train"
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    cases: tuple[dict[str, Any], ...] = ()
    root_seed: int = 0
    seed_axes: tuple[str, ...] = ()
    time_limit: float | None = None
    quick: bool = False
    data: dict[str, str] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)

    @property
    def axes(self) -> tuple[str, ...]:
        """Dotted names of the settings that vary: those of the cases, then those of the grid."""
        names = [name for case in self.cases for name in case]
        return tuple(dict.fromkeys([*names, *self.grid]))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Cases times grid, in the order of the file."""
        return tuple(self._cells())

    def _cells(self) -> Iterator[Cell]:
        axes = self.axes
        for case in self.cases or ({},):
            for values in product(*self.grid.values()):
                settings = deepcopy(self.settings)
                for name, value in (*case.items(), *zip(self.grid, values, strict=True)):
                    put(settings, name, value)
                runners.add_data(self.runner, settings, self.data)
                yield Cell(
                    study=self.name,
                    runner=self.runner,
                    settings=settings,
                    axes={name: lookup(settings, name) for name in axes},
                    root_seed=self.root_seed,
                    seed_axes=self.seed_axes,
                    time_limit=self.time_limit,
                )

    def as_dict(self) -> dict[str, Any]:
        """The study in plain types, as ``rankfall.lab.sweep.config.make_study`` reads it.

        Data and folder are left out.
        """
        return {
            "study": {
                "name": self.name,
                "runner": self.runner,
                "seed": self.root_seed,
                "seed_axes": list(self.seed_axes),
                **({} if self.time_limit is None else {"time_limit": self.time_limit}),
            },
            "settings": self.settings,
            "grid": self.grid,
            "cases": list(self.cases),
        }


def put(settings: dict[str, Any], name: str, value: Any) -> None:
    """Write a copy of a value into nested tables, under a dotted name."""
    *tables, last = name.split(".")
    for part in tables:
        settings = settings.setdefault(part, {})
    settings[last] = deepcopy(value)
