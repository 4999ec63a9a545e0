"""The set of matrices of rank r, and what the observed cells of a :class:`~rankfall.Problem` determine.

Near ``A = U V^T`` of rank r, that set is a smooth manifold of dimension ``r (m + n - r)``. The observed cells
are a map from it to ``R^N``. Where the derivative of that map is injective, `A` is locally the only matrix of
its rank with these observed cells (:func:`smallest_relevant`, :func:`local_uniqueness`); where it is not,
:func:`free_cells` says which missing cells can move.
"""

from __future__ import annotations

from .factor_map import jacobian, observe, retract
from .identifiability import Identifiability, identifiability
from .low_rank import thin_svd, truncated_svd
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
    "thin_svd",
    "truncated_svd",
]
