"""Linear algebra of products of long, thin matrices, which are never multiplied out."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ProductSVD(NamedTuple):
    """The singular value decomposition ``(left inner_U) diag(s) (right inner_Vt^T)^T`` of a product.

    `left` and `right` have orthonormal columns, `inner_U` and `inner_Vt` are small and orthogonal. Callers
    multiply what they need.
    """

    left: np.ndarray
    inner_U: np.ndarray
    s: np.ndarray
    inner_Vt: np.ndarray
    right: np.ndarray


def product_svd(
    left: np.ndarray, right: np.ndarray, core: np.ndarray | None = None, full_matrices: bool = True
) -> ProductSVD:
    """Singular value decomposition of ``left right^T``, or of ``left core right^T``.

    Two QR decompositions of the factors, and one small SVD.

    Parameters
    ----------
    left, right : ndarray, shapes (..., m, k) and (..., n, k)
    core : ndarray, shape (k, k), optional
    full_matrices : bool
        Whether `inner_U` and `inner_Vt` are square.
    """
    Q_left, R_left = np.linalg.qr(left)
    Q_right, R_right = np.linalg.qr(right)
    small = R_left if core is None else R_left @ core
    U, s, Vt = np.linalg.svd(small @ np.swapaxes(R_right, -1, -2), full_matrices=full_matrices)
    return ProductSVD(Q_left, U, s, Vt, Q_right)


def operator_norm(W: np.ndarray) -> float:
    """Largest singular value of a matrix, from the smaller of its two Gram matrices.

    Much cheaper than a decomposition of a long matrix, and as precise: squaring loses only small singular
    values.
    """
    largest = float(np.max(np.abs(W)))
    if not 0 < largest < np.inf:
        return largest
    W = W / largest  # squares could overflow or underflow
    square = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    return largest * float(np.sqrt(np.linalg.eigvalsh(square)[-1]))
