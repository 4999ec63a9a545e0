"""Low-rank matrices in factors: singular value decomposition and truncation to a rank."""

from __future__ import annotations

import numpy as np

from ..declared_arguments import declared
from ..linalg import product_svd


@declared
def thin_svd(U: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition of ``U V^T``.

    Parameters
    ----------
    U, V : ndarray, shapes (m, k) and (n, k)

    Returns
    -------
    U, s, Vt : ndarray, shapes (m, r), (r,) and (r, n)
        ``r = min(k, m, n)``.
    """
    found = product_svd(U, V, full_matrices=False)
    return found.left @ found.inner_U, found.s, found.inner_Vt @ found.right.T


@declared
def truncated_svd(
    left: np.ndarray, right: np.ndarray, *, rank: int, core: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best approximation of ``left core right^T`` by a matrix of rank at most `rank`.

    A sum of matrices in factors is such a product: ``A B^T + C D^T = [A C] [B D]^T``. Of a point of the
    fixed-rank set plus a tangent step, this is the metric-projection retraction.

    Parameters
    ----------
    left, right : ndarray, shapes (m, k) and (n, k)
    rank : int
    core : ndarray, shape (k, k), optional
        The identity by default.

    Returns
    -------
    U, s, V : ndarray, shapes (m, r), (r,) and (n, r)
        Singular value decomposition ``U diag(s) V^T`` with ``r = min(rank, k, m, n)``.
    """
    found = product_svd(left, right, core)
    r = min(rank, found.s.size)
    return found.left @ found.inner_U[:, :r], found.s[:r], found.right @ found.inner_Vt[:r].T
