"""Whether low values are missing more often than high ones, as where a limit of detection cut them off.

A logistic regression of missingness on what is predicted, standardised within each column, with a constant
for each column: its score test, which needs no iteration. Where cells are missing at random the slope is 0;
it is told by the score over the root of its information, a standard normal number in large tables.

References
----------
C. R. Rao, "Large sample tests of statistical hypotheses", Proc. Cambridge Phil. Soc. 44 (1948).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ...errors import Outcome
from ..result.completion import Completion

# level of the test; and factor on the odds per standard deviation that is worth a sentence: in large tables
# any difference is significant
_LEVEL, _ODDS = 0.01, 1.25
# cells that are looked at; more take seconds
_LOOKED_AT = 2_000_000
# missing cells without which there is nothing to tell
_FEWEST = 10


def low_values_missing(result: Completion) -> list[str]:
    """A sentence if low values are missing more often, and no limits were given."""
    if result.limits is not None or result.outcome is not Outcome.CHOSEN or not result.rank:
        return []
    found = slope_of_missingness(result)
    if found is None:
        return []
    slope, z = found
    odds = float(np.exp(-slope))
    if ndtr(z) > _LEVEL or odds < _ODDS:
        return []
    return [
        f"Low values seem to be missing more often than high ones: the odds that a cell is missing rise by a "
        f"factor of {odds:.1f} for each standard deviation that it is predicted lower in its column (score "
        f"test, z = {z:.1f}). If such cells lie below a limit of detection, say so with censored= (in files: "
        "cells such as <5); otherwise what is filled in may be too high."
    ]


def slope_of_missingness(result: Completion) -> tuple[float, float] | None:
    """Slope per standard deviation within columns, to first order, and the test's normal number; None if too
    few cells are missing, or no prediction varies.
    """
    m, n = result.shape
    rows = np.linspace(0, m - 1, min(m, max(_LOOKED_AT // n, 2))).astype(int)
    seen = np.zeros((m, n), bool)
    seen[result.problem.rows, result.problem.cols] = True
    missing = ~seen[rows]
    usable = missing.any(axis=0) & ~missing.all(axis=0) & ~result.model.is_constant
    missing, fitted = missing[:, usable], _predictions(result, rows, usable)
    if np.count_nonzero(missing) < _FEWEST:
        return None
    spread = fitted.std(axis=0)
    varying = spread > 0
    x = (fitted[:, varying] - fitted[:, varying].mean(axis=0)) / spread[varying]
    missing = missing[:, varying]
    share = missing.mean(axis=0)
    score = float(np.sum(x * (missing - share)))
    information = float(np.sum(share * (1 - share) * np.sum(x**2, axis=0)))
    return (score / information, score / np.sqrt(information)) if information > 0 else None


def _predictions(result: Completion, rows: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """What is fitted in some rows and columns, on the scale of the fit, shape (k, n)."""
    posterior = result.model.posterior
    return posterior.rows.mean[rows] @ posterior.cols.mean[usable].T
