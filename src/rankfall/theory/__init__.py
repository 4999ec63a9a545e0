"""Theory that runs: the statements of docs/theory.md as functions, in plain NumPy and float64.

A statement is checked by evaluating its inequalities into a :class:`Certificate`. Sets that the rank does not
leave again are :class:`AbsorbingSet` with constants from :func:`solve`; :func:`lock` and :class:`Monitor`
certify a rank at a point and along a run, :mod:`~rankfall.theory.rolling` proves it between looks; where the
minima of each rank are, :func:`minima` finds out.
"""

from __future__ import annotations

from . import rolling
from .absorbing import AbsorbingSet
from .all_time_certificate import LemmaB, lemma_b, lock_all_time
from .branch import Branch, BranchPoint
from .branches import Branches, branches
from .certificate import Certificate, Condition
from .certify_point import certify
from .choose_constants import solve
from .constants import Constants, batch_constant, check_constants
from .critical_points import Minimum, critical_point
from .critical_ridge import CriticalRidge, critical_ridge
from .deflation import deflate
from .escape import EscapeRate, escape_rate
from .gradient_descent import certify_gd, loss_lower_bound
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
from .measured_tail import measured_tail_factors
from .minima import Minima, Search, minima
from .minima_inside import check_minima_inside, contraction_steps
from .monitor import Firing, Monitor, MonitorLog
from .monitored_set import check_monitored
from .one_step import Successors, successors
from .rank_lock import lock
from .reach import Reach, reach_bound
from .rolling import RollingCertificate, RollingLedger
from .saddle import Saddle, saddle
from .sharpness import step_sharpness
from .tail import TailFactors, TailTable, phi_threshold, rank_upper_bound, tail_factors, tail_table
from .tail_growth import growth_bound, mean_steps, robust_factors, sufficient_factors
from .tail_transmission import a_bound

__all__ = [
    "AbsorbingSet",
    "Branch",
    "BranchPoint",
    "Branches",
    "Certificate",
    "ClosedForm",
    "Condition",
    "Constants",
    "CriticalRidge",
    "EscapeRate",
    "Firing",
    "LemmaB",
    "Minima",
    "Minimum",
    "Monitor",
    "MonitorLog",
    "Reach",
    "RollingCertificate",
    "RollingLedger",
    "Saddle",
    "Search",
    "Successors",
    "TailFactors",
    "TailTable",
    "a_bound",
    "barrier",
    "basin_radius",
    "batch_constant",
    "branches",
    "certify",
    "certify_gd",
    "check_constants",
    "check_minima_inside",
    "check_monitored",
    "closed_form_minima",
    "contraction_steps",
    "critical_point",
    "critical_ridge",
    "deflate",
    "effective_loss",
    "escape_rate",
    "growth_bound",
    "lemma_b",
    "lock",
    "lock_all_time",
    "loss_lower_bound",
    "mean_steps",
    "measured_tail_factors",
    "minima",
    "phi_threshold",
    "rank_upper_bound",
    "reach_bound",
    "robust_factors",
    "rolling",
    "s_glob",
    "s_loc",
    "s_plus",
    "saddle",
    "schatten_cost",
    "solve",
    "step_sharpness",
    "successors",
    "sufficient_factors",
    "tail_factors",
    "tail_table",
    "weight_gradient",
]
