"""Exact fits built up rank by rank: each adds the leading direction of the misfit."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from scipy import sparse

from ...geometry import truncated_svd
from ...problem import Problem
from ..clock import Clock
from ..descent.tried_ranks import Source
from ..seeds import check_generator
from ..solvers.least_squares import LeastSquaresFit, fit_least_squares
from ..solvers.products import products
from .evidence import Evidence

_MAX_RANK = 30
# floating-point operations that a pursuit may spend
_WORK = 2e10


def pursue(
    problem: Problem, top: int, clock: Clock, evidence: Evidence
) -> Generator[Evidence, None, Evidence]:
    """Add the leading direction of the misfit and fit again, rank by rank, from the best small fit."""
    start = min(evidence.best, default=0)
    fit = evidence.best.get(start)
    work = 0.0
    m, n = problem.shape
    for rank in range(start + 1, min(top, _MAX_RANK) + 1):
        clock.report("adding directions one by one", rank=rank)
        small = min(m, n) * rank
        work += 15 * (problem.n_observed * rank**2 * 4.0 + min(small, 1200) ** 2 * small / 3)
        if work > _WORK:
            break
        previous = fit.residual if fit is not None else 1.0
        fit = fit_least_squares(problem, *with_leading_direction(problem, fit))
        evidence = evidence.with_fit(problem, fit, Source.PURSUIT)
        yield evidence
        if evidence.found is not None or fit.residual > 0.999 * previous:
            break
    return evidence


def with_leading_direction(
    problem: Problem, fit: LeastSquaresFit | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A start of the next rank: the fit plus the leading singular pair of its misfit."""
    m, n = problem.shape
    if fit is None:
        U, s, V = np.empty((m, 0)), np.empty(0), np.empty((n, 0))
    else:
        U, s, V = fit.U, fit.s, fit.V
    error = problem.values - products(problem.rows, problem.cols, U * s, V)
    misfit = problem.with_values(error).to_sparse()
    if min(m, n) > 2:
        # not a vector of ones: centred data would send it to zero, which is an error to ARPACK
        begin = check_generator().standard_normal(min(m, n))
        try:
            u, _, vt = sparse.linalg.svds(misfit, k=1, v0=begin)
        except sparse.linalg.ArpackError:
            # of misfits with many equal singular values (hardly any two cells in a row) it gives up
            u, _, vt = np.linalg.svd(misfit.toarray(), full_matrices=False)
            u, vt = u[:, :1], vt[:1]
    else:
        u, _, vt = np.linalg.svd(misfit.toarray())
        u, vt = u[:, :1], vt[:1]
    # the step along u v^T that lowers the misfit most
    direction = u[problem.rows, 0] * vt[0, problem.cols]
    length = float(direction @ error) / float(direction @ direction)
    core = np.diag(np.append(s, length))
    return truncated_svd(np.hstack([U, u]), np.hstack([V, vt.T]), rank=s.size + 1, core=core)
