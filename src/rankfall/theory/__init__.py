"""Theory that runs: the statements of docs/theory.md as functions, in plain NumPy and float64.

A statement is checked by evaluating its inequalities into a :class:`Certificate`. Where the minima of each rank
are, :func:`minima` finds out; a fully observed matrix has them in closed form (:func:`closed_form_minima`).
"""

from __future__ import annotations

from .certificate import Certificate, Condition
from .critical import Minimum, critical_point
from .deflation import deflate
from .landscape import (
    ClosedForm,
    barrier,
    basin_radius,
    closed_form_minima,
    effective_loss,
    s_glob,
    s_loc,
    s_plus,
    schatten_cost,
    weight_gradient,
)
from .minima import Minima, Search, minima

__all__ = [
    "Certificate",
    "ClosedForm",
    "Condition",
    "Minima",
    "Minimum",
    "Search",
    "barrier",
    "basin_radius",
    "closed_form_minima",
    "critical_point",
    "deflate",
    "effective_loss",
    "minima",
    "s_glob",
    "s_loc",
    "s_plus",
    "schatten_cost",
    "weight_gradient",
]
