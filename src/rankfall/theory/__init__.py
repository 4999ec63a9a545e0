"""Theory that runs: the statements of docs/theory.md as functions, in plain NumPy and float64.

A statement is checked by evaluating its inequalities into a :class:`Certificate`.
"""

from __future__ import annotations

from .absorbing import AbsorbingSet
from .certificate import Certificate, Condition
from .constants import Constants, batch_constant, check_constants
from .descent import certify_gd, loss_lower_bound
from .monitored import check_monitored
from .pointwise import certify
from .reach import Reach, reach_bound
from .solving import solve
from .stepping import Successors, successors
from .tail import a_bound

__all__ = [
    "AbsorbingSet",
    "Certificate",
    "Condition",
    "Constants",
    "Reach",
    "Successors",
    "a_bound",
    "batch_constant",
    "certify",
    "certify_gd",
    "check_constants",
    "check_monitored",
    "loss_lower_bound",
    "reach_bound",
    "solve",
    "successors",
]
