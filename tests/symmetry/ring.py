"""A ring of sensors with channels: an operator that commutes with rotations, of rank one in every irrep."""

from __future__ import annotations

import numpy as np

import rankfall as rf
from rankfall.lab.studies.common.operators import (
    channels_of,
    low_rank_operator,
    some_cells,
    unseen_cells,
)
from rankfall.symmetry import EquivariantMaps, Group, Representation


def ring(sensors: int, channels: int, seed: int = 0) -> tuple[Representation, np.ndarray]:
    """How rotations act on the channels of all sensors, and an operator whose cells have unit scale."""
    rho = channels_of(Group.cyclic(sensors), channels)
    return rho, low_rank_operator(EquivariantMaps.between(rho, rho), 1, seed)


def observed(A: np.ndarray, count: int, seed: int = 0) -> rf.Problem:
    """Some cells, drawn without symmetry."""
    return some_cells(A, count, seed)


def unseen(problem: rf.Problem, rho: Representation) -> np.ndarray:
    """Cells of the orbits that no observed cell lies in."""
    return unseen_cells(problem, rho, rho)
