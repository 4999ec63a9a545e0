"""Decompositions of products and of sparse matrices, and products at some cells."""

from __future__ import annotations

import numpy as np

from ...compute.threads import threads_for
from ...problem import Problem

# random directions beside the wanted ones, and how often they are multiplied by the matrix and its transpose
_BESIDE, _POWERS = 10, 5


def shortened(U: np.ndarray, V: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of at most `rank` columns of the best approximation of ``U V^T``; columns of both are
    orthogonal.

    Half the time of :func:`~rankfall.geometry.thin_svd`: singular values come from the eigenvalues of a Gram
    matrix, so that directions below 1e-8 of the largest are not told apart. What is kept has the precision of
    the product.
    """
    if U.shape[0] < V.shape[0]:
        V, U = shortened(V, U, rank)
        return U, V
    Q, R = np.linalg.qr(V)
    U = U @ R.T
    leading = np.linalg.eigh(U.T @ U)[1][:, ::-1][:, :rank]
    return U @ leading, Q @ leading


def leading_svd(
    problem: Problem, rank: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leading singular triplets of a matrix with zeros in the missing cells, by subspace iteration.

    Written out because importing scikit-learn's takes as long as completing a small table, and ARPACK's finds
    no full decomposition.

    References
    ----------
    N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53 (2011).
    """
    A = problem.to_sparse()
    Q = rng.standard_normal((problem.n_cols, min(rank + _BESIDE, *problem.shape)))
    for _ in range(_POWERS):
        Q = np.linalg.qr(A.T @ np.linalg.qr(A @ Q)[0])[0]
    Q = np.linalg.qr(A @ Q)[0]
    U, s, Vt = np.linalg.svd((A.T @ Q).T, full_matrices=False)
    return Q @ U[:, :rank], s[:rank], Vt[:rank]


def products(rows: np.ndarray, cols: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``u_i . v_j`` at some cells; left (m, r), right (n, r). No array of cells x r numbers is made."""
    from .kernels.variational import cell_products

    # every memory layout would be compiled once more
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    with threads_for(rows.size * left.shape[1]):
        return cell_products(rows, cols, left, right)
