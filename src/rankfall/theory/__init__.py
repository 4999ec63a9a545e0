"""Theory that runs: the statements of docs/theory.md as functions, in plain NumPy and float64.

A statement is checked by evaluating its inequalities into a :class:`Certificate`.
"""

from __future__ import annotations

from .all_time import LemmaB, lemma_b, lock_all_time
from .certificate import Certificate, Condition
from .growth import growth_bound, mean_steps, robust_factors, sufficient_factors
from .locking import lock
from .monitor import Firing, Monitor, MonitorLog
from .tail import TailFactors, TailTable, phi_threshold, rank_upper_bound, tail_factors, tail_table

__all__ = [
    "Certificate",
    "Condition",
    "Firing",
    "LemmaB",
    "Monitor",
    "MonitorLog",
    "TailFactors",
    "TailTable",
    "growth_bound",
    "lemma_b",
    "lock",
    "lock_all_time",
    "mean_steps",
    "phi_threshold",
    "rank_upper_bound",
    "robust_factors",
    "sufficient_factors",
    "tail_factors",
    "tail_table",
]
