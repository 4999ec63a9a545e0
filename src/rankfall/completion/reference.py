"""Literal NumPy twins of :mod:`.kernels`: slow, plain, and under the same tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def gram_blocks(indptr: np.ndarray, indices: np.ndarray, V: np.ndarray) -> np.ndarray:
    """``H_i = sum_{j in row i} v_j v_j^T``, shape (m, r, r)."""
    lines = [V[indices[a:b]] for a, b in pairwise(indptr)]
    return np.array([line.T @ line for line in lines])


def schur_complement(
    indptr: np.ndarray,
    indices: np.ndarray,
    U: np.ndarray,
    V: np.ndarray,
    H_inverse: np.ndarray,
    damping: float,
) -> np.ndarray:
    """``damping I + J_c^T J_c - J_c^T J_r H^-1 J_r^T J_c`` with the Jacobians written out; full matrix."""
    (m, r), n = U.shape, V.shape[0]
    rows = np.repeat(np.arange(m), np.diff(indptr))
    J_rows, J_cols = np.zeros((rows.size, m * r)), np.zeros((rows.size, n * r))
    for cell, (i, j) in enumerate(zip(rows, indices, strict=True)):
        J_rows[cell, i * r : (i + 1) * r] = V[j]
        J_cols[cell, j * r : (j + 1) * r] = U[i]
    H_big = np.zeros((m * r, m * r))
    for i in range(m):
        H_big[i * r : (i + 1) * r, i * r : (i + 1) * r] = H_inverse[i]
    cross = J_rows.T @ J_cols
    return damping * np.eye(n * r) + J_cols.T @ J_cols - cross.T @ H_big @ cross


def ridge_rows(
    indptr: np.ndarray, indices: np.ndarray, values: np.ndarray, V: np.ndarray, ridge: float, out: np.ndarray
) -> None:
    """``u_i = (sum_j v_j v_j^T + ridge I)^-1 sum_j x_ij v_j`` for every row i, into `out` (m, r)."""
    for i, (a, b) in enumerate(pairwise(indptr)):
        G = V[indices[a:b]]
        out[i] = np.linalg.solve(G.T @ G + ridge * np.eye(V.shape[1]), G.T @ values[a:b])


def fitted_cells(indptr: np.ndarray, indices: np.ndarray, U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """``u_i . v_j`` at every cell, shape (N,)."""
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    return np.einsum("ij,ij->i", U[rows], V[indices])
