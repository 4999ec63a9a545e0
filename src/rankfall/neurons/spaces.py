"""Numerical row and column spaces of activations whose rows may have very different sizes."""

from __future__ import annotations

import numpy as np

# Singular values of rows of unit length, relative to the largest. Rounding leaves some 1e-15; of 20 000
# random layers with exact dependencies (tests/neurons/attack.py) none had a value between 1e-14 and 1e-11.
RANK_TOL = 1e-12


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """The nonzero rows at length 1."""
    lengths = np.linalg.norm(rows, axis=1)
    return rows[lengths > 0] / lengths[lengths > 0][:, None]


def row_space(rows: np.ndarray, tol: float = RANK_TOL) -> np.ndarray:
    """Orthonormal basis of the row space, as columns, shape (N, r).

    The rows are scaled to length 1 first, which does not change their span: a weak neuron counts like a
    strong one.
    """
    units = unit_rows(rows)
    if not units.size:
        return np.zeros((rows.shape[1], 0))
    _, s, Vt = np.linalg.svd(units, full_matrices=False)
    return Vt[: int(np.count_nonzero(s > tol * s[0]))].T


def rank(rows: np.ndarray, tol: float = RANK_TOL) -> int:
    """Dimension of the row space."""
    return row_space(rows, tol).shape[1]


def orthonormal_columns(rows: np.ndarray, tol: float = RANK_TOL) -> np.ndarray:
    """Orthonormal basis of the column space, shape (n, r).

    With ``rows = Q R V^T``, scaling the rows of Q by ``sqrt(c)`` scales those of the matrix, and ``sum c_i
    q_i q_i^T = I`` says that ``sum c_i h_i h_i^T`` is unchanged, to relative precision in every direction
    however small its singular value.
    """
    return np.linalg.qr(rows @ row_space(rows, tol))[0]


def with_constant(rows: np.ndarray) -> np.ndarray:
    """The rows and a last one of ones, for the bias."""
    return np.vstack([rows, np.ones((1, rows.shape[1]))])


def centred_columns(rows: np.ndarray, tol: float = RANK_TOL) -> np.ndarray:
    """Orthonormal basis of the column space of the rows minus their means, shape (n, r).

    ``[H - mean; 0] = [H; 1] (I - 1 1^T / N)`` has its columns in the column space of ``[H; 1]``, where the
    last entry is 0. Subtracting means instead would leave their rounding in rows that are nearly constant.
    """
    both = orthonormal_columns(with_constant(rows), tol)
    inside = np.linalg.svd(both[-1:], full_matrices=True)[2][1:].T
    return both[:-1] @ inside
