"""One cell of a study: its settings, its key and its seeds."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from ..declared_arguments import declared
from ..errors import InputError

_MISSING = object()


@dataclass(frozen=True)
class Cell:
    """Everything that determines one piece of a study's results.

    Attributes
    ----------
    study : str
        Name of the study.
    runner : str
        What computes the cell: "train", or the name of a packaged study.
    settings : dict
        Nested tables of plain values, this cell's values of the grid put in.
    axes : dict
        Dotted names of the settings that differ between the study's cells, and their values here.
    root_seed : int
        Root of every seed.
    seed_axes : tuple of str
        Dotted names of the settings whose values enter the seeds.
    time_limit : float or None
        Seconds that the cell may take.
    """

    study: str
    runner: str
    settings: dict[str, Any]
    axes: dict[str, Any]
    root_seed: int = 0
    seed_axes: tuple[str, ...] = ()
    time_limit: float | None = None

    @property
    def key(self) -> str:
        """Name of the cell's result: a hash of what can change it.

        These are the runner, the settings, and what the seeds are made from; neither the study's name nor
        the time limit, nor which settings are called axes. A study that gets a longer grid finds the cells
        that it has.
        """
        content = {
            "runner": self.runner,
            "settings": self.settings,
            "root_seed": self.root_seed,
            "seed_axes": sorted(self.seed_axes),
        }
        return _digest(content)[:32]

    @declared
    def seed(self, purpose: str) -> int:
        """A seed for one purpose.

        Parameters
        ----------
        purpose : str
            What the random numbers are for ("noise", "init"); other purposes get independent numbers.

        Returns
        -------
        int
            From 0 to ``2**63 - 1``, made from the root seed, the purpose and the values of `seed_axes`
            alone: cells that differ only elsewhere share it.
        """
        values = {name: self.get(name) for name in self.seed_axes}
        return int(_digest([self.root_seed, purpose, values])[:16], 16) >> 1

    @declared
    def get(self, name: str, default: Any = _MISSING) -> Any:
        """The setting with a dotted name, such as ``"optimiser.lr"``.

        Raises
        ------
        InputError
            If there is none and no `default` was given.
        """
        value = lookup(self.settings, name, default)
        if value is _MISSING:
            raise InputError(f"Study {self.study} needs the setting {name}, which is not given.")
        return value


def lookup(settings: dict[str, Any], name: str, default: Any = None) -> Any:
    """What nested tables hold under a dotted name; `default` if nothing."""
    table: Any = settings
    for part in name.split("."):
        if not isinstance(table, dict) or part not in table:
            return default
        table = table[part]
    return table


def canonical_json(content: Any) -> str:
    """The one way to write plain values as JSON: sorted names, no spaces, 2.0 as 2.

    Raises
    ------
    ValueError
        For a number that is not finite.
    TypeError
        For anything but dictionaries, lists, tuples, strings, numbers, booleans and None.
    """
    plain = _plain(content)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _digest(content: Any) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
