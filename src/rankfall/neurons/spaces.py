"""Numerical row and column spaces of activations whose rows may have very different sizes."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Singular values of rows of unit length, relative to the largest, that count as 0 (rounding leaves 1e-15).
# With this value none of 40 000 random and degenerate networks (tests/neurons/attack.py) kept more neurons
# than its bound, grew in norm, or moved its outputs by more than 1e-9.
RANK_TOL = 1e-12
# times the tolerance: how far from the row space the constant may be to count as in it
_CONSTANT = 10
# singular values of projected weights below this share of the largest are rounding
_ROUNDING = 1e-14


def lengths(rows: np.ndarray) -> np.ndarray:
    """Length of every row, also where the squares of its entries are out of the range of float64."""
    exponents = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1]
    return np.ldexp(np.linalg.norm(np.ldexp(rows, -exponents[:, None]), axis=1), exponents)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """The nonzero rows at length 1."""
    size = lengths(rows)
    return rows[size > 0] / size[size > 0][:, None]


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


@dataclass(frozen=True, eq=False)
class Frame:
    """``H = Q M`` with orthonormal columns of Q; what weights on H and a bias do, in these coordinates.

    Scaling the rows of Q by ``sqrt(c)`` scales those of H, and ``sum c_i q_i q_i^T = I`` says that ``sum c_i
    h_i h_i^T`` is unchanged, to relative precision in every direction, however small its singular value.

    Attributes
    ----------
    Q : ndarray, shape (n, r)
    constant : ndarray, shape (r,), or None
        t with ``t M = (1, ..., 1)``: weights ``Q t`` do what a bias of 1 does. None if no weights do.
    """

    Q: np.ndarray
    constant: np.ndarray | None

    @classmethod
    def of(cls, H: np.ndarray, tol: float = RANK_TOL) -> Frame:
        """The frame of some rows of activations."""
        V = row_space(H, tol)
        Q, R = np.linalg.qr(H @ V)
        # rounding there would meet whatever weights a silent neuron has
        Q = np.where(np.any(H != 0, axis=1)[:, None], Q, 0.0)
        ones = np.ones(H.shape[1])
        inside = ones @ V
        if np.linalg.norm(V @ inside - ones) > _CONSTANT * tol * np.linalg.norm(ones):
            return cls(Q, None)
        t: np.ndarray = np.linalg.lstsq(R.T, inside, rcond=0)[0]
        solved = np.linalg.norm(t @ R - inside) <= _CONSTANT * tol * np.linalg.norm(inside)
        return cls(Q, t if solved else None)

    def cheapest(
        self, W: np.ndarray, b: np.ndarray | None, *, penalised: bool, scale: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Weights and bias of the least norm that do what W and b do on H.

        Weights ``A Q^T`` and a bias: ``A - s t`` and ``b + s`` do the same for every s, which minimises
        ``|A - s t|^2``, plus ``|b + s|^2`` where the bias is `penalised`.

        Parameters
        ----------
        W, b : ndarray, shapes (m, n) and (m,)
        penalised : bool
        scale : ndarray, shape (n,), optional
            Numbers by which the rows of H have been scaled; the columns of those that are 0 are left out.
        """
        A, t = W @ self.Q, self.constant
        if b is not None and t is not None:
            for _ in range(2):  # the second time takes out the rounding of the first, which would be rank
                s = (A @ t - penalised * b) / (t @ t + penalised)
                A, b = A - np.outer(s, t), b + s
        rows = self.Q if scale is None else (self.Q * scale[:, None])[scale > 0]
        # through its own column space, so that weak columns have no directions of rounding
        U, sizes, Vt = np.linalg.svd(A, full_matrices=False)
        kept = sizes > _ROUNDING * sizes.max(initial=0.0)
        return U[:, kept] @ ((sizes[kept, None] * Vt[kept]) @ rows.T), b
