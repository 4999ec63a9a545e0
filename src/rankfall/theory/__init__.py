"""Theory that runs: the statements of docs/theory.md as functions, in plain NumPy and float64.

A statement is checked by evaluating its inequalities into a :class:`Certificate`.
"""

from __future__ import annotations

from .certificate import Certificate, Condition
from .constants import Constants, batch_constant, check_constants
from .solve import solve
from .tail import a_bound

__all__ = [
    "Certificate",
    "Condition",
    "Constants",
    "a_bound",
    "batch_constant",
    "check_constants",
    "solve",
]
