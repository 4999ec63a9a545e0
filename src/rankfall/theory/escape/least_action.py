"""The paths of least action: orbits that pass no focal point, found beside those that do."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .action_path import ActionPath, NoPathError, action_path, beside
from .hamiltonian import Hamiltonian
from .path_prefactor import FocalPointError, log_prefactor

# By how much of the distance between minimum and saddle a path with a focal point is bent to find one
# without: 0.15 to 0.25 lead to it for the matrix of the tests, smaller ones back to the same path.
_BENT = (0.2, 0.15, 0.25, 0.3)
# Actions that differ by less than this, relatively, are one; paths that differ by less than this, relative
# to the distance of their ends, too.
_EQUAL, _SAME = 1e-4, 1e-2


@dataclass(frozen=True, eq=False)
class LeastAction:
    """One of the paths of least action, how many there are, and the logarithm of c of each."""

    path: ActionPath = field(repr=False)
    log_c: float
    n_paths: int


def least_action(H: Hamiltonian, low: np.ndarray, top: np.ndarray) -> LeastAction:
    """The orbit from `low` to `top`, or, where it passes a focal point, those that branch off it.

    Where data and minimum have a symmetry, an orbit may keep it and still be no minimum of the action; the
    minima are then mirror images, and each contributes its rate.

    Raises
    ------
    NoPathError
        If no orbit is found, or none without a focal point.
    """
    path = action_path(H, low, top)
    try:
        return LeastAction(path, log_prefactor(H, path), 1)
    except FocalPointError as focal:
        direction = focal.direction * path.ends.distance
    found: list[LeastAction] = []
    for sign in (1.0, -1.0):
        for size in _BENT:
            each = _tried(H, path, sign * size * direction)
            if each is not None:
                found.append(each)
                break
    if not found:
        raise NoPathError("the orbit found passes a focal point, and no lower one was found beside it")
    best = min(found, key=lambda each: each.path.action)
    different = [
        each
        for each in found
        if each.path.action <= best.path.action * (1 + _EQUAL)
        and np.abs(each.path.x - best.path.x).max() > _SAME * path.ends.distance
    ]
    return LeastAction(best.path, best.log_c, 1 + len(different))


def _tried(H: Hamiltonian, path: ActionPath, direction: np.ndarray) -> LeastAction | None:
    """A path of less action without a focal point, if the bent one leads to it."""
    try:
        other = beside(H, path, direction)
        if other.action < path.action * (1 - _EQUAL):
            return LeastAction(other, log_prefactor(H, other), 1)
    except (NoPathError, FocalPointError):
        pass
    return None
