"""The set of matrices of rank r, seen from the observed cells of a :class:`~rankfall.Problem`.

Near ``A = U V^T`` of rank r, that set is a smooth surface of dimension ``r (m + n - r)``. Reading off the
observed cells maps it to ``R^N``; where that map's derivative loses no direction, `A` is the only matrix
of its rank nearby that has these observed cells (:func:`smallest_relevant`, :func:`local_uniqueness`).
Where it does, :func:`free_cells` says which missing cells move.
"""

from __future__ import annotations

from .factor_map import jacobian, observe, retract
from .identifiability import Identifiability, identifiability
from .uniqueness import (
    MAX_UNKNOWNS,
    UNIQUENESS_TOL,
    LocalUniqueness,
    RelevantSingularValue,
    free_cells,
    local_uniqueness,
    smallest_relevant,
)

__all__ = [
    "MAX_UNKNOWNS",
    "UNIQUENESS_TOL",
    "Identifiability",
    "LocalUniqueness",
    "RelevantSingularValue",
    "free_cells",
    "identifiability",
    "jacobian",
    "local_uniqueness",
    "observe",
    "retract",
    "smallest_relevant",
]
