"""The factor map (U, V) -> observed cells of U V^T, its derivative, and the retraction to rank r."""

# matrices have capital letters, and scipy has no types
# pyright: reportConstantRedefinition=false, reportMissingTypeStubs=false
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array, instance
from ..declared_arguments import declared
from ..linalg import product_svd
from ..problem import Problem

if TYPE_CHECKING:
    from scipy import sparse


def check_factors(problem: Problem, U: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors as float64 arrays.

    Raises
    ------
    InputError
        If they do not fit the problem.
    """
    m, n = instance("problem", problem, Problem).shape
    U = array("U", U, (m, "r"))
    return U, array("V", V, (n, U.shape[1]))


@declared
def observe(problem: Problem, U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The observed cells of ``U V^T``, shape (n_observed,), in the problem's order."""
    U, V = check_factors(problem, U, V)
    return np.einsum("nr,nr->n", U[problem.rows], V[problem.cols])


@declared
def jacobian(problem: Problem, U: np.ndarray, V: np.ndarray) -> sparse.csr_array:
    """Derivative of :func:`observe` with respect to the factors.

    Row ``(i, j)`` sends ``(dU, dV)`` to ``dU_i . V_j + U_i . dV_j``.

    Parameters
    ----------
    problem : Problem
    U, V : ndarray, shapes (m, r) and (n, r)

    Returns
    -------
    csr_array, shape (n_observed, r (m + n))
        The unknowns are ``dU`` row by row, then ``dV`` row by row. The null space always contains the ``r^2``
        gauge directions ``(U G, -V G^T)``, which leave ``U V^T`` unchanged.
    """
    from scipy.sparse import csr_array

    U, V = check_factors(problem, U, V)
    (m, rank), n = U.shape, V.shape[0]
    entries = np.concatenate([V[problem.cols], U[problem.rows]], axis=1)
    within = np.arange(rank, dtype=np.int64)
    columns = np.concatenate(
        [problem.rows[:, None] * rank + within, (m + problem.cols[:, None]) * rank + within], axis=1
    )
    starts = np.arange(problem.n_observed + 1, dtype=np.int64) * (2 * rank)
    return csr_array((entries.ravel(), columns.ravel(), starts), shape=(problem.n_observed, rank * (m + n)))


@declared
def retract(
    U: np.ndarray, V: np.ndarray, dU: np.ndarray, dV: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix of rank at most r nearest to ``U V^T + dU V^T + U dV^T``.

    This is the metric-projection retraction of the fixed-rank manifold: it agrees with the straight step to
    first order, and depends on the product ``U V^T`` and the tangent step only, not on the factors.

    Parameters
    ----------
    U, V : ndarray, shapes (m, r) and (n, r)
    dU, dV : ndarray, shapes (m, r) and (n, r)

    Returns
    -------
    U, s, Vt : ndarray, shapes (m, k), (k,) and (k, n)
        Singular value decomposition of the result, ``k = min(r, m, n)``.

    Notes
    -----
    The sum has rank at most 2r, so two thin QR decompositions and one small SVD suffice; the m x n matrix is
    never formed.
    """
    rank = U.shape[1]
    # [U dU] [[I, I], [I, 0]] [V dV]^T: the first I gives U V^T, the others the two halves of the step
    core = np.kron([[1.0, 1.0], [1.0, 0.0]], np.eye(rank))
    found = product_svd(np.hstack([U, dU]), np.hstack([V, dV]), core)
    k = min(rank, found.s.size)
    return found.left @ found.inner_U[:, :k], found.s[:k], found.inner_Vt[:k] @ found.right.T
